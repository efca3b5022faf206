package main

import (
	"errors"
	"os"
	"sync"
	"time"

	"invigil/config"
	"invigil/connectors/alertfmt"
	"invigil/connectors/httpapi"
	"invigil/pipeline"
)

// web is what a service has beside the pipeline while it has an HTTP
// listener, and the file that tells other processes of it.
type web struct {
	started time.Time
	token   string // of the instance file
	recent  *httpapi.Recent

	mu     sync.Mutex
	reload httpapi.Reload
}

// reloaded notes how a load of rules and lists ended.
func (w *web) reloaded(err error, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reload = httpapi.Reload{Time: at}
	if err == nil {
		return
	}
	w.reload.Error = err.Error()
	if errors.Is(err, errFinding) {
		w.reload.Error = "the rules were refused: the service's log says why"
	}
}

func (w *web) lastReload() httpapi.Reload {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reload
}

// listen binds the HTTP listener, if one is configured.
func (s *service) listen() error {
	h := s.cfg.HTTP
	if h == nil {
		return nil
	}
	format, err := alertfmt.FormatIn("native", s.zone)
	if err != nil {
		return err
	}
	s.web.recent = &httpapi.Recent{Format: format.Append}
	s.web.token = newToken()
	o := httpapi.Options{
		Listen: h.Listen, Insecure: h.Insecure, Tokens: make(map[string]string), LocalToken: s.web.token,
		RequireToken: len(h.Users) > 0, // they cannot log in yet, and nobody else may see theirs
		Ready:        s.meter.ready, Metrics: s.registry, Registerer: s.registry, Logger: s.log,
		API: &httpapi.API{
			Store: s.store, Rules: s.pipeline.Rules, Runtime: s.runtime, Recent: s.web.recent, Forget: s.pipeline, History: s.cfg.State.History,
		},
	}
	if h.TLS != nil {
		o.CertFile, o.KeyFile = h.TLS.CertFile, h.TLS.KeyFile
	}
	for _, t := range h.Tokens {
		o.Tokens[t.Name] = t.Token
	}
	s.http, err = httpapi.Listen(o)
	return err
}

// runtime tells the API what the service knows of itself.
func (s *service) runtime() httpapi.Runtime {
	r := httpapi.Runtime{Version: version(), Started: s.web.started, Reload: s.web.lastReload(), Partitions: s.meter.partitions()}
	for _, p := range s.pipeline.Status() {
		serving, ok := r.Partitions[p.Partition]
		if !ok {
			serving.Lag = -1
		}
		serving.Outbox = p.Outbox
		r.Partitions[p.Partition] = serving
	}
	return r
}

// partitions returns lag and trouble of the partitions that are read.
func (m *meter) partitions() map[pipeline.Partition]httpapi.Serving {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[pipeline.Partition]httpapi.Serving, len(m.serving))
	for p, r := range m.serving {
		s := httpapi.Serving{Lag: -1}
		if l, ok := r.(interface{ Lag() int64 }); ok {
			s.Lag = l.Lag()
		}
		if err := m.why[p]; err != nil {
			s.Stuck = err.Error()
		}
		all[pipeline.Partition{Topic: p.topic, Number: p.number}] = s
	}
	return all
}

// announce tells other processes of this machine who runs on the state
// directory and where it can be asked.
func (s *service) announce() error {
	i := instance{PID: os.Getpid(), Started: s.web.started.UTC(), Version: version()}
	if s.http != nil {
		var tls *config.TLS
		if tls = s.cfg.HTTP.TLS; tls != nil {
			var err error
			if i.Certificate, err = certificateSum(tls.CertFile); err != nil {
				return err
			}
		}
		var err error
		if i.URL, err = localURL(s.http.Addr(), tls != nil); err != nil {
			return err
		}
		i.Token = s.web.token
	}
	return i.write(s.cfg.State.Dir)
}
