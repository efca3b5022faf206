// Package httpapi is the HTTP listener: liveness, readiness, metrics, and the
// API under /v1: inventory, history, alerts, rules, lists, status, dead letters.
//
// It listens on loopback unless it is told that others may connect: a
// non-loopback address demands tokens or Options.Insecure. /livez and /readyz
// answer everybody, all else asks for a token where there are tokens. Requests
// are bounded in time and size, and in number at a time. Every answer is of one
// state.View: a request sees the store as it was when it came, and nothing here
// blocks the way of an event.
package httpapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The limits of a request and of a stop.
const (
	maxHeader     = 16 << 10
	maxQuery      = 8 << 10
	maxBody       = 1 << 20
	headerTimeout = 5 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	stopGrace     = 5 * time.Second
)

// Options configure a Server.
type Options struct {
	Listen   string // host:port; port 0 = a free one
	Insecure bool   // allow a non-loopback address without tokens
	// CertFile and KeyFile make it HTTPS.
	CertFile, KeyFile string
	// Tokens are bearer tokens by their names.
	Tokens map[string]string
	// RequireToken asks for a token even where Tokens is empty.
	RequireToken bool
	// LocalToken is accepted beside Tokens, wherever a token is asked for: the
	// one that processes of this machine are told. "" = none.
	LocalToken string
	// API is what /v1 answers from; nil = there is no /v1.
	API *API
	// StopGrace is how long requests in hand may go on after a stop; 0 = 5 s.
	StopGrace time.Duration
	// Live and Ready return nil, or why not. They are called for each
	// request, from any goroutine; nil = always.
	Live, Ready func() error
	// Metrics is what /metrics shows; nil = no such page.
	Metrics prometheus.Gatherer
	// Registerer takes the listener's own metrics; nil = they are not shown.
	Registerer prometheus.Registerer
	Logger     *slog.Logger // nil = silent
}

// Server is a bound listener.
type Server struct {
	o        Options
	listener net.Listener
	http     *http.Server
	requests sync.WaitGroup // being answered
}

// Listen checks the options and binds the address.
func Listen(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.StopGrace <= 0 {
		o.StopGrace = stopGrace
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return nil, errors.New("listen: CertFile and KeyFile go together")
	}
	var certificates []tls.Certificate
	if o.CertFile != "" {
		c, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		certificates = append(certificates, c)
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); (!ok || !a.IP.IsLoopback()) && !o.protected() && !o.Insecure {
		return nil, errors.Join(fmt.Errorf("listen on %s: it can be reached from other machines: give tokens, use a loopback address, or allow it as insecure", o.Listen), l.Close())
	}
	s := &Server{o: o, listener: l}
	s.http = &http.Server{
		Handler:           http.MaxBytesHandler(s.handler(), maxBody),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		TLSConfig: &tls.Config{Certificates: certificates},
		ErrorLog:  slog.NewLogLogger(o.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends, then lets requests in hand finish for a while and
// cuts them off. When it returns no request is being answered and the listener
// is closed.
func (s *Server) Run(ctx context.Context) error {
	requests, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.http.BaseContext = func(net.Listener) context.Context { return requests }
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(requests, s.o.StopGrace)
		defer cancel()
		err := s.http.Shutdown(grace)
		if err != nil && grace.Err() != nil {
			cut()
			err = s.http.Close()
		}
		stopped <- err
	}()
	var err error
	if s.o.CertFile != "" {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.Addr(), err)
	}
	err = <-stopped
	cut()
	s.requests.Wait()
	if err != nil {
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
	if s.o.API != nil {
		mux.Handle("/v1/", s.authenticated(newAPI(s.o.API, s.o.Ready, s.o.Registerer, s.o.Logger)))
	}
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer s.requests.Done()
		mux.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(counted)
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
