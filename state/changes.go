package state

import (
	"bytes"
	"cmp"
	"iter"
	"math"
	"slices"

	"invigil/pipeline/syscollector"
)

// Now stands for the present as the end of a range of times.
const Now = math.MaxInt64

// Change is what happened to an item: between two changes in its history, or
// between two times.
type Change struct {
	Kind    syscollector.Change // Added, Modified or Removed
	Time    int64               // stream time, unix milliseconds; 0 = of a Diff
	Key     []byte              // the item; of a row that goes on under another key the new one
	Before  *syscollector.Row   // nil = there was no row
	After   *syscollector.Row   // nil = there is no row
	Changed uint64              // bits of the columns that differ, volatile ones left out
}

// image is a row at a time, undecoded; value is nil if there was none.
type image struct {
	time       int64
	key, value []byte
}

// Changes yields the history of an agent's table with from < time <= to, unix
// milliseconds, oldest first, each change with the row as it was and as it
// became, as far back as history is kept. A row that went on under another key,
// as an upgraded package does, is modified. It holds the history after from in
// memory. A change may be kept.
func (v *View) Changes(a *AgentInfo, t syscollector.Table, from, to int64) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		changes, err := v.changes(a, t, from, to)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, c := range changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// changes returns what Changes yields.
func (v *View) changes(a *AgentInfo, t syscollector.Table, from, to int64) ([]*Change, error) {
	var past []image
	err := v.history(a, t, from, func(time int64, key, before []byte) error {
		past = append(past, image{time, bytes.Clone(key), bytes.Clone(before)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	// What a change made of a row is what the next one found, the last one's
	// what is stored.
	after := make([][]byte, len(past))
	latest := make(map[string][]byte)
	for i := len(past) - 1; i >= 0; i-- {
		key := string(past[i].key)
		value, ok := latest[key]
		if !ok {
			if value, err = v.rowValue(a, t, past[i].key); err != nil {
				return nil, err
			}
		}
		after[i], latest[key] = value, past[i].value
	}
	l := &v.s.layouts[t]
	var all []*Change
	added := make(map[string][]*Change) // by what makes them the same thing
	var left []leaving
	for i := range past {
		if past[i].time > to {
			break
		}
		c, err := v.change(a, t, past[i].key, past[i].value, past[i].key, after[i])
		if err != nil {
			return nil, err
		}
		if c == nil {
			continue
		}
		c.Time = past[i].time
		all = append(all, c)
		if !l.siblings {
			continue
		}
		switch c.Kind {
		case syscollector.Added:
			same := string(l.appendSame(nil, c.After))
			added[same] = append(added[same], c)
		case syscollector.Removed:
			h, _, _, err := splitRow(past[i].value)
			if err != nil {
				return nil, err
			}
			if h.continued() {
				left = append(left, leaving{c, string(l.appendSame(nil, c.Before))})
			}
		}
	}
	for _, gone := range left {
		if next := gone.successor(added[gone.same]); next != nil {
			next.Kind, next.Before = syscollector.Modified, gone.Before
			next.Changed = l.differ(next.Before, next.After) &^ l.volatile
			gone.Kind = syscollector.Unchanged
		}
	}
	all = slices.DeleteFunc(all, func(c *Change) bool { return c.Kind == syscollector.Unchanged })
	return all, nil
}

// leaving is the removal of a row that another one continued.
type leaving struct {
	*Change
	same string
}

// successor returns the row that went on for it: the last one that came before
// it left and is the same thing.
func (g *leaving) successor(added []*Change) *Change {
	for _, c := range slices.Backward(added) {
		if c.Kind == syscollector.Added && c.Time <= g.Time && !bytes.Equal(c.Key, g.Key) {
			return c
		}
	}
	return nil
}

// Diff yields in what an agent's table at the time to differs from the table
// at the time from, by key: rows added, removed and modified, volatile columns
// left out. A row that is the same thing as one that is gone, as an upgraded
// package is, is modified. It holds the rows that are only on one side in
// memory. A change may be kept.
func (v *View) Diff(a *AgentInfo, t syscollector.Table, from, to int64) iter.Seq2[*Change, error] {
	return func(yield func(*Change, error) bool) {
		changes, err := v.diff(a, t, from, to)
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range changes {
			if !yield(&changes[i], nil) {
				return
			}
		}
	}
}

func (v *View) diff(a *AgentInfo, t syscollector.Table, from, to int64) ([]Change, error) {
	before, after, err := v.images(a, t, from, to)
	if err != nil {
		return nil, err
	}
	var all []Change
	add := func(key, wasKey, was, is []byte) error {
		c, err := v.change(a, t, wasKey, was, key, is)
		if c != nil {
			all = append(all, *c)
		}
		return err
	}
	var gone, come []image
	for len(before) > 0 || len(after) > 0 {
		order := 0
		switch {
		case len(before) == 0:
			order = 1
		case len(after) == 0:
			order = -1
		default:
			order = bytes.Compare(before[0].key, after[0].key)
		}
		switch {
		case order < 0:
			gone, before = append(gone, before[0]), before[1:]
		case order > 0:
			come, after = append(come, after[0]), after[1:]
		default:
			if err := add(after[0].key, before[0].key, before[0].value, after[0].value); err != nil {
				return nil, err
			}
			before, after = before[1:], after[1:]
		}
	}
	if come, gone, err = v.pair(t, come, gone, add); err != nil {
		return nil, err
	}
	for _, g := range gone {
		if err := add(g.key, g.key, g.value, nil); err != nil {
			return nil, err
		}
	}
	for _, c := range come {
		if err := add(c.key, c.key, nil, c.value); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y Change) int {
		return cmp.Or(bytes.Compare(x.Key, y.Key), cmp.Compare(y.Kind, x.Kind))
	})
	return all, nil
}

// pair takes out rows that came and rows that are gone and are the same thing,
// the lowest keys first.
func (v *View) pair(t syscollector.Table, come, gone []image, add func(key, wasKey, was, is []byte) error) (newCome, newGone []image, err error) {
	l := &v.s.layouts[t]
	if !l.siblings || len(come) == 0 || len(gone) == 0 {
		return come, gone, nil
	}
	same := func(i *image) (string, error) {
		var row syscollector.Row
		if _, err := l.decodeRow(&row, string(i.key), i.value); err != nil {
			return "", err
		}
		return string(l.appendSame(nil, &row)), nil
	}
	left := make(map[string][]image)
	for i := range gone {
		s, err := same(&gone[i])
		if err != nil {
			return nil, nil, err
		}
		left[s] = append(left[s], gone[i])
	}
	for i := range come {
		s, err := same(&come[i])
		if err != nil {
			return nil, nil, err
		}
		was := left[s]
		if len(was) == 0 {
			newCome = append(newCome, come[i])
			continue
		}
		left[s] = was[1:]
		if err := add(come[i].key, was[0].key, was[0].value, come[i].value); err != nil {
			return nil, nil, err
		}
	}
	for _, was := range left {
		newGone = append(newGone, was...)
	}
	return newCome, newGone, nil
}

// images returns the rows of a table at two times, by key, those left out that
// did not change between.
func (v *View) images(a *AgentInfo, t syscollector.Table, from, to int64) (before, after []image, err error) {
	type pair struct{ before, after []byte }
	touched := make(map[string]*pair)
	late := make(map[string]bool) // after is what the first change after to found
	err = v.history(a, t, min(from, to), func(time int64, key, value []byte) error {
		p := touched[string(key)]
		if p == nil {
			p = &pair{before: bytes.Clone(value)}
			touched[string(key)] = p
		}
		if time > max(from, to) && !late[string(key)] {
			p.after, late[string(key)] = bytes.Clone(value), true
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for key, p := range touched {
		if !late[key] {
			if p.after, err = v.rowValue(a, t, []byte(key)); err != nil {
				return nil, nil, err
			}
		}
		if from > to {
			p.before, p.after = p.after, p.before
		}
		if len(p.before) > 0 {
			before = append(before, image{key: []byte(key), value: p.before})
		}
		if len(p.after) > 0 {
			after = append(after, image{key: []byte(key), value: p.after})
		}
	}
	byKey := func(x, y image) int { return bytes.Compare(x.key, y.key) }
	slices.SortFunc(before, byKey)
	slices.SortFunc(after, byKey)
	return before, after, nil
}

// change compares a row before and after; nil if nothing but volatile columns
// differs. An empty value is no row.
func (v *View) change(a *AgentInfo, t syscollector.Table, wasKey, was, key, is []byte) (*Change, error) {
	if len(was) == 0 && len(is) == 0 {
		return nil, nil
	}
	l := &v.s.layouts[t]
	row := func(key, value []byte) (*syscollector.Row, error) {
		if len(value) == 0 {
			return nil, nil
		}
		item := Item{Agent: a, Row: new(syscollector.Row)}
		if err := v.decode(&item, t, key, value); err != nil {
			return nil, err
		}
		return item.Row, nil
	}
	c := &Change{Kind: syscollector.Modified, Key: key}
	var err error
	if c.Before, err = row(wasKey, was); err != nil {
		return nil, err
	}
	if c.After, err = row(key, is); err != nil {
		return nil, err
	}
	switch {
	case c.Before == nil:
		c.Kind, c.Changed = syscollector.Added, c.After.Present&^l.volatile
	case c.After == nil:
		c.Kind, c.Changed = syscollector.Removed, c.Before.Present&^l.volatile
	default:
		if c.Changed = l.differ(c.Before, c.After) &^ l.volatile; c.Changed == 0 {
			return nil, nil
		}
	}
	return c, nil
}

// rowValue returns a stored row's value, nil if there is none.
func (v *View) rowValue(a *AgentInfo, t syscollector.Table, item []byte) ([]byte, error) {
	ref, ok := v.ref(a)
	if !ok {
		return nil, nil
	}
	key := append(appendTable(refKey(nil, ref), spaceRows, a.ID, t), item...)
	value, err := v.get(key)
	if value == nil || err != nil {
		return nil, err
	}
	return v.newest(ref, key, value), nil
}
