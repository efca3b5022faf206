package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"invigil/connectors/httpapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server until the test ends and returns its URL.
func serve(t *testing.T, o httpapi.Options) string {
	t.Helper()
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	s, err := httpapi.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return "http://" + s.Addr()
}

func get(t *testing.T, method, url, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "invigil_test_total", Help: "For the test."})
	c.Add(7)
	r.MustRegister(c)
	return r
}

func TestPagesAnswer(t *testing.T) {
	url := serve(t, httpapi.Options{
		Ready:   func() error { return errors.New("partition syscollector/1 is stuck") },
		Metrics: registry(),
	})
	tests := []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/livez", 200, "ok\n"},
		{"HEAD", "/livez", 200, ""},
		{"GET", "/readyz", 503, "partition syscollector/1 is stuck\n"},
		{"GET", "/metrics", 200, "invigil_test_total 7\n"},
		{"POST", "/livez", 405, ""},
		{"GET", "/nothing", 404, ""},
	}
	for _, tt := range tests {
		status, body := get(t, tt.method, url+tt.path, "")
		if status != tt.status || !strings.Contains(body, tt.body) {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, status, body, tt.status, tt.body)
		}
	}
}

func TestTokensGuardAllButProbes(t *testing.T) {
	url := serve(t, httpapi.Options{
		Metrics: registry(), Tokens: map[string]string{"grafana": "open", "other": "sesame"}, LocalToken: "local", API: newFixture(t).api(),
	})
	tests := []struct {
		path, token string
		status      int
	}{
		{"/livez", "", 200},
		{"/readyz", "", 200},
		{"/metrics", "", 401},
		{"/metrics", "Bearer wrong", 401},
		{"/metrics", "Bearer ", 401},
		{"/metrics", "Basic open", 401},
		{"/metrics", "open", 401},
		{"/v1/agents", "", 401},
		{"/v1/nothing", "", 401},
		{"/v1/agents", "Bearer wrong", 401},
		{"/v1/agents", "Bearer open", 200},
		{"/v1/agents", "Bearer local", 200},
		{"/metrics", "Bearer open", 200},
		{"/metrics", "bearer sesame", 200},
	}
	for _, tt := range tests {
		if status, _ := get(t, "GET", url+tt.path, tt.token); status != tt.status {
			t.Errorf("%s with %q: %d, want %d", tt.path, tt.token, status, tt.status)
		}
	}
}

func TestATokenCanBeDemandedWhereThereIsNone(t *testing.T) {
	url := serve(t, httpapi.Options{Metrics: registry(), RequireToken: true, LocalToken: "local", API: newFixture(t).api()})
	for token, want := range map[string]int{"": 401, "Bearer ": 401, "Bearer x": 401, "Bearer local": 200} {
		for _, path := range []string{"/metrics", "/v1/agents"} {
			if status, _ := get(t, "GET", url+path, token); status != want {
				t.Errorf("%s with %q: %d, want %d", path, token, status, want)
			}
		}
	}
}

// TestOpenListenerIsForThisMachine: without tokens, what a web page can make a
// browser do is refused.
func TestOpenListenerIsForThisMachine(t *testing.T) {
	api := newFixture(t).api()
	api.Forget = new(forgetter)
	url := serve(t, httpapi.Options{API: api, Metrics: registry()})
	tests := []struct {
		name, method, path, host, origin string
		status                           int
	}{
		{"this machine by address", "GET", "/v1/agents", "127.0.0.1:8480", "", 200},
		{"this machine by name", "GET", "/v1/agents", "localhost:8480", "", 200},
		{"this machine by its IPv6 address", "GET", "/v1/agents", "[::1]:8480", "", 200},
		{"a name that was pointed here", "GET", "/v1/agents", "evil.example", "", 421},
		{"metrics too", "GET", "/metrics", "evil.example:8480", "", 421},
		{"another address", "GET", "/v1/agents", "192.0.2.1", "", 421},
		{"probes answer everybody", "GET", "/livez", "evil.example", "", 200},
		{"a change asked for by a page", "DELETE", "/v1/agents/001", "127.0.0.1", "http://evil.example", 403},
		{"a change asked for by a program", "DELETE", "/v1/agents/001", "127.0.0.1", "", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = tt.host
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tt.status {
				t.Errorf("%d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

func TestExposedAddressDemandsTokens(t *testing.T) {
	tests := []struct {
		name string
		o    httpapi.Options
		ok   bool
	}{
		{"loopback needs nothing", httpapi.Options{Listen: "127.0.0.1:0"}, true},
		{"all addresses", httpapi.Options{Listen: "0.0.0.0:0"}, false},
		{"no address is all addresses", httpapi.Options{Listen: ":0"}, false},
		{"all addresses with a token", httpapi.Options{Listen: ":0", Tokens: map[string]string{"a": "b"}}, true},
		{"all addresses with users only", httpapi.Options{Listen: ":0", RequireToken: true}, true},
		{"all addresses with a token of this machine only", httpapi.Options{Listen: ":0", LocalToken: "a"}, false},
		{"all addresses as insecure", httpapi.Options{Listen: ":0", Insecure: true}, true},
		{"a certificate without a key", httpapi.Options{Listen: "127.0.0.1:0", CertFile: "c.pem"}, false},
		{"no address at all", httpapi.Options{Listen: "nowhere"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := httpapi.Listen(tt.o)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want ok = %v", err, tt.ok)
			}
			if err == nil {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
