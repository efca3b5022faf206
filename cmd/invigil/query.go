package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// queryFlags are the flags of query.
type queryFlags struct {
	state  string // directory or URL
	token  string
	all    bool
	at     string
	output string
	ask    query.Question
}

func (a *app) queryCommand() *cobra.Command {
	var q queryFlags
	c := &cobra.Command{
		Use:   "query (AGENT | --all) TABLE --state (DIR | URL)",
		Short: "Ask the stored inventory",
		Long: `Print the rows of an inventory table, of one agent or of all, from a state
directory or from a running instance. While an instance runs on the directory,
the question goes to its HTTP listener. --where is a condition as in a rule, over
one row and its agent. Names are those of "invigil fields"; agent.id, agent.name
and agent.ip may be selected and sorted by too.

Of a URL, the bearer token is --token, else INVIGIL_TOKEN; of a directory it is
not needed.`,
		Example: "  invigil query --state ./invigil-state 001 ports --where 'port.state == \"listening\"'\n  invigil query --state ./invigil-state --all packages --select agent.id,program.name,program.version --sort program.name -o csv\n  invigil query --state https://invigil.example:8480 001 packages --at 2024-06-14T16:00:00Z",
		Args: func(_ *cobra.Command, args []string) error {
			if want := 2; !q.all && len(args) != want {
				return fmt.Errorf("query needs an agent and a table, or --all and a table")
			}
			if q.all && len(args) != 1 {
				return fmt.Errorf("query --all needs a table and no agent")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !q.all {
				q.ask.Agent = args[0]
			}
			if q.state == "" {
				return usagef("query needs --state DIR, or --state URL of a running instance")
			}
			if err := choice("output", q.output, "table", "json", "csv"); err != nil {
				return err
			}
			if q.at != "" {
				at, err := time.Parse(time.RFC3339, q.at)
				if err != nil || at.UnixMilli() <= 0 {
					return usagef("--at %q: write a time as in 2024-06-14T16:00:00Z", q.at)
				}
				q.ask.At = at.UnixMilli()
			}
			var ok bool
			name := args[len(args)-1]
			if q.ask.Table, ok = syscollector.TableByName(name); !ok {
				return unknownTable(name)
			}
			return a.query(cmd.Context(), &q)
		},
		ValidArgsFunction: completeTables,
	}
	f := c.Flags()
	f.StringVar(&q.state, "state", "", "state `DIR`, or URL of a running instance")
	f.StringVar(&q.token, "token", "", "bearer `TOKEN` for a URL; default: INVIGIL_TOKEN")
	f.StringVar(&q.ask.Topic, "topic", "", "only agents of this `TOPIC`; default: all")
	f.BoolVar(&q.all, "all", false, "rows of all agents")
	f.StringVar(&q.ask.Where, "where", "", "only rows for which the `EXPR` holds")
	f.StringSliceVar(&q.ask.Select, "select", nil, "only these `COLUMNS`, in this order")
	f.StringSliceVar(&q.ask.Sort, "sort", nil, "sort by `COLUMNS`; -name is descending")
	f.StringVar(&q.at, "at", "", "the inventory as it was at `TIME`, RFC 3339")
	f.StringVarP(&q.output, "output", "o", "table", "`FORMAT`: table, json or csv")
	return c
}

// query checks the question, finds who can answer it and prints the answer.
func (a *app) query(ctx context.Context, f *queryFlags) error {
	q, err := query.Compile(f.ask)
	if err != nil {
		return questionError(err)
	}
	out := newRowWriter(a.stdout, f.output, q.Columns(), len(f.ask.Select) > 0)
	if remote := strings.HasPrefix(f.state, "http://") || strings.HasPrefix(f.state, "https://"); remote {
		token := f.token
		if token == "" {
			token, _ = a.env("INVIGIL_TOKEN")
		}
		return printRows(out, newRemote(f.state, token).rows(ctx, f.ask, q))
	}
	store, err := state.Open(f.state, state.Options{ReadOnly: true})
	if errors.Is(err, state.ErrLocked) {
		r, instanceErr := localRemote(f.state)
		if instanceErr != nil {
			return fmt.Errorf("%w; %w", err, instanceErr)
		}
		return printRows(out, r.rows(ctx, f.ask, q))
	}
	if err != nil {
		return err
	}
	view := store.View()
	return errors.Join(printRows(out, q.Rows(ctx, view)), view.Close(), store.Close())
}

// printRows writes the rows.
func printRows(out rowWriter, rows iter.Seq2[*query.Row, error]) error {
	for r, err := range rows {
		if err != nil {
			return questionError(err)
		}
		if err := out.write(r); err != nil {
			return err
		}
	}
	return out.close()
}

// questionError tells mistakes in the question, which are wrong usage, from
// failures.
func questionError(err error) error {
	var mistake *query.Error
	if !errors.As(err, &mistake) {
		return err
	}
	return usagef("--%w", err)
}
