package syscollector

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit of the first byte of x set that is a quote, a
// backslash or NUL; of the bits above it some may be set wrongly.
func special(x uint64) uint64 {
	q, b := x^ones*'"', x^ones*'\\'
	return ((q-ones)&^q | (b-ones)&^b | (x-ones)&^x) & highs
}

func load64(t string) uint64 {
	_ = t[7]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 |
		uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

// plain returns the length of the part of t before the first quote, backslash
// or NUL.
func plain(t string) int {
	i := 0
	for len(t)-i >= 8 {
		if m := special(load64(t[i : i+8])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for i < len(t) && t[i] != '"' && t[i] != '\\' && t[i] != 0 {
		i++
	}
	return i
}

// string reads a string whose opening quote has been passed. Without escapes
// it is a part of the source.
func (s *scanner) string() (string, bool) {
	t, next, ok := s.stringAt(s.pos)
	if ok {
		s.pos = next
	}
	return t, ok
}

// stringAt reads the string whose opening quote stands before start, and
// returns where it ends. If it does not, pos says where that showed.
func (s *scanner) stringAt(start int) (t string, next int, ok bool) {
	src := s.src
	i := start
	for ; len(src)-i >= 8; i += 8 {
		if m := special(load64(src[i : i+8])); m != 0 {
			i += bits.TrailingZeros64(m) / 8
			if src[i] == '"' {
				return src[start:i], i + 1, true
			}
			s.pos = i
			t, ok = s.escaped(start)
			return t, s.pos, ok
		}
	}
	if i += plain(src[i:]); i < len(src) && src[i] == '"' {
		return src[start:i], i + 1, true
	}
	if s.pos = i; i >= len(src) {
		return "", i, false
	}
	t, ok = s.escaped(start)
	return t, s.pos, ok
}

// simple gives what a backslash and a byte stand for, 0 where that is no
// escape of one byte.
var simple = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escaped reads on at pos in a string whose part since start is plain. The
// words of the source are stored before they are looked at: what is decoded is
// never longer than what it is decoded from.
func (s *scanner) escaped(start int) (string, bool) {
	src := s.src
	b := s.mem.alloc(len(src) - start)
	n := copy(b, src[start:s.pos])
	cut := -1 // where a NUL ends it
	for i := s.pos; i < len(src); {
		switch c := src[i]; c {
		case '"':
			s.pos = i + 1
			if cut >= 0 {
				n = cut
			}
			return text(s.mem.shrink(b, n)), true
		case '\\':
			if i+1 < len(src) && simple[src[i+1]] != 0 {
				b[n] = simple[src[i+1]]
				n++
				i += 2
				break
			}
			s.pos = i
			r, ok := s.escape()
			if !ok {
				return "", false
			}
			if i = s.pos; r != 0 {
				n += utf8.EncodeRune(b[n:], r)
			} else if cut < 0 {
				cut = n
			}
		case 0:
			if i++; cut < 0 {
				cut = n
			}
		default:
			b[n] = c
			n++
			i++
		}
		for len(src)-i >= 8 {
			x := load64(src[i : i+8])
			binary.LittleEndian.PutUint64(b[n:n+8], x)
			if m := special(x); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				n += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
			n += 8
		}
	}
	return "", false
}

// escape reads an escape sequence. A NUL is returned as 0.
func (s *scanner) escape() (rune, bool) {
	rest := s.src[s.pos:]
	if len(rest) < 2 {
		return 0, false
	}
	if rest[1] != 'u' {
		s.pos += 2
		c := simple[rest[1]]
		return rune(c), c != 0
	}
	r, ok := hex4(rest[2:])
	if !ok || r >= 0xdc00 && r <= 0xdfff {
		return 0, false
	}
	s.pos += 6
	if r < 0xd800 || r > 0xdfff {
		return r, true
	}
	if len(rest) < 12 || rest[6] != '\\' || rest[7] != 'u' {
		return 0, false
	}
	low, ok := hex4(rest[8:])
	if !ok || low < 0xdc00 || low > 0xdfff {
		return 0, false
	}
	s.pos += 6
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), true
}

func hex4(t string) (rune, bool) {
	if len(t) < 4 {
		return 0, false
	}
	var r rune
	for i := 0; i < 4; i++ {
		c := foldByte(t[i])
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 + rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 + rune(c-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// skipString moves over a string whose opening quote has been passed.
func (s *scanner) skipString() bool {
	for {
		s.pos += plain(s.src[s.pos:])
		if s.pos >= len(s.src) {
			return false
		}
		switch s.src[s.pos] {
		case '"':
			s.pos++
			return true
		case '\\':
			if _, ok := s.escape(); !ok {
				return false
			}
		default:
			s.pos++
		}
	}
}
