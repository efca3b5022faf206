package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"invigil/pipeline/syscollector"
)

// The key layout. Numbers are big endian, so keys sort as what they mean.
//
//	key       = ref(4 bytes) rest            ref = a partition's number in this store
//	ref 0     = what belongs to the whole store:
//	  'f'                                    → format of the store
//	  'p' topic number(4)                    → ref(4)
//	  'c' list name                          → the list's entry in the catalogue
//	  'l' generation(8) key                  → value of a list's key
//	  'w' agent topic table item             → rows imported before the agent's first event;
//	                                           table 0: what is known of the agent
//	ref 1…    = one partition; rest is also the key in its changelog:
//	  0x00 "applied"                         → next offset, stream time
//	  'r' agent table item                   → row
//	  'a' …                                  → active onsets, keys by the rules
//	  'm' …                                  → rule memory, keys by the rules
//	  'h' agent table time(8) item           → the row before that time's change; not in the changelog
//	  'o' 'e' sequence(8)                    → outbox entry
//	  'o' 'c' sink                           → last sequence number that the sink has
//	  's' agent table scan(8) offset(8)      → hashes of the items that a scan repeated unchanged
//	  'w' …                                  → progress of sweeps, keys by the pipeline
//	  'd' sequence(8)                        → dead letter
//	  'i' 'a' agent                          → the agent's record
//	  'i' 'p'                                → header waiting for its message
//
// agent and topic are strings with a terminator (appendString), table one
// byte. An item is the row's key columns, those marked same first, each a
// string or an integer in order-preserving form; rows of the scan family may
// have further key columns after those of the delta family (ports: the remote
// end), so the delta family's key is a prefix of theirs. Hardware and OS have
// one row an agent, and an empty item.
//
// Deletes within a partition are deletes of single keys, because the changelog
// needs a tombstone a key; only history, which is not in it, is trimmed by
// ranges.
const (
	spaceControl byte = 0x00
	spaceRows    byte = 'r'
	spaceActive  byte = 'a'
	spaceMemory  byte = 'm'
	spaceHistory byte = 'h'
	spaceOutbox  byte = 'o'
	spaceScan    byte = 's'
	spaceSweep   byte = 'w'
	spaceDead    byte = 'd'
	spaceMeta    byte = 'i'
)

// Within the outbox, the meta space and ref 0.
const (
	outboxEntry  byte = 'e'
	outboxCursor byte = 'c'
	metaAgent    byte = 'a'
	metaPending  byte = 'p'

	storeFormatKey  byte = 'f'
	storePartitions byte = 'p'
	storeCatalogue  byte = 'c'
	storeLists      byte = 'l'
	storeWaiting    byte = 'w'
)

const refLen = 4

var errKey = errors.New("key is damaged")

// appendString appends a string so that order is kept and its end can be found:
// 0x00 ends it; 0x00 and 0x01 within it become 0x01 0x01 and 0x01 0x02.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] <= 1 {
			return appendEscaped(b, s)
		}
	}
	return append(append(b, s...), 0)
}

func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] <= 1 {
			b = append(b, 1, s[i]+1)
		} else {
			b = append(b, s[i])
		}
	}
	return append(b, 0)
}

// cutString takes a string off the front of a key. The result is a part of the
// key unless it was escaped.
func cutString(key string) (s, rest string, err error) {
	for i := range len(key) {
		switch key[i] {
		case 0:
			return key[:i], key[i+1:], nil
		case 1:
			return cutEscaped(key, i)
		}
	}
	return "", "", errKey
}

func cutEscaped(key string, i int) (s, rest string, err error) {
	b := []byte(key[:i])
	for ; i < len(key); i++ {
		switch c := key[i]; c {
		case 0:
			return string(b), key[i+1:], nil
		case 1:
			if i++; i == len(key) || key[i] < 1 || key[i] > 2 {
				return "", "", errKey
			}
			b = append(b, key[i]-1)
		default:
			b = append(b, c)
		}
	}
	return "", "", errKey
}

// Integers begin with a byte that orders them by sign and length: 0x80+n before
// n bytes of a positive number, 0x80-n before n bytes of a negative one in
// two's complement, 0x80 for zero, 0x00 for an absent one.
const intZero byte = 0x80

func appendInt(b []byte, v int64) []byte {
	u, n := uint64(v), 0
	if v >= 0 {
		n = byteLen(u)
		b = append(b, intZero+byte(n))
	} else {
		n = byteLen(^u)
		if n == 0 { // -1 has no significant byte
			n = 1
		}
		b = append(b, intZero-byte(n))
	}
	for n--; n >= 0; n-- {
		b = append(b, byte(u>>(8*n)))
	}
	return b
}

func byteLen(u uint64) int {
	n := 0
	for ; u > 0; u >>= 8 {
		n++
	}
	return n
}

func cutInt(key string) (v int64, present bool, rest string, err error) {
	if key == "" {
		return 0, false, "", errKey
	}
	c := key[0]
	if c == 0 {
		return 0, false, key[1:], nil
	}
	n, u := int(c)-int(intZero), uint64(0)
	if n < 0 {
		n, u = -n, ^uint64(0)
	}
	if n > 8 || len(key) < 1+n {
		return 0, false, "", errKey
	}
	for i := 1; i <= n; i++ {
		u = u<<8 | uint64(key[i])
	}
	if (int64(u) < 0) != (c < intZero) {
		return 0, false, "", errKey
	}
	return int64(u), true, key[1+n:], nil
}

// appendTable appends what leads the keys of one table of one agent in a space.
func appendTable(b []byte, space byte, agent string, t syscollector.Table) []byte {
	return append(appendString(append(b, space), agent), byte(t))
}

// cutTable takes a row key apart, after the space byte.
func cutTable(key string) (agent string, t syscollector.Table, item string, err error) {
	agent, rest, err := cutString(key)
	if err != nil || rest == "" {
		return "", 0, "", fmt.Errorf("row %w", errKey)
	}
	t = syscollector.Table(rest[0])
	if t == syscollector.NoTable || t >= syscollector.NumTables {
		return "", 0, "", fmt.Errorf("row key names table %d, which this version does not know", t)
	}
	return agent, t, rest[1:], nil
}

// agentKey is the key of an agent's record.
func agentKey(b []byte, agent string) []byte {
	return appendString(append(b, spaceMeta, metaAgent), agent)
}

// upperBound returns the first key after all keys with the prefix, nil if there
// is none.
func upperBound(b, prefix []byte) []byte {
	b = append(b, prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
	return nil
}

func refKey(b []byte, ref uint32) []byte { return binary.BigEndian.AppendUint32(b, ref) }
