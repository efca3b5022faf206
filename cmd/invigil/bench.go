package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
of rules, and the ratio to the first number. Compare ratios of one run.

With --source kafka the total is that of reading a topic: broker and producer
are another process, whose CPU time does not count. With --events 0 only memory
and disk are measured.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if source != "memory" && source != "kafka" {
				return usagef("--source %s: it is memory or kafka", source)
			}
			if o.Events < 0 || o.Fleet.Agents < 1 || o.Fleet.Rows < 2 || o.Fleet.Rate < 1 || len(o.Rules) == 0 {
				return usagef("bench needs at least one agent, two rows an agent, one event a second and one number of rules")
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
				if source == "kafka" {
					return usagef("--events-file goes with --source memory")
				}
				messages, err := a.readAll(cmd.Context(), []string{eventsFile})
				if err != nil {
					return err
				}
				if len(messages) == 0 {
					return usagef("--events-file %s: it is empty", eventsFile)
				}
				o.Messages = messages
			}
			if isTerminal(a.stderr) {
				o.Progress = func(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
			}
			figures, err := a.measure(cmd.Context(), o, source == "kafka")
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
	f.IntVar(&o.Events, "events", 500_000, "number of measured events")
	fleetFlags(f, &o.Fleet)
	f.IntSliceVar(&o.Rules, "rules", []int{10, 1000, 10_000}, "numbers of rules")
	f.DurationVar(&o.Volatile, "volatile-interval", 30*time.Second, "state.volatile_interval")
	f.StringVar(&source, "source", "memory", "where events come from: memory or kafka")
	f.StringVar(&state, "state", "memory", "memory, or a `DIR` to keep the state in")
	f.StringVar(&eventsFile, "events-file", "", "events from a `FILE` instead of generated ones")
	f.StringVar(&rulesFile, "rules-file", "", "rules from a `FILE` instead of generated ones")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func fleetFlags(f *pflag.FlagSet, fleet *bench.Fleet) {
	f.IntVar(&fleet.Agents, "agents", 1000, "number of agents")
	f.IntVar(&fleet.Rows, "rows", 100, "rows an agent reports")
	f.IntVar(&fleet.Rate, "rate", 1000, "events a second by the events' own times")
}

func printFigures(w io.Writer, figures []bench.Figures) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "rules\tfetch\tdecode\tapply\trules\tcommit\ttotal µs\tratio\tevents/s\tallocs\talerts\tload s\t\n")
	for _, f := range figures {
		fmt.Fprintf(tw, "%d\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%.2f\t%d\t%.2f\t\n", f.Rules, f.FetchMicros, f.DecodeMicros, f.ApplyMicros,
			f.RulesMicros, f.CommitMicros, f.TotalMicros, f.Ratio, f.EventsPerSecond, f.Allocs, f.Alerts, f.LoadSeconds)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	f := figures[0]
	_, err := fmt.Fprintf(w, "%d rows: %.0f bytes of heap and %.0f bytes of disk a row; the process had %d MiB resident, at most %d MiB\n",
		f.Rows, f.HeapPerRow, f.DiskPerRow, f.Resident>>20, f.PeakResident>>20)
	return err
}

// isTerminal tells whether w is a terminal.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
