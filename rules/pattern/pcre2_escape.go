package pattern

import (
	"strconv"
	"strings"
)

// escape reads an item that starts with a backslash, outside a class.
func (p *parser) escape() (n *node, repeatable bool) {
	at := p.pos
	if p.pos+1 >= len(p.src) {
		p.fail(at, "nothing follows the last backslash")
	}
	if set, ok := p.setEscape(false); ok {
		return &node{op: opSet, set: set, at: at}, true
	}
	c := p.src[p.pos+1]
	simple := func(op nodeOp) (*node, bool) {
		p.pos += 2
		return &node{op: op, negate: c == 'B', at: at}, false
	}
	switch c {
	case 'A', 'G':
		return simple(opBegin)
	case 'z':
		return simple(opEnd)
	case 'Z':
		return simple(opFinal)
	case 'b', 'B':
		return simple(opWord)
	case 'K': // moves the start of the match, which is asked for by nobody
		if p.looks > 0 {
			p.fail(at, `\K is not allowed in a lookaround`)
		}
		p.pos += 2
		return nil, false
	case 'R':
		p.pos += 2
		set := newlines(p.utf)
		if p.crlfOnly {
			set = setOf('\n', '\n', '\r', '\r')
		}
		return &node{op: opNewline, set: set, at: at}, true
	case 'C':
		if p.utf {
			p.unsupported(at, `\C together with (*UTF)`)
		}
		p.pos += 2
		return &node{op: opSet, set: setOf(0, lastByte), at: at}, true
	case 'X':
		p.unsupported(at, `\X`)
	case 'g':
		return p.escapeG(at), true
	case 'k':
		p.pos += 2
		end := byte(0)
		switch p.peek(0) {
		case '{':
			end = '}'
		case '<':
			end = '>'
		case '\'':
			end = '\''
		default:
			p.fail(at, `\k must be followed by a name in {}, <> or ''`)
		}
		p.pos++
		return p.backref(&node{name: p.groupName(end), at: at}), true
	}
	if c >= '1' && c <= '9' {
		if number, length, ok := p.decimal(p.pos + 1); ok && (number < 10 || c >= '8' || number <= p.count) {
			p.pos += 1 + length
			return p.backref(&node{cap: number, at: at}), true
		}
	}
	return p.literal(p.charEscape(false), at), true
}

func (p *parser) backref(n *node) *node {
	n.op, n.fold = opBackref, p.flags.caseless
	return p.reference(n)
}

func (p *parser) decimal(from int) (number, length int, ok bool) {
	end := from
	for end < len(p.src) && isDigit(p.src[end]) {
		end++
	}
	number, err := strconv.Atoi(p.src[from:end])
	if err != nil || number > 65535 {
		p.fail(from, "a group number is above 65535")
	}
	return number, end - from, true
}

// escapeG reads \g: a back reference, or a call if <> or quotes follow.
func (p *parser) escapeG(at int) *node {
	p.pos += 2
	open := p.peek(0)
	switch open {
	case '<', '\'':
		p.pos++
		end := byte('\'')
		if open == '<' {
			end = '>'
		}
		n := &node{op: opCall, at: at}
		if c := p.peek(0); isDigit(c) || c == '+' || c == '-' {
			n.cap, _ = p.groupNumber(at)
			if p.peek(0) != end {
				p.fail(at, `\g is not closed`)
			}
			p.pos++
		} else {
			n.name = p.groupName(end)
		}
		return p.reference(n)
	case '{':
		p.pos++
	}
	if c := p.peek(0); isDigit(c) || c == '+' || c == '-' {
		number, _ := p.groupNumber(at)
		if open == '{' && !p.accept("}") {
			p.fail(at, `\g{ is not closed`)
		}
		if number == 0 {
			p.fail(at, "there is no group 0")
		}
		return p.backref(&node{cap: number, at: at})
	}
	if open != '{' {
		p.fail(at, `\g must be followed by a number, or a name in {}, <> or ''`)
	}
	return p.backref(&node{name: p.groupName('}'), at: at})
}

// setEscape reads an escape that stands for a set, if one is next.
func (p *parser) setEscape(inClass bool) (runeSet, bool) {
	c := p.src[p.pos+1]
	if set, ok := escapeClass(c, p.utf); ok {
		p.pos += 2
		return set, true
	}
	switch c {
	case 'N':
		if strings.HasPrefix(p.src[p.pos+2:], "{U+") {
			return nil, false
		}
		if p.peek(2) == '{' {
			from := p.pos
			p.pos += 2
			if _, _, ok := p.quantifier(); !ok {
				p.fail(from, `\N{name} is not supported by PCRE2`)
			}
			p.pos = from
		}
		if inClass {
			p.fail(p.pos, `\N is not allowed in a class`)
		}
		p.pos += 2
		return setOf('\n', '\n').negate(p.last()), true
	case 'p', 'P':
		return p.propertyEscape(c == 'P'), true
	}
	return nil, false
}

// propertyEscape reads \pL, \p{Name}, \p{^Name} and the same with P.
func (p *parser) propertyEscape(negate bool) runeSet {
	at := p.pos
	p.pos += 2
	if !p.more() {
		p.fail(at, `\p must be followed by a property`)
	}
	name := p.src[p.pos : p.pos+1]
	if name != "{" {
		p.pos++
	} else {
		end := strings.IndexByte(p.src[p.pos:], '}')
		if end < 0 {
			p.fail(at, `\p{ is not closed`)
		}
		name = p.src[p.pos+1 : p.pos+end]
		p.pos += end + 1
		if rest, ok := strings.CutPrefix(name, "^"); ok {
			name, negate = rest, !negate
		}
	}
	set, known := property(name, p.utf)
	if !known {
		p.unsupported(at, "the property "+strconv.Quote(name)+" (or PCRE2 does not know it either)")
	}
	if negate {
		set = set.negate(p.last())
	}
	return set
}

// charEscape reads an escape that stands for one character.
func (p *parser) charEscape(inClass bool) rune {
	at := p.pos
	p.pos++
	if !p.more() {
		p.fail(at, "nothing follows the last backslash")
	}
	c := p.char()
	switch c {
	case 'a':
		return 0x07
	case 'b':
		return 0x08
	case 'e':
		return 0x1B
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'c':
		if !p.more() {
			p.fail(at, `\c must be followed by a character`)
		}
		b := p.src[p.pos]
		if b < 0x20 || b > 0x7E {
			p.fail(at, `\c must be followed by a printable ASCII character`)
		}
		p.pos++
		if b-'a' < 26 {
			b -= 0x20
		}
		return rune(b ^ 0x40)
	case 'x':
		if p.peek(0) == '{' {
			if r, ok := p.braced(at, "{", 16); ok {
				return r
			}
			p.fail(at, `\x{ must be followed by hexadecimal digits and }`)
		}
		from := p.pos
		for p.pos < len(p.src) && p.pos < from+2 && isHex(p.src[p.pos]) {
			p.pos++
		}
		n, _ := strconv.ParseUint("0"+p.src[from:p.pos], 16, 32)
		return rune(n)
	case 'o':
		if p.peek(0) == '{' {
			if r, ok := p.braced(at, "{", 8); ok {
				return r
			}
		}
		p.fail(at, `\o must be followed by octal digits in {}`)
	case 'N': // \N{U+…}
		if !p.utf {
			p.fail(at, `\N{U+…} needs (*UTF) at the start of the pattern`)
		}
		if r, ok := p.braced(at, "{U+", 16); ok {
			return r
		}
		p.fail(at, `\N{U+ must be followed by hexadecimal digits and }`)
	}
	switch {
	case c >= '0' && c <= '7':
		from := p.pos - 1
		for p.pos < len(p.src) && p.pos < from+3 && p.src[p.pos] >= '0' && p.src[p.pos] <= '7' {
			p.pos++
		}
		n, _ := strconv.ParseUint(p.src[from:p.pos], 8, 32)
		if n > lastByte && !p.utf {
			p.fail(at, "an octal value is above \\377")
		}
		return rune(n)
	case c < 0x80 && isLetter(byte(c)):
		p.fail(at, `unknown escape \`+string(c))
	}
	return c // itself, a digit 8 or 9 in a class too
}

func isHex(b byte) bool { return isDigit(b) || b|0x20-'a' < 6 }

// braced reads digits of a base between open, which stands here, and "}".
func (p *parser) braced(at int, open string, base int) (rune, bool) {
	end := strings.IndexByte(p.src[p.pos:], '}')
	if end < 0 {
		return 0, false
	}
	text := p.src[p.pos+len(open) : p.pos+end]
	if text == "" || strings.ContainsAny(text, "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(text, base, 64)
	if err != nil && !strings.Contains(err.Error(), "range") {
		return 0, false
	}
	switch {
	case err != nil, n > lastRune, !p.utf && n > lastByte:
		p.fail(at, "this character value is too large")
	case n >= 0xD800 && n <= 0xDFFF:
		p.fail(at, "this character value is a surrogate")
	}
	p.pos += end + 1
	return rune(n), true
}
