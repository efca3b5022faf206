package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"invigil/config"
	"invigil/connectors/alertfmt"
	"invigil/pipeline"
	"invigil/rules"
	"invigil/rules/rulefile"
	"invigil/state"
)

// checking is one use of check.
type checking struct {
	*app
	state  stateFlags
	flags  ruleFlags
	topic  string
	format string
}

func (a *app) checkCommand() *cobra.Command {
	ch := checking{app: a}
	c := &cobra.Command{
		Use:   "check --rules FILE… (--state DIR | -c FILE)",
		Short: "Evaluate rules over the stored inventory",
		Long: `Show the stored inventory, or a snapshot, to rules as if all of them were new, and
print the alerts that a reload would raise, one a line. Nothing is written.

With -c the rules are those of the configuration unless --rules names others, and
so are the lists. With --state, lists that are not given are those that the state
holds. Rules of the wazuh dialect and rules with alert: every look at events, not
at what is stored: use eval for them.`,
		Example: "  invigil check --rules rules/new.yml --state ./invigil-state\n  invigil check -c invigil.yml --rules rules/new.yml --format text",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return ch.run(cmd.Context()) },
	}
	ch.state.register(c)
	ch.flags.register(c)
	c.Flags().StringVar(&ch.topic, "topic", "", "only agents of this `TOPIC`")
	c.Flags().StringVar(&ch.format, "format", "wazuh", "`FORMAT` of alerts: wazuh, native or text")
	return c
}

func (ch *checking) run(ctx context.Context) error {
	if err := choice("format", ch.format, alertfmt.Names()...); err != nil {
		return err
	}
	dir, cfg, err := ch.state.locate(ch.app)
	if err != nil {
		return err
	}
	if len(ch.flags.rules) == 0 && cfg == nil {
		return usagef("check needs --rules FILE, or -c FILE of a configuration")
	}
	// The lists of the rules stand in a store of their own: the state is read only.
	scratch, err := state.OpenMemory(state.Options{})
	if err != nil {
		return err
	}
	return errors.Join(ch.load(ctx, dir, cfg, scratch), scratch.Close())
}

// load compiles the rules and opens the state.
func (ch *checking) load(ctx context.Context, dir string, cfg *config.Config, scratch *state.Store) error {
	store, err := state.Open(dir, state.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	set, zone, err := ch.rules(cfg, scratch, store)
	if err == nil {
		view := store.View()
		lists := layeredLists{scratch.Lists().View(), store.Lists().View()}
		err = errors.Join(ch.check(ctx, view, set, lists, zone), view.Close())
	}
	return errors.Join(err, store.Close())
}

// rules loads lists, then rules, as run does with a configuration and eval does
// without.
func (ch *checking) rules(cfg *config.Config, scratch, store *state.Store) (*rules.Set, *time.Location, error) {
	compat, err := parseCompat(ch.flags.compat)
	if err != nil {
		return nil, nil, err
	}
	manager, err := os.Hostname()
	if err != nil {
		manager = "" // as in alerts of a manager without a name
	}
	o, paths := rules.Options{Compat: compat, Zone: time.Local, Manager: manager}, ch.flags.rules
	if cfg != nil {
		s := &service{app: ch.app, cfg: cfg, store: scratch, log: slog.New(slog.DiscardHandler)}
		for _, l := range cfg.Lists {
			if err := s.loadList(l); err != nil {
				return nil, nil, err
			}
		}
		if o.Zone, err = time.LoadLocation(cfg.Alerts.Timezone); err != nil {
			return nil, nil, fmt.Errorf("alerts.timezone: %w", err)
		}
		o.Compat, o.Manager = s.compat(), cfg.Alerts.Manager
		o.LogLevel, o.EmailLevel = cfg.Alerts.LogLevel, cfg.Alerts.EmailLevel
		if len(paths) == 0 {
			paths = cfg.Rules.Paths
		}
	}
	if err := ch.flags.loadLists(scratch); err != nil {
		return nil, nil, err
	}
	o.ListNames = store.Lists().View().Has
	set, err := ch.loadRules(scratch, paths, o)
	return set, o.Zone, err
}

func (ch *checking) check(ctx context.Context, view *state.View, set *rules.Set, lists rules.Lists, zone *time.Location) error {
	format, err := alertfmt.FormatIn(ch.format, zone)
	if err != nil {
		return err
	}
	wazuh, every := 0, -len(set.Onsets())
	for _, r := range set.Rules() {
		switch {
		case r.Dialect != rulefile.Invigil:
			wazuh++
		case !r.Disabled:
			every++
		}
	}
	if wazuh+every > 0 {
		fmt.Fprintf(ch.stderr, "not checked: %d rules of the wazuh dialect, %d with alert: every: they look at events\n", wazuh, max(every, 0))
	}
	line, alerts := newProgress(ch.stderr), 0
	var text []byte
	rows, err := pipeline.Check(ctx, pipeline.CheckOptions{
		View: view, Rules: set, Lists: lists, Topic: ch.topic,
		Alert: func(a *rules.Alert) error {
			alerts++
			if text, err = format.Append(text[:0], a); err != nil {
				return err
			}
			line.clear()
			_, err := ch.stdout.Write(append(text, '\n'))
			return err
		},
		Progress: func(done, all int) { line.show("%d of %d agents, %d alerts", done, all, alerts) },
	})
	line.clear()
	if err != nil {
		return interrupted(ctx, err)
	}
	fmt.Fprintf(ch.stderr, "%d rows checked, %d alerts\n", rows, alerts)
	return nil
}

// layeredLists looks in the first lists that have the name.
type layeredLists [2]rules.Lists

func (l layeredLists) of(name string) rules.Lists {
	if l[0].Has(name) {
		return l[0]
	}
	return l[1]
}

// Has implements rules.Lists.
func (l layeredLists) Has(name string) bool { return l.of(name).Has(name) }

// Get implements rules.Lists.
func (l layeredLists) Get(name, key string) (string, bool) { return l.of(name).Get(name, key) }

// Fingerprint implements rules.Lists.
func (l layeredLists) Fingerprint(name string) uint64 { return l.of(name).Fingerprint(name) }
