package rules

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Rule memory of the invigil dialect. Every key begins with memoryStateful, the
// rule's definition and one of the kinds; times are stream time, unix
// milliseconds.
//
//	s <definition, 8> c <hash of by, 8>   times (and hashes of distinct values) of what correlate counts
//	s <definition, 8> q <hash of by, 8>   begin of the quiet time of suppress, how many it held back
//
// A record whose time is over means the same as none; records of rules that the
// set does not have mean nothing. Both are deleted once an hour of stream time.
const (
	memoryStateful = 's'
	memoryWindow   = 'c'
	memoryQuiet    = 'q'

	// keepCount is how long after a quiet time the number held back is kept
	// for the next alert.
	keepCount  = 30 * 24 * 3600 * 1000
	pruneEvery = 3600 * 1000
)

// window is the correlate key of a rule.
type window struct {
	count    int
	within   int64
	by       []*whenName
	distinct *whenName
}

// quiet is the suppress key of a rule.
type quiet struct {
	lasts int64
	by    []*whenName
}

// define returns the definition of a rule that is otherwise defined as given.
func (q *quiet) define(definition uint64) uint64 {
	return fingerprintOf(fmt.Sprint(definition), fmt.Sprint(q.lasts), namesOf(q.by))
}

// statefulMemory reads and writes what rules remember beside their onsets.
type statefulMemory struct {
	mem    Memory
	pruned int64 // stream time of the last pruning
	key    []byte
	value  []byte
}

// at sets the key of a rule's record for what the scope shows of by.
func (m *statefulMemory) at(r *statefulRule, kind byte, by []*whenName, s *whenScope) []byte {
	m.key = append(m.key[:0], memoryStateful)
	m.key = binary.BigEndian.AppendUint64(m.key, r.definition)
	m.key = append(m.key, kind)
	var h xxhash.Digest
	h.Reset()
	for _, n := range by {
		v := s.format(n)
		m.value = binary.AppendUvarint(m.value[:0], uint64(len(v)))
		_, _ = h.Write(m.value)
		_, _ = h.WriteString(v)
	}
	m.key = binary.BigEndian.AppendUint64(m.key, h.Sum64())
	return m.key
}

// counted notes that a rule's condition began (or, with every, holds) and
// reports whether that makes the number that correlate asks for. The window
// ends with the event and is as long as within, its far end excluded; after the
// alert counting starts anew. With distinct, what has no value is not counted
// and a value counts once, when it was last seen.
func (m *statefulMemory) counted(r *statefulRule, s *whenScope, now int64) (bool, error) {
	w := r.window
	var value uint64
	if w.distinct != nil {
		text := s.format(w.distinct)
		if text == "" {
			return false, nil
		}
		value = xxhash.Sum64String(text)
	}
	key := m.at(r, memoryWindow, w.by, s)
	old, ok, err := m.mem.Get(key)
	if err != nil {
		return false, fmt.Errorf("read what rule %s counts: %w", r.id, err)
	}
	m.value = append(m.value[:0], memoryFormat)
	if ok {
		d, err := openRecord(old)
		if err != nil {
			return false, err
		}
		for len(d.b) > 0 {
			entry := d.b
			if at, seen := int64(d.fixed()), d.fixed(); !d.bad && now-at < w.within && (w.distinct == nil || seen != value) {
				m.value = append(m.value, entry[:16]...)
			}
		}
		if d.bad {
			return false, errMemory
		}
	}
	if len(m.value)/16+1 >= w.count {
		if ok {
			err = m.mem.Delete(key)
		}
		return true, err
	}
	m.value = binary.BigEndian.AppendUint64(m.value, uint64(now))
	m.value = binary.BigEndian.AppendUint64(m.value, value)
	return false, m.mem.Set(key, m.value)
}

// quietNow reports whether suppress holds an alert back; if not, it returns how
// many it held back since the last one and begins a new quiet time, which ends
// at its full length.
func (m *statefulMemory) quietNow(r *statefulRule, s *whenScope, now int64) (held bool, before int, err error) {
	key := m.at(r, memoryQuiet, r.quiet.by, s)
	old, ok, err := m.mem.Get(key)
	if err != nil {
		return false, 0, fmt.Errorf("read the quiet time of rule %s: %w", r.id, err)
	}
	begin, count := now, uint64(0)
	if ok {
		if begin, count, err = quietRecord(old); err != nil {
			return false, 0, err
		}
		switch {
		case now-begin < r.quiet.lasts:
			count++
			held = true
		case now-begin < r.quiet.lasts+keepCount:
			before, begin, count = int(count), now, 0
		default:
			begin, count = now, 0
		}
	}
	m.value = append(m.value[:0], memoryFormat)
	m.value = binary.BigEndian.AppendUint64(m.value, uint64(begin))
	m.value = binary.AppendUvarint(m.value, count)
	return held, before, m.mem.Set(key, m.value)
}

func quietRecord(v []byte) (begin int64, count uint64, err error) {
	d, err := openRecord(v)
	if err != nil {
		return 0, 0, err
	}
	if begin, count = int64(d.fixed()), d.uint(); d.bad {
		return 0, 0, errMemory
	}
	return begin, count, nil
}

// prune deletes the records that mean nothing any more. It changes no verdict,
// so that when it runs does not matter.
func (m *statefulMemory) prune(set *statefulSet, now int64) error {
	if !set.remembers || now-m.pruned < pruneEvery {
		return nil
	}
	m.pruned = now
	var over [][]byte
	for key, value := range m.mem.Scan([]byte{memoryStateful}) {
		if len(key) != 18 {
			return errMemory
		}
		r := set.definitions[binary.BigEndian.Uint64(key[1:])]
		if r == nil || m.isOver(r, key[9], value, now) {
			over = append(over, append([]byte(nil), key...))
		}
	}
	for _, key := range over {
		if err := m.mem.Delete(key); err != nil {
			return fmt.Errorf("prune rule memory: %w", err)
		}
	}
	return nil
}

// isOver tells whether a record of a rule means the same as none. One that
// cannot be read is left to who reads it.
func (m *statefulMemory) isOver(r *statefulRule, kind byte, value []byte, now int64) bool {
	switch {
	case kind == memoryQuiet && r.quiet != nil:
		begin, _, err := quietRecord(value)
		return err == nil && now-begin >= r.quiet.lasts+keepCount
	case kind != memoryWindow || r.window == nil:
		return true
	}
	d, err := openRecord(value)
	for err == nil && len(d.b) > 0 {
		at := int64(d.fixed())
		if d.fixed(); d.bad || now-at < r.window.within {
			return false
		}
	}
	return err == nil
}
