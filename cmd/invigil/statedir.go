package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"invigil/config"
	"invigil/pipeline"
	"invigil/rules"
	"invigil/state"
)

// stateFlags say which state directory a verb works on: --state DIR, or that of
// a configuration, -c FILE.
type stateFlags struct {
	dir    string
	config string
	set    []string
}

func (f *stateFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "state", "", "state `DIR`")
	f.registerConfig(c)
}

func (f *stateFlags) registerConfig(c *cobra.Command) {
	c.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE`: its state directory, rules and lists")
	c.Flags().StringArrayVar(&f.set, "set", nil, "override a key of the configuration: `KEY=VALUE`")
}

// locate returns the directory, and the configuration if one is named.
func (f *stateFlags) locate(a *app) (dir string, cfg *config.Config, err error) {
	switch {
	case f.dir != "" && f.config != "":
		return "", nil, usagef("give --state DIR or -c FILE, not both")
	case f.config != "":
		if cfg, err = a.loadConfig(f.config, f.set); err != nil {
			return "", nil, err
		}
		return cfg.State.Dir, cfg, nil
	case f.dir == "":
		return "", nil, usagef("give --state DIR, or -c FILE of a configuration")
	}
	return f.dir, nil, nil
}

// view opens the directory, or a snapshot, for reading.
func (f *stateFlags) view(a *app, ask func(*state.View) error) error {
	dir, _, err := f.locate(a)
	if err != nil {
		return err
	}
	return viewState(dir, ask)
}

func viewState(dir string, ask func(*state.View) error) error {
	store, err := state.Open(dir, state.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	view := store.View()
	return errors.Join(ask(view), view.Close(), store.Close())
}

// mustExist refuses a state directory that is not there: what does not fill one
// does not make one.
func mustExist(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no state directory %s", dir)
	}
	return nil
}

// offline opens what processes a configuration's state, without source, sinks
// and listener: what it puts into the outbox leaves with the next run.
func (a *app) offline(cfg *config.Config) (*service, error) {
	s := &service{app: a, cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if err := mustExist(cfg.State.Dir); err != nil {
		return s, err
	}
	set, err := s.openStore()
	if err != nil {
		return s, err
	}
	var sinks []pipeline.Sink
	for _, c := range cfg.Sinks {
		sinks = append(sinks, pipeline.Sink{Name: c.Name})
	}
	if k := cfg.Source.Kafka; k != nil && k.DeadLetters.Topic != "" {
		sinks = append(sinks, pipeline.Sink{Name: deadLetterSink(k.DeadLetters.Topic), DeadLetters: true})
	}
	return s, s.openPipeline(set, sinks)
}

// offlineBare is offline for a directory without its configuration: no rules
// are known, everything is for sinks.
func (a *app) offlineBare(dir string) (*service, error) {
	cfg := config.Default()
	cfg.State.Dir = dir
	s := &service{app: a, cfg: cfg, log: slog.New(slog.DiscardHandler), zone: time.Local, registry: prometheus.NewRegistry()}
	if err := mustExist(dir); err != nil {
		return s, err
	}
	var err error
	if s.store, err = state.Open(dir, state.Options{History: cfg.State.History}); err != nil {
		return s, err
	}
	if err := s.notLogged(); err != nil {
		return s, err
	}
	set, ds := rules.LoadFiles(nil, rules.Options{})
	if err := ds.Err(); err != nil {
		return s, err
	}
	s.pipeline, err = pipeline.New(pipeline.Options{Store: s.store, Rules: set, Sinks: []pipeline.Sink{{Name: "next run"}}})
	return s, err
}

// notLogged refuses a directory whose partitions are kept in a changelog: what
// is written past it is undone by the next restore.
func (s *service) notLogged() error {
	v := s.store.View()
	ps, err := v.Partitions()
	if err := errors.Join(err, v.Close()); err != nil {
		return err
	}
	for _, info := range ps {
		logged, err := s.logged(info)
		if err != nil {
			return err
		}
		if logged {
			return fmt.Errorf("partition %s/%d of %s is kept in a changelog: use -c with its configuration", info.Topic, info.Number, s.cfg.State.Dir)
		}
	}
	return nil
}

func (s *service) logged(info state.PartitionInfo) (bool, error) {
	p, err := s.store.Partition(info.Topic, info.Number)
	if err != nil {
		return false, err
	}
	logged, err := p.Logged()
	return logged, errors.Join(err, p.Close())
}

// parseTime reads a time of the command line; "" is what is given for it.
func parseTime(flag, text string, none int64) (int64, error) {
	if text == "" {
		return none, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.UnixMilli() <= 0 {
		return 0, usagef("--%s %q: write a time as in 2024-06-14T16:00:00Z", flag, text)
	}
	return at.UnixMilli(), nil
}

// stamp prints a time, "" for none.
func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339)
}

// interrupted makes what a signal ended an error that says so.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}
