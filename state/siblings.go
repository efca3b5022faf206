package state

import (
	"bytes"
	"math/bits"
)

// siblings finds the stored rows that are the same thing to a user: a map from
// the hash of agent, table and same columns to the items of the rows that no
// other row has continued yet. Like the row map it holds no pointers and is
// rebuilt when a partition is taken.
type siblings struct {
	buckets []uint32 // 1 + index of the first entry of a chain
	list    []sibling
	live    int
	free    uint32 // 1 + index of the first free entry
	items   []byte
	dead    int // bytes of items that no entry uses
}

type sibling struct {
	hash uint64
	next uint32 // 1 + index
	at   uint32 // the item within items
	n    uint32 // its length, 0 = the entry is free; firstBit
	scan uint32 // the low half of the scan's id
}

// firstBit of n says that the row was met first in a scan.
const firstBit = 1 << 31

func newSiblings() siblings { return siblings{buckets: make([]uint32, 16)} }

func (s *siblings) bucket(hash uint64) *uint32 {
	hi, _ := bits.Mul64(hash, uint64(len(s.buckets)))
	return &s.buckets[hi]
}

// add notes a row.
func (s *siblings) add(hash uint64, item []byte, h *head) {
	i := s.free
	if i != 0 {
		s.free = s.list[i-1].next
	} else {
		s.list = append(s.list, sibling{})
		i = uint32(len(s.list))
	}
	if s.dead > 1<<16 && s.dead > len(s.items)/4 {
		s.compact()
	}
	n := uint32(len(item))
	if h.flags&flagFirst != 0 {
		n |= firstBit
	}
	s.list[i-1] = sibling{hash: hash, at: uint32(len(s.items)), n: n, scan: uint32(h.scan)}
	s.items = append(s.items, item...)
	if s.live++; s.live > len(s.buckets) {
		s.grow()
		return
	}
	s.link(i)
}

// link puts an entry into its chain.
func (s *siblings) link(i uint32) {
	e := &s.list[i-1]
	first := s.bucket(e.hash)
	e.next, *first = *first, i
}

func (s *siblings) grow() {
	s.buckets = make([]uint32, len(s.buckets)/2*3)
	for i := range s.list {
		if s.list[i].n != 0 {
			s.link(uint32(i + 1))
		}
	}
}

// remove forgets a row; it need not be there.
func (s *siblings) remove(hash uint64, item []byte) {
	link := s.bucket(hash)
	for i := *link; i != 0; i = *link {
		e := &s.list[i-1]
		if e.hash != hash || !bytes.Equal(s.item(e), item) {
			link = &e.next
			continue
		}
		*link = e.next
		s.dead += len(item)
		s.live--
		*e = sibling{next: s.free}
		s.free = i
		return
	}
}

// lowest returns the lowest item under the hash, nil if there is none. Rows
// that the scan in progress was the first to report are passed over: two rows
// that are new in one scan are two things.
func (s *siblings) lowest(hash uint64, inScan bool, scan int64) []byte {
	var low []byte
	for i := *s.bucket(hash); i != 0; i = s.list[i-1].next {
		e := &s.list[i-1]
		if e.hash != hash || inScan && e.n&firstBit != 0 && e.scan == uint32(scan) {
			continue
		}
		if item := s.item(e); low == nil || bytes.Compare(item, low) < 0 {
			low = item
		}
	}
	return low
}

func (s *siblings) item(e *sibling) []byte {
	end := e.at + e.n&^firstBit
	return s.items[e.at:end:end]
}

// compact drops the bytes that no entry uses.
func (s *siblings) compact() {
	items := make([]byte, 0, len(s.items)-s.dead+len(s.items)/16)
	for i := range s.list {
		if e := &s.list[i]; e.n != 0 {
			at := uint32(len(items))
			items = append(items, s.item(e)...)
			e.at = at
		}
	}
	s.items, s.dead = items, 0
}
