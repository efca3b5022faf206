package rules

import (
	"cmp"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
)

// whenOp is what an atom does with its operand.
type whenOp uint8

const (
	opPresent whenOp = iota
	opEqual
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opIn     // one of literals
	opRange  // a..b
	opPrefix // startsWith
	opSuffix // endsWith
	opContains
	opRegexp  // matches
	opPattern // osregex, osmatch, pcre2
	opInList
	opInCIDR
	opChanged // one of the columns of mask differs in a modified row
	opGroup   // the literal is one of the agent's groups
	opVersion // version(left) compared by order with version(right)
	opKnown   // the table's content is completely known
	opAny     // the table has a row for which sub holds
	opAll
	opNone
	opOne
	opCount  // a number, never a condition
	opFilter // the rows themselves: items
)

// whenAtom is a smallest condition: one operation on one name and constants, or on
// two names. A condition's program calls it by number (atom(k)), which costs
// no allocation. An atom is false on an absent operand.
type whenAtom struct {
	op          whenOp
	order       whenOp // opVersion: the comparison
	left, right *whenName

	str      string
	num, max int64
	real     float64
	strs     map[string]struct{}
	nums     map[int64]struct{}
	mask     uint64
	re       *regexp.Regexp
	pat      pattern.Matcher
	prefixes *bart.Lite
	formats  [2]*whenName // opVersion: columns that tell the sides' formats
	table    syscollector.Table
	sub      *when // of a table: the predicate, nil = every row
	item     uint8 // of a table: the predicate's depth
}

// eval tells whether the atom holds.
func (a *whenAtom) eval(s *whenScope) bool {
	switch a.op {
	case opChanged:
		return s.change == syscollector.Modified && s.changed&a.mask != 0
	case opGroup:
		for _, g := range s.agent.Groups {
			if g == a.str {
				return true
			}
		}
		return false
	case opKnown:
		return s.inventory != nil && s.inventory.Known(s.agent.ID, a.table)
	case opAny, opAll, opNone, opOne:
		return a.evalTable(s)
	}
	v, ok := s.load(a.left)
	if !ok {
		return false
	}
	if a.op == opPresent {
		return true
	}
	if a.op == opVersion {
		return a.evalVersion(s, v.Str)
	}
	if a.right != nil {
		w, ok := s.load(a.right)
		return ok && a.compareNames(v, w)
	}
	switch a.left.typ {
	case typeInt:
		return a.testInt(v.Int, s)
	case typeFloat:
		return ordered(a.op, cmpFloat(math.Float64frombits(uint64(v.Int)), a.real))
	}
	return a.test(v.Str, s)
}

// test applies the operation to a text.
func (a *whenAtom) test(v string, s *whenScope) bool {
	switch a.op {
	case opEqual:
		return v == a.str
	case opNotEqual:
		return v != a.str
	case opIn:
		_, ok := a.strs[v]
		return ok
	case opPrefix:
		return strings.HasPrefix(v, a.str)
	case opSuffix:
		return strings.HasSuffix(v, a.str)
	case opContains:
		return strings.Contains(v, a.str)
	case opRegexp:
		return a.re.MatchString(v)
	case opPattern:
		if i := strings.IndexByte(v, 0); i >= 0 {
			v = v[:i]
		}
		return a.pat.Match(v)
	case opInList:
		if s.lists == nil {
			return false
		}
		_, ok := s.lists.Get(a.str, v)
		return ok
	case opInCIDR:
		ip, err := netip.ParseAddr(v)
		return err == nil && a.prefixes.Contains(ip.Unmap().WithZone(""))
	}
	return ordered(a.op, strings.Compare(v, a.str))
}

func (a *whenAtom) testInt(v int64, s *whenScope) bool {
	switch a.op {
	case opEqual:
		return v == a.num
	case opNotEqual:
		return v != a.num
	case opIn:
		_, ok := a.nums[v]
		return ok
	case opRange:
		return a.num <= v && v <= a.max
	case opInList:
		return a.test(strconv.FormatInt(v, 10), s)
	}
	return ordered(a.op, cmp.Compare(v, a.num))
}

func (a *whenAtom) compareNames(v, w syscollector.Value) bool {
	switch {
	case a.left.typ == typeString:
		return ordered(a.op, strings.Compare(v.Str, w.Str))
	case a.left.typ == typeInt && a.right.typ == typeInt:
		return ordered(a.op, cmp.Compare(v.Int, w.Int))
	}
	return ordered(a.op, cmpFloat(a.left.float(v), a.right.float(w)))
}

func (n *whenName) float(v syscollector.Value) float64 {
	if n.typ == typeInt {
		return float64(v.Int)
	}
	return math.Float64frombits(uint64(v.Int))
}

// notOrdered is the result of comparing with NaN: every comparison but != is
// false.
const notOrdered = 2

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	}
	return notOrdered
}

// ordered tells whether a comparison holds for a three-way result.
func ordered(op whenOp, c int) bool {
	switch op {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c == -1
	case opLessEqual:
		return c == -1 || c == 0
	case opGreater:
		return c == 1
	case opGreaterEqual:
		return c == 1 || c == 0
	}
	return false
}

// comparisons are the operators that compare, with their atoms, and mirrored
// the same with the sides exchanged.
var (
	comparisons = map[string]whenOp{
		"==": opEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual,
	}
	mirrored = map[whenOp]whenOp{
		opEqual: opEqual, opNotEqual: opNotEqual, opLess: opGreater, opLessEqual: opGreaterEqual,
		opGreater: opLess, opGreaterEqual: opLessEqual,
	}
	textOps = map[string]whenOp{"startsWith": opPrefix, "endsWith": opSuffix, "contains": opContains}
)
