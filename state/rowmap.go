package state

import (
	"hash/maphash"
	"math/bits"
)

// rowMap remembers of each stored row of a partition what its columns hash to,
// so that an event that repeats a row needs no read. It is one slice without
// pointers, probed linearly: the garbage collector passes it by, and a look-up
// misses the processor's cache once. Keys are seeded hashes of row keys.
//
// Two rows whose keys hash alike share an entry. Then the entry's hashes are
// those of one of them, the other seems changed, is read from the store and
// compared: only two such rows with the same columns could be mistaken.
type rowMap struct {
	seed  maphash.Seed
	slots []rowHash
	n     int
}

// rowHash is what a row hashes to. The lowest bits of volatile are no hash: two
// tell what the row's head holds, six are the tag of the scan that last
// reported the row.
type rowHash struct {
	key, fixed, volatile uint64 // key 0 = free
}

const (
	bitActive = 1 << iota // active rules
	bitMarked             // a scan's claim or a continuation, which a write must not lose
	headBits  = bitActive | bitMarked

	tagShift = 2
	tagBits  = 0x3f << tagShift
	hashBits = ^uint64(headBits | tagBits)
)

// sameVolatile compares but for the bits that are no hash.
func (h *rowHash) sameVolatile(v uint64) bool { return (h.volatile^v)&hashBits == 0 }

func (h *rowHash) tag() uint8 { return uint8(h.volatile & tagBits >> tagShift) }

func (h *rowHash) setTag(tag uint8) { h.volatile = h.volatile&^tagBits | uint64(tag)<<tagShift }

func newRowMap() rowMap { return rowMap{seed: maphash.MakeSeed()} }

func (m *rowMap) hash(b []byte) uint64 { return maphash.Bytes(m.seed, b) }

// slot is where the search for a key begins.
func (m *rowMap) slot(key uint64) int {
	hi, _ := bits.Mul64(key, uint64(len(m.slots)))
	return int(hi)
}

func (m *rowMap) after(i int) int {
	if i++; i == len(m.slots) {
		return 0
	}
	return i
}

// place returns where the key is, or the free slot where it would be.
func (m *rowMap) place(key uint64) int {
	i := m.slot(key)
	for m.slots[i].key != key && m.slots[i].key != 0 {
		i = m.after(i)
	}
	return i
}

// find returns the entry of a key, nil if there is none. It is valid until the
// next put or delete.
func (m *rowMap) find(key uint64) *rowHash {
	if m.n == 0 {
		return nil
	}
	if e := &m.slots[m.place(max(key, 1))]; e.key != 0 {
		return e
	}
	return nil
}

// put remembers a row and returns its entry, which keeps its tag.
func (m *rowMap) put(key uint64, h *head, fixed, volatile uint64) *rowHash {
	if m.n >= len(m.slots)/4*3 {
		m.grow()
	}
	key = max(key, 1)
	e := &m.slots[m.place(key)]
	if e.key == 0 {
		m.n++
	}
	volatile = volatile&hashBits | e.volatile&tagBits
	if len(h.active) > 0 {
		volatile |= bitActive
	}
	if h.claimed() {
		volatile |= bitMarked
	}
	*e = rowHash{key, fixed, volatile}
	return e
}

// grow makes room for half as many again. The map is a half to three quarters
// full: a search passes two or three slots, which are side by side.
func (m *rowMap) grow() {
	old := m.slots
	m.slots = make([]rowHash, max(64, len(old)/2*3))
	for i := range old {
		if old[i].key != 0 {
			m.slots[m.place(old[i].key)] = old[i]
		}
	}
}

// delete forgets a row, unless the entry has become another's, and returns the
// tag that it had.
func (m *rowMap) delete(key, fixed uint64) (tag uint8) {
	e := m.find(key)
	if e == nil || e.fixed != fixed {
		return 0
	}
	tag = e.tag()
	// Entries behind it move up, so that no search ends early.
	free := m.place(e.key)
	for i := m.after(free); m.slots[i].key != 0; i = m.after(i) {
		home := m.slot(m.slots[i].key)
		if between := free < home && home <= i || i < free && (home <= i || free < home); !between {
			m.slots[free] = m.slots[i]
			free = i
		}
	}
	m.slots[free] = rowHash{}
	m.n--
	return tag
}
