package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Rule memory of the wazuh dialect. Every key begins with memoryWazuh and one
// of the kinds, every value with the format byte; numbers in keys are
// big-endian, so that order is kept.
//
//	w r <rule id, 4>             counters of a rule: ruleState
//	w h <sequence number, 8>     an event that correlations may look at: remembered
//	w q                          first and next sequence number
//	w d <rule id, 4> <agent>     the last message that a check_diff rule saw
//	w i <hash, 16>               a line that <ignore> stored: its number
//	w j <number, 8>              the same by number: the hash
//
// Records of a rule go on with the fingerprint of its declaration: those of
// another declaration are dropped.
const (
	memoryWazuh   = 'w'
	memoryRule    = 'r'
	memoryHistory = 'h'
	memorySeq     = 'q'
	memoryText    = 'd'
	memoryLine    = 'i'
	memoryLineNo  = 'j'
)

// maxLines bounds the lines that <ignore> stored: the oldest make room. The
// original's file of them grows without end.
const maxLines = 1 << 16

// wazuhMemory is the part of rule memory that is kept per rule. What changed is
// written by flush.
type wazuhMemory struct {
	mem    Memory
	set    *wazuhSet
	states []ruleState // by slot
	dirty  []*wazuhRule
	stale  [][]byte // keys of rules that are gone
	// The numbers of the lines that <ignore> stored: [firstLine, nextLine).
	firstLine, nextLine uint64
	key                 []byte
	value               []byte
}

// ruleState is what a rule remembers.
type ruleState struct {
	dirty       bool
	windowOpen  bool
	fired       uint64 // times it was the final rule
	windowStart int64  // seconds
	firstAbove  int    // id of the rule above at its first hit, 0 = none yet
}

func loadWazuhMemory(set *wazuhSet, mem Memory) (*wazuhMemory, error) {
	m := &wazuhMemory{mem: mem, set: set, states: make([]ruleState, len(set.rules))}
	for key, value := range mem.Scan([]byte{memoryWazuh, memoryRule}) {
		r, d, err := m.recordOf(key, value)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		s := ruleState{fired: d.uint(), windowOpen: d.uint() != 0, windowStart: d.int(), firstAbove: int(d.uint())}
		if d.bad {
			return nil, errMemory
		}
		m.states[r.slot] = s
	}
	for key, value := range mem.Scan([]byte{memoryWazuh, memoryText}) {
		if _, _, err := m.recordOf(key, value); err != nil {
			return nil, err
		}
	}
	for key, value := range mem.Scan([]byte{memoryWazuh, memoryLineNo}) {
		if _, err := openRecord(value); err != nil {
			return nil, err
		}
		if len(key) != 10 {
			return nil, errMemory
		}
		n := binary.BigEndian.Uint64(key[2:])
		if m.firstLine == m.nextLine {
			m.firstLine = n
		}
		m.nextLine = n + 1
	}
	return m, nil
}

// recordOf returns the rule of a record, and the rest of the record behind the
// fingerprint. A record whose rule is gone or another is to be dropped: the
// rule is nil then.
func (m *wazuhMemory) recordOf(key, value []byte) (*wazuhRule, byteReader, error) {
	d, err := openRecord(value)
	if err != nil {
		return nil, d, err
	}
	fingerprint := d.fixed()
	if len(key) < 6 || d.bad {
		return nil, d, errMemory
	}
	r := m.set.byID[int(binary.BigEndian.Uint32(key[2:]))]
	if r == nil || r.fingerprint != fingerprint || key[1] == memoryText && !r.checkDiff {
		m.stale = append(m.stale, slices.Clone(key))
		return nil, d, nil
	}
	return r, d, nil
}

// rule returns the state of a rule to be changed.
func (m *wazuhMemory) rule(r *wazuhRule) *ruleState {
	s := &m.states[r.slot]
	if !s.dirty {
		s.dirty = true
		m.dirty = append(m.dirty, r)
	}
	return s
}

func (m *wazuhMemory) flush() error {
	for _, key := range m.stale {
		if err := m.mem.Delete(key); err != nil {
			return err
		}
	}
	m.stale = nil
	for _, r := range m.dirty {
		s := &m.states[r.slot]
		open := uint64(0)
		if s.windowOpen {
			open = 1
		}
		v := binary.BigEndian.AppendUint64(append(m.value[:0], memoryFormat), r.fingerprint)
		v = binary.AppendUvarint(v, s.fired)
		v = binary.AppendUvarint(v, open)
		v = binary.AppendVarint(v, s.windowStart)
		v = binary.AppendUvarint(v, uint64(s.firstAbove))
		m.value = v
		if err := m.mem.Set(m.ruleKey(memoryRule, r), v); err != nil {
			return err
		}
		s.dirty = false
	}
	m.dirty = m.dirty[:0]
	return nil
}

func (m *wazuhMemory) ruleKey(kind byte, r *wazuhRule) []byte {
	m.key = binary.BigEndian.AppendUint32(append(m.key[:0], memoryWazuh, kind), uint32(r.id))
	return m.key
}

// swapText stores the message as the last one of a check_diff rule and agent
// and returns the one before; ok is false if there was none.
func (m *wazuhMemory) swapText(r *wazuhRule, agent, text string) (before string, ok bool, err error) {
	m.key = append(m.ruleKey(memoryText, r), agent...)
	value, ok, err := m.mem.Get(m.key)
	if err != nil {
		return "", false, err
	}
	if ok {
		d, err := openRecord(value)
		if err != nil {
			return "", false, err
		}
		if ok = d.fixed() == r.fingerprint && !d.bad; ok {
			before = string(d.b)
		}
	}
	if ok && before == text {
		return before, true, nil
	}
	m.value = append(binary.BigEndian.AppendUint64(append(m.value[:0], memoryFormat), r.fingerprint), text...)
	return before, ok, m.mem.Set(m.key, m.value)
}

// forget drops the messages of an agent that check_diff rules saw last.
func (m *wazuhMemory) forget(agent string) error {
	for _, r := range m.set.rules {
		if !r.checkDiff {
			continue
		}
		if err := m.mem.Delete(append(m.ruleKey(memoryText, r), agent...)); err != nil {
			return err
		}
	}
	return nil
}

func (m *wazuhMemory) lineKey(line string) []byte {
	sum := sha256.Sum256([]byte(line))
	m.key = append(append(m.key[:0], memoryWazuh, memoryLine), sum[:16]...)
	return m.key
}

func (m *wazuhMemory) hasLine(line string) (bool, error) {
	value, ok, err := m.mem.Get(m.lineKey(line))
	if ok {
		_, err = openRecord(value)
	}
	return ok, err
}

// addLine stores a line, the oldest making room.
func (m *wazuhMemory) addLine(line string) error {
	if ok, err := m.hasLine(line); ok || err != nil {
		return err
	}
	key := m.lineKey(line)
	number := binary.BigEndian.AppendUint64([]byte{memoryFormat}, m.nextLine)
	if err := m.mem.Set(key, number); err != nil {
		return err
	}
	m.value = append(append(m.value[:0], memoryFormat), key[2:]...)
	if err := m.mem.Set(m.numberKey(m.nextLine), m.value); err != nil {
		return err
	}
	m.nextLine++
	if m.nextLine-m.firstLine <= maxLines {
		return nil
	}
	m.firstLine++
	return m.dropLine(m.firstLine - 1)
}

func (m *wazuhMemory) dropLine(number uint64) error {
	value, ok, err := m.mem.Get(m.numberKey(number))
	if err != nil || !ok {
		return err
	}
	d, err := openRecord(value)
	if err != nil {
		return err
	}
	key := append([]byte{memoryWazuh, memoryLine}, d.b...)
	if err := m.mem.Delete(m.numberKey(number)); err != nil {
		return err
	}
	return m.mem.Delete(key)
}

func (m *wazuhMemory) numberKey(number uint64) []byte {
	m.key = binary.BigEndian.AppendUint64(append(m.key[:0], memoryWazuh, memoryLineNo), number)
	return m.key
}
