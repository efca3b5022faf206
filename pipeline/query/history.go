package query

import (
	"context"
	"iter"

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
	return func(yield func(*Change, error) bool) {
		m := matcher{q: q, view: view}
		for a, err := range Agents(view, q.q.Agent, q.q.Topic) {
			if err != nil {
				yield(nil, err)
				return
			}
			for c, err := range view.Changes(a, q.q.Table, from, to) {
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
