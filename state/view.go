package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"invigil/pipeline/syscollector"
)

// View is the store as it was at one time, for queries. It is safe for
// concurrent use and does not hold up the partitions. Sequences end with an
// error if the store fails; what they yield is valid until the next step.
type View struct {
	s    *Store
	snap *pebble.Snapshot
	held map[uint32]*held // by partition; beside the snapshot
	once sync.Once
	err  error
}

// View returns a view of what is committed now. It must be closed. Volatile
// columns that wait to be written are in it.
func (s *Store) View() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &View{s: s, held: maps.Clone(s.holding), snap: s.db.NewSnapshot()}
}

// Close releases the view.
func (v *View) Close() error {
	v.once.Do(func() { v.err = v.snap.Close() })
	return v.err
}

// PartitionInfo is a partition that the store has.
type PartitionInfo struct {
	Topic      string
	Number     int32
	Next       int64 // source offset to be processed next
	StreamTime int64 // unix milliseconds
	ref        uint32
}

// Partitions returns the partitions of the store, by topic and number.
func (v *View) Partitions() ([]PartitionInfo, error) {
	v.s.mu.Lock()
	ps := make([]PartitionInfo, 0, len(v.s.refs))
	for name, ref := range v.s.refs {
		ps = append(ps, PartitionInfo{Topic: name.topic, Number: name.number, ref: ref})
	}
	v.s.mu.Unlock()
	slices.SortFunc(ps, func(a, b PartitionInfo) int {
		if a.Topic != b.Topic {
			return bytes.Compare([]byte(a.Topic), []byte(b.Topic))
		}
		return int(a.Number) - int(b.Number)
	})
	for i := range ps {
		value, closer, err := v.snap.Get(append(refKey(nil, ps[i].ref), appliedKey()...))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read applied offsets: %w", err)
		}
		if len(value) > 0 && value[0] == appliedFormat {
			c := cursor{rest: value[1:]}
			ps[i].Next, ps[i].StreamTime = c.varint(), c.varint()
		}
		if err := closer.Close(); err != nil {
			return nil, err
		}
	}
	return ps, nil
}

// Agents yields all agents, by partition and id.
func (v *View) Agents() iter.Seq2[*AgentInfo, error] {
	return func(yield func(*AgentInfo, error) bool) {
		ps, err := v.Partitions()
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range ps {
			more := true
			err := v.agents(&ps[i], func(a *AgentInfo) error {
				if more = yield(a, nil); !more {
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

// Find returns the agents of an id: one, or several if topics share it.
func (v *View) Find(id string) ([]AgentInfo, error) {
	ps, err := v.Partitions()
	if err != nil {
		return nil, err
	}
	var found []AgentInfo
	for i := range ps {
		err := v.scan(agentKey(refKey(nil, ps[i].ref), id), func(_, value []byte) error {
			a, err := decodeAgent(string(appendString(nil, id)), value)
			if err != nil {
				return err
			}
			a.Topic, a.Partition = ps[i].Topic, ps[i].Number
			found = append(found, a.AgentInfo)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (v *View) agents(p *PartitionInfo, f func(*AgentInfo) error) error {
	prefix := append(refKey(nil, p.ref), spaceMeta, metaAgent)
	return v.scan(prefix, func(key, value []byte) error {
		a, err := decodeAgent(string(key[len(prefix):]), value)
		if err != nil {
			return err
		}
		a.Topic, a.Partition = p.Topic, p.Number
		return f(&a.AgentInfo)
	})
}

// Item is a stored row with what belongs to it.
type Item struct {
	Agent    *AgentInfo
	Key      []byte // the item, unique in the agent's table
	Row      *syscollector.Row
	ScanID   int64    // of the scan that last wrote the row, 0 if it was no scan
	ScanTime string   // as sent with it
	Active   []uint64 // fingerprints of the onset rules that stand on it
	// Continued is set when another row is the same thing by now, and goes on
	// for this one until it leaves.
	Continued bool
}

// Rows yields an agent's rows of a table, in key order.
func (v *View) Rows(a *AgentInfo, t syscollector.Table) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		ref, ok := v.ref(a)
		if !ok || t == syscollector.NoTable || t >= syscollector.NumTables {
			return
		}
		prefix := appendTable(refKey(nil, ref), spaceRows, a.ID, t)
		item := Item{Agent: a, Row: new(syscollector.Row)}
		err := v.scan(prefix, func(key, value []byte) error {
			if err := v.decode(&item, t, key[len(prefix):], v.newest(ref, key, value)); err != nil {
				return err
			}
			if !yield(&item, nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// Table yields the rows of a table of all agents, by partition, agent and key.
func (v *View) Table(t syscollector.Table) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for a, err := range v.Agents() {
			if err != nil {
				yield(nil, err)
				return
			}
			for item, err := range v.Rows(a, t) {
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

// Count returns the number of an agent's rows of a table.
func (v *View) Count(a *AgentInfo, t syscollector.Table) (n int, err error) {
	ref, ok := v.ref(a)
	if !ok {
		return 0, nil
	}
	err = v.scan(appendTable(refKey(nil, ref), spaceRows, a.ID, t), func(_, _ []byte) error {
		n++
		return nil
	})
	return n, err
}

// Counts returns the number of rows of each table, of all agents.
func (v *View) Counts() (n [syscollector.NumTables]int, err error) {
	ps, err := v.Partitions()
	if err != nil {
		return n, err
	}
	for i := range ps {
		prefix := append(refKey(nil, ps[i].ref), spaceRows)
		err := v.scan(prefix, func(key, _ []byte) error {
			_, t, _, err := cutTable(string(key[len(prefix):]))
			if err == nil {
				n[t]++
			}
			return err
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// DeadLetter is a dead letter that a partition keeps.
type DeadLetter struct {
	Topic     string
	Partition int32
	Seq       uint64
	Entry     []byte
}

// DeadLetters yields the dead letters, by partition, oldest first.
func (v *View) DeadLetters() iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		ps, err := v.Partitions()
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range ps {
			more := true
			err := v.scan(append(refKey(nil, ps[i].ref), spaceDead), func(key, value []byte) error {
				if len(value) == 0 || value[0] != deadFormat {
					return errors.New("dead letter is damaged or of another version")
				}
				d := DeadLetter{ps[i].Topic, ps[i].Number, binary.BigEndian.Uint64(key[len(key)-8:]), value[1:]}
				if more = yield(&d, nil); !more {
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

// newest returns the newest value of a row whose stored value is given.
func (v *View) newest(ref uint32, key, stored []byte) []byte {
	if h := v.held[ref]; h != nil {
		return h.newest(key[refLen:], stored)
	}
	return stored
}

// decode fills an item.
func (v *View) decode(item *Item, t syscollector.Table, key, value []byte) error {
	h, err := v.s.layouts[t].decodeRow(item.Row, string(key), value)
	if err != nil {
		return fmt.Errorf("agent %s, table %d: %w", item.Agent.ID, t, err)
	}
	item.Key, item.ScanID, item.ScanTime, item.Continued = key, h.scan, string(h.time), h.continued()
	item.Active = item.Active[:0]
	for b := h.active; len(b) >= 8; b = b[8:] {
		item.Active = append(item.Active, binary.LittleEndian.Uint64(b))
	}
	return nil
}

func (v *View) ref(a *AgentInfo) (ref uint32, ok bool) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	ref, ok = v.s.refs[partitionName{a.Topic, a.Partition}]
	return ref, ok
}

// errStop ends a scan early without an error.
var errStop = errors.New("stop")

// scan calls f for the keys with a prefix until it fails; errStop is no
// failure.
func (v *View) scan(prefix []byte, f func(key, value []byte) error) (err error) {
	it, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
