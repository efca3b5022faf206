package rules

import (
	"encoding/binary"
	"slices"
	"strings"
)

const (
	// memorySize is the number of events that the original remembers;
	// dropAtOnce of the oldest make room.
	memorySize = 8192
	dropAtOnce = 10
	// maxTexts bounds previous_output.
	maxTexts = 11
)

// history holds the earlier events that correlations search. Only events that
// some rule may look for are kept, but all that the original would store are
// counted, so that old ones leave when they do there.
type history struct {
	set         *wazuhSet
	memory      *wazuhMemory
	first, next uint64 // sequence numbers stored and not dropped: [first, next)
	events      []*remembered
	lists       [][]*remembered // by list number of an if_matched_sid or if_matched_group
	dirty       []*remembered
	removed     []uint64
	moved       bool // first or next changed
	counted     int  // by the last search, for explanations
	value       []byte
}

// remembered is one earlier event.
type remembered struct {
	seq     uint64
	time    int64 // seconds
	agent   string
	rule    *wazuhRule // under which it was stored
	mark    int
	log     string
	values  []trackedValue // by number of the tracked field
	dirty   bool
	written bool // memory may hold it
	dropped bool
}

func newHistory(set *wazuhSet, memory *wazuhMemory) history {
	return history{set: set, memory: memory, lists: make([][]*remembered, set.lists)}
}

// store remembers the event in hand under the rule that it ended at. log is
// the message if it was copied already.
func (h *history) store(w *wazuhEval, r *wazuhRule, log string) {
	if h.set.maxAge < 0 {
		return
	}
	if h.next-h.first >= memorySize {
		h.first += dropAtOnce
	}
	seq := h.next
	h.next++
	h.moved = true
	h.evict(w.now)
	if !h.set.regex && r.sidList < 0 && len(r.groupLists) == 0 {
		return
	}
	if log == "" {
		log = strings.Clone(w.ev.Log)
	}
	e := &remembered{seq: seq, time: w.now, agent: strings.Clone(w.ev.Agent.ID), rule: r, mark: w.mark, log: log}
	e.values = slices.Clone(w.trackedValues())
	for i := range e.values {
		e.values[i].text = strings.Clone(e.values[i].text)
	}
	h.insert(e)
	h.touch(e)
}

// insert puts the event at the end of the histories that it belongs to: a rule
// that an if_matched_sid names is in no other.
func (h *history) insert(e *remembered) {
	h.events = append(h.events, e)
	for _, list := range e.rule.histories() {
		h.lists[list] = append(h.lists[list], e)
	}
}

// histories returns the lists that events stored under the rule belong to.
func (r *wazuhRule) histories() []int {
	if r.sidList >= 0 {
		return []int{r.sidList}
	}
	return r.groupLists
}

func (h *history) touch(e *remembered) {
	if !e.dirty {
		e.dirty = true
		h.dirty = append(h.dirty, e)
	}
}

// evict drops the events that no search can reach any more.
func (h *history) evict(now int64) {
	n := 0
	for ; n < len(h.events); n++ {
		e := h.events[n]
		if e.seq >= h.first && now-e.time <= h.set.maxAge {
			break
		}
		e.dropped = true
		if e.written {
			h.removed = append(h.removed, e.seq)
		}
		for _, list := range e.rule.histories() {
			h.lists[list] = h.lists[list][1:]
		}
	}
	clear(h.events[:n])
	h.events = h.events[n:]
}

// Events are written as: format byte, fingerprint of the rule, rule id, time, mark, agent,
// message, and the fields that they have, by name.

func (h *history) flush() error {
	for _, seq := range h.removed {
		if err := h.memory.mem.Delete(h.key(seq)); err != nil {
			return err
		}
	}
	h.removed = h.removed[:0]
	for _, e := range h.dirty {
		if e.dirty = false; e.dropped {
			continue
		}
		if err := h.memory.mem.Set(h.key(e.seq), h.encode(e)); err != nil {
			return err
		}
		e.written = true
	}
	clear(h.dirty)
	h.dirty = h.dirty[:0]
	if !h.moved {
		return nil
	}
	h.moved = false
	h.value = binary.AppendUvarint(binary.AppendUvarint(append(h.value[:0], memoryFormat), h.first), h.next)
	return h.memory.mem.Set([]byte{memoryWazuh, memorySeq}, h.value)
}

func (h *history) key(seq uint64) []byte {
	m := h.memory
	m.key = binary.BigEndian.AppendUint64(append(m.key[:0], memoryWazuh, memoryHistory), seq)
	return m.key
}

func (h *history) encode(e *remembered) []byte {
	v := binary.BigEndian.AppendUint64(append(h.value[:0], memoryFormat), e.rule.fingerprint)
	text := func(s string) {
		v = binary.AppendUvarint(v, uint64(len(s)))
		v = append(v, s...)
	}
	v = binary.AppendUvarint(v, uint64(e.rule.id))
	v = binary.AppendVarint(v, e.time)
	v = binary.AppendUvarint(v, uint64(e.mark))
	text(e.agent)
	text(e.log)
	for i, field := range h.set.tracked {
		if e.values[i].ok {
			text(field.name)
			text(e.values[i].text)
		}
	}
	h.value = v
	return v
}

// load reads the history from memory. Events stored under rules that are gone
// or changed are dropped.
func (h *history) load() error {
	mem := h.memory.mem
	value, ok, err := mem.Get([]byte{memoryWazuh, memorySeq})
	if err != nil {
		return err
	}
	if ok {
		d, err := openRecord(value)
		if err != nil {
			return err
		}
		if h.first, h.next = d.uint(), d.uint(); d.bad {
			return errMemory
		}
	}
	for key, value := range mem.Scan([]byte{memoryWazuh, memoryHistory}) {
		d, err := openRecord(value)
		if err != nil {
			return err
		}
		if len(key) != 10 {
			return errMemory
		}
		e := &remembered{seq: binary.BigEndian.Uint64(key[2:]), values: make([]trackedValue, len(h.set.tracked)), written: true}
		fingerprint := d.fixed()
		e.rule = h.set.byID[int(d.uint())]
		e.time, e.mark, e.agent, e.log = d.int(), int(d.uint()), d.string(), d.string()
		for len(d.b) > 0 {
			name, text := d.string(), d.string()
			for i, field := range h.set.tracked {
				if field.name == name {
					e.values[i] = trackedValue{text, true}
				}
			}
		}
		if d.bad {
			return errMemory
		}
		if e.rule == nil || e.rule.fingerprint != fingerprint || h.set.maxAge < 0 || e.seq < h.first {
			h.removed = append(h.removed, e.seq)
			continue
		}
		h.insert(e)
	}
	return nil
}
