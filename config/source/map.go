package source

import (
	"sort"
	"unicode/utf8"
)

// Map traces byte offsets of a scalar's value back to positions in the file it
// came from. The zero Map knows nothing.
type Map struct {
	segments []segment
}

type segment struct {
	offset int // first offset in the value
	held   bool
	pos    Position
}

// Add records that the value's bytes from offset on stand at pos, a column a
// byte, up to the next recorded offset. Offsets must be added in rising order;
// of two at the same offset the later one counts.
func (m *Map) Add(offset int, pos Position) { m.add(segment{offset, false, pos}) }

// Hold records that the value's bytes from offset on have no counterpart of
// their own: all of them, up to the next recorded offset, belong to pos.
func (m *Map) Hold(offset int, pos Position) { m.add(segment{offset, true, pos}) }

func (m *Map) add(s segment) {
	if n := len(m.segments); n > 0 && m.segments[n-1].offset == s.offset {
		m.segments[n-1] = s
		return
	}
	m.segments = append(m.segments, s)
}

// AddText records that text, which is the value's part from offset on, stands
// in the file unchanged from pos on, its newlines and wide runes included.
func (m *Map) AddText(offset int, text string, pos Position) {
	m.Add(offset, pos)
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf && c != '\n' {
			i, pos.Column = i+1, pos.Column+1
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if c == '\n' {
			pos.Line, pos.Column = pos.Line+1, 1
		} else {
			pos.Column++
		}
		if i < len(text) && (size > 1 || c == '\n') {
			m.Add(offset+i, pos)
		}
	}
}

// At returns the position of the value's byte at offset: the zero Position if
// the map does not know it.
func (m *Map) At(offset int) Position {
	i := sort.Search(len(m.segments), func(i int) bool { return m.segments[i].offset > offset }) - 1
	if i < 0 {
		return Position{}
	}
	s := m.segments[i]
	if !s.held && s.pos.Column > 0 {
		s.pos.Column += offset - s.offset
	}
	return s.pos
}
