package syscollector

import (
	"math/bits"
	"unicode/utf8"
)

// kind is the kind of a JSON value.
type kind uint8

const (
	kindAbsent kind = iota
	kindNull
	kindFalse
	kindTrue
	kindNumber // text as written
	kindString // text decoded
	kindArray  // text as written
	kindObject // text as written
)

// node is one member of an object, or the root object.
type node struct {
	key  string
	text string
	next int32 // position after the value's own members
	kind kind
}

const (
	maxDepth   = 1000    // levels that the original takes
	maxNodes   = 1 << 16 // members kept of one value
	keptLevels = 8       // deeper objects are checked, but their members not kept
)

// scanner reads one JSON object into nodes. It takes what the original's
// parser takes: control bytes and bytes that are no UTF-8 inside strings,
// blanks and control bytes between tokens, numbers such as 01, 1. and 1e999,
// anything after the object. Strings end at a NUL.
type scanner struct {
	src   string
	pos   int
	nodes []node
	mem   *arena
	over  bool // more than maxNodes members
}

// object scans the object that src starts with and reports whether it is one.
func (s *scanner) object(src string) bool {
	s.src, s.pos, s.over = src, 0, false
	s.nodes = append(s.nodes[:0], node{kind: kindObject})
	if len(src) == 0 || src[0] != '{' || !s.members(1) {
		return false
	}
	s.nodes[0].text = src[:s.pos]
	s.nodes[0].next = int32(len(s.nodes))
	return true
}

// blank moves to the next byte of a token.
func (s *scanner) blank() {
	for s.pos < len(s.src) && s.src[s.pos] <= ' ' {
		s.pos++
	}
}

// is moves over the byte if it is the next one.
func (s *scanner) is(c byte) bool {
	if s.pos < len(s.src) && s.src[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// members reads an object into nodes; depth is the number of levels it makes.
func (s *scanner) members(depth int) bool {
	s.pos++ // the brace
	s.blank()
	if s.is('}') {
		return true
	}
	for {
		if !s.is('"') {
			return false
		}
		key, ok := s.string()
		if !ok {
			return false
		}
		if !s.is(':') {
			if s.blank(); !s.is(':') {
				return false
			}
		}
		s.blank()
		if s.pos >= len(s.src) {
			return false
		}
		at := len(s.nodes)
		if at >= maxNodes {
			s.over = true
			return false
		}
		start := s.pos
		switch c := s.src[start]; c {
		case '"':
			s.pos++
			value, ok := s.string()
			if !ok {
				return false
			}
			s.nodes = append(s.nodes, node{key: key, text: value, next: int32(at + 1), kind: kindString})
		case '{':
			s.nodes = append(s.nodes, node{key: key, kind: kindObject})
			if depth < keptLevels {
				ok = s.members(depth + 1)
			} else {
				ok = s.skip(depth)
			}
			if !ok {
				return false
			}
			s.nodes[at].text, s.nodes[at].next = s.src[start:s.pos], int32(len(s.nodes))
		case '[':
			if !s.skip(depth) {
				return false
			}
			s.nodes = append(s.nodes, node{key: key, text: s.src[start:s.pos], next: int32(at + 1), kind: kindArray})
		default:
			k := s.scalar(c)
			if k == kindAbsent {
				return false
			}
			s.nodes = append(s.nodes, node{key: key, text: s.src[start:s.pos], next: int32(at + 1), kind: k})
		}
		if !s.is(',') {
			s.blank()
			if s.is('}') {
				return true
			}
			if !s.is(',') {
				return false
			}
		}
		s.blank()
	}
}

// scalar moves over a number or a word; kindAbsent means that it is neither.
func (s *scanner) scalar(c byte) kind {
	rest := s.src[s.pos:]
	if n := digitsLength(rest); n > 0 && n < len(rest) && (rest[n] == ',' || rest[n] == '}') {
		s.pos += n
		return kindNumber
	}
	var word string
	var k kind
	switch c {
	case 'n':
		word, k = "null", kindNull
	case 't':
		word, k = "true", kindTrue
	case 'f':
		word, k = "false", kindFalse
	default:
		n := numberLength(rest)
		if n == 0 {
			return kindAbsent
		}
		s.pos += n
		return kindNumber
	}
	if len(rest) < len(word) || rest[:len(word)] != word {
		return kindAbsent
	}
	s.pos += len(word)
	return k
}

// numberLength returns the length of the number that t starts with, 0 if it
// starts with none. A digit or a minus must come first.
func numberLength(t string) int {
	i := 0
	if i < len(t) && t[i] == '-' {
		i++
	}
	digits := digitsLength(t[i:])
	if digits == 0 && i == 0 {
		return 0
	}
	i += digits
	if i < len(t) && t[i] == '.' {
		fraction := digitsLength(t[i+1:])
		digits += fraction
		if digits == 0 {
			return 0
		}
		i += 1 + fraction
	}
	if digits == 0 {
		return 0
	}
	if i < len(t) && t[i]|0x20 == 'e' {
		j := i + 1
		if j < len(t) && (t[j] == '+' || t[j] == '-') {
			j++
		}
		n := digitsLength(t[j:])
		if n == 0 {
			return 0
		}
		i = j + n
	}
	return i
}

func digitsLength(t string) int {
	n := 0
	for n < len(t) && t[n]-'0' <= 9 {
		n++
	}
	return n
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// zeros has the high bit of the first zero byte of x set; of the bits above it
// some may be set wrongly.
func zeros(x uint64) uint64 { return (x - ones) &^ x & highs }

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
		x := load64(t[i : i+8])
		if m := zeros(x) | zeros(x^ones*'"') | zeros(x^ones*'\\'); m != 0 {
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
	src, start := s.src, s.pos
	i := start
	for ; len(src)-i >= 8; i += 8 {
		x := load64(src[i : i+8])
		q := x ^ ones*'"'
		b := x ^ ones*'\\'
		if m := ((q-ones)&^q | (b-ones)&^b | (x-ones)&^x) & highs; m != 0 {
			i += bits.TrailingZeros64(m) / 8
			if src[i] == '"' {
				s.pos = i + 1
				return src[start:i], true
			}
			s.pos = i
			return s.escaped(start)
		}
	}
	i += plain(src[i:])
	if i >= len(src) {
		return "", false
	}
	if s.pos = i; src[i] != '"' {
		return s.escaped(start)
	}
	s.pos++
	return src[start:i], true
}

// escaped reads on in a string whose part since start is plain.
func (s *scanner) escaped(start int) (string, bool) {
	end := s.closing()
	if end < 0 {
		return "", false
	}
	b := s.mem.alloc(end - start) // decoding never makes it longer
	n := copy(b, s.src[start:s.pos])
	cut := -1 // where a NUL ends it
	for s.src[s.pos] != '"' {
		var r rune
		switch c := s.src[s.pos]; c {
		case 0:
			s.pos++
		case '\\':
			var ok bool
			if r, ok = s.escape(); !ok {
				return "", false
			}
		}
		if r == 0 {
			if cut < 0 {
				cut = n
			}
		} else if r < utf8.RuneSelf {
			b[n] = byte(r)
			n++
		} else {
			n += utf8.EncodeRune(b[n:], r)
		}
		run := plain(s.src[s.pos:])
		n += copy(b[n:], s.src[s.pos:s.pos+run])
		s.pos += run
	}
	s.pos++
	if cut >= 0 {
		n = cut
	}
	return text(s.mem.shrink(b, n)), true
}

// closing returns the position of the quote that ends the string which goes on
// at pos, -1 if there is none.
func (s *scanner) closing() int {
	for i := s.pos; i < len(s.src); {
		i += plain(s.src[i:])
		if i >= len(s.src) {
			break
		}
		switch s.src[i] {
		case '"':
			return i
		case '\\':
			i += 2
		default:
			i++
		}
	}
	return -1
}

// escape reads an escape sequence. A NUL is returned as 0.
func (s *scanner) escape() (rune, bool) {
	rest := s.src[s.pos:]
	if len(rest) < 2 {
		return 0, false
	}
	if rest[1] != 'u' {
		s.pos += 2
		switch rest[1] {
		case '"', '\\', '/':
			return rune(rest[1]), true
		case 'b':
			return '\b', true
		case 'f':
			return '\f', true
		case 'n':
			return '\n', true
		case 'r':
			return '\r', true
		case 't':
			return '\t', true
		}
		return 0, false
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

// skip checks an array or object and moves over it; depth levels are open
// around it.
func (s *scanner) skip(depth int) bool {
	var objects [maxDepth/64 + 1]uint64 // a bit a level: it is an object
	open := depth
	for {
		// A value is due.
		if s.pos >= len(s.src) {
			return false
		}
		c := s.src[s.pos]
		switch c {
		case '{', '[':
			if open++; open > maxDepth {
				return false
			}
			s.pos++
			s.blank()
			bit := uint64(1) << (open % 64)
			if c == '[' {
				objects[open/64] &^= bit
				if !s.is(']') {
					continue
				}
			} else {
				objects[open/64] |= bit
				if !s.is('}') {
					if !s.skipKey() {
						return false
					}
					continue
				}
			}
			open--
		case '"':
			s.pos++
			if !s.skipString() {
				return false
			}
		default:
			if s.scalar(c) == kindAbsent {
				return false
			}
		}
		// A value is complete: close levels until another value is due.
		for {
			if open == depth {
				return true
			}
			s.blank()
			object := objects[open/64]&(1<<(open%64)) != 0
			if s.is(',') {
				s.blank()
				if object && !s.skipKey() {
					return false
				}
				break
			}
			if object && !s.is('}') || !object && !s.is(']') {
				return false
			}
			open--
		}
	}
}

// skipKey moves over a key and its colon.
func (s *scanner) skipKey() bool {
	if !s.is('"') || !s.skipString() {
		return false
	}
	s.blank()
	if !s.is(':') {
		return false
	}
	s.blank()
	return true
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
