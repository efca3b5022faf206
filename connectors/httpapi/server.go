// Package httpapi is the HTTP listener: liveness, readiness and metrics.
//
// It listens on loopback unless it is told that others may connect: a
// non-loopback address demands tokens or Options.Insecure. /livez and /readyz
// answer everybody, all else asks for a token where there are tokens. Requests
// are bounded in time and size. Nothing here blocks the way of an event.
package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The limits of a request and of a stop.
const (
	maxHeader     = 16 << 10
	maxBody       = 1 << 20
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second
)

// Options configure a Server.
type Options struct {
	Listen   string // host:port; port 0 = a free one
	Insecure bool   // allow a non-loopback address without tokens
	// CertFile and KeyFile make it HTTPS.
	CertFile, KeyFile string
	// Tokens are bearer tokens by their names.
	Tokens map[string]string
	// Live and Ready return nil, or why not. They are called for each
	// request, from any goroutine; nil = always.
	Live, Ready func() error
	// Metrics is what /metrics shows; nil = no such page.
	Metrics prometheus.Gatherer
	Logger  *slog.Logger // nil = silent
}

// Server is a bound listener.
type Server struct {
	o        Options
	listener net.Listener
	http     *http.Server
}

// Listen checks the options and binds the address.
func Listen(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("listen: CertFile and KeyFile go together")
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); (!ok || !a.IP.IsLoopback()) && len(o.Tokens) == 0 && !o.Insecure {
		return nil, errors.Join(fmt.Errorf("listen on %s: it can be reached from other machines: give tokens, use a loopback address, or allow it as insecure", o.Listen), l.Close())
	}
	s := &Server{o: o, listener: l}
	s.http = &http.Server{
		Handler:           http.MaxBytesHandler(s.handler(), maxBody),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then lets requests in hand finish. It closes the
// listener.
func (s *Server) Run(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		stopped <- s.http.Shutdown(grace)
	}()
	var err error
	if s.o.CertFile != "" {
		err = s.http.ServeTLS(s.listener, s.o.CertFile, s.o.KeyFile)
	} else {
		err = s.http.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	if err := <-stopped; err != nil {
		return fmt.Errorf("stop %s: %w", s.Addr(), err)
	}
	return nil
}

// Close closes a server that was never run.
func (s *Server) Close() error { return s.listener.Close() }

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", probe(s.o.Live))
	mux.HandleFunc("GET /readyz", probe(s.o.Ready))
	if s.o.Metrics != nil {
		metrics := promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
		mux.Handle("GET /metrics", s.authenticated(metrics))
	}
	return mux
}

// probe answers 200 ok, or 503 and why not.
func probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if check != nil {
			if err := check(); err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, err)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	}
}

// authenticated lets requests with one of the tokens through, all if there
// are none.
func (s *Server) authenticated(next http.Handler) http.Handler {
	if len(s.o.Tokens) == 0 {
		return next
	}
	known := make([][sha256.Size]byte, 0, len(s.o.Tokens))
	for _, t := range s.o.Tokens {
		known = append(known, sha256.Sum256([]byte(t)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum, ok := sha256.Sum256([]byte(token)), 0
		for i := range known {
			ok |= subtle.ConstantTimeCompare(known[i][:], sum[:])
		}
		if !strings.EqualFold(scheme, "Bearer") || ok == 0 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="invigil"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
