package state

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"invigil/pipeline/syscollector"
)

// Rows yields the rows of an agent's table, with their items, in key order, as
// they are after the last Apply. A row is valid until the next one. The
// sequence may be nested, but nothing may be written meanwhile. A failure ends
// it early and is returned by the next Apply or Commit.
func (p *Partition) Rows(agent string, table syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	return func(yield func([]byte, *syscollector.Row) bool) {
		if table == syscollector.NoTable || table >= syscollector.NumTables {
			return
		}
		l := &p.store.layouts[table]
		prefix := appendTable(nil, spaceRows, agent, table)
		row := new(syscollector.Row)
		var bad error
		err := p.scanRows(prefix, nil, func(key, value []byte) bool {
			item := key[len(prefix):]
			if _, bad = l.decodeRow(row, string(item), value); bad != nil {
				bad = fmt.Errorf("agent %s, table %d: %w", agent, table, bad)
				return false
			}
			return yield(item, row)
		})
		if err := errors.Join(err, bad); err != nil {
			p.err = err
		}
	}
}

// Visit returns stored rows as unchanged deltas, so that rules can be evaluated
// over what is stored: those after the cursor, at most limit, all of one agent.
// next is the cursor to go on from; nil when all rows were visited. Put takes
// the deltas as it takes those of Apply. A nil cursor begins; a cursor may be
// kept over restarts. Rows that another one continued are passed over.
func (p *Partition) Visit(cursor []byte, limit int) (ds []syscollector.Delta, next []byte, err error) {
	if err := p.failure(); err != nil {
		return nil, nil, err
	}
	p.deltas = p.deltas[:0]
	w := &p.work
	w.begin()
	var a *agentState
	var bad error
	err = p.scanRows([]byte{spaceRows}, cursor, func(key, value []byte) bool {
		if cursor != nil && slices.Equal(key[1:], cursor) {
			return true
		}
		var agent, item string
		var t syscollector.Table
		if agent, t, item, bad = cutTable(string(key[1:])); bad != nil {
			return false
		}
		var h head
		if h, _, _, bad = splitRow(value); bad != nil {
			return false
		}
		if h.continued() {
			return true // its thing is shown by the row that goes on for it
		}
		if a != nil && (a.ID != agent || len(p.deltas) == limit) {
			next = slices.Clone(w.puts[len(w.puts)-1].key[1:])
			return false
		}
		if a == nil {
			if a = p.agents[agent]; a == nil {
				bad = fmt.Errorf("agent %s has rows but no record", agent)
				return false
			}
		}
		l := &p.store.layouts[t]
		row := w.row(t)
		if h, bad = l.decodeRow(row, item, value); bad != nil {
			return false
		}
		own := slices.Clone(key)
		p.delta(target{agent: a, l: l, key: own, item: own[len(own)-len(item):]},
			syscollector.Delta{Change: syscollector.Unchanged, Before: row, After: row}, h.active)
		return true
	})
	if err := errors.Join(err, bad); err != nil {
		return nil, nil, err
	}
	return p.deltas, next, nil
}

// Forget removes an agent with all its rows, marks and history, and returns the
// rows as removed deltas. Forgetting an agent that is not there does nothing.
func (p *Partition) Forget(agent string) ([]syscollector.Delta, error) {
	if err := p.failure(); err != nil {
		return nil, err
	}
	p.deltas = p.deltas[:0]
	p.work.begin()
	a := p.agents[agent]
	if a == nil {
		return nil, nil
	}
	p.forgetting = true
	defer func() { p.forgetting = false }()
	for t := syscollector.NoTable + 1; t < syscollector.NumTables; t++ {
		if err := p.clear(a, t); err != nil {
			return nil, fmt.Errorf("forget agent %s: %w", agent, err)
		}
	}
	same := func(b *agentState) bool { return b == a }
	p.dirty = slices.DeleteFunc(p.dirty, same)
	p.marked = slices.DeleteFunc(p.marked, same)
	delete(p.agents, agent)
	p.over.delete(agentKey(nil, agent))
	history := appendString(append(refKey(nil, p.ref), spaceHistory), agent)
	p.over.drop(history[refLen:])
	p.trims = append(p.trims, trim{from: history, to: upperBound(nil, history)})
	return p.deltas, nil
}
