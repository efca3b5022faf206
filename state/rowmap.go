package state

import "hash/maphash"

// rowMap remembers of each stored row of a partition what its columns hash to,
// so that an event that repeats a row needs no read. It holds no pointers: the
// garbage collector passes it by. Keys are seeded hashes of row keys.
//
// Two rows whose keys hash alike share an entry. Then the entry's hashes are
// those of one of them, the other seems changed, is read from the store and
// compared: only two such rows with the same columns could be mistaken.
type rowMap struct {
	seed maphash.Seed
	rows map[uint64]rowHash
}

// rowHash is what a row hashes to. The lowest bits of volatile are no hash:
// they tell what the row's head holds beside a scan id.
type rowHash struct {
	fixed, volatile uint64
}

const (
	bitActive = 1 << iota // active rules
	bitMarked             // other marks
	headBits  = bitActive | bitMarked
)

// sameVolatile compares but for the head's bits.
func (h rowHash) sameVolatile(v uint64) bool { return (h.volatile^v)&^headBits == 0 }

func newRowMap() rowMap {
	return rowMap{seed: maphash.MakeSeed(), rows: make(map[uint64]rowHash)}
}

func (m *rowMap) hash(b []byte) uint64 { return maphash.Bytes(m.seed, b) }

// put remembers a row.
func (m *rowMap) put(key uint64, h *head, fixed, volatile uint64) {
	volatile &^= headBits
	if len(h.active) > 0 {
		volatile |= bitActive
	}
	if h.flags&(flagContinued|flagFirst) != 0 {
		volatile |= bitMarked
	}
	m.rows[key] = rowHash{fixed, volatile}
}

// delete forgets a row, unless the entry has become another's.
func (m *rowMap) delete(key, fixed uint64) {
	if m.rows[key].fixed == fixed {
		delete(m.rows, key)
	}
}
