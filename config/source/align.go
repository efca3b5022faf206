package source

import (
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// textMap traces value, the text of a scalar node, back to the file. It walks
// value and source side by side, rune by rune from the scalar's start: between
// two visible runes both have a run of blanks and breaks (folding and
// indentation change its length), in quotes a source rune may be an escape.
// What cannot be aligned belongs to the last place that could.
func (n *Node) textMap(value string) Map {
	var m Map
	m.Hold(0, n.Pos())
	if n.yaml.Style&yaml.TaggedStyle != 0 || n.yaml.Value != value {
		return m
	}
	a := aligner{y: n.y, src: n.y.file.Data, at: n.y.offset(n.yaml.Line, n.yaml.Column), value: value, m: &m, next: -1}
	switch n.yaml.Style {
	case yaml.DoubleQuotedStyle:
		a.at++
		a.double()
	case yaml.SingleQuotedStyle:
		a.at++
		a.runs(true)
	case yaml.LiteralStyle, yaml.FoldedStyle:
		for a.at < len(a.src) && breakLen(a.src[a.at:]) == 0 {
			a.at++
		}
		a.runs(false)
	default:
		a.runs(false)
	}
	return m
}

type aligner struct {
	y     *YAML
	src   []byte
	at    int // offset in src
	value string
	off   int // offset in value
	m     *Map
	next  int // offset in src that would continue the last segment
}

// take maps the value's next rune, size bytes, to the n source bytes at a.at.
func (a *aligner) take(size, n int) {
	if a.at != a.next {
		a.m.Add(a.off, a.y.lines.Position(a.at))
	}
	a.at, a.off = a.at+n, a.off+size
	a.next = a.at
	if size != 1 || n != 1 {
		a.next = -1
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// blankLen returns the length of the run of blanks and breaks at a.at, and how
// many breaks are in it.
func (a *aligner) blankLen() (n, breaks int) {
	for at := a.at; at < len(a.src); {
		if b := breakLen(a.src[at:]); b > 0 {
			at, breaks = at+b, breaks+1
		} else if a.src[at] == ' ' || a.src[at] == '\t' {
			at++
		} else {
			break
		}
		n = at - a.at
	}
	return n, breaks
}

// runs aligns every style but the double-quoted one.
func (a *aligner) runs(single bool) {
	for a.off < len(a.value) {
		if n, breaks := a.blankLen(); n > 0 {
			if breaks == 0 && isBlank(a.value[a.off]) {
				a.take(1, 1)
				continue
			}
			run := 0
			for a.off+run < len(a.value) && isBlank(a.value[a.off+run]) {
				run++
			}
			if run > 0 {
				a.m.Hold(a.off, a.y.lines.Position(a.at))
			}
			a.at, a.off, a.next = a.at+n, a.off+run, -1
			continue
		}
		r, size := utf8.DecodeRuneInString(a.value[a.off:])
		if a.at >= len(a.src) {
			return
		}
		if single && r == '\'' && a.at+1 < len(a.src) && a.src[a.at] == '\'' && a.src[a.at+1] == '\'' {
			a.take(1, 2)
			continue
		}
		s, n := utf8.DecodeRune(a.src[a.at:])
		if s != r {
			return
		}
		a.take(size, n)
	}
}

// double aligns a double-quoted scalar.
func (a *aligner) double() {
	for a.off < len(a.value) && a.at < len(a.src) {
		if a.src[a.at] == '\\' {
			if a.at+1 >= len(a.src) {
				return
			}
			if b := breakLen(a.src[a.at+1:]); b > 0 { // the line goes on, nothing in the value
				a.at += 1 + b
				n, breaks := a.blankLen()
				a.at, a.next = a.at+n, -1
				for ; breaks > 0 && a.off < len(a.value) && a.value[a.off] == '\n'; breaks-- {
					a.off++
				}
				continue
			}
			_, size := utf8.DecodeRuneInString(a.value[a.off:])
			a.take(size, escapeLen(a.src[a.at:]))
			continue
		}
		if n, breaks := a.blankLen(); breaks > 0 {
			a.m.Hold(a.off, a.y.lines.Position(a.at))
			a.at, a.off, a.next = a.at+n, a.off+max(1, breaks-1), -1
			continue
		}
		r, size := utf8.DecodeRuneInString(a.value[a.off:])
		s, n := utf8.DecodeRune(a.src[a.at:])
		if s != r {
			return
		}
		a.take(size, n)
	}
}

// escapeLen returns the length of the escape that b starts with.
func escapeLen(b []byte) int {
	n := 2
	switch b[1] {
	case 'x':
		n = 4
	case 'u':
		n = 6
	case 'U':
		n = 10
	}
	return min(n, len(b))
}
