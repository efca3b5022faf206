package rules

import (
	"encoding/binary"
	"errors"
	"strings"

	"invigil/pipeline/syscollector"
)

// ActiveOnset is one entry of the index of active onsets: a condition that
// holds for an item since Began. It is written and deleted on transitions only;
// the rows themselves carry the fingerprints that evaluation needs.
type ActiveOnset struct {
	Fingerprint uint64 // of the rule's id, condition and table
	Agent       string // agent id
	Table       syscollector.Table
	Key         []byte // the item's key within its table

	Rule        string
	Level       int
	Description string // as it fired
	Began       int64  // receive time of the event, unix milliseconds
	Resolve     bool   // its end is reported
	AgentName   string
	AgentIP     string
}

// activeFormat is the format byte of an entry's value.
const activeFormat = 1

// appendKey appends the entry's key: fingerprint, agent, 0, table, item.
func (a *ActiveOnset) appendKey(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, a.Fingerprint)
	b = append(b, a.Agent...)
	b = append(b, 0, byte(a.Table))
	return append(b, a.Key...)
}

// appendValue appends the rest of the entry.
func (a *ActiveOnset) appendValue(b []byte) []byte {
	b = append(b, activeFormat)
	b = binary.AppendVarint(b, a.Began)
	b = binary.AppendUvarint(b, uint64(a.Level))
	resolve := byte(0)
	if a.Resolve {
		resolve = 1
	}
	b = append(b, resolve)
	for _, s := range []string{a.Rule, a.Description, a.AgentName, a.AgentIP} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errActive = errors.New("active onset: damaged entry: restore the state from a snapshot or its changelog")

// DecodeActive reads one entry of the index of active onsets. It shares no
// memory with key and value.
func DecodeActive(key, value []byte) (ActiveOnset, error) {
	var a ActiveOnset
	if len(key) < 10 || len(value) < 1 {
		return a, errActive
	}
	if value[0] != activeFormat {
		return a, errors.New("active onset: written by a newer version: use that one")
	}
	a.Fingerprint = binary.BigEndian.Uint64(key)
	agent, rest, ok := strings.Cut(string(key[8:]), "\x00")
	if !ok || rest == "" {
		return a, errActive
	}
	a.Agent, a.Table, a.Key = agent, syscollector.Table(rest[0]), []byte(rest[1:])
	value = value[1:]
	var n int
	if a.Began, n = binary.Varint(value); n <= 0 {
		return a, errActive
	}
	value = value[n:]
	level, n := binary.Uvarint(value)
	if n <= 0 || len(value) <= n {
		return a, errActive
	}
	a.Level, a.Resolve = int(level), value[n] == 1
	value = value[n+1:]
	for _, s := range []*string{&a.Rule, &a.Description, &a.AgentName, &a.AgentIP} {
		size, n := binary.Uvarint(value)
		if n <= 0 || size > uint64(len(value)-n) {
			return a, errActive
		}
		*s = string(value[n : n+int(size)])
		value = value[n+int(size):]
	}
	return a, nil
}
