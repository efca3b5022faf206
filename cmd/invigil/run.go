package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"invigil/config"
)

func (a *app) runCommand() *cobra.Command {
	var (
		path  string
		set   []string
		print bool
	)
	c := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the service",
		Long: `Run the service: events from the configured source, alerts to the configured
sinks, until SIGINT or SIGTERM (the batch in hand is finished and delivered).
SIGHUP loads rules and lists anew; so does a change of their files, unless
rules.reload is false. A file source that is not followed ends the run at its
end.

A value of the configuration comes from --set KEY=VALUE, else from the
environment (INVIGIL_STATE_DIR for state.dir), else from the file, else from
the defaults.`,
		Example: "  invigil run -c invigil.yml --set state.dir=/var/lib/invigil",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig(path, set)
			if err != nil {
				return err
			}
			if print {
				return cfg.Print(a.stdout)
			}
			return a.runService(cmd.Context(), cfg)
		},
	}
	c.Flags().StringVarP(&path, "config", "c", "", "configuration `FILE`")
	c.Flags().StringArrayVar(&set, "set", nil, "override a key of the configuration: `KEY=VALUE`")
	c.Flags().BoolVar(&print, "print-config", false, "print the effective configuration, secrets masked, and stop")
	return c
}

// loadConfig reads the configuration; its problems are wrong usage.
func (a *app) loadConfig(path string, set []string) (*config.Config, error) {
	cfg, ds, err := config.Load(path, config.Options{Env: a.env, Set: set})
	if err != nil {
		return nil, &usageError{err}
	}
	if err := ds.Render(a.stderr); err != nil {
		return nil, err
	}
	if ds.Err() != nil {
		return nil, &usageError{}
	}
	return cfg, nil
}

// runService runs a service until ctx ends or its input is over.
func (a *app) runService(ctx context.Context, cfg *config.Config) error {
	s := &service{app: a, cfg: cfg, log: a.logger(cfg.Log)}
	if err := s.open(); err != nil {
		return s.close(err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	return s.close(s.run(ctx, hangup))
}

// logger writes the program's log to the standard error output.
func (a *app) logger(l config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the configuration was checked
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.stderr, o))
}
