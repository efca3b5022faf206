package pattern

import (
	"fmt"
	"strconv"
	"strings"
)

// A byte of 0x80 or above is carried through the engines as a character of
// private use, which has no case and belongs to no class.
const highBytes = 0xF700

// emitter writes a tree in the syntax of Go's regexp or, with backtrack, of
// regexp2. The first has no words for some nodes; ok turns false then.
type emitter struct {
	strings.Builder
	utf       bool
	backtrack bool
	capture   bool // groups are referred to
	ok        bool
}

// place is what is known of the rest of the pattern behind a node.
type place struct {
	last      bool // nothing follows
	needs     int  // characters that must follow at least
	noNewline bool // what follows starts with another character than a line feed
}

// emit returns n written for an engine, false if it has no words for it.
func emit(n *node, utf, backtrack, capture bool) (string, bool) {
	e := &emitter{utf: utf, backtrack: backtrack, capture: capture, ok: true}
	e.node(n, place{last: true})
	return e.String(), e.ok
}

func (e *emitter) node(n *node, at place) {
	switch n.op {
	case opEmpty:
	case opSet:
		e.set(n.set)
	case opConcat:
		e.concat(n.subs, at)
	case opAlternate:
		e.WriteString("(?:")
		for i, s := range n.subs {
			if i > 0 {
				e.WriteByte('|')
			}
			e.node(s, at)
		}
		e.WriteByte(')')
	case opGroup:
		if e.capture && n.cap > 0 {
			e.wrap("(", n.subs[0], at)
		} else {
			e.wrap("(?:", n.subs[0], at)
		}
	case opRepeat:
		e.repeat(n, at)
	case opBegin:
		e.WriteString(`\A`)
	case opEnd:
		e.WriteString(`\z`)
	case opWord:
		e.boundary(n.negate)
	case opLineBegin:
		e.either(at.needs > 0, `(?m:^)`, `(?:\A|(?<=\n)(?!\z))`)
	case opFinal:
		e.either(at.last, `(?:\n?\z)`, `(?=\n?\z)`)
	case opLineEnd:
		e.either(true, `(?m:$)`, `(?=\n|\z)`)
	case opNewline:
		if !e.backtrack && !at.last && !at.noNewline {
			e.ok = false
		}
		e.either(true, `(?:\r\n|`, `(?>\r\n|`)
		e.set(n.set)
		e.WriteByte(')')
	case opAtomic:
		if !e.backtrack {
			e.ok = e.ok && at.last
			e.wrap("(?:", n.subs[0], at)
			return
		}
		e.wrap("(?>", n.subs[0], at)
	case opLook:
		e.ok = e.ok && e.backtrack
		e.wrap(lookOpening(n), n.subs[0], place{})
	case opBackref:
		e.ok = e.ok && e.backtrack
		e.backref(n)
	case opCond:
		e.ok = e.ok && e.backtrack
		e.cond(n, at)
	default:
		e.ok = false
	}
}

// boundary writes \b or \B, which are ASCII; those of regexp2 are not where
// there is more than ASCII.
func (e *emitter) boundary(negate bool) {
	switch {
	case e.backtrack && e.utf && negate:
		e.WriteString(`(?:(?<=[0-9A-Z_a-z])(?=[0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?![0-9A-Z_a-z]))`)
	case e.backtrack && e.utf:
		e.WriteString(`(?:(?<=[0-9A-Z_a-z])(?![0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?=[0-9A-Z_a-z]))`)
	case negate:
		e.WriteString(`\B`)
	default:
		e.WriteString(`\b`)
	}
}

// either writes the text for the engine in hand; linear tells whether Go's
// regexp can have it.
func (e *emitter) either(linear bool, re2, backtrack string) {
	if e.backtrack {
		e.WriteString(backtrack)
		return
	}
	e.ok = e.ok && linear
	e.WriteString(re2)
}

func (e *emitter) wrap(open string, n *node, at place) {
	e.WriteString(open)
	e.node(n, at)
	e.WriteByte(')')
}

func lookOpening(n *node) string {
	switch {
	case n.behind && n.negate:
		return "(?<!"
	case n.behind:
		return "(?<="
	case n.negate:
		return "(?!"
	}
	return "(?="
}

func (e *emitter) concat(subs []*node, at place) {
	places := make([]place, len(subs))
	for i := len(subs) - 1; i >= 0; i-- {
		places[i] = at
		if n := subs[i]; n.op != opEmpty {
			least := n.minLength()
			at = place{needs: min(at.needs+least, 1<<20), noNewline: least > 0 && !n.mayStartWithNewline()}
		}
	}
	for i, s := range subs {
		e.node(s, places[i])
	}
}

func (e *emitter) repeat(n *node, at place) {
	if n.subs[0].op == opLook { // a position is looked at once at most
		once := *n
		once.min = min(n.min, 1)
		if n.max != 0 {
			once.max = 1
		}
		n = &once
	}
	if !e.backtrack && (n.min > 1000 || n.max > 1000 || n.possessive && !at.last) {
		e.ok = false
		return
	}
	if n.max != 1 { // another round may follow
		at = place{needs: at.needs}
	}
	e.wrap("(?:", n.subs[0], at)
	switch {
	case n.min == 0 && n.max < 0:
		e.WriteByte('*')
	case n.min == 1 && n.max < 0:
		e.WriteByte('+')
	case n.min == 0 && n.max == 1:
		e.WriteByte('?')
	case n.max < 0:
		fmt.Fprintf(e, "{%d,}", n.min)
	default:
		fmt.Fprintf(e, "{%d,%d}", n.min, n.max)
	}
	switch {
	case !e.backtrack:
	case n.possessive:
		e.WriteByte('+')
	case n.lazy:
		e.WriteByte('?')
	}
}

// backref writes a reference; of several groups with one name the first that
// took something counts.
func (e *emitter) backref(n *node) {
	flag := "(?:"
	if n.fold {
		flag = "(?i:"
	}
	for i, c := range n.caps {
		number := strconv.Itoa(c)
		if i < len(n.caps)-1 {
			e.WriteString("(?(" + number + ")" + flag + `\` + number + ")|")
			defer e.WriteByte(')')
			continue
		}
		e.WriteString(flag + `\` + number + ")")
	}
}

func (e *emitter) cond(n *node, at place) {
	if len(n.caps) > 0 {
		for _, c := range n.caps {
			e.WriteString("(?(" + strconv.Itoa(c) + ")")
			e.wrap("(?:", n.subs[0], at)
			e.WriteByte('|')
			defer e.WriteByte(')')
		}
		e.wrap("(?:", n.subs[1], at)
		return
	}
	// A lookaround decides: each branch behind its own copy of it.
	yes, no := n.subs[2], *n.subs[2]
	no.negate = !no.negate
	if e.capture && yes.some(func(m *node) bool { return m.cap > 0 }) {
		e.ok = false
		return
	}
	e.WriteString("(?:")
	e.node(yes, place{})
	e.wrap("(?:", n.subs[0], at)
	e.WriteByte('|')
	e.node(&no, place{})
	e.wrap("(?:", n.subs[1], at)
	e.WriteByte(')')
}

// set writes a class. Subjects hold no other characters than those of the mode,
// so a complement may be written as such.
func (e *emitter) set(s runeSet) {
	last := rune(lastByte)
	if e.utf {
		last = lastRune
	}
	out := s.negate(last)
	switch {
	case len(s) == 0:
		e.either(true, `[^\x00-\x{10FFFF}]`, `(?!)`)
	case len(out) == 0:
		e.WriteString(`(?s:.)`)
	case s.size() == 1:
		e.char(s[0])
	case len(out) < len(s):
		e.class("[^", out)
	default:
		e.class("[", s)
	}
}

func (e *emitter) class(open string, s runeSet) {
	e.WriteString(open)
	span := func(lo, hi rune) {
		if lo > hi {
			return
		}
		e.char(lo)
		if hi > lo {
			e.WriteByte('-')
			e.char(hi)
		}
	}
	for i := 0; i < len(s); i += 2 {
		switch lo, hi := s[i], s[i+1]; {
		case !e.utf: // bytes from 0x80 on move
			span(lo, min(hi, 0x7F))
			span(max(lo, 0x80), hi)
		default: // surrogates are no characters
			span(lo, min(hi, 0xD7FF))
			span(max(lo, 0xE000), hi)
		}
	}
	e.WriteByte(']')
}

// char writes one character, inside a class or outside.
func (e *emitter) char(r rune) {
	switch {
	case r >= 0x80 && !e.utf:
		e.WriteRune(highBytes + r)
	case r >= 0x80, isWord(byte(r)), r == ' ':
		e.WriteRune(r)
	case r < ' ' || r == 0x7F || r == '-': // regexp2 reads \- as a range
		fmt.Fprintf(e, `\x%02x`, r)
	default:
		e.WriteByte('\\')
		e.WriteRune(r)
	}
}
