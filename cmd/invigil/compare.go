package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/connectors/alertfmt"
	"invigil/pipeline/ruletest"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// comparing is one run of compare.
type comparing struct {
	*app
	flags    ruleFlags
	alerts   []string
	within   string
	from, to string
	logLevel int
}

func (a *app) compareCommand() *cobra.Command {
	v := comparing{app: a}
	c := &cobra.Command{
		Use:   "compare --rules P… --alerts alerts.json ARCHIVES…",
		Short: "Compare with the alerts that a Wazuh manager wrote",
		Long: `Prove a migration: evaluate recorded traffic and compare the alerts with those
that the manager wrote of it. Archives may be lines of archives.json or
archives.log, or of any other envelope, or Kafka records as kcat -J prints them,
in the order in which they came; files compressed by gzip are read as such.

Alerts are paired one to one by agent, message (or data, where the rule has
no_full_log), rule and nearest time. Each alert that only one side has is
printed with the reason, and each pair that differs with the members that do;
the last line counts them. Alerts of other decoders are left out, and so are the
members that depend on when the manager was started (id, rule.firedtimes) and on
its configuration (manager, cluster, rule.mail).

Exit code 0 if nothing differs, 1 if anything does.`,
		Example: "  invigil compare --rules local_rules.xml --lists /var/ossec --alerts alerts.json archives.json",
		RunE:    func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	v.flags.register(c)
	f := c.Flags()
	f.StringArrayVar(&v.alerts, "alerts", nil, "`FILE` of alerts that the manager wrote (alerts.json); may be repeated")
	f.StringVar(&v.within, "within", "10m", "how far apart the times of an alert and its event may be: a `DURATION`")
	f.StringVar(&v.from, "from", "", "compare nothing before this `TIME` (RFC 3339); events are evaluated all the same")
	f.StringVar(&v.to, "to", "", "compare nothing from this `TIME` on")
	f.IntVar(&v.logLevel, "log-level", 1, "the manager's log_alert_level: the lowest `LEVEL` that it writes")
	return c
}

func (v *comparing) run(ctx context.Context, paths []string) error {
	switch {
	case len(v.flags.rules) == 0:
		return usagef("compare needs --rules: what is to be compared with the manager")
	case len(v.alerts) == 0:
		return usagef("compare needs --alerts: the manager's alerts.json")
	case v.logLevel < 1 || v.logLevel > 16:
		return usagef("--log-level %d: use 1 to 16", v.logLevel)
	}
	compat, err := parseCompat(v.flags.compat)
	if err != nil {
		return err
	}
	o := ruletest.CompareOptions{
		Decoder:  syscollector.Options{Compat: compat, Zone: time.Local},
		LogLevel: v.logLevel,
	}
	if o.Within, err = source.ParseDuration(v.within); err != nil || o.Within <= 0 {
		return usagef("--within %q: use a duration above 0, as 10m", v.within)
	}
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"from", v.from, &o.From}, {"to", v.to, &o.To}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
			return usagef("--%s %q: use a time as 2024-06-14T16:00:00Z", t.flag, t.text)
		}
	}
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		return err
	}
	o.Store = store
	return errors.Join(v.compare(ctx, o, paths), store.Close())
}

func (v *comparing) compare(ctx context.Context, o ruletest.CompareOptions, paths []string) (err error) {
	if err := v.flags.loadLists(o.Store); err != nil {
		return err
	}
	o.Rules, err = v.loadRules(o.Store, v.flags.rules, rules.Options{Compat: o.Decoder.Compat, Zone: time.Local, LogLevel: v.logLevel})
	if err != nil {
		return err
	}
	format, err := alertfmt.FormatIn("wazuh", time.Local)
	if err != nil {
		return err
	}
	o.Format = format.Append
	archives, err := v.openFiles(paths)
	if err != nil {
		return err
	}
	defer archives.Close()
	alerts, err := v.openFiles(v.alerts)
	if err != nil {
		return err
	}
	defer alerts.Close()
	o.Archives, o.Alerts = archives, alerts

	progress := newProgress(v.stderr)
	o.Report = func(d *ruletest.Difference) error {
		progress.clear()
		_, err := io.WriteString(v.stdout, d.Text(time.Local))
		return err
	}
	o.Progress = func(c *ruletest.Comparison) {
		progress.show("%d lines, %d events: %s", c.Messages, c.Events, c)
	}
	c, err := ruletest.Compare(ctx, o)
	progress.clear()
	if err != nil {
		return err
	}
	return v.tell(c)
}

// tell prints the counts, the contract's line last.
func (v *comparing) tell(c *ruletest.Comparison) error {
	if err := tellSkipped(v.stderr, c.Foreign, c.DeadLetters); err != nil {
		return err
	}
	for _, n := range []struct {
		count int
		what  string
	}{
		{c.OtherDecoders, "alerts of other decoders left out"},
		{c.Unreadable, "lines of the manager's alerts are no alerts, left out"},
		{c.Outside, "alerts outside --from and --to left out"},
		{c.Late, "events came long after later ones: give the archives in the order of time"},
	} {
		if n.count > 0 {
			fmt.Fprintf(v.stderr, "%d %s\n", n.count, n.what)
		}
	}
	if len(c.Rules) > 1 {
		tw := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "rule\tonly Wazuh\tonly Invigil\tdifferent")
		for _, id := range slices.Sorted(maps.Keys(c.Rules)) {
			r := c.Rules[id]
			fmt.Fprintf(tw, "%s\t%d\t%d\t%d\n", id, r.OnlyWazuh, r.OnlyInvigil, r.Different)
		}
		if err := tw.Flush(); err != nil {
			return err
		}
	}
	if c.Different > 0 {
		fmt.Fprintf(v.stdout, "%d of one event and rule, but different\n", c.Different)
	}
	if _, err := fmt.Fprintln(v.stdout, c); err != nil {
		return err
	}
	if c.Differ() {
		return errFinding
	}
	return nil
}

// progress shows on a terminal how far long work is, on one line that is
// written again and again. On anything else it is silent.
type progress struct {
	w     io.Writer // nil = silent
	last  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	return &progress{w: w}
}

func (p *progress) show(format string, args ...any) {
	if now := time.Now(); p.w != nil && now.Sub(p.last) >= 200*time.Millisecond {
		p.last, p.shown = now, true
		fmt.Fprintf(p.w, "\r\x1b[K"+format, args...)
	}
}

func (p *progress) clear() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
