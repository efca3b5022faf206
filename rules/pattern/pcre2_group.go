package pattern

import (
	"strconv"
	"strings"
)

// group reads what starts with "(" and is no comment.
func (p *parser) group() (n *node, repeatable bool) {
	at := p.pos
	p.pos++
	if p.depth++; p.depth > maxNesting {
		p.fail(at, "parentheses nest too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.peek(0) == '*' && (isLetter(p.peek(1)) || p.peek(1) == ':'):
		return p.verb(at)
	case p.peek(0) != '?':
		if p.flags.noCapture {
			return plain(p.body(at)), true
		}
		return p.capture(at, ""), true
	}
	p.pos++
	switch c := p.peek(0); {
	case p.accept(":"):
		return plain(p.body(at)), true
	case p.accept("|"):
		return p.branchReset(at), true
	case p.accept(">"):
		return &node{op: opAtomic, subs: []*node{p.body(at)}, at: at}, true
	case c == '=' || c == '!':
		p.pos++
		return p.look(at, c == '!', false), true
	case c == '<' && (p.peek(1) == '=' || p.peek(1) == '!'):
		negate := p.peek(1) == '!'
		p.pos += 2
		return p.look(at, negate, true), true
	case c == '*' || c == '<' && p.peek(1) == '*':
		p.unsupported(at, "a non-atomic lookaround")
	case p.accept("P<"), p.accept("<"):
		return p.capture(at, p.groupName('>')), true
	case p.accept("'"):
		return p.capture(at, p.groupName('\'')), true
	case p.accept("P="):
		return p.reference(&node{op: opBackref, name: p.groupName(')'), fold: p.flags.caseless, at: at}), true
	case p.accept("P>"), p.accept("&"):
		return p.reference(&node{op: opCall, name: p.groupName(')'), at: at}), true
	case c == 'P':
		p.fail(at, "unknown group after (?P; it is (?P<name>…), (?P=name) or (?P>name)")
	case p.accept("("):
		return p.condition(at), true
	case c == 'C':
		return p.callout(at)
	case c == 'R':
		p.pos++
		p.close(at)
		return p.reference(&node{op: opCall, at: at}), true
	case c >= '0' && c <= '9', (c == '+' || c == '-') && isDigit(p.peek(1)):
		number, _ := p.groupNumber(at)
		p.close(at)
		return p.reference(&node{op: opCall, cap: number, at: at}), true
	case c == '+':
		p.fail(at, "a number must follow (?+")
	}
	return p.settings(at)
}

func isDigit(b byte) bool  { return b-'0' < 10 }
func isLetter(b byte) bool { return b|0x20-'a' < 26 }
func isWord(b byte) bool   { return isDigit(b) || isLetter(b) || b == '_' }

func (p *parser) close(at int) {
	if !p.accept(")") {
		p.fail(at, "this ( is never closed")
	}
}

// body reads alternatives and the ")"; settings made inside end with it.
func (p *parser) body(at int) *node {
	saved := p.flags
	n := p.alternatives()
	p.close(at)
	p.flags = saved
	if n.op == opEmpty {
		n = &node{op: opEmpty, at: at}
	}
	return n
}

// plain keeps the alternatives of a group apart from those around it.
func plain(n *node) *node {
	if n.op == opAlternate {
		return &node{op: opGroup, subs: []*node{n}, at: n.at}
	}
	return n
}

func (p *parser) capture(at int, name string) *node {
	p.count++
	number := p.count
	if name != "" {
		p.nameGroup(at, name, number)
	}
	n := &node{op: opGroup, cap: number, at: at}
	for len(p.groups) <= number {
		p.groups = append(p.groups, nil)
	}
	if p.groups[number] == nil {
		p.groups[number] = n
	}
	n.subs = []*node{p.body(at)}
	return n
}

func (p *parser) nameGroup(at int, name string, number int) {
	for _, other := range p.names[name] {
		if other == number {
			return
		}
		if !p.flags.sameNames {
			p.fail(at, "two groups are named "+name+"; rename one, or allow it with (?J)")
		}
	}
	if other, ok := p.numbered[number]; ok && other != name {
		p.fail(at, "one group number has two names")
	}
	p.numbered[number] = name
	p.names[name] = append(p.names[name], number)
}

// groupName reads a name up to its closing byte.
func (p *parser) groupName(end byte) string {
	at := p.pos
	for p.more() && isWord(p.src[p.pos]) {
		p.pos++
	}
	name := p.src[at:p.pos]
	switch {
	case p.utf && p.more() && p.src[p.pos] >= 0x80:
		p.unsupported(at, "a group name outside ASCII")
	case name == "":
		p.fail(at, "a group name is wanted here")
	case isDigit(name[0]):
		p.fail(at, "a group name must not start with a digit")
	case len(name) > 32:
		p.fail(at, "a group name is longer than 32 characters")
	case !p.more() || p.src[p.pos] != end:
		p.fail(p.pos, "a group name must end with "+string(rune(end)))
	}
	p.pos++
	return name
}

// groupNumber reads a group number, perhaps relative to the groups so far.
func (p *parser) groupNumber(at int) (number int, relative bool) {
	sign := byte(0)
	if c := p.peek(0); c == '+' || c == '-' {
		sign = c
		p.pos++
	}
	from := p.pos
	for isDigit(p.peek(0)) && p.more() {
		p.pos++
	}
	number, err := strconv.Atoi(p.src[from:p.pos])
	if err != nil || number > 65535 {
		p.fail(at, "a group number is wanted here, at most 65535")
	}
	if sign == 0 {
		return number, false
	}
	if number == 0 {
		p.fail(at, "a relative group number must not be 0")
	}
	if sign == '-' {
		if number > p.count {
			p.fail(at, "there is no such group")
		}
		return p.count - number + 1, true
	}
	return p.count + number, true
}

func (p *parser) reference(n *node) *node {
	p.refs = append(p.refs, n)
	return n
}

func (p *parser) look(at int, negate, behind bool) *node {
	n := &node{op: opLook, negate: negate, behind: behind, at: at}
	p.looks++
	if behind {
		p.inBehind++
		p.behinds = append(p.behinds, n)
		defer func() { p.inBehind-- }()
	}
	n.subs = []*node{p.body(at)}
	p.looks--
	return n
}

// branchReset reads (?|…): each alternative numbers its groups anew.
func (p *parser) branchReset(at int) *node {
	p.reset = true
	saved := p.flags
	first, most := p.count, p.count
	var branches []*node
	for {
		branches = append(branches, p.branch())
		most = max(most, p.count)
		if !p.accept("|") {
			break
		}
		p.count = first
	}
	p.count = most
	p.close(at)
	p.flags = saved
	return plain(alternate(branches...))
}

// settings reads (?flags) and (?flags:…).
func (p *parser) settings(at int) (*node, bool) {
	f, on := p.flags, true
	hyphen := p.accept("^") // behind which no hyphen is allowed
	if hyphen {
		f = flags{ungreedy: f.ungreedy, sameNames: f.sameNames}
	}
	for {
		if !p.more() {
			p.fail(at, "this ( is never closed")
		}
		c := p.src[p.pos]
		p.pos++
		switch c {
		case 'i':
			f.caseless = on
		case 'm':
			f.multiline = on
		case 's':
			f.dotAll = on
		case 'n':
			f.noCapture = on
		case 'U':
			f.ungreedy = on
		case 'J':
			f.sameNames = on
		case 'x':
			f.extended = on
			f.extendedMore = false
			if p.accept("x") {
				f.extendedMore = on
			}
		case '-':
			if hyphen {
				p.fail(p.pos-1, "a second - or one after ^ in the settings of a group")
			}
			hyphen, on = true, false
		case ')':
			p.flags = f
			return nil, false
		case ':':
			saved := p.flags
			p.flags = f
			n := p.alternatives()
			p.close(at)
			p.flags = saved
			return plain(n), true
		default:
			p.fail(p.pos-1, "unknown character after (?")
		}
	}
}

// callout reads (?C) and (?Cn), which do nothing here as in the original.
func (p *parser) callout(at int) (*node, bool) {
	p.pos++
	from := p.pos
	for isDigit(p.peek(0)) && p.more() {
		p.pos++
	}
	if text := p.src[from:p.pos]; text != "" {
		if n, err := strconv.Atoi(text); err != nil || n > 255 {
			p.fail(at, "a callout number is above 255")
		}
	}
	if c := p.peek(0); from == p.pos && c != 0 && strings.IndexByte("`'\"^%#${", c) >= 0 {
		p.unsupported(at, "a callout with a text")
	}
	p.close(at)
	return nil, false
}

// verb reads (*NAME…): backtracking control, or a spelt-out group.
func (p *parser) verb(at int) (*node, bool) {
	p.pos++
	from := p.pos
	for p.more() && isWord(p.src[p.pos]) {
		p.pos++
	}
	name := p.src[from:p.pos]
	if p.accept(":") {
		switch name {
		case "pla", "positive_lookahead":
			return p.look(at, false, false), true
		case "nla", "negative_lookahead":
			return p.look(at, true, false), true
		case "plb", "positive_lookbehind":
			return p.look(at, false, true), true
		case "nlb", "negative_lookbehind":
			return p.look(at, true, true), true
		case "atomic":
			return &node{op: opAtomic, subs: []*node{p.body(at)}, at: at}, true
		case "napla", "non_atomic_positive_lookahead", "naplb", "non_atomic_positive_lookbehind":
			p.unsupported(at, "a non-atomic lookaround")
		case "sr", "script_run", "asr", "atomic_script_run":
			p.unsupported(at, "a script run")
		}
		p.pos--
	}
	switch name {
	case "F", "FAIL":
		if p.accept(")") {
			return &node{op: opSet, at: at}, false
		}
		fallthrough
	case "", "MARK", "ACCEPT", "COMMIT", "PRUNE", "SKIP", "THEN":
		p.unsupported(at, "the verb (*"+name+")")
	}
	p.fail(at, "unknown verb (*"+name+")")
	return nil, false
}
