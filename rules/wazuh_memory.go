package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
)

// Rule memory of the wazuh dialect. Every key begins with memoryWazuh and one
// of the kinds; numbers in keys are big-endian, so that order is kept.
//
//	w r <rule id, 4>             counters of a rule: ruleState
//	w h <sequence number, 8>     an event that correlations may look at: remembered
//	w q                          first and next sequence number
//	w d <rule id, 4> <agent>     the last message that a check_diff rule saw
//	w i <hash, 16>               a line that <ignore> stored
//
// Records of a rule begin with the fingerprint of its declaration: those of
// another declaration are dropped.
const (
	memoryWazuh   = 'w'
	memoryRule    = 'r'
	memoryHistory = 'h'
	memorySeq     = 'q'
	memoryText    = 'd'
	memoryLine    = 'i'
)

// errMemory tells that a record cannot be read.
var errMemory = errors.New("rule memory is damaged: restore the state from a snapshot or its changelog")

// wazuhMemory is the part of rule memory that is kept per rule. What changed is
// written by flush.
type wazuhMemory struct {
	mem    Memory
	set    *wazuhSet
	states []ruleState // by slot
	dirty  []*wazuhRule
	stale  [][]byte // keys of rules that are gone
	key    []byte
	value  []byte
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
		if len(key) != 6 || len(value) < 8 {
			return nil, errMemory
		}
		r := set.byID[int(binary.BigEndian.Uint32(key[2:]))]
		if r == nil || binary.BigEndian.Uint64(value) != r.fingerprint {
			m.stale = append(m.stale, slices.Clone(key))
			continue
		}
		d := byteReader{b: value[8:]}
		s := ruleState{fired: d.uint(), windowOpen: d.uint() != 0, windowStart: d.int(), firstAbove: int(d.uint())}
		if d.bad {
			return nil, errMemory
		}
		m.states[r.slot] = s
	}
	return m, nil
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
		v := binary.BigEndian.AppendUint64(m.value[:0], r.fingerprint)
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
	if ok = ok && len(value) >= 8 && binary.BigEndian.Uint64(value) == r.fingerprint; ok {
		before = string(value[8:])
	}
	if ok && before == text {
		return before, true, nil
	}
	m.value = append(binary.BigEndian.AppendUint64(m.value[:0], r.fingerprint), text...)
	return before, ok, m.mem.Set(m.key, m.value)
}

func (m *wazuhMemory) lineKey(line string) []byte {
	sum := sha256.Sum256([]byte(line))
	m.key = append(append(m.key[:0], memoryWazuh, memoryLine), sum[:16]...)
	return m.key
}

func (m *wazuhMemory) hasLine(line string) (bool, error) {
	_, ok, err := m.mem.Get(m.lineKey(line))
	return ok, err
}

func (m *wazuhMemory) addLine(line string) error {
	key := m.lineKey(line)
	if _, ok, err := m.mem.Get(key); ok || err != nil {
		return err
	}
	return m.mem.Set(m.lineKey(line), []byte{1})
}
