package query

import (
	"context"
	"iter"
	"math"
	"slices"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// Change is one change of a stored row. It is valid until the next one.
type Change struct {
	Agent  *state.AgentInfo
	Time   int64 // stream time, unix milliseconds
	Change syscollector.Change
	Before *syscollector.Row // nil = added
	After  *syscollector.Row // nil = removed
}

// History yields the changes with from < time <= to, unix milliseconds, of the
// agents in question, agent by agent, oldest first. A change is in question if
// the condition holds for the row before or after it. Only the times of the
// changes are held in memory. Context and errors are as with Rows.
func (q *Query) History(ctx context.Context, view *state.View, from, to int64) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		for a, err := range Agents(view, q.q.Agent, q.q.Topic) {
			if err != nil {
				yield(nil, err)
				return
			}
			if more, err := q.changes(ctx, view, a, from, to, yield); err != nil || !more {
				if err != nil {
					yield(nil, err)
				}
				return
			}
		}
	}
}

// changes yields the changes of one agent. The row after a change is the one
// before the item's next change, or the stored one.
func (q *Query) changes(ctx context.Context, view *state.View, a *state.AgentInfo, from, to int64, yield func(*Change, error) bool) (more bool, err error) {
	times := make(map[string][]int64)
	for p, err := range view.History(a, q.q.Table, from, math.MaxInt64) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		times[string(p.Key)] = append(times[string(p.Key)], p.Time)
	}
	m := matcher{q: q, view: view}
	for p, err := range view.History(a, q.q.Table, from, to) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return false, err
		}
		after, err := q.after(view, a, p, times[string(p.Key)])
		if err != nil {
			return false, err
		}
		c := Change{Agent: a, Time: p.Time, Before: rowOf(p.Before), After: rowOf(after)}
		if c.Before == nil && c.After == nil {
			continue // came and went at one time
		}
		c.Change = c.kind()
		holds, err := m.either(a, c.Before, c.After)
		if err != nil {
			return false, err
		}
		if holds && !yield(&c, nil) {
			return false, nil
		}
	}
	return true, nil
}

// after returns the row after a change, nil if there was none.
func (q *Query) after(view *state.View, a *state.AgentInfo, p *state.Past, times []int64) (*state.Item, error) {
	if i, _ := slices.BinarySearch(times, p.Time+1); i < len(times) {
		return view.Before(a, q.q.Table, times[i], p.Key)
	}
	return view.Row(a, q.q.Table, p.Key)
}

func rowOf(i *state.Item) *syscollector.Row {
	if i == nil {
		return nil
	}
	return i.Row
}

func (c *Change) kind() syscollector.Change {
	switch {
	case c.Before == nil:
		return syscollector.Added
	case c.After == nil:
		return syscollector.Removed
	}
	return syscollector.Modified
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
