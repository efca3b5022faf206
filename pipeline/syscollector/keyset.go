package syscollector

import "math/bits"

// keySet finds the entry of a key. ASCII letters fold. It is immutable; the
// prediction that makes it fast is a keyCursor of the decoder's.
type keySet struct {
	names   []string
	entries []uint8
	slots   []uint8 // by hash: position in names + 1, 0 = none
	seed    uint64
	shift   uint8
}

// keyCursor remembers which key followed which in the last message of the
// kind: agents send their keys in a fixed order.
type keyCursor struct {
	set  *keySet
	next [64]uint8 // by position + 1 in names: the position that came next
}

func newCursor(set *keySet) *keyCursor {
	c := &keyCursor{set: set}
	for i := range c.next {
		if i < len(set.names) {
			c.next[i] = uint8(i)
		}
	}
	return c
}

// find returns the entry of the key, noEntry if there is none. at is the
// position after the key found last, 0 at the start; it is moved along.
func (c *keyCursor) find(key string, at *int) uint8 {
	s := c.set
	if p := c.next[*at]; int(p) < len(s.names) && s.names[p] == key {
		*at = int(p) + 1
		return s.entries[p]
	}
	p := s.lookup(key)
	if p < 0 {
		return noEntry
	}
	c.next[*at] = uint8(p)
	*at = p + 1
	return s.entries[p]
}

// lookup returns the position of the key in names, -1 if it is none of them.
func (s *keySet) lookup(key string) int {
	p := s.slots[(hashFolded(key)*s.seed)>>s.shift]
	if p == 0 || !equalFold(s.names[p-1], key) {
		return -1
	}
	return int(p) - 1
}

type keySetBuilder struct{ s keySet }

func (b *keySetBuilder) add(name string, entry uint8) {
	if name != "" {
		b.s.names = append(b.s.names, name)
		b.s.entries = append(b.s.entries, entry)
	}
}

// build searches the multiplier under which no two names meet.
func (b *keySetBuilder) build() keySet {
	s := b.s
	for width := bits.Len(uint(2 * len(s.names))); ; width++ {
		s.shift = uint8(64 - width)
		for try := uint64(1); try < 4096; try++ {
			s.seed = try*0x9e3779b97f4a7c15 | 1
			s.slots = make([]uint8, 1<<width)
			if s.fill() {
				return s
			}
		}
	}
}

func (s *keySet) fill() bool {
	for i, n := range s.names {
		slot := &s.slots[(hashFolded(n)*s.seed)>>s.shift]
		if *slot != 0 {
			return false
		}
		*slot = uint8(i + 1)
	}
	return true
}

// hashFolded hashes a key of any length; keys that differ in the case of ASCII
// letters have one hash.
func hashFolded(key string) uint64 {
	h := uint64(len(key))
	for i := 0; i < len(key); i++ {
		h = (h ^ uint64(key[i]|0x20)) * 0x100000001b3
	}
	return h
}

// equalFold compares two strings; ASCII letters fold.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && foldByte(a[i]) != foldByte(b[i]) {
			return false
		}
	}
	return true
}

func foldByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
