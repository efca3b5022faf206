package syscollector

import "unsafe"

const (
	arenaChunk = 256 << 10
	arenaKeep  = 64 << 20 // more than this is given back at reset
)

// arena holds the bytes behind the strings of a batch of events. Memory is
// taken from chunks that are used again after reset.
type arena struct {
	chunks [][]byte // full length; chunk number used is at
	at     int
	used   int // bytes used of the chunk

	scratch []byte // for one text while it is put together
}

// mark is a place in an arena that release goes back to.
type mark struct{ at, used int }

func (a *arena) mark() mark { return mark{a.at, a.used} }

// release gives back what was taken since the mark.
func (a *arena) release(m mark) { a.at, a.used = m.at, m.used }

// reset makes all memory free again.
func (a *arena) reset() {
	total := 0
	for i, c := range a.chunks {
		if total += len(c); total > arenaKeep {
			clear(a.chunks[i:])
			a.chunks = a.chunks[:i]
			break
		}
	}
	a.at, a.used = 0, 0
}

// alloc returns n bytes, which may hold old content.
func (a *arena) alloc(n int) []byte {
	for ; a.at < len(a.chunks); a.at++ {
		c := a.chunks[a.at]
		if a.used+n <= len(c) {
			b := c[a.used : a.used+n : a.used+n]
			a.used += n
			return b
		}
		a.used = 0
	}
	a.chunks = append(a.chunks, make([]byte, max(n, arenaChunk)))
	a.used = n
	return a.chunks[a.at][:n:n]
}

// shrink gives back the tail of the bytes returned last, of which n are used.
func (a *arena) shrink(b []byte, n int) []byte {
	a.used -= len(b) - n
	return b[:n:n]
}

// copy returns a string of the bytes' content.
func (a *arena) copy(b []byte) string {
	c := a.alloc(len(b))
	copy(c, b)
	return text(c)
}

// join returns the concatenation of the parts.
func (a *arena) join(parts ...string) string {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := a.alloc(n)
	at := 0
	for _, p := range parts {
		at += copy(b[at:], p)
	}
	return text(b)
}

// text views bytes of the arena as a string: they are written once, before
// anyone sees the string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
