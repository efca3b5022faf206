package query

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// Rows yields the rows that the question asks for, sorted if it says so. The
// context is looked at before each stored row, matching or not, and ends the
// sequence with its error. A mistake of the condition on a row, such as a
// division by zero, ends it with an *Error; an unknown agent with an
// *UnknownAgentError.
func (q *Query) Rows(ctx context.Context, view *state.View) iter.Seq2[*Row, error] {
	if len(q.order) > 0 {
		return Sorted(q.matching(ctx, view), q)
	}
	return q.matching(ctx, view)
}

// matching yields the rows for which the condition holds, in stored order.
func (q *Query) matching(ctx context.Context, view *state.View) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		row := new(Row)
		m := matcher{q: q, view: view}
		for item, err := range q.items(view) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, err)
				return
			}
			ok, err := m.match(item.Agent, item.Row)
			if err != nil {
				yield(nil, err)
				return
			}
			row.Agent, row.Row = item.Agent, item.Row
			if ok && !yield(row, nil) {
				return
			}
		}
	}
}

// items yields the stored rows in question.
func (q *Query) items(view *state.View) iter.Seq2[*state.Item, error] {
	return func(yield func(*state.Item, error) bool) {
		for a, err := range Agents(view, q.q.Agent, q.q.Topic) {
			if err != nil {
				yield(nil, err)
				return
			}
			for item, err := range q.stored(view, a, q.q.Table) {
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

// stored yields the rows of an agent's table at the time in question.
func (q *Query) stored(view *state.View, a *state.AgentInfo, t syscollector.Table) iter.Seq2[*state.Item, error] {
	if q.q.At != 0 {
		return view.RowsAt(a, t, q.q.At)
	}
	return view.Rows(a, t)
}

// Agents yields the agents of an id and a topic, "" = all. If an id is given
// and there is none, the sequence ends with an *UnknownAgentError.
func Agents(view *state.View, id, topic string) iter.Seq2[*state.AgentInfo, error] {
	return func(yield func(*state.AgentInfo, error) bool) {
		if id == "" {
			for a, err := range view.Agents() {
				if err == nil && topic != "" && a.Topic != topic {
					continue
				}
				if !yield(a, err) {
					return
				}
			}
			return
		}
		found, err := view.Find(id)
		if err != nil {
			yield(nil, err)
			return
		}
		some := false
		for i := range found {
			if topic != "" && found[i].Topic != topic {
				continue
			}
			some = true
			if !yield(&found[i], nil) {
				return
			}
		}
		if !some {
			yield(nil, &UnknownAgentError{id})
		}
	}
}

// matcher evaluates the question's condition. It is the inventory that the
// condition reads agent.os and agent.hardware from, kept for the agent at hand.
type matcher struct {
	q      *Query
	view   *state.View
	agent  *state.AgentInfo
	sender syscollector.Agent
	kept   map[syscollector.Table]*syscollector.Row
	err    error
}

// match tells whether the condition holds for a row.
func (m *matcher) match(a *state.AgentInfo, row *syscollector.Row) (bool, error) {
	if m.q.filter == nil {
		return true, nil
	}
	if m.agent == nil || m.agent.ID != a.ID || m.agent.Topic != a.Topic || m.agent.Partition != a.Partition {
		own := *a
		m.agent, m.kept = &own, make(map[syscollector.Table]*syscollector.Row)
		m.sender = syscollector.Agent{ID: own.ID, Name: own.Name, IP: own.IP, Groups: own.Groups, Labels: own.Labels}
		m.q.filter.Bind(m)
	}
	ok, err := m.q.filter.Match(row, m.sender)
	if m.err != nil {
		return false, m.err
	}
	if err != nil {
		return false, &Error{"where", fmt.Errorf("agent %s: %w", a.ID, err), ""}
	}
	return ok, nil
}

// Rows implements rules.Inventory over tables of one row an agent.
func (m *matcher) Rows(_ string, t syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	return func(yield func([]byte, *syscollector.Row) bool) {
		row, ok := m.kept[t]
		if !ok {
			for item, err := range m.q.stored(m.view, m.agent, t) {
				if err != nil {
					m.err = errors.Join(m.err, err)
					return
				}
				row = clone(item.Row)
				break
			}
			m.kept[t] = row
		}
		if row != nil {
			yield(nil, row)
		}
	}
}

// Known implements rules.Inventory.
func (m *matcher) Known(_ string, t syscollector.Table) bool { return m.agent.Known(t) }

// clone returns a row that outlives the next step of its sequence.
func clone(r *syscollector.Row) *syscollector.Row {
	c := *r
	for n := range uint8(len(c.Values)) {
		if c.Has(n) {
			c.Values[n].Str = strings.Clone(c.Values[n].Str)
		}
	}
	return &c
}
