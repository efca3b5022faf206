package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// pastFlags are the flags of history and diff.
type pastFlags struct {
	state    stateFlags
	from, to string
	output   string
	ask      query.Question
}

func (p *pastFlags) register(c *cobra.Command) {
	p.state.register(c)
	f := c.Flags()
	f.StringVar(&p.ask.Topic, "topic", "", "only the agent of this `TOPIC`")
	f.StringVar(&p.ask.Where, "where", "", "only changes for whose row, before or after, the `EXPR` holds")
	f.StringSliceVar(&p.ask.Select, "select", nil, "only these `COLUMNS`, in this order")
	f.StringVarP(&p.output, "output", "o", "table", "`FORMAT`: table, json or csv")
}

// compile checks arguments and flags.
func (p *pastFlags) compile(args []string, from, to int64) (q *query.Query, since, until int64, err error) {
	if err := choice("output", p.output, "table", "json", "csv"); err != nil {
		return nil, 0, 0, err
	}
	var ok bool
	if p.ask.Table, ok = syscollector.TableByName(args[1]); !ok {
		return nil, 0, 0, unknownTable(args[1])
	}
	p.ask.Agent = args[0]
	if since, err = parseTime("from", p.from, from); err != nil {
		return nil, 0, 0, err
	}
	if until, err = parseTime("to", p.to, to); err != nil {
		return nil, 0, 0, err
	}
	if q, err = query.Compile(p.ask); err != nil {
		return nil, 0, 0, questionError(err)
	}
	return q, since, until, nil
}

func (a *app) historyCommand() *cobra.Command {
	var p pastFlags
	c := &cobra.Command{
		Use:   "history AGENT TABLE",
		Short: "Tell what changed in a table of an agent",
		Long: `Print the changes of an agent's table, oldest first, as far back as history is
kept (state.history): when, what kind of change, the row and what it was before.
Changes of volatile columns alone, such as packet counters, are not in it. Times
are stream times.`,
		Example: "  invigil history 001 packages --state ./invigil-state --where 'program.name == \"openssl\"'\n  invigil history 001 ports --state ./invigil-state --from 2024-06-14T16:00:00Z -o json",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, from, to, err := p.compile(args, -1, state.Now)
			if err != nil {
				return err
			}
			return p.state.view(a, func(v *state.View) error {
				return printChanges(cmd.Context(), a.stdout, v, q, p.output, true, func(ctx context.Context, v *state.View) changes {
					return q.History(ctx, v, from, to)
				})
			})
		},
		ValidArgsFunction: completeTables,
	}
	p.register(c)
	c.Flags().StringVar(&p.from, "from", "", "only changes after `TIME`, RFC 3339")
	c.Flags().StringVar(&p.to, "to", "", "only changes up to `TIME`, RFC 3339")
	return c
}

// changes is what history and diff print.
type changes = iter.Seq2[*query.Change, error]

// printChanges prints changes: of a removed row the columns that it had, of a
// modified one those that it has, with what differed before.
func printChanges(ctx context.Context, w io.Writer, v *state.View, q *query.Query, format string, times bool, of func(context.Context, *state.View) changes) error {
	columns := []string{"change"}
	if times {
		columns = append([]string{"time"}, columns...)
	}
	for _, c := range q.Columns() {
		columns = append(columns, c.Name)
	}
	out := newRecordWriter(w, format, append(columns, "before")...)
	var object []byte
	for c, err := range of(ctx, v) {
		if err != nil {
			return interrupted(ctx, questionError(err))
		}
		if format == "json" {
			object = query.AppendChange(object[:0], q.Columns(), c)
		}
		values := []any{c.Kind.String()}
		if times {
			values = append([]any{c.At()}, values...)
		}
		row := query.Row{Agent: c.Agent, Row: c.After}
		if row.Row == nil {
			row.Row = c.Before
		}
		for _, col := range q.Columns() {
			values = append(values, col.Text(&row))
		}
		if err := out.write(object, append(values, before(c))...); err != nil {
			return err
		}
	}
	return out.close()
}

// before says what the changed columns of a modified row were.
func before(c *query.Change) string {
	if c.Kind != syscollector.Modified {
		return ""
	}
	var was []string
	for _, f := range syscollector.Fields(c.Before.Table) {
		if c.Changed&(1<<f.Number) != 0 {
			was = append(was, fmt.Sprintf("%s=%s", f.Name, dash(c.Before.Text(f.Number))))
		}
	}
	return strings.Join(was, " ")
}
