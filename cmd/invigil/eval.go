package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/connectors/alertfmt"
	"invigil/connectors/file"
	"invigil/connectors/kafka"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/state"
)

// evaluation is one run of eval.
type evaluation struct {
	*app
	flags   ruleFlags
	format  string
	explain bool
	brokers []string
	topic   string
	since   string
}

func (a *app) evalCommand() *cobra.Command {
	e := evaluation{app: a}
	c := &cobra.Command{
		Use:   "eval [FILE…]",
		Short: "Evaluate events from files against rules",
		Long: `Evaluate events, one a line, against rules and print the alerts, one a line.
Lines may be archives.json, archives.log, analysis-queue lines, bare messages,
any of them inside a shipper's record, or Kafka records as kcat -J prints them.
State is kept in memory; the clock is never read: two runs print the same.

With --kafka the records of a topic are read instead, from a point in time to
the topic's end, committing nothing.`,
		Example: "  invigil eval --rules local_rules.xml --lists /var/ossec archives.json\n  kcat -C -J -e -t syscollector | invigil eval --rules rules/ --format text",
		RunE:    func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args) },
	}
	e.flags.register(c)
	f := c.Flags()
	f.StringVar(&e.format, "format", "wazuh", "`FORMAT` of alerts: wazuh, native or text")
	f.BoolVar(&e.explain, "explain", false, "tell on the standard error why each rule matched or did not")
	f.StringSliceVar(&e.brokers, "kafka", nil, "read from Kafka: `BROKERS`")
	f.StringVar(&e.topic, "topic", "syscollector", "`TOPIC` to read from Kafka")
	f.StringVar(&e.since, "since", "", "read records of this `AGE` or younger, as 24h; default: all")
	return c
}

func (e *evaluation) run(ctx context.Context, paths []string) error {
	if len(e.brokers) > 0 && len(paths) > 0 {
		return usagef("read either files or Kafka")
	}
	if err := choice("format", e.format, alertfmt.Names()...); err != nil {
		return err
	}
	compat, err := parseCompat(e.flags.compat)
	if err != nil {
		return err
	}
	format, err := alertfmt.FormatIn(e.format, time.Local)
	if err != nil {
		return err
	}
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		return err
	}
	return errors.Join(e.evaluate(ctx, store, format, compat, paths), store.Close())
}

func (e *evaluation) evaluate(ctx context.Context, store *state.Store, format alertfmt.Formatter, compat syscollector.Compat, paths []string) error {
	if err := e.flags.loadLists(store); err != nil {
		return err
	}
	manager, _ := os.Hostname()
	cut := make(map[string]int) // matches, by what cut them
	set, err := e.loadRules(store, e.flags.rules, rules.Options{
		Compat: compat, Zone: time.Local, Manager: manager,
		OnLimit: func(err *pattern.LimitError) { cut[err.Error()]++ }, // Process is called by one goroutine
	})
	if err != nil {
		return err
	}
	o := pipeline.Options{Store: store, Rules: set, Decoder: syscollector.Options{Compat: compat, Manager: manager, Zone: time.Local}}
	if e.explain {
		o.Explain = func(ev *syscollector.Event) *rules.Trace { return explainEvent(e.stderr, ev) }
	}
	p, err := pipeline.New(o)
	if err != nil {
		return err
	}
	err = e.stream(ctx, p, format, paths)
	for _, what := range slices.Sorted(maps.Keys(cut)) {
		fmt.Fprintf(e.stderr, "%s (%d times, counted as no match)\n", what, cut[what])
	}
	return errors.Join(err, p.Close())
}

// stream takes all messages through the pipeline and prints the alerts.
func (e *evaluation) stream(ctx context.Context, p *pipeline.Pipeline, format alertfmt.Formatter, paths []string) error {
	in, err := e.open(ctx, paths)
	if err != nil {
		return err
	}
	defer in.Close()
	letters, foreign := make(map[string]int), 0
	var line []byte
	for {
		messages, err := in.Read(ctx)
		if errors.Is(err, io.EOF) {
			return tellSkipped(e.stderr, foreign, letters)
		}
		if err != nil {
			return err
		}
		res, err := p.Process(messages)
		if err != nil {
			return err
		}
		for i := range res.Alerts {
			if line, err = format.Append(line[:0], &res.Alerts[i]); err != nil {
				return err
			}
			if _, err := e.stdout.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		foreign += res.Counts.Foreign
		for i := range res.DeadLetters {
			letters[res.DeadLetters[i].Reason]++
		}
	}
}

// input is where messages come from, in order.
type input interface {
	Read(ctx context.Context) ([]connectors.Message, error)
	Close() error
}

func (e *evaluation) open(ctx context.Context, paths []string) (input, error) {
	if len(e.brokers) == 0 {
		return e.openFiles(paths)
	}
	o := kafka.ReplayOptions{Connection: kafka.Connection{Brokers: e.brokers}, Topic: e.topic}
	if e.since != "" {
		age, err := source.ParseDuration(e.since)
		if err != nil {
			return nil, usagef("--since: %v", err)
		}
		o.Since = time.Now().Add(-age)
	}
	return kafka.OpenReplay(ctx, o)
}

// openFiles reads files, the standard input without any.
func (a *app) openFiles(paths []string) (input, error) {
	if len(paths) == 0 {
		paths = []string{"-"}
	}
	return file.Open(file.Options{Paths: paths, Stdin: a.stdin})
}

// readAll reads all messages of files.
func (a *app) readAll(ctx context.Context, paths []string) ([]connectors.Message, error) {
	in, err := a.openFiles(paths)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var all []connectors.Message
	for {
		messages, err := in.Read(ctx)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			m.Key, m.Value = slices.Clone(m.Key), slices.Clone(m.Value)
			m.Headers = slices.Clone(m.Headers)
			for i := range m.Headers {
				m.Headers[i].Value = slices.Clone(m.Headers[i].Value)
			}
			all = append(all, m)
		}
	}
}

// tellSkipped counts what was no event: on one line sound messages of other
// modules, on the last line dead letters by reason.
func tellSkipped(w io.Writer, foreign int, letters map[string]int) error {
	if foreign > 0 {
		fmt.Fprintf(w, "skipped: %d of other modules\n", foreign)
	}
	if len(letters) == 0 {
		return nil
	}
	total, parts := 0, []string{}
	for reason, n := range letters {
		total += n
		parts = append(parts, fmt.Sprintf("%s %d", reason, n))
	}
	slices.Sort(parts)
	_, err := fmt.Fprintf(w, "dead letters: %d (%s)\n", total, strings.Join(parts, ", "))
	return err
}

// explainEvent prints an event's fields and returns a trace that prints the
// rules tried.
func explainEvent(w io.Writer, ev *syscollector.Event) *rules.Trace {
	fmt.Fprintf(w, "\nevent of agent %s", ev.Agent.ID)
	if ev.Agent.Name != "" {
		fmt.Fprintf(w, " (%s)", ev.Agent.Name)
	}
	fmt.Fprintln(w)
	for name, value := range ev.Fields() {
		fmt.Fprintf(w, "  %s: %s\n", name, value)
	}
	return &rules.Trace{Rule: func(id, reason string) {
		if reason == "" {
			reason = "matched"
		}
		fmt.Fprintf(w, "rule %s: %s\n", id, reason)
	}}
}
