package state

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"invigil/pipeline/syscollector"
)

// Onset is an entry of the index of active onsets. Key and Value are the rules'
// own, valid until the next entry.
type Onset struct {
	Topic      string
	Partition  int32
	Key, Value []byte
}

// Onsets yields the index of active onsets, by partition and key.
func (v *View) Onsets() iter.Seq2[*Onset, error] {
	return func(yield func(*Onset, error) bool) {
		ps, err := v.Partitions()
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range ps {
			more := true
			prefix := append(refKey(nil, ps[i].ref), spaceActive)
			err := v.scan(prefix, func(key, value []byte) error {
				o := Onset{ps[i].Topic, ps[i].Number, key[len(prefix):], value}
				if more = yield(&o, nil); !more {
					return errStop
				}
				return nil
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if !more {
				return
			}
		}
	}
}

// Row returns the row of an item of an agent's table, nil if there is none. It
// may be kept.
func (v *View) Row(a *AgentInfo, t syscollector.Table, item []byte) (*Item, error) {
	value, err := v.rowValue(a, t, item)
	if value == nil || err != nil {
		return nil, err
	}
	i := &Item{Agent: a, Row: new(syscollector.Row)}
	if err := v.decode(i, t, bytes.Clone(item), value); err != nil {
		return nil, err
	}
	return i, nil
}

// get returns a copy of a key's value, nil if there is none.
func (v *View) get(key []byte) ([]byte, error) {
	value, closer, err := v.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	value = append([]byte{}, value...)
	return value, closer.Close()
}
