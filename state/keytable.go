package state

import (
	"encoding/binary"
	"hash/maphash"
	"strings"
)

// keyTable is a map from string to string for many entries: its memory is the
// text and some 16 bytes an entry, without pointers for the garbage collector
// to follow. Entries are added, never changed. It is safe for concurrent reads.
type keyTable struct {
	seed   maphash.Seed
	slots  []keySlot // a power of two, at most half of them used
	chunks []*strings.Builder
	n      int
	bytes  int
}

// keySlot is an entry: 1 + its place, 0 if the slot is free, and the hash of
// its key.
type keySlot struct{ place, hash uint32 }

// An entry is the lengths of key and value (uvarints), key, value. Its place is
// the number of its chunk and where it begins in it.
const (
	chunkBits = 20
	chunkSize = 1 << chunkBits
)

func newKeyTable() *keyTable {
	return &keyTable{seed: maphash.MakeSeed(), slots: make([]keySlot, 64)}
}

func (t *keyTable) hash(key string) uint32 { return uint32(maphash.String(t.seed, key)) }

// get looks a key up.
func (t *keyTable) get(key string) (value string, ok bool) {
	hash, mask := t.hash(key), uint32(len(t.slots)-1)
	for i := hash & mask; t.slots[i].place != 0; i = (i + 1) & mask {
		if t.slots[i].hash == hash {
			if k, v := t.entry(t.slots[i].place - 1); k == key {
				return v, true
			}
		}
	}
	return "", false
}

func (t *keyTable) entry(place uint32) (key, value string) {
	c := textCursor{rest: t.chunks[place>>chunkBits].String()[place&(chunkSize-1):]}
	k, v := c.uvarint(), c.uvarint()
	return c.text(k), c.text(v)
}

// add adds a key that is not there.
func (t *keyTable) add(key, value string) {
	if 2*(t.n+1) > len(t.slots) {
		old := t.slots
		t.slots = make([]keySlot, 2*len(old))
		for _, s := range old {
			if s.place != 0 {
				t.put(s)
			}
		}
	}
	size := len(key) + len(value) + 2*binary.MaxVarintLen64
	if last := len(t.chunks) - 1; last < 0 || t.chunks[last].Len()+size > min(t.chunks[last].Cap(), chunkSize) {
		c := new(strings.Builder)
		c.Grow(max(size, min(chunkSize, 2*t.bytes+512)))
		t.chunks = append(t.chunks, c)
	}
	last := len(t.chunks) - 1
	c := t.chunks[last]
	t.put(keySlot{place: 1 + uint32(last)<<chunkBits + uint32(c.Len()), hash: t.hash(key)})
	var head [2 * binary.MaxVarintLen64]byte
	c.Write(binary.AppendUvarint(binary.AppendUvarint(head[:0], uint64(len(key))), uint64(len(value))))
	c.WriteString(key)
	c.WriteString(value)
	t.n++
	t.bytes += size
}

func (t *keyTable) put(s keySlot) {
	mask := uint32(len(t.slots) - 1)
	i := s.hash & mask
	for t.slots[i].place != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

// all calls f for every key.
func (t *keyTable) all(f func(key string)) {
	for _, s := range t.slots {
		if s.place != 0 {
			key, _ := t.entry(s.place - 1)
			f(key)
		}
	}
}
