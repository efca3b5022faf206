package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"

	"invigil/pipeline/syscollector"
)

// Past is one change in the history of a table: what a row was before it.
type Past struct {
	Time   int64  // stream time of the change, unix milliseconds
	Key    []byte // the item
	Before *Item  // nil = there was no row
}

// History yields the changes of an agent's table with from < time <= to, unix
// milliseconds, oldest first, as far back as history is kept. Changes of
// volatile columns alone are not in it; of several changes of a row at one time
// the first is.
func (v *View) History(a *AgentInfo, t syscollector.Table, from, to int64) iter.Seq2[*Past, error] {
	return func(yield func(*Past, error) bool) {
		item := Item{Agent: a, Row: new(syscollector.Row)}
		past := Past{}
		err := v.history(a, t, from, func(time int64, key, before []byte) error {
			if time > to {
				return errStop
			}
			past = Past{Time: time, Key: key}
			if len(before) > 0 {
				if err := v.decode(&item, t, key, before); err != nil {
					return err
				}
				past.Before = &item
			}
			if !yield(&past, nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// history calls f for the before images after a time.
func (v *View) history(a *AgentInfo, t syscollector.Table, after int64, f func(time int64, key, before []byte) error) error {
	ref, ok := v.ref(a)
	if !ok || t == syscollector.NoTable || t >= syscollector.NumTables {
		return nil
	}
	prefix := historyPrefix(refKey(nil, ref), a.ID, t)
	return v.scan(prefix, func(key, value []byte) error {
		key = key[len(prefix):]
		if len(key) < 8 || len(value) == 0 || value[0] != historyFormat {
			return errors.New("history is damaged or of another version")
		}
		time := int64(binary.BigEndian.Uint64(key))
		if time <= after {
			return nil
		}
		return f(time, key[8:], value[1:])
	})
}

// RowsAt yields an agent's rows of a table as they were at a time, unix
// milliseconds, in key order: the stored rows with the newer changes undone.
// Volatile columns are as last written before the change. It holds the changed
// rows in memory.
func (v *View) RowsAt(a *AgentInfo, t syscollector.Table, time int64) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		undo := make(map[string][]byte)
		err := v.history(a, t, time, func(_ int64, key, before []byte) error {
			if _, ok := undo[string(key)]; !ok {
				undo[string(key)] = bytes.Clone(before)
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
			return
		}
		keys := slices.Sorted(maps.Keys(undo))
		item := Item{Agent: a, Row: new(syscollector.Row)}
		// before yields the undone rows whose keys are below a key; nil = all.
		before := func(below []byte) bool {
			for len(keys) > 0 && (below == nil || keys[0] < string(below)) {
				key := keys[0]
				keys = keys[1:]
				if len(undo[key]) == 0 {
					continue
				}
				err := v.decode(&item, t, []byte(key), undo[key])
				if err != nil {
					yield(nil, err)
					return false
				}
				if !yield(&item, nil) {
					return false
				}
			}
			return true
		}
		for row, err := range v.Rows(a, t) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !before(row.Key) {
				return
			}
			if _, changed := undo[string(row.Key)]; changed {
				continue
			}
			if !yield(row, nil) {
				return
			}
		}
		before(nil)
	}
}
