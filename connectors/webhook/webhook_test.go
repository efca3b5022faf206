package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"invigil/connectors"
	"invigil/connectors/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// receiver answers the n-th request with the n-th answer, the last for ever.
type receiver struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	got     []string // id and body
	header  http.Header
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, req.Method+" "+req.Header.Get("Invigil-Id")+" "+string(body))
	r.header = req.Header
	n := min(len(r.got), len(r.answers)) - 1
	r.answers[n](w)
}

func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "so it is")
	}
}

func hangUp(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		c.Close()
	}
}

func sink(t *testing.T, r http.Handler, with func(*webhook.Options)) *webhook.Sink {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	o := webhook.Options{URL: server.URL + "/hook?token=s3cret", RetryBackoff: time.Millisecond, Attempts: 3}
	if with != nil {
		with(&o)
	}
	s, err := webhook.NewSink(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var items = []connectors.Item{{ID: "1", Value: []byte(`{"a":1}`)}, {ID: "2", Value: []byte(`{"a":2}`)}}

func TestAnswers(t *testing.T) {
	const one, two = `POST 1 {"a":1}`, `POST 2 {"a":2}`
	for _, tt := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		want    []string // requests
		refused string   // id
		err     string
	}{
		{"2xx deliver", []func(http.ResponseWriter){status(200), status(202)}, []string{one, two}, "", ""},
		{"5xx is tried again", []func(http.ResponseWriter){status(503), status(500), status(200)}, []string{one, one, one, two}, "", ""},
		{"408 and 429 are tried again", []func(http.ResponseWriter){status(408), status(429), status(200)}, []string{one, one, one, two}, "", ""},
		{"a broken connection is tried again", []func(http.ResponseWriter){hangUp, status(200)}, []string{one, one, two}, "", ""},
		{"what does not pass is given up", []func(http.ResponseWriter){status(200), status(500)}, []string{one, two, two, two}, "", "500 Internal Server Error: \"so it is\""},
		{"4xx refuses", []func(http.ResponseWriter){status(200), status(400)}, []string{one, two}, "2", "400 Bad Request"},
		{"a redirect refuses", []func(http.ResponseWriter){status(302, "Location", "/elsewhere")}, []string{one}, "1", "302 Found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &receiver{answers: tt.answers}
			err := sink(t, r, nil).Deliver(t.Context(), items)
			if d := cmp.Diff(tt.want, r.got); d != "" {
				t.Error(d)
			}
			var refused *connectors.RefusedError
			if errors.As(err, &refused) != (tt.refused != "") || refused != nil && refused.ID != tt.refused {
				t.Errorf("refused: %v", err)
			}
			if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "s3cret")) {
				t.Errorf("got %v, want it to say %q and not the secret", err, tt.err)
			}
		})
	}
}

func TestHeadersAreSent(t *testing.T) {
	r := &receiver{answers: []func(http.ResponseWriter){status(200)}}
	s := sink(t, r, func(o *webhook.Options) { o.Headers = map[string]string{"Authorization": "Bearer x"} })
	if err := s.Deliver(t.Context(), items[:1]); err != nil {
		t.Fatal(err)
	}
	if r.header.Get("Authorization") != "Bearer x" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v", r.header)
	}
}

// roundTrip stands in for the network where time is synthetic.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheReceiverSaysHowLongToWait(t *testing.T) {
	for _, tt := range []struct {
		name  string
		value func(now time.Time) string
		want  time.Duration
	}{
		{"in seconds", func(time.Time) string { return "7" }, 7 * time.Second},
		{"as a date", func(now time.Time) string { return now.Add(9 * time.Second).UTC().Format(http.TimeFormat) }, 9 * time.Second},
		{"too long", func(time.Time) string { return "86400" }, 30 * time.Second},
		{"as a date gone by", func(now time.Time) string { return now.Add(-time.Hour).UTC().Format(http.TimeFormat) }, 2 * time.Second},
		{"not at all", func(time.Time) string { return "" }, 2 * time.Second},
		{"in words", func(time.Time) string { return "soon" }, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Time
				rt := roundTrip(func(*http.Request) (*http.Response, error) {
					at = append(at, time.Now())
					res := &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{}, Body: http.NoBody}
					if len(at) == 1 {
						res.StatusCode, res.Status = 429, "429 Too Many Requests"
						res.Header.Set("Retry-After", tt.value(time.Now()))
					}
					return res, nil
				})
				s, err := webhook.NewSink(webhook.Options{URL: "http://receiver/", RetryBackoff: 2 * time.Second, MaxRetryAfter: 30 * time.Second, Transport: rt})
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Deliver(t.Context(), items[:1]); err != nil {
					t.Fatal(err)
				}
				if got := at[1].Sub(at[0]); got != tt.want {
					t.Errorf("waited %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestAStopCutsTheWaitShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &receiver{answers: []func(http.ResponseWriter){func(w http.ResponseWriter) { status(503, "Retry-After", "3600")(w); cancel() }}}
	if err := sink(t, r, nil).Deliver(ctx, items); !errors.Is(err, context.Canceled) || len(r.got) != 1 {
		t.Errorf("got %v after %d requests", err, len(r.got))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, u := range []string{"", "receiver", "ftp://receiver/", "http://", "http://[::1"} {
		if _, err := webhook.NewSink(webhook.Options{URL: u}); err == nil {
			t.Errorf("%q was taken", u)
		}
	}
}
