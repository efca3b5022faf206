package rules

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"invigil/pipeline/syscollector"
)

// ActiveOnset is one entry of the index of active onsets: a condition that
// holds for an item since Began. It is written and deleted on transitions only;
// the rows themselves carry the fingerprints that evaluation needs.
type ActiveOnset struct {
	Fingerprint uint64 // of the rule's id, condition and table
	Agent       string // agent id
	Table       syscollector.Table
	Item        uint64 // of the row's identifying columns

	Key         []byte // the item's key within its table, when it fired
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

// itemOf identifies a row among those of its agent and table: by the columns
// that its key is made of and those that make it the same thing. A row that
// continues another differs in them: its entries move.
func itemOf(r *syscollector.Row) uint64 {
	m := r.Table.Masks()
	left := (m.Key | m.ScanKey | m.Same) & r.Present
	var h xxhash.Digest
	h.Reset()
	var buf [9]byte
	for left != 0 {
		n := uint8(bits.TrailingZeros64(left))
		left &= left - 1
		v := &r.Values[n]
		buf[0] = n
		if m.Text&(1<<n) != 0 {
			binary.BigEndian.PutUint64(buf[1:], uint64(len(v.Str)))
			_, _ = h.Write(buf[:])
			_, _ = h.WriteString(v.Str)
			continue
		}
		binary.BigEndian.PutUint64(buf[1:], uint64(v.Int))
		_, _ = h.Write(buf[:])
	}
	return h.Sum64()
}

// appendKey appends the entry's key: fingerprint, agent, 0, table, item.
func (a *ActiveOnset) appendKey(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, a.Fingerprint)
	b = append(b, a.Agent...)
	b = append(b, 0, byte(a.Table))
	return binary.BigEndian.AppendUint64(b, a.Item)
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
	for _, s := range []string{string(a.Key), a.Rule, a.Description, a.AgentName, a.AgentIP} {
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
	agent, rest, ok := bytes.Cut(key[8:], []byte{0})
	if !ok || len(rest) != 9 {
		return a, errActive
	}
	a.Agent, a.Table, a.Item = string(agent), syscollector.Table(rest[0]), binary.BigEndian.Uint64(rest[1:])
	r := byteReader{b: value[1:]}
	a.Began, a.Level, a.Resolve = r.int(), int(r.uint()), r.byte() == 1
	a.Key = []byte(r.string())
	for _, s := range []*string{&a.Rule, &a.Description, &a.AgentName, &a.AgentIP} {
		*s = r.string()
	}
	if r.bad || len(r.b) > 0 {
		return a, errActive
	}
	return a, nil
}
