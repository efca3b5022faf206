package pattern

import (
	"regexp"
	"strconv"
)

// condition reads (?(…)yes|no) from behind "(?(".
func (p *parser) condition(at int) *node {
	if p.inBehind > 0 {
		p.unsupported(at, "a condition inside a lookbehind")
	}
	n := &node{op: opCond, at: at}
	always, never, define := false, false, false
	switch c := p.peek(0); {
	case c == '?' || c == '*':
		from := p.pos - 1
		p.pos--
		look, _ := p.group()
		if look == nil || look.op != opLook {
			p.fail(from, "the condition of (?(…) must be a lookaround, a group or a name")
		}
		n.subs = []*node{nil, nil, look}
	case isDigit(c), (c == '+' || c == '-') && isDigit(p.peek(1)):
		n.cap, _ = p.groupNumber(at)
		if n.cap == 0 {
			p.fail(at, "there is no group 0")
		}
		p.close(at)
		p.reference(n)
	case p.accept("<"):
		n.name = p.groupName('>')
		p.close(at)
		p.reference(n)
	case p.accept("'"):
		n.name = p.groupName('\'')
		p.close(at)
		p.reference(n)
	case p.version(&always, &never):
	case p.accept("R&"):
		n.name = p.groupName(')')
		p.asked = append(p.asked, n)
		never = true
	default:
		name := p.groupName(')')
		_, named := p.names[name]
		switch {
		case named:
			n.name = name
			p.reference(n)
		case name == "DEFINE":
			define = true
		case name == "R" || name[0] == 'R' && digits(name[1:]):
			n.cap, _ = strconv.Atoi("0" + name[1:])
			p.asked = append(p.asked, n)
			never = true
		default:
			n.name = name
			p.reference(n)
		}
	}
	body := p.bodyBranches(at)
	switch {
	case define && len(body) > 1:
		p.fail(at, "(?(DEFINE)…) must have one alternative")
	case len(body) > 2:
		p.fail(at, "a condition must have two alternatives at most")
	case len(body) == 1:
		body = append(body, &node{op: opEmpty, at: p.pos})
	}
	switch {
	case define, never:
		return body[1]
	case always:
		return body[0]
	case n.subs == nil:
		n.subs = body
	default:
		n.subs[0], n.subs[1] = body[0], body[1]
	}
	return n
}

// bodyBranches reads the alternatives and ")" of a group one by one.
func (p *parser) bodyBranches(at int) []*node {
	saved := p.flags
	branches := []*node{p.branch()}
	for p.accept("|") {
		branches = append(branches, p.branch())
	}
	p.close(at)
	p.flags = saved
	return branches
}

// version reads the condition VERSION>=n.m or VERSION=n.m and decides it for
// 10.42.
func (p *parser) version(always, never *bool) bool {
	m := regexp.MustCompile(`^VERSION(>?)=(\d{1,4})(?:\.(\d{1,2}))?\)`).FindStringSubmatch(p.src[p.pos:])
	if m == nil {
		return false
	}
	major, _ := strconv.Atoi(m[2])
	minor, _ := strconv.Atoi(m[3])
	if len(m[3]) == 1 {
		minor *= 10
	}
	holds := major == 10 && minor == 42
	if m[1] != "" {
		holds = major < 10 || major == 10 && minor <= 42
	}
	*always, *never = holds, !holds
	p.pos += len(m[0])
	return true
}

// maxInlined bounds the nodes that subroutine calls may grow a pattern to.
const maxInlined = 20000

// resolve turns names into numbers, measures lookbehinds and replaces
// subroutine calls by what they call.
func (p *parser) resolve(t *tree) {
	for _, n := range p.refs {
		switch {
		case n.name != "":
			if n.caps = p.names[n.name]; len(n.caps) == 0 {
				p.fail(n.at, "there is no group named "+n.name)
			}
			n.cap = n.caps[0]
		case n.cap >= len(p.groups):
			p.fail(n.at, "there is no group "+strconv.Itoa(n.cap))
		default:
			n.caps = []int{n.cap}
		}
		if n.op != opCall {
			t.refs = true
			if p.reset {
				p.unsupported(n.at, "a reference to a group together with a branch reset (?|")
			}
		}
	}
	for _, n := range p.asked { // false as long as nothing is called
		switch {
		case n.name != "" && p.names[n.name] == nil:
			p.fail(n.at, "there is no group named "+n.name)
		case n.cap >= len(p.groups):
			p.fail(n.at, "there is no group "+strconv.Itoa(n.cap))
		case t.root.any(opCall):
			p.unsupported(n.at, "a condition on recursion")
		}
	}
	for _, look := range p.behinds {
		if look.any(opBackref) {
			p.unsupported(look.at, "a reference to a group inside a lookbehind")
		}
		branches := []*node{look.subs[0]}
		if look.subs[0].op == opAlternate {
			branches = look.subs[0].subs
		}
		for _, b := range branches {
			if _, ok := b.width(p.groups, 0); !ok {
				p.fail(look.at, "an alternative of this lookbehind can match texts of different lengths")
			}
		}
	}
	if t.root.any(opCall) {
		left := maxInlined
		t.root = p.inline(t.root, make([]bool, len(p.groups)), false, &left)
	}
}

// inline returns n with its calls replaced by copies of the groups called, which
// capture nothing. open marks the groups that stand around.
func (p *parser) inline(n *node, open []bool, called bool, left *int) *node {
	if *left--; *left < 0 {
		p.unsupported(n.at, "so many subroutine calls")
	}
	switch {
	case n.op == opCall:
		if open[n.cap] || n.cap == 0 {
			p.unsupported(n.at, "recursion")
		}
		return p.inline(p.groups[n.cap], open, true, left)
	case called && (n.op == opBackref || n.op == opCond):
		p.unsupported(n.at, "a reference to a group inside a subroutine")
	case len(n.subs) == 0:
		return n
	}
	if n.op == opGroup {
		open[n.cap] = true
		defer func() { open[n.cap] = false }()
		if called {
			return p.inline(n.subs[0], open, true, left)
		}
	}
	clone := *n
	clone.subs = make([]*node, len(n.subs))
	for i, s := range n.subs {
		clone.subs[i] = p.inline(s, open, called, left)
	}
	return &clone
}
