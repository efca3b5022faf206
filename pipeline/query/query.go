// Package query asks the stored inventory: rows of one table, of one agent or
// of all, filtered by a condition, with chosen columns, in an order, now or as
// of a time; and the changes that a table has seen.
//
// It is what the command line and the HTTP API share: both compile a Question
// and render its rows as flat objects, named as in rules. Rows are streamed from
// a state.View; only an order that was asked for holds rows in memory, in a
// compact form.
package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// Question asks for the rows of one table.
type Question struct {
	Table  syscollector.Table
	Agent  string   // id; "" = all agents
	Topic  string   // only agents of this topic; "" = all
	Where  string   // a condition over a row and its agent; "" = all rows
	Select []string // columns; none = agent.id and all of the table
	Sort   []string // columns, a leading - for descending; none = stored order
	At     int64    // as of this stream time, unix milliseconds; 0 = now
}

// Error is a mistake in a question.
type Error struct {
	Part string // where, select or sort
	Err  error
	Hint string // what to write instead, may be ""
}

// Error names the part and what is wrong with it.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Part + ": " + e.Err.Error()
	}
	return e.Part + ": " + e.Err.Error() + ": " + e.Hint
}

// Unwrap returns the mistake without its part.
func (e *Error) Unwrap() error { return e.Err }

// UnknownAgentError says that the store has no agent of the id that a question
// names.
type UnknownAgentError struct{ ID string }

// Error implements error.
func (e *UnknownAgentError) Error() string { return "agent " + e.ID + " is not known here" }

// Query is a compiled question. It belongs to one goroutine.
type Query struct {
	q       Question
	columns []Column
	order   []key
	filter  *rules.Filter
}

// Compile checks a question. The error is an *Error.
func Compile(q Question) (*Query, error) {
	c := &Query{q: q}
	var err error
	if c.columns, err = selection(q.Table, q.Select); err != nil {
		return nil, err
	}
	if c.order, err = order(q.Table, q.Sort); err != nil {
		return nil, err
	}
	if q.Where != "" {
		if c.filter, err = rules.CompileFilter(q.Where, q.Table); err != nil {
			return nil, whereError(err)
		}
	}
	return c, nil
}

// Columns returns the columns that were chosen.
func (q *Query) Columns() []Column { return q.columns }

// whereError takes the hint out of the first diagnostic.
func whereError(err error) error {
	var ds source.Diagnostics
	if errors.As(err, &ds) && len(ds) > 0 {
		d := ds[0]
		return &Error{"where", fmt.Errorf("%d:%d: %s", d.Pos.Line, d.Pos.Column, d.Message), d.Hint}
	}
	return &Error{"where", err, ""}
}

// Column is one column of an answer: a field of the table, or one of its
// agent's: agent.id, agent.name, agent.ip.
type Column struct {
	Name  string
	field *syscollector.Field // nil = of the agent
}

var agentColumns = [...]string{"agent.id", "agent.name", "agent.ip"}

// selection turns names into columns; none is all of them.
func selection(t syscollector.Table, names []string) ([]Column, error) {
	fields := syscollector.Fields(t)
	if len(names) == 0 {
		all := []Column{{Name: agentColumns[0]}}
		for i := range fields {
			all = append(all, Column{fields[i].Name, &fields[i]})
		}
		return all, nil
	}
	var out []Column
	for _, name := range names {
		c, err := column(t, name)
		if err != nil {
			return nil, &Error{"select", err, columnHint(t, name)}
		}
		if slices.Contains(out, c) {
			return nil, &Error{"select", fmt.Errorf("column %q stands twice", name), ""}
		}
		out = append(out, c)
	}
	return out, nil
}

func column(t syscollector.Table, name string) (Column, error) {
	if slices.Contains(agentColumns[:], name) {
		return Column{Name: name}, nil
	}
	fields := syscollector.Fields(t)
	for i := range fields {
		if fields[i].Name == name {
			return Column{name, &fields[i]}, nil
		}
	}
	return Column{}, fmt.Errorf("table %s has no column %q", t, name)
}

func columnHint(t syscollector.Table, name string) string {
	known := slices.Clone(agentColumns[:])
	for _, f := range syscollector.Fields(t) {
		known = append(known, f.Name)
	}
	if hint := source.DidYouMean(name, known); hint != "" {
		return hint
	}
	return "invigil fields " + t.String() + " lists them"
}

// key is one column to sort by.
type key struct {
	Column
	descending bool
}

func order(t syscollector.Table, names []string) ([]key, error) {
	var keys []key
	for _, name := range names {
		bare, descending := strings.CutPrefix(name, "-")
		c, err := column(t, bare)
		if err != nil {
			return nil, &Error{"sort", err, columnHint(t, bare)}
		}
		keys = append(keys, key{c, descending})
	}
	return keys, nil
}
