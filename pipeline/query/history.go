package query

import (
	"context"
	"iter"
	"time"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// Change is one change of a stored row. It is valid until the next one.
type Change struct {
	Agent *state.AgentInfo
	*state.Change
}

// Columns returns the names of the table's columns that a change changed, none
// of a row that was added or removed.
func (c *Change) Columns() (names []string) {
	if c.Kind != syscollector.Modified {
		return nil
	}
	for _, f := range syscollector.Fields(c.After.Table) {
		if c.Changed&(1<<f.Number) != 0 {
			names = append(names, f.Name)
		}
	}
	return names
}

// History yields the changes with from < time <= to, unix milliseconds, of the
// agents in question, agent by agent, oldest first. A change is in question if
// the condition holds for the row before or after it. It holds one agent's
// history in memory. Context and errors are as with Rows.
func (q *Query) History(ctx context.Context, view *state.View, from, to int64) iter.Seq2[*Change, error] {
	return q.changes(ctx, view, func(a *state.AgentInfo) iter.Seq2[*state.Change, error] {
		return view.Changes(a, q.q.Table, from, to)
	})
}

// Diff yields in what the table at the time to differs from the table at the
// time from, unix milliseconds, for the agents in question, agent by agent, by
// key. state.Now is the present. Otherwise it is as History; Time is 0.
func (q *Query) Diff(ctx context.Context, view *state.View, from, to int64) iter.Seq2[*Change, error] {
	return q.changes(ctx, view, func(a *state.AgentInfo) iter.Seq2[*state.Change, error] {
		return view.Diff(a, q.q.Table, from, to)
	})
}

// changes yields those changes of the agents in question that are in question.
func (q *Query) changes(ctx context.Context, view *state.View, of func(*state.AgentInfo) iter.Seq2[*state.Change, error]) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		m := matcher{q: q, view: view}
		for a, err := range Agents(view, q.q.Agent, q.q.Topic) {
			if err != nil {
				yield(nil, err)
				return
			}
			for c, err := range of(a) {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(nil, err)
					return
				}
				holds, err := m.either(a, c.Before, c.After)
				if err != nil {
					yield(nil, err)
					return
				}
				if holds && !yield(&Change{a, c}, nil) {
					return
				}
			}
		}
	}
}

// either tells whether the condition holds for one of two rows.
func (m *matcher) either(a *state.AgentInfo, before, after *syscollector.Row) (bool, error) {
	for _, row := range []*syscollector.Row{after, before} {
		if row == nil {
			continue
		}
		if ok, err := m.match(a, row); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// AppendChange appends a change as an object: time (RFC 3339, left out if it is
// 0), change, changed (names of columns), before and after (rows of the
// columns).
func AppendChange(b []byte, columns []Column, c *Change) []byte {
	b = append(b, '{')
	if c.Time != 0 {
		b = append(b, `"time":`...)
		b = append(appendString(b, c.At()), ',')
	}
	b = append(b, `"change":`...)
	b = appendString(b, c.Kind.String())
	for i, name := range c.Columns() {
		if i == 0 {
			b = append(b, `,"changed":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendString(b, name)
	}
	if len(c.Columns()) > 0 {
		b = append(b, ']')
	}
	if c.Before != nil {
		b = append(b, `,"before":`...)
		b = AppendJSON(b, columns, &Row{Agent: c.Agent, Row: c.Before})
	}
	if c.After != nil {
		b = append(b, `,"after":`...)
		b = AppendJSON(b, columns, &Row{Agent: c.Agent, Row: c.After})
	}
	return append(b, '}')
}

// At returns the time of the change in RFC 3339, "" if it has none.
func (c *Change) At() string {
	if c.Time == 0 {
		return ""
	}
	return time.UnixMilli(c.Time).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}
