// Package webhook delivers alerts over HTTP: Sink sends a POST for each item
// and holds what the receiver says about trying again. It is the last stop of
// an alert's way, behind the outbox.
package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"invigil/connectors"
)

// Options configure a Sink. Zero values take the defaults named.
type Options struct {
	URL     string            // http or https
	Headers map[string]string // sent with each request, such as Authorization
	TLS     *tls.Config       // nil = the system's authorities
	// Transport sends the requests; nil = an HTTP transport over TLS.
	Transport http.RoundTripper
	Timeout   time.Duration // 10 s for one request and its answer
	// Attempts is how often an item is sent before Deliver gives up, 5. The
	// wait between two begins at RetryBackoff, 200 ms, and doubles; the
	// receiver's Retry-After goes before it, up to MaxRetryAfter, 1 min.
	Attempts      int
	RetryBackoff  time.Duration
	MaxRetryAfter time.Duration
	Now           func() time.Time // nil = time.Now; for a Retry-After that is a date
	Logger        *slog.Logger     // nil = none
}

// Sink posts each item's bytes as application/json, its id in the header
// Invigil-Id by which a receiver can leave out repeats. Items go one after the
// other, so that they arrive in order. Deliver may be called from any goroutine.
type Sink struct {
	o      Options
	client *http.Client
}

// NewSink checks the options. It does not connect.
func NewSink(o Options) (*Sink, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("webhook sink: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("webhook sink: %q is no URL to post to: write http://host/path or https://host/path", o.URL)
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.RetryBackoff <= 0 {
		o.RetryBackoff = 200 * time.Millisecond
	}
	if o.MaxRetryAfter <= 0 {
		o.MaxRetryAfter = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLS, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second,
		}
	}
	return &Sink{o: o, client: &http.Client{
		Transport: o.Transport,
		Timeout:   o.Timeout,
		// A redirected POST would become a GET without the alert.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close implements connectors.Sink.
func (s *Sink) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Deliver implements connectors.Sink. Answers 2xx are deliveries; 408, 429 and
// 5xx, broken connections and time-outs are tried again; any other answer is a
// *connectors.RefusedError.
func (s *Sink) Deliver(ctx context.Context, items []connectors.Item) error {
	for i := range items {
		if err := s.deliver(ctx, &items[i]); err != nil {
			return fmt.Errorf("webhook sink %s: %w", s.name(), err)
		}
	}
	return nil
}

// name is the URL without what may be secret in it.
func (s *Sink) name() string {
	u, err := url.Parse(s.o.URL)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func (s *Sink) deliver(ctx context.Context, item *connectors.Item) error {
	backoff := s.o.RetryBackoff
	for attempt := 1; ; attempt++ {
		again, err := s.post(ctx, item)
		var refused *connectors.RefusedError
		if err == nil || errors.As(err, &refused) || attempt >= s.o.Attempts || ctx.Err() != nil {
			return err
		}
		wait := backoff
		if again > 0 {
			wait = min(again, s.o.MaxRetryAfter)
		}
		s.o.Logger.Debug("posting an alert failed, trying again", "receiver", s.name(), "error", err, "wait", wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), err)
		}
		backoff *= 2
	}
}

// post sends an item once. With an error it returns how long the receiver asks
// to wait, 0 = it does not say.
func (s *Sink) post(ctx context.Context, item *connectors.Item) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.o.URL, bytes.NewReader(item.Value))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Invigil-Id", item.ID)
	req.Header.Set("User-Agent", "invigil")
	for name, value := range s.o.Headers {
		req.Header.Set(name, value)
	}
	res, err := s.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL may hold a secret
		}
		return 0, err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	if res.StatusCode/100 == 2 {
		_, err := io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
		if err != nil {
			s.o.Logger.Debug("reading the rest of an answer failed", "receiver", s.name(), "error", err)
		}
		return 0, nil
	}
	err = errors.New("answered " + res.Status)
	if text := strings.TrimSpace(string(said)); text != "" {
		err = fmt.Errorf("answered %s: %q", res.Status, text)
	}
	switch {
	case res.StatusCode == http.StatusRequestTimeout, res.StatusCode == http.StatusTooManyRequests, res.StatusCode >= 500:
		return s.retryAfter(res.Header.Get("Retry-After")), err
	}
	return 0, &connectors.RefusedError{ID: item.ID, Err: err}
}

// retryAfter reads the header: seconds or a date.
func (s *Sink) retryAfter(v string) time.Duration {
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(n, 0)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(s.o.Now()), 0)
	}
	return 0
}
