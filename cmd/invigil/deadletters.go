package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"invigil/pipeline"
	"invigil/state"
)

func (a *app) deadLettersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dead-letters (list | show | retry)",
		Short: "Look at messages that could not be processed, try them again",
		Long: `Messages that could not be processed are kept in the state, the last 10,000 of a
partition, unless a topic takes them. The number of a letter is its place in the
list.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: dead-letters list, show or retry")
		},
	}
	c.AddCommand(a.deadLettersListCommand(), a.deadLettersShowCommand(), a.deadLettersRetryCommand())
	return c
}

// keptLetter is a dead letter with its number.
type keptLetter struct {
	number int
	kept   state.DeadLetter
	*pipeline.DeadLetter
}

// deadLetters calls f for each letter, oldest first.
func deadLetters(v *state.View, f func(keptLetter) error) error {
	n := 0
	for kept, err := range v.DeadLetters() {
		if err != nil {
			return err
		}
		d, err := pipeline.DecodeDeadLetter(kept.Entry)
		if err != nil {
			return err
		}
		n++
		if err := f(keptLetter{n, *kept, d}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) deadLettersListCommand() *cobra.Command {
	var (
		dir    stateFlags
		output string
		reason string
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the dead letters, oldest first",
		Example: "  invigil dead-letters list --state ./invigil-state --reason panic",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := choice("output", output, "table", "json", "csv"); err != nil {
				return err
			}
			return dir.view(a, func(v *state.View) error {
				out := newRecordWriter(a.stdout, output, "number", "topic", "partition", "offset", "time", "reason", "error")
				err := deadLetters(v, func(d keptLetter) error {
					if reason != "" && d.Reason != reason {
						return nil
					}
					first, _, _ := strings.Cut(d.Error, "\n")
					return out.write(nil, d.number, d.Topic, d.Partition, d.Offset, stamp(d.Time), d.Reason, first)
				})
				return errors.Join(err, out.close())
			})
		},
	}
	dir.register(c)
	c.Flags().StringVar(&reason, "reason", "", "only letters of this `REASON`")
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT`: table, json or csv")
	return c
}

func (a *app) deadLettersShowCommand() *cobra.Command {
	var (
		dir    stateFlags
		output string
	)
	c := &cobra.Command{
		Use:   "show N…",
		Short: "Print dead letters as they came",
		Long: `Print dead letters: where they came from, what was wrong, headers, key and value.
-o raw prints the values alone, as they came; -o json all of it, bytes in base64.`,
		Example: "  invigil dead-letters show 3 --state ./invigil-state -o raw | invigil eval --rules rules/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := choice("output", output, "text", "raw", "json"); err != nil {
				return err
			}
			wanted, err := letterNumbers(args)
			if err != nil {
				return err
			}
			return dir.view(a, func(v *state.View) error {
				err := deadLetters(v, func(d keptLetter) error {
					if !wanted[d.number] {
						return nil
					}
					delete(wanted, d.number)
					return a.showLetter(d, output)
				})
				return errors.Join(err, missing(wanted))
			})
		},
	}
	dir.register(c)
	c.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text, raw or json")
	return c
}

func letterNumbers(args []string) (map[int]bool, error) {
	wanted := make(map[int]bool)
	for _, arg := range args {
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return nil, usagef("%q is no number of a dead letter: dead-letters list shows them", arg)
		}
		wanted[n] = true
	}
	return wanted, nil
}

func missing(wanted map[int]bool) error {
	var errs []error
	for n := range wanted {
		errs = append(errs, fmt.Errorf("there is no dead letter %d", n))
	}
	return errors.Join(errs...)
}

func (a *app) showLetter(d keptLetter, output string) error {
	switch output {
	case "raw":
		_, err := a.stdout.Write(append(d.Value, '\n'))
		return err
	case "json":
		return json.NewEncoder(a.stdout).Encode(d.DeadLetter)
	}
	fmt.Fprintf(a.stdout, "dead letter %d of %s/%d, offset %d, %s\nreason: %s\nerror:  %s\n", d.number, d.Topic, d.Partition, d.Offset,
		dash(stamp(d.Time)), d.Reason, strings.ReplaceAll(strings.TrimSpace(d.Error), "\n", "\n        "))
	for _, h := range d.Headers {
		fmt.Fprintf(a.stdout, "header: %s: %s\n", printable(h.Key), bytesText(h.Value))
	}
	if d.Key != nil {
		fmt.Fprintf(a.stdout, "key:    %s\n", bytesText(d.Key))
	}
	_, err := fmt.Fprintf(a.stdout, "value:  %s\n", bytesText(d.Value))
	return err
}

// bytesText is the text for people; bytes that are none are quoted.
func bytesText(b []byte) string {
	if utf8.Valid(b) {
		return printable(string(b))
	}
	return strconv.Quote(string(b))
}

func (a *app) deadLettersRetryCommand() *cobra.Command {
	var (
		dir    stateFlags
		reason string
	)
	c := &cobra.Command{
		Use:   "retry -c FILE [N…]",
		Short: "Process dead letters again",
		Long: `Process dead letters again, all or those named, with the rules of the
configuration as they are now. What is processed leaves the letters; its alerts
leave with the next run. What fails again stays, with the new reason. Messages
come later than they were sent: what later ones said of the same row is undone.

Alerts that a sink refused are no messages; they stay.`,
		Example: "  invigil dead-letters retry -c invigil.yml --reason panic",
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := letterNumbers(args)
			if err != nil {
				return err
			}
			if dir.config == "" {
				return usagef("retry needs -c FILE: the rules must be those of the service")
			}
			_, cfg, err := dir.locate(a)
			if err != nil {
				return err
			}
			s, err := a.offline(cfg)
			if err == nil {
				err = s.retry(cmd.Context(), wanted, reason)
			}
			return s.close(err)
		},
	}
	dir.registerConfig(c)
	c.Flags().StringVar(&reason, "reason", "", "only letters of this `REASON`")
	return c
}

// retry processes letters again; none wanted means all.
func (s *service) retry(ctx context.Context, wanted map[int]bool, reason string) error {
	all := len(wanted) == 0
	var letters []keptLetter
	v := s.store.View()
	refused := 0
	err := deadLetters(v, func(d keptLetter) error {
		if !all && !wanted[d.number] || reason != "" && d.Reason != reason {
			return nil
		}
		delete(wanted, d.number)
		if d.Reason == pipeline.ReasonRefused {
			refused++
			return nil
		}
		letters = append(letters, d)
		return nil
	})
	if err := errors.Join(err, v.Close(), missing(wanted)); err != nil {
		return err
	}
	line, done, again := newProgress(s.stderr), 0, 0
	defer line.clear()
	for i := range letters {
		if err := ctx.Err(); err != nil {
			return interrupted(ctx, err)
		}
		line.show("%d of %d", i, len(letters))
		letter, err := s.pipeline.Retry(ctx, &letters[i].kept)
		if err != nil {
			return err
		}
		if letter == nil {
			done++
			continue
		}
		again++
		line.clear()
		first, _, _ := strings.Cut(letter.Error, "\n")
		fmt.Fprintf(s.stderr, "%s: %s: %s\n", letter.ID(), letter.Reason, first)
	}
	line.clear()
	fmt.Fprintf(s.stdout, "%d processed, %d failed again, %d refused alerts left alone\n", done, again, refused)
	if again > 0 {
		return errFinding
	}
	return nil
}
