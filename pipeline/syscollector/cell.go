package syscollector

import (
	"math"
	"strconv"
	"strings"
)

// cell is the value of one column as it came.
type cell struct {
	text string
	kind kind
}

// blank reports whether a text says that there is no value.
func blank(t string) bool { return t == "" || t == " " }

// take sets the row's column to the cell's value, or leaves it absent: when
// there is no key, for null, "" and one blank, and for a text that is no
// number in a numeric column.
func (r *Row) take(f *Field, c cell, mem *arena) {
	v := &r.Values[f.Number]
	ok := false
	switch f.Type {
	case String:
		v.Str, ok = textOf(f, c, mem)
	case Integer:
		v.Int, ok = integerOf(c)
	case Real:
		var x float64
		x, ok = realOf(c)
		v.Int = int64(math.Float64bits(x))
	}
	if ok {
		r.Present |= 1 << f.Number
		r.Blank &^= 1 << f.Number
	} else {
		r.Blank |= 1 << f.Number
	}
}

func integerOf(c cell) (int64, bool) {
	switch c.kind {
	case kindNumber:
		return integer(c.text)
	case kindString:
		t := strings.TrimSpace(c.text)
		if numberLength(t) != len(t) || t == "" {
			return 0, false
		}
		return integer(t)
	case kindTrue:
		return 1, true
	case kindFalse:
		return 0, true
	}
	return 0, false
}

func realOf(c cell) (float64, bool) {
	switch c.kind {
	case kindNumber:
		f := double(c.text)
		return f, !math.IsInf(f, 0)
	case kindString:
		t := strings.TrimSpace(c.text)
		if numberLength(t) != len(t) || t == "" {
			return 0, false
		}
		f := double(t)
		return f, !math.IsInf(f, 0)
	case kindTrue:
		return 1, true
	case kindFalse:
		return 0, true
	}
	return 0, false
}

// textOf returns the text of a column of type String: numbers in their
// shortest form, the elements of a list with commas between them.
func textOf(f *Field, c cell, mem *arena) (string, bool) {
	switch c.kind {
	case kindString:
		if f.form == formProto {
			return protoText(c.text), !blank(c.text)
		}
		return c.text, !blank(c.text)
	case kindNumber:
		if f.form == formProto {
			return protoNumber(c.text), true
		}
		if canonical(c.text) {
			return c.text, true
		}
		x := double(c.text)
		if math.IsInf(x, 0) {
			return "", false
		}
		if v, ok := integer(c.text); ok && float64(v) == x {
			return mem.formatInt(v), true
		}
		var buf [32]byte
		return mem.copy(strconv.AppendFloat(buf[:0], x, 'g', -1, 64)), true
	case kindTrue:
		return "true", true
	case kindFalse:
		return "false", true
	case kindArray:
		t := mem.joinArray(c.text)
		return t, !blank(t)
	}
	return "", false
}

// protoNumber names the protocol that a dbsync row gives as a number.
func protoNumber(t string) string {
	if double(t) == 0 {
		return "ipv4"
	}
	return "ipv6"
}

// protoText is for rows that carry that number as a text.
func protoText(t string) string {
	switch t {
	case "0":
		return "ipv4"
	case "1":
		return "ipv6"
	}
	return t
}

// array walks the elements of a JSON array that has been scanned.
type array struct{ s scanner }

func (a *array) open(src string, mem *arena) {
	a.s = scanner{src: src, pos: 1, mem: mem}
}

// next returns the next element; ok is false at the end.
func (a *array) next() (c cell, ok bool) {
	s := &a.s
	s.blank()
	if s.is(',') {
		s.blank()
	}
	if s.pos >= len(s.src) || s.src[s.pos] == ']' {
		return cell{}, false
	}
	start := s.pos
	switch b := s.src[start]; b {
	case '"':
		s.pos++
		t, ok := s.string()
		return cell{t, kindString}, ok
	case '[', '{':
		k := kindArray
		if b == '{' {
			k = kindObject
		}
		ok := s.skip(1)
		return cell{s.src[start:s.pos], k}, ok
	default:
		k := s.scalar(b)
		return cell{s.src[start:s.pos], k}, k != kindAbsent
	}
}

// joinArray returns the array's elements with commas between them.
func (a *arena) joinArray(src string) string {
	m := a.mark()
	out := a.scratch[:0]
	var it array
	it.open(src, a)
	for c, ok := it.next(); ok; c, ok = it.next() {
		if c.kind == kindNull {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, c.text...)
	}
	a.scratch = out
	a.release(m)
	return a.copy(out)
}

// jsonText prints a value that has been scanned as the original's JSON printer
// does: on one line, with a blank after each comma.
func (a *arena) jsonText(c cell) string {
	m := a.mark()
	out := a.scratch[:0]
	if c.kind == kindString {
		out = appendQuoted(out, c.text)
	} else {
		out = a.appendJSON(out, c.text)
	}
	a.scratch = out
	a.release(m)
	return a.copy(out)
}

func (a *arena) appendJSON(out []byte, src string) []byte {
	s := scanner{src: src, mem: a}
	for s.pos < len(src) {
		switch c := src[s.pos]; {
		case c <= ' ':
			s.pos++
		case c == ',':
			s.pos++
			out = append(out, ", "...)
		case c == ':':
			s.pos++
			out = append(out, ": "...)
		case c == '[' || c == ']' || c == '{' || c == '}':
			s.pos++
			out = append(out, c)
		case c == '"':
			s.pos++
			t, _ := s.string()
			out = appendQuoted(out, t)
		default:
			start := s.pos
			if s.scalar(c) == kindNumber {
				out = appendJSONNumber(out, src[start:s.pos])
			} else {
				out = append(out, src[start:s.pos]...)
			}
		}
	}
	return out
}

// appendQuoted prints a JSON string; bytes above 0x1f stay as they are.
func appendQuoted(out []byte, t string) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(t); i++ {
		switch c := t[i]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\f':
			out = append(out, '\\', 'f')
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			if c < ' ' {
				out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				out = append(out, c)
			}
		}
	}
	return append(out, '"')
}

// addressList prints the first limit elements of an array of addresses as the
// original keeps them: joined, then split at commas, empty ones gone. ok is
// false when there is no element.
func (a *arena) addressList(src string, limit int) (t string, ok bool) {
	m := a.mark()
	out := append(a.scratch[:0], '[')
	var it array
	it.open(src, a)
	for n := 0; n < limit; n++ {
		c, more := it.next()
		if !more {
			break
		}
		if c.kind != kindString {
			continue
		}
		ok = true
		for part := range strings.SplitSeq(c.text, ",") {
			if part == "" {
				continue
			}
			if len(out) > 1 {
				out = append(out, ", "...)
			}
			out = appendQuoted(out, part)
		}
	}
	out = append(out, ']')
	a.scratch = out
	a.release(m)
	return a.copy(out), ok
}

// arrayLen counts an array's elements.
func arrayLen(src string, mem *arena) int {
	m := mem.mark()
	var it array
	it.open(src, mem)
	n := 0
	for _, ok := it.next(); ok; _, ok = it.next() {
		n++
	}
	mem.release(m)
	return n
}
