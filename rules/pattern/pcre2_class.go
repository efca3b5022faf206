package pattern

import "strings"

// bracket reads a class, or one of the two word boundaries that look like one.
func (p *parser) bracket() (n *node, repeatable bool) {
	at := p.pos
	for text, behind := range map[string]bool{"[[:<:]]": false, "[[:>:]]": true} {
		if p.accept(text) {
			word, _ := posixClass("word")
			look := &node{op: opLook, behind: behind, subs: []*node{{op: opSet, set: word, at: at}}, at: at}
			return &node{op: opConcat, subs: []*node{{op: opWord, at: at}, look}, name: text, at: at}, true
		}
	}
	if kind, _, ok := p.posixAt(); ok {
		if kind == ':' {
			p.fail(at, "[:name:] stands inside a class only, as [[:name:]]")
		}
		p.fail(at, "[.x.] and [=x=] are not supported by PCRE2")
	}
	p.pos++
	c := &classReader{parser: p, at: at}
	return &node{op: opSet, set: c.read(), at: at}, true
}

// posixAt tells whether [:name:], [.x.] or [=x=] stands here.
func (p *parser) posixAt() (kind byte, name string, ok bool) {
	kind = p.peek(1)
	if p.peek(0) != '[' || kind != ':' && kind != '.' && kind != '=' {
		return 0, "", false
	}
	for i := p.pos + 2; i+1 < len(p.src); i++ {
		switch {
		case p.src[i] == '\\' && (p.src[i+1] == ']' || p.src[i+1] == '\\'):
			i++
		case p.src[i] == '[' && p.src[i+1] == kind, p.src[i] == ']':
			return 0, "", false
		case p.src[i] == kind && p.src[i+1] == ']':
			return kind, p.src[p.pos+2 : i], true
		}
	}
	return 0, "", false
}

// classReader reads the inside of a class.
type classReader struct {
	*parser
	at       int
	set      runeSet
	from     rune // a character that a hyphen may make a range of, -1 none
	hyphen   bool // a hyphen follows it
	afterSet bool // the last thing was a set, which no range may start with
	quoting  bool
}

func (c *classReader) read() runeSet {
	negate := c.accept("^")
	c.from = -1
	for first := true; ; first = false {
		if !c.more() {
			c.fail(c.at, "this [ is never closed")
		}
		if c.quoting {
			if c.accept(`\E`) {
				c.quoting = false
				continue
			}
			c.take(c.char())
			continue
		}
		at := c.pos
		switch b := c.src[c.pos]; {
		case b == ']' && !first:
			c.pos++
			c.flush()
			set := c.set.normal()
			if negate {
				set = set.negate(c.last())
			}
			return set
		case c.flags.extendedMore && (b == ' ' || b == '\t'):
			c.pos++
		case b == '[':
			kind, name, ok := c.posixAt()
			if !ok {
				c.pos++
				c.take('[')
				continue
			}
			if kind != ':' {
				c.fail(at, "[.x.] and [=x=] are not supported by PCRE2")
			}
			c.posix(name)
			c.pos = at + len(name) + len("[::]")
		case b == '-' && c.from >= 0 && !c.hyphen:
			c.pos++
			c.hyphen = true
		case b == '-' && c.afterSet:
			c.pos++
			c.hyphenAfterSet(at)
		case b == '\\':
			c.escape(at)
		default:
			c.take(c.char())
		}
	}
}

// flush adds what is pending: a character, and a hyphen that made no range.
func (c *classReader) flush() {
	if c.from >= 0 {
		c.add(setOf(c.from, c.from))
	}
	if c.hyphen {
		c.add(setOf('-', '-'))
	}
	c.from, c.hyphen, c.afterSet = -1, false, false
}

// add adds characters with their other cases under (?i).
func (c *classReader) add(s runeSet) {
	if c.flags.caseless {
		s = s.folded(c.utf)
	}
	c.set = append(c.set, s...)
}

// take takes one character, which may end a range.
func (c *classReader) take(r rune) {
	if !c.hyphen {
		c.flush()
		c.from = r
		return
	}
	if r < c.from {
		c.fail(c.at, "a range in this class is out of order")
	}
	c.add(setOf(c.from, r))
	c.from, c.hyphen = -1, false
}

// addSet takes a set, which cannot end a range.
func (c *classReader) addSet(s runeSet, at int) {
	if c.hyphen {
		c.fail(at, "a range in this class ends with a set")
	}
	c.flush()
	c.set = append(c.set, s...)
	c.afterSet = true
}

// hyphenAfterSet decides a hyphen behind a set: literal before the "]", an
// error before anything else.
func (c *classReader) hyphenAfterSet(at int) {
	if c.peek(0) != ']' || !c.more() {
		c.fail(at, "a range in this class starts with a set; write the hyphen last")
	}
	c.flush()
	c.add(setOf('-', '-'))
}

func (c *classReader) posix(name string) {
	at := c.pos
	name, negate := strings.CutPrefix(name, "^")
	if c.flags.caseless && (name == "lower" || name == "upper") {
		name = "alpha"
	}
	set, ok := posixClass(name)
	if !ok {
		c.fail(at, "unknown class [:"+name+":]")
	}
	if negate {
		set = set.negate(c.last())
	}
	c.addSet(set, at)
}

func (c *classReader) escape(at int) {
	if c.pos+1 >= len(c.src) {
		c.fail(at, "nothing follows the last backslash")
	}
	switch b := c.src[c.pos+1]; b {
	case 'Q':
		c.pos += 2
		c.quoting = true
		return
	case 'E':
		c.pos += 2
		return
	case 'A', 'B', 'C', 'G', 'K', 'R', 'X', 'Z', 'g', 'k', 'z':
		c.fail(at, `\`+string(rune(b))+" is not allowed in a class")
	}
	if set, ok := c.setEscape(true); ok {
		c.addSet(set, at)
		return
	}
	c.take(c.charEscape(true))
}
