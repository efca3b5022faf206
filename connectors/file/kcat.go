package file

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"invigil/connectors"
)

// kcatKeys are the members that kcat -J prints; a line that begins with
// another is no record.
var kcatKeys = map[string]bool{
	"topic": true, "partition": true, "offset": true, "tstype": true, "ts": true,
	"broker": true, "headers": true, "key": true, "payload": true,
}

// record reads a line as kcat -J prints it: one object with topic, partition,
// offset, ts (milliseconds), key, headers (names and values in turn) and
// payload, in any order. It reports false for anything else. Strings that need
// unescaping are put into the arena, others are views into the line.
func (p *parser) record(line []byte) (connectors.Message, bool) {
	s := scanner{b: line, arena: &p.arena}
	var m connectors.Message
	var topic, partition, offset, payload bool
	first := len(p.headers)
	if !s.take('{') {
		return m, false
	}
	for n := 0; ; n++ {
		key, ok := s.text()
		if !ok || !s.take(':') || n == 0 && !kcatKeys[string(key)] {
			return m, false
		}
		switch string(key) {
		case "topic":
			var name []byte
			name, topic = s.text()
			if ok = topic; ok {
				m.Topic = p.name(name)
			}
		case "partition":
			var v int64
			v, partition = s.integer()
			ok = partition && v >= 0 && v <= 1<<31-1
			m.Partition = int32(v)
		case "offset":
			m.Offset, offset = s.integer()
			ok = offset && m.Offset >= 0
		case "ts":
			m.Time, ok = s.integer()
		case "key":
			m.Key, ok = s.nullable()
		case "payload":
			m.Value, payload = s.nullable()
			ok = payload
		case "headers":
			ok = p.readHeaders(&s)
		default:
			ok = s.skip(0)
		}
		if !ok {
			return m, false
		}
		if s.take(',') {
			continue
		}
		break
	}
	if !s.take('}') || !s.atEnd() || !topic || !partition || !offset || !payload {
		p.headers = p.headers[:first]
		return m, false
	}
	m.Time = max(m.Time, 0) // -1: the broker knows none
	if len(p.headers) > first {
		m.Headers = p.headers[first:len(p.headers):len(p.headers)]
	}
	return m, true
}

// readHeaders reads an array of names and values in turn, or null.
func (p *parser) readHeaders(s *scanner) bool {
	if s.null() {
		return true
	}
	if !s.take('[') {
		return false
	}
	for !s.take(']') {
		name, ok := s.text()
		if !ok || !s.take(',') {
			return false
		}
		value, ok := s.nullable()
		if !ok {
			return false
		}
		p.headers = append(p.headers, connectors.Header{Key: p.name(name), Value: value})
		if !s.take(',') {
			return s.take(']')
		}
	}
	return true
}

// scanner reads JSON values off a line.
type scanner struct {
	b     []byte
	i     int
	arena *[]byte
}

func (s *scanner) blanks() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) take(c byte) bool {
	s.blanks()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) atEnd() bool {
	s.blanks()
	return s.i == len(s.b)
}

func (s *scanner) word(w string) bool {
	s.blanks()
	if len(s.b)-s.i >= len(w) && string(s.b[s.i:s.i+len(w)]) == w {
		s.i += len(w)
		return true
	}
	return false
}

func (s *scanner) null() bool { return s.word("null") }

// integer reads a whole number that fits 64 bits.
func (s *scanner) integer() (int64, bool) {
	s.blanks()
	end := s.i
	for end < len(s.b) && (s.b[end] == '-' || s.b[end] >= '0' && s.b[end] <= '9') {
		end++
	}
	v, err := strconv.ParseInt(string(s.b[s.i:end]), 10, 64)
	s.i = end
	return v, err == nil
}

// nullable reads a string or null.
func (s *scanner) nullable() ([]byte, bool) {
	if s.null() {
		return nil, true
	}
	return s.text()
}

// text reads a string. Bytes that are not UTF-8 and raw control bytes stay.
func (s *scanner) text() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	start := s.i
	for ; s.i < len(s.b); s.i++ {
		switch s.b[s.i] {
		case '"':
			s.i++
			return s.b[start : s.i-1 : s.i-1], true
		case '\\':
			return s.escaped(start)
		}
	}
	return nil, false
}

// escaped reads on at the first backslash of a string.
func (s *scanner) escaped(start int) ([]byte, bool) {
	a := *s.arena
	from := len(a)
	a = append(a, s.b[start:s.i]...)
	defer func() { *s.arena = a }()
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return a[from:len(a):len(a)], true
		case c != '\\':
			a = append(a, c)
			continue
		case s.i == len(s.b):
			return nil, false
		}
		c = s.b[s.i]
		s.i++
		switch c {
		case '"', '\\', '/':
			a = append(a, c)
		case 'b':
			a = append(a, '\b')
		case 'f':
			a = append(a, '\f')
		case 'n':
			a = append(a, '\n')
		case 'r':
			a = append(a, '\r')
		case 't':
			a = append(a, '\t')
		case 'u':
			r, ok := s.hex()
			if !ok {
				return nil, false
			}
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if s.i+1 < len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
					s.i += 2
					low, ok = s.hex()
				}
				if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
					return nil, false
				}
			}
			a = utf8.AppendRune(a, r)
		default:
			return nil, false
		}
	}
	return nil, false
}

func (s *scanner) hex() (rune, bool) {
	if len(s.b)-s.i < 4 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s.b[s.i:s.i+4]), 16, 32)
	s.i += 4
	return rune(v), err == nil
}

// skip reads over a value of any kind.
func (s *scanner) skip(depth int) bool {
	if depth > 100 {
		return false
	}
	s.blanks()
	if s.i == len(s.b) {
		return false
	}
	switch s.b[s.i] {
	case '"':
		_, ok := s.text()
		return ok
	case '{':
		s.i++
		for !s.take('}') {
			if _, ok := s.text(); !ok || !s.take(':') || !s.skip(depth+1) {
				return false
			}
			if !s.take(',') {
				return s.take('}')
			}
		}
		return true
	case '[':
		s.i++
		for !s.take(']') {
			if !s.skip(depth + 1) {
				return false
			}
			if !s.take(',') {
				return s.take(']')
			}
		}
		return true
	}
	start := s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ',', '}', ']', ' ', '\t', '\r':
			return s.i > start
		}
		s.i++
	}
	return false
}
