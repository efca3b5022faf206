package state

import "bytes"

// siblings finds the stored rows that are the same thing to a user: a map from
// the hash of agent, table and same columns to the items of the rows that no
// other row has continued yet. Like the row map it holds no pointers and is
// rebuilt when a partition is taken.
type siblings struct {
	first map[uint64]uint32 // hash → 1 + index of the first entry
	list  []sibling
	free  uint32 // 1 + index of the first free entry
	items []byte
	dead  int // bytes of items that no entry uses
}

type sibling struct {
	next  uint32 // 1 + index
	at, n uint32 // the item within items
	first bool   // met first in a scan
	scan  int64  // that scan
}

func newSiblings() siblings { return siblings{first: make(map[uint64]uint32)} }

// add notes a row.
func (s *siblings) add(hash uint64, item []byte, h *head) {
	i := s.free
	if i != 0 {
		s.free = s.list[i-1].next
	} else {
		s.list = append(s.list, sibling{})
		i = uint32(len(s.list))
	}
	if s.dead > 1<<16 && s.dead > len(s.items)/2 {
		s.compact()
	}
	s.list[i-1] = sibling{
		next: s.first[hash], at: uint32(len(s.items)), n: uint32(len(item)),
		first: h.flags&flagFirst != 0, scan: h.scan,
	}
	s.items = append(s.items, item...)
	s.first[hash] = i
}

// remove forgets a row; it need not be there.
func (s *siblings) remove(hash uint64, item []byte) {
	prev := uint32(0)
	for i := s.first[hash]; i != 0; i = s.list[i-1].next {
		e := &s.list[i-1]
		if !bytes.Equal(s.item(e), item) {
			prev = i
			continue
		}
		switch {
		case prev != 0:
			s.list[prev-1].next = e.next
		case e.next != 0:
			s.first[hash] = e.next
		default:
			delete(s.first, hash)
		}
		s.dead += int(e.n)
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
	for i := s.first[hash]; i != 0; i = s.list[i-1].next {
		e := &s.list[i-1]
		if inScan && e.first && e.scan == scan {
			continue
		}
		if item := s.item(e); low == nil || bytes.Compare(item, low) < 0 {
			low = item
		}
	}
	return low
}

func (s *siblings) item(e *sibling) []byte { return s.items[e.at : e.at+e.n : e.at+e.n] }

// compact drops the bytes that no entry uses.
func (s *siblings) compact() {
	items := make([]byte, 0, len(s.items)-s.dead+len(s.items)/4)
	for _, i := range s.first {
		for ; i != 0; i = s.list[i-1].next {
			e := &s.list[i-1]
			at := uint32(len(items))
			items = append(items, s.item(e)...)
			e.at = at
		}
	}
	s.items, s.dead = items, 0
}
