package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"invigil/pipeline/bench"
)

func (a *app) benchCommand() *cobra.Command {
	var (
		o                     bench.Options
		source, state         string
		eventsFile, rulesFile string
		asJSON                bool
	)
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the pipeline on a generated fleet",
		Long: `Measure the pipeline on a generated fleet: CPU microseconds an event of each
step, events a second and core, allocations, heap and disk, at several numbers
of rules, and the ratio to the first number. Compare ratios of one run.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source != "memory" {
				return usagef("--source %s is not supported yet: use memory", source)
			}
			if o.Events < 1 || o.Agents < 1 || len(o.Rules) == 0 {
				return usagef("bench needs at least one event, one agent and one number of rules")
			}
			for _, n := range o.Rules {
				if n < 1 {
					return usagef("--rules %d: at least one rule", n)
				}
			}
			if state != "memory" {
				o.Dir = state
			}
			if rulesFile != "" {
				o.RuleFiles = []string{rulesFile}
			}
			if eventsFile != "" {
				messages, err := a.readAll(cmd.Context(), []string{eventsFile})
				if err != nil {
					return err
				}
				o.Messages = messages
			}
			if isTerminal(a.stderr) {
				o.Progress = func(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
			}
			figures, err := bench.Run(o)
			if err != nil {
				return err
			}
			if asJSON {
				enc := json.NewEncoder(a.stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(figures)
			}
			return printFigures(a.stdout, figures)
		},
	}
	f := c.Flags()
	f.IntVar(&o.Events, "events", 500_000, "number of events")
	f.IntVar(&o.Agents, "agents", 1000, "number of agents")
	f.IntSliceVar(&o.Rules, "rules", []int{10, 1000, 10_000}, "numbers of rules")
	f.StringVar(&source, "source", "memory", "where events come from: memory")
	f.StringVar(&state, "state", "memory", "memory, or a `DIR` to keep the state in")
	f.StringVar(&eventsFile, "events-file", "", "events from a `FILE` instead of generated ones")
	f.StringVar(&rulesFile, "rules-file", "", "rules from a `FILE` instead of generated ones")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printFigures(w io.Writer, figures []bench.Figures) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "rules\tdecode\tapply\trules\tcommit\ttotal µs\tratio\tevents/s\tallocs\theap/row\tdisk/row\talerts\tload s\t\n")
	for _, f := range figures {
		fmt.Fprintf(tw, "%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.2f\t%.0f\t%.0f\t%d\t%.2f\t\n", f.Rules, f.DecodeMicros, f.ApplyMicros,
			f.RulesMicros, f.CommitMicros, f.TotalMicros, f.Ratio, f.EventsPerSecond, f.Allocs, f.HeapPerRow, f.DiskPerRow, f.Alerts, f.LoadSeconds)
	}
	return tw.Flush()
}

// isTerminal tells whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
