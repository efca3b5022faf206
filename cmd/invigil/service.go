package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invigil/config"
	"invigil/connectors"
	"invigil/connectors/httpapi"
	"invigil/connectors/kafka"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// service is a configuration at work: store, rules, pipeline, source, sinks,
// listener.
type service struct {
	*app
	cfg *config.Config
	log *slog.Logger

	registry  *prometheus.Registry
	meter     *meter
	store     *state.Store
	pipeline  *pipeline.Pipeline
	source    connectors.Source
	http      *httpapi.Server
	web       web
	announced bool // in the state directory
	sinks     []connectors.Sink
	changelog *kafka.Changelog // nil = none
	zone      *time.Location

	// also are sinks beside the configured ones, watch sees every batch.
	also  []pipeline.Sink
	watch func(pipeline.Result)
}

// open builds everything and starts nothing. close undoes it, also half way.
func (s *service) open() error {
	set, err := s.openStore()
	if err != nil {
		return err
	}
	s.meter.reloaded(true, time.Now())
	s.web.started = time.Now()
	s.web.reloaded(nil, s.web.started)
	if s.source, err = s.openSource(); err != nil {
		return err
	}
	sinks, err := s.openSinks()
	if err != nil {
		return err
	}
	if err := s.openPipeline(set, append(sinks, s.also...)); err != nil {
		return err
	}
	return s.listen()
}

// openStore opens the state and loads lists and rules.
func (s *service) openStore() (*rules.Set, error) {
	s.registry = prometheus.NewRegistry()
	s.meter = newMeter(s.registry)
	var err error
	if s.zone, err = time.LoadLocation(s.cfg.Alerts.Timezone); err != nil {
		return nil, fmt.Errorf("alerts.timezone: %w", err)
	}
	s.store, err = state.Open(s.cfg.State.Dir, state.Options{
		History:          s.cfg.State.History,
		VolatileInterval: s.cfg.State.VolatileInterval,
		CacheBytes:       int64(s.cfg.State.Cache),
		Logger:           s.log,
		Fatal:            s.fatal,
	})
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	return s.load()
}

// openPipeline builds the pipeline over the state, with its changelog.
func (s *service) openPipeline(set *rules.Set, sinks []pipeline.Sink) error {
	o := pipeline.Options{
		Store: s.store, Rules: set, Sinks: sinks,
		Decoder: syscollector.Options{
			Compat: s.compat(), Agents: s.cfg.Agents, DefaultAgent: s.cfg.DefaultAgent,
			Manager: s.cfg.Alerts.Manager, Zone: s.zone,
		},
		BatchEvents: s.cfg.State.Batch.Events, BatchBytes: int(s.cfg.State.Batch.Bytes),
		Outbox: s.cfg.State.Outbox, CommitInterval: s.cfg.State.CommitInterval, ForgetAfter: s.cfg.State.ForgetAfter,
		Observe: s.observe,
		Logger:  s.log, Registerer: s.registry,
	}
	log, err := s.openChangelog()
	if err != nil {
		return err
	}
	if log != nil {
		s.changelog = log
		o.Changelog = changelog{log}
	}
	s.pipeline, err = pipeline.New(o)
	return err
}

// observe takes a committed batch.
func (s *service) observe(r pipeline.Result) {
	s.meter.observe(r)
	if s.web.recent != nil {
		s.web.recent.Add(r.Alerts)
	}
	if s.watch != nil {
		s.watch(r)
	}
}

func (s *service) compat() syscollector.Compat {
	if s.cfg.Rules.Compat == "3.9" {
		return syscollector.Compat39
	}
	return syscollector.Compat4
}

// load reads lists, then rules. What is wrong with them is printed.
func (s *service) load() (*rules.Set, error) {
	for _, l := range s.cfg.Lists {
		if err := s.loadList(l); err != nil {
			return nil, err
		}
	}
	return s.loadRules(s.store, s.cfg.Rules.Paths, rules.Options{
		Compat: s.compat(), Zone: s.zone, Manager: s.cfg.Alerts.Manager,
		LogLevel: s.cfg.Alerts.LogLevel, EmailLevel: s.cfg.Alerts.EmailLevel, OnLimit: s.meter.cut,
	})
}

func (s *service) loadList(l config.List) error {
	kind, err := state.ParseListKind(l.Kind)
	if err != nil {
		return err
	}
	f, err := os.Open(l.Path)
	if err != nil {
		return fmt.Errorf("list %s: %w", l.Name, err)
	}
	defer f.Close()
	info, err := s.store.Lists().Load(l.Name, kind, l.Fold, f)
	if err != nil {
		return fmt.Errorf("list %s: %s: %w", l.Name, l.Path, err)
	}
	s.log.Info("list loaded", "list", l.Name, "path", l.Path, "keys", info.Keys, "dropped", info.Dropped)
	return nil
}

// reload loads rules and lists anew; on any problem the old ones stay.
func (s *service) reload() {
	set, err := s.load()
	s.meter.reloaded(err == nil, time.Now())
	s.web.reloaded(err, time.Now())
	if err != nil {
		s.log.Error("reload failed, the old rules stay", "error", err)
		return
	}
	s.pipeline.Reload(set)
	s.log.Info("reloaded", "rules", len(set.Rules()))
}

// reopen opens the sinks' files again, for tools that rotate from outside.
func (s *service) reopen() {
	for _, sink := range s.sinks {
		if f, ok := sink.(interface{ Reopen() error }); ok {
			if err := f.Reopen(); err != nil {
				s.log.Error("a sink's file could not be opened again", "error", err)
			}
		}
	}
}

// run serves until ctx ends, the input is over or something fails.
func (s *service) run(ctx context.Context, hangup <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.announce(); err != nil {
		return err
	}
	s.announced = true
	var beside sync.WaitGroup
	errs := make(chan error, 2)
	if s.http != nil {
		s.log.Info("listening", "address", s.http.Addr())
		beside.Go(func() {
			err := s.http.Run(ctx)
			if err != nil {
				cancel()
			}
			errs <- err
		})
	} else {
		errs <- nil
	}
	changes, err := s.watchFiles(ctx, &beside)
	if err != nil {
		cancel()
		beside.Wait()
		return errors.Join(err, <-errs)
	}
	beside.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				s.reopen()
			case <-changes:
			}
			s.reload()
		}
	})
	s.log.Info("running", "rules", len(s.pipeline.Rules().Rules()), "state", s.cfg.State.Dir)
	err = s.pipeline.Run(ctx, s.meter.source(s.source))
	cancel()
	beside.Wait()
	return errors.Join(err, <-errs)
}

// watchFiles tells of changes in rule and list files, if that is wanted.
func (s *service) watchFiles(ctx context.Context, beside *sync.WaitGroup) (<-chan struct{}, error) {
	if !s.cfg.Rules.Reload {
		return nil, nil
	}
	paths := s.cfg.Rules.Paths
	for _, l := range s.cfg.Lists {
		paths = append(paths[:len(paths):len(paths)], l.Path)
	}
	w, err := newWatcher(paths, s.log)
	if err != nil {
		return nil, err
	}
	beside.Go(func() { w.run(ctx) })
	return w.changes, nil
}

// close closes what open opened and joins what goes wrong to err.
func (s *service) close(err error) error {
	errs := []error{err}
	if s.pipeline != nil {
		errs = append(errs, s.pipeline.Close())
	}
	for _, sink := range s.sinks {
		errs = append(errs, sink.Close())
	}
	if s.changelog != nil {
		errs = append(errs, s.changelog.Close())
	}
	if s.announced {
		errs = append(errs, removeInstance(s.cfg.State.Dir))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// fatal ends the process when the store cannot go on: what was not committed
// comes again after a start.
func (s *service) fatal(err error) {
	s.log.Error("the store failed, ending", "error", err)
	os.Exit(exitFinding)
}
