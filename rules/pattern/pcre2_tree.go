package pattern

import "slices"

// nodeOp tells what a node of a PCRE2 pattern's tree is.
type nodeOp uint8

const (
	opEmpty     nodeOp = iota
	opSet              // one character of set
	opConcat           // subs one after the other
	opAlternate        // one of subs
	opGroup            // subs[0], captured as number cap if that is not 0
	opRepeat           // subs[0] from min to max times, max < 0 without end
	opBegin            // \A \G, and ^ without (?m)
	opLineBegin        // (?m)^
	opEnd              // \z
	opFinal            // \Z, and $ without (?m): the end, or before a final newline
	opLineEnd          // (?m)$
	opWord             // \b, negate: \B
	opNewline          // \R, atomic
	opLook             // lookaround over subs[0]
	opAtomic           // subs[0] without going back into it
	opBackref          // what a group of caps took
	opCond             // subs: yes, no, and unless caps are asked a lookaround
	opCall             // the pattern of group cap (a subroutine call)
)

// node is a node of the tree. Nodes are not changed once parsed, so they may be
// shared.
type node struct {
	op         nodeOp
	subs       []*node
	set        runeSet
	min, max   int
	lazy       bool
	possessive bool
	negate     bool // opLook, opWord
	behind     bool // opLook
	fold       bool // opBackref
	cap        int
	caps       []int
	name       string // opBackref, opCond, opCall: until resolved
	at         int    // offset in the pattern
}

func concat(subs ...*node) *node {
	switch len(subs) {
	case 0:
		return &node{op: opEmpty}
	case 1:
		return subs[0]
	}
	return &node{op: opConcat, subs: subs, at: subs[0].at}
}

func alternate(subs ...*node) *node {
	if len(subs) == 1 {
		return subs[0]
	}
	return &node{op: opAlternate, subs: subs, at: subs[0].at}
}

// minLength returns how many characters a match of n takes at least.
func (n *node) minLength() int {
	switch n.op {
	case opSet, opNewline:
		return 1
	case opConcat:
		sum := 0
		for _, s := range n.subs {
			sum = min(sum+s.minLength(), 1<<20)
		}
		return sum
	case opAlternate:
		least := n.subs[0].minLength()
		for _, s := range n.subs[1:] {
			least = min(least, s.minLength())
		}
		return least
	case opCond:
		return min(n.subs[0].minLength(), n.subs[1].minLength())
	case opGroup, opAtomic:
		return n.subs[0].minLength()
	case opRepeat:
		return min(n.subs[0].minLength()*n.min, 1<<20)
	}
	return 0
}

// width returns the number of characters that every match of n takes, false if
// they differ: the condition for standing in a lookbehind. groups gives the
// groups for references.
func (n *node) width(groups []*node, depth int) (int, bool) {
	if depth > 500 { // a group that refers to itself
		return 0, false
	}
	switch n.op {
	case opSet:
		return 1, true
	case opNewline:
		return 0, false
	case opConcat:
		sum := 0
		for _, s := range n.subs {
			w, ok := s.width(groups, depth+1)
			if sum += w; !ok || sum > 65535 {
				return 0, false
			}
		}
		return sum, true
	case opAlternate, opCond:
		subs := n.subs
		if n.op == opCond {
			subs = subs[:2]
		}
		first, ok := subs[0].width(groups, depth+1)
		for _, s := range subs[1:] {
			w, same := s.width(groups, depth+1)
			ok = ok && same && w == first
		}
		return first, ok
	case opGroup, opAtomic:
		return n.subs[0].width(groups, depth+1)
	case opRepeat:
		w, ok := n.subs[0].width(groups, depth+1)
		if n.subs[0].op == opLook && !n.subs[0].behind {
			return 0, true
		}
		return w * n.min, ok && n.min == n.max && w*n.min <= 65535
	case opBackref:
		if len(n.caps) != 1 {
			return 0, false
		}
		return groups[n.caps[0]].width(groups, depth+1)
	case opCall:
		if n.cap == 0 {
			return 0, false
		}
		return groups[n.cap].width(groups, depth+1)
	}
	return 0, true
}

// walk calls visit for n and everything below it until visit says no.
func (n *node) walk(visit func(*node) bool) bool {
	if !visit(n) {
		return false
	}
	for _, s := range n.subs {
		if !s.walk(visit) {
			return false
		}
	}
	return true
}

// some tells whether holds is true of n or a node below it.
func (n *node) some(holds func(*node) bool) bool {
	return !n.walk(func(m *node) bool { return !holds(m) })
}

// any tells whether n or a node below it is one of ops.
func (n *node) any(ops ...nodeOp) bool {
	return n.some(func(m *node) bool { return slices.Contains(ops, m.op) })
}

// mayStartWithNewline is false only if each match of n starts with another
// character than a line feed.
func (n *node) mayStartWithNewline() bool {
	switch n.op {
	case opSet:
		return n.set.has('\n')
	case opConcat, opGroup, opAtomic:
		return n.subs[0].mayStartWithNewline()
	case opRepeat:
		return n.min == 0 || n.subs[0].mayStartWithNewline()
	case opAlternate:
		for _, s := range n.subs {
			if s.mayStartWithNewline() {
				return true
			}
		}
		return false
	}
	return true
}
