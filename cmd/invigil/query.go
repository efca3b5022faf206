package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// query is one question to the inventory.
type query struct {
	dir     string
	topic   string
	all     bool
	where   string
	columns []string // --select
	sort    []string
	output  string

	agent string // "" = all
	table syscollector.Table
}

func (a *app) queryCommand() *cobra.Command {
	var q query
	c := &cobra.Command{
		Use:   "query (AGENT | --all) TABLE --state DIR",
		Short: "Ask the stored inventory",
		Long: `Print the rows of an inventory table, of one agent or of all, from a state
directory. --where is a condition as in a rule, over one row and its agent. Names
are those of "invigil fields"; agent.id, agent.name and agent.ip may be selected
and sorted by too.`,
		Example: "  invigil query --state ./invigil-state 001 ports --where 'port.state == \"listening\"'\n  invigil query --state ./invigil-state --all packages --select agent.id,program.name,program.version --sort program.name -o csv",
		Args: func(_ *cobra.Command, args []string) error {
			if want := 2; !q.all && len(args) != want {
				return fmt.Errorf("query needs an agent and a table, or --all and a table")
			}
			if q.all && len(args) != 1 {
				return fmt.Errorf("query --all needs a table and no agent")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if !q.all {
				q.agent = args[0]
			}
			if q.dir == "" {
				return usagef("query needs --state DIR")
			}
			if err := choice("output", q.output, "table", "json", "csv"); err != nil {
				return err
			}
			var ok bool
			name := args[len(args)-1]
			if q.table, ok = syscollector.TableByName(name); !ok {
				return unknownTable(name)
			}
			return q.run(a.stdout)
		},
		ValidArgsFunction: completeTables,
	}
	f := c.Flags()
	f.StringVar(&q.dir, "state", "", "state `DIR`")
	f.StringVar(&q.topic, "topic", "", "only agents of this `TOPIC`; default: all")
	f.BoolVar(&q.all, "all", false, "rows of all agents")
	f.StringVar(&q.where, "where", "", "only rows for which the `EXPR` holds")
	f.StringSliceVar(&q.columns, "select", nil, "only these `COLUMNS`, in this order")
	f.StringSliceVar(&q.sort, "sort", nil, "sort by `COLUMNS`; -name is descending")
	f.StringVarP(&q.output, "output", "o", "table", "`FORMAT`: table, json or csv")
	return c
}

// run checks the question, opens the state and prints the answer.
func (q *query) run(w io.Writer) error {
	columns, err := q.selection(q.columns)
	if err != nil {
		return err
	}
	order, err := q.order()
	if err != nil {
		return err
	}
	var filter *rules.Filter
	if q.where != "" {
		if filter, err = rules.CompileFilter(q.where, q.table); err != nil {
			return usagef("--where: %w", err)
		}
	}
	store, err := state.Open(q.dir, state.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	view := store.View()
	return errors.Join(q.answer(w, view, filter, columns, order), view.Close(), store.Close())
}

// answer prints the rows.
func (q *query) answer(w io.Writer, view *state.View, filter *rules.Filter, columns []column, order []key) error {
	out := newRowWriter(w, q.output, columns, len(q.columns) > 0)
	rows := q.rows(view, filter)
	if len(order) > 0 {
		rows = sorted(rows, order)
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		if err := out.write(r); err != nil {
			return err
		}
	}
	return out.close()
}

// result is one row of an answer.
type result struct {
	agent syscollector.Agent
	row   *syscollector.Row
}

// column reads one column of a result.
type column struct {
	name  string
	field *syscollector.Field // nil = of the agent
}

// selection turns names into columns; none is all of them.
func (q *query) selection(names []string) ([]column, error) {
	fields := syscollector.Fields(q.table)
	if len(names) == 0 {
		all := []column{{name: "agent.id"}}
		for i := range fields {
			all = append(all, column{fields[i].Name, &fields[i]})
		}
		return all, nil
	}
	var out []column
	for _, name := range names {
		c, err := q.column(name)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (q *query) column(name string) (column, error) {
	known := []string{"agent.id", "agent.name", "agent.ip"}
	if slices.Contains(known, name) {
		return column{name: name}, nil
	}
	fields := syscollector.Fields(q.table)
	for i := range fields {
		if fields[i].Name == name {
			return column{name, &fields[i]}, nil
		}
		known = append(known, fields[i].Name)
	}
	hint := source.DidYouMean(name, known)
	if hint == "" {
		hint = "invigil fields " + q.table.String() + " lists them"
	}
	return column{}, usagef("table %s has no column %q: %s", q.table, name, hint)
}

// key is one column to sort by.
type key struct {
	column
	descending bool
}

func (q *query) order() ([]key, error) {
	var keys []key
	for _, name := range q.sort {
		bare, descending := strings.CutPrefix(name, "-")
		c, err := q.column(bare)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key{c, descending})
	}
	return keys, nil
}

// sorted collects the rows and yields them in order, equals as they came.
func sorted(rows iter.Seq2[result, error], order []key) iter.Seq2[result, error] {
	return func(yield func(result, error) bool) {
		var all []result
		for r, err := range rows {
			if err != nil {
				yield(r, err)
				return
			}
			all = append(all, r.clone())
		}
		slices.SortStableFunc(all, func(a, b result) int {
			for _, k := range order {
				n := k.compare(a, b)
				if k.descending {
					n = -n
				}
				if n != 0 {
					return n
				}
			}
			return 0
		})
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// compare orders two results by the column; an absent value comes first.
func (c column) compare(a, b result) int {
	x, y := c.value(a), c.value(b)
	switch x := x.(type) {
	case int64:
		if y, ok := y.(int64); ok {
			return cmp.Compare(x, y)
		}
	case float64:
		if y, ok := y.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := y.(string); ok {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(present(x), present(y))
}

func present(v any) int {
	if v == nil {
		return 0
	}
	return 1
}
