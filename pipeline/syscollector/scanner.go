package syscollector

import "slices"

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
func (s *scanner) blank() { s.pos = pastBlanks(s.src, s.pos) }

// is moves over the byte if it is the next one.
func (s *scanner) is(c byte) bool {
	if s.pos < len(s.src) && s.src[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// members reads an object into nodes; depth is the number of levels it makes.
// It is where decoding spends its time: the position stays in a register while
// strings are plain and blanks are none, as agents write.
func (s *scanner) members(depth int) bool {
	src := s.src
	i := pastBlanks(src, s.pos+1) // behind the brace
	if i < len(src) && src[i] == '}' {
		s.pos = i + 1
		return true
	}
	for {
		if i >= len(src) || src[i] != '"' {
			s.pos = i
			return false
		}
		key, next, ok := s.stringAt(i + 1)
		if !ok {
			return false
		}
		if i = pastBlanks(src, next); i >= len(src) || src[i] != ':' {
			s.pos = i
			return false
		}
		i = pastBlanks(src, i+1)
		at := len(s.nodes)
		if at >= maxNodes {
			s.over = true
		}
		if s.pos = i; i >= len(src) || s.over {
			return false
		}
		start := i
		switch c := src[start]; c {
		case '"':
			value, next, ok := s.stringAt(start + 1)
			if !ok {
				return false
			}
			i = next
			s.add(key, value, kindString)
		case '{':
			s.add(key, "", kindObject)
			if depth < keptLevels {
				ok = s.members(depth + 1)
			} else {
				ok = s.skip(depth)
			}
			if !ok {
				return false
			}
			i = s.pos
			s.nodes[at].text, s.nodes[at].next = src[start:i], int32(len(s.nodes))
		case '[':
			if !s.skip(depth) {
				return false
			}
			i = s.pos
			s.add(key, src[start:i], kindArray)
		default:
			k := kindNumber
			if n := digitsLength(src[start:]); n > 0 && start+n < len(src) && (src[start+n] == ',' || src[start+n] == '}') {
				i += n
			} else if k = s.scalar(c); k == kindAbsent {
				return false
			} else {
				i = s.pos
			}
			s.add(key, src[start:i], k)
		}
		if i = pastBlanks(src, i); i < len(src) && src[i] == '}' {
			s.pos = i + 1
			return true
		}
		if i >= len(src) || src[i] != ',' {
			s.pos = i
			return false
		}
		i = pastBlanks(src, i+1)
	}
}

// add appends a node without members. It sets the fields one by one: a node
// that is put together elsewhere and copied is read back before its parts have
// reached memory, which stalls the processor.
func (s *scanner) add(key, text string, k kind) {
	at := len(s.nodes)
	if at == cap(s.nodes) {
		s.nodes = slices.Grow(s.nodes, 1)
	}
	s.nodes = s.nodes[:at+1]
	n := &s.nodes[at]
	n.key = key
	n.text = text
	n.next = int32(at + 1)
	n.kind = k
}

func pastBlanks(src string, i int) int {
	for i < len(src) && src[i] <= ' ' {
		i++
	}
	return i
}

// scalar moves over a number or a word; kindAbsent means that it is neither.
func (s *scanner) scalar(c byte) kind {
	rest := s.src[s.pos:]
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
