package rules

import (
	"cmp"
	"regexp/syntax"
	"slices"

	"github.com/expr-lang/expr/ast"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
)

// whenKey is a literal on one column of the row (or of the row before). A row
// on which none of a rule's keys holds cannot make the rule true.
type whenKey struct {
	before bool
	column uint8
	number bool // num is the column's value; else text stands in it
	num    int64
	kind   pattern.Kind
	fold   bool
	text   string
}

// The limits of what is looked at to find keys: alternatives of one condition,
// keys of one alternative, and the shortest text that is looked for anywhere
// in a value.
const (
	maxKeyChoices = 16
	maxKeys       = 4096
	keyGram       = 4
)

// necessary returns the necessary conditions of a rewritten tree: whichever is
// chosen, the tree is false unless one of its keys holds.
func (w *when) necessary(n ast.Node) [][]whenKey {
	if b, ok := n.(*ast.BinaryNode); ok && isLogical(b.Operator) {
		l, r := w.necessary(b.Left), w.necessary(b.Right)
		if b.Operator == "and" || b.Operator == "&&" {
			all := append(slices.Clip(l), r...)
			return all[:min(len(all), maxKeyChoices)]
		}
		var either [][]whenKey
		for _, x := range l {
			for _, y := range r {
				if len(x)+len(y) <= maxKeys && len(either) < maxKeyChoices {
					either = append(either, append(slices.Clip(x), y...))
				}
			}
		}
		return either
	}
	if a := w.atom(n); a != nil {
		if keys := a.keys(); len(keys) > 0 && len(keys) <= maxKeys {
			return [][]whenKey{keys}
		}
	}
	return nil
}

// conjuncts returns the atoms among the conditions that a rewritten tree joins
// by and, and whether there are only such.
func (w *when) conjuncts(n ast.Node, out []int32, only bool) ([]int32, bool) {
	if b, ok := n.(*ast.BinaryNode); ok && isAnd(b.Operator) {
		out, only = w.conjuncts(b.Left, out, only)
		return w.conjuncts(b.Right, out, only)
	}
	if k, ok := atomOf(n); ok {
		return append(out, k), only
	}
	return out, false
}

// atom returns the atom that a rewritten node calls, nil if it calls none.
func (w *when) atom(n ast.Node) *whenAtom {
	if k, ok := atomOf(n); ok {
		return &w.atoms[k]
	}
	return nil
}

// possibleChanges returns the changes for which a rewritten tree can be true,
// a bit each.
func (w *when) possibleChanges(n ast.Node) uint8 {
	const all = 1<<(syscollector.Removed+1) - 1
	if b, ok := n.(*ast.BinaryNode); ok && isLogical(b.Operator) {
		l, r := w.possibleChanges(b.Left), w.possibleChanges(b.Right)
		if b.Operator == "and" || b.Operator == "&&" {
			return l & r
		}
		return l | r
	}
	a := w.atom(n)
	switch {
	case a == nil, a.op != opChanged && a.left == nil:
		return all
	case a.op == opChanged:
		return 1 << syscollector.Modified
	case a.left.view != viewChange || a.right != nil:
		return all
	}
	var mask uint8
	for c := syscollector.Unchanged; c <= syscollector.Removed; c++ {
		if a.test(c.String(), nil) {
			mask |= 1 << c
		}
	}
	return mask
}

// keys returns the literals of which one must hold for the atom to hold, none
// if nothing is known.
func (a *whenAtom) keys() []whenKey {
	if a.right != nil || a.left == nil || !a.left.ofRow() {
		return nil
	}
	k := whenKey{before: a.left.view == viewBefore, column: a.left.field.Number}
	var out []whenKey
	switch {
	case a.left.typ == typeInt && a.op == opEqual:
		k.number, k.num = true, a.num
		return []whenKey{k}
	case a.left.typ == typeInt && a.op == opIn:
		k.number = true
		for n := range a.nums {
			k.num = n
			out = append(out, k)
		}
		slices.SortFunc(out, func(x, y whenKey) int { return cmp.Compare(x.num, y.num) })
		return out
	case a.left.typ != typeString:
		return nil
	}
	lits := a.literals()
	for _, l := range lits.Any {
		if l.Text == "" || l.Kind == pattern.Contains && len(l.Text) < keyGram {
			return nil
		}
		k.kind, k.text, k.fold = l.Kind, l.Text, lits.Fold
		out = append(out, k)
	}
	slices.SortFunc(out, func(x, y whenKey) int { return cmp.Compare(x.text, y.text) })
	return out
}

// literals returns what is known of the texts for which the atom holds.
func (a *whenAtom) literals() (l pattern.Literals) {
	one := func(kind pattern.Kind) pattern.Literals {
		return pattern.Literals{Any: []pattern.Literal{{Kind: kind, Text: a.str}}}
	}
	switch a.op {
	case opEqual:
		return one(pattern.Equal)
	case opPrefix:
		return one(pattern.Prefix)
	case opSuffix:
		return one(pattern.Suffix)
	case opContains:
		return one(pattern.Contains)
	case opIn:
		for s := range a.strs {
			l.Any = append(l.Any, pattern.Literal{Kind: pattern.Equal, Text: s})
		}
	case opPattern:
		return a.pat.Literals()
	case opRegexp:
		return regexpLiteral(a.str)
	}
	return l
}

// regexpLiteral recognises ^text and ^text$.
func regexpLiteral(expr string) (l pattern.Literals) {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return l
	}
	re = re.Simplify()
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpBeginText {
		return l
	}
	lit := re.Sub[1]
	if lit.Op != syntax.OpLiteral || lit.Flags&syntax.FoldCase != 0 {
		return l
	}
	kind := pattern.Prefix
	if len(re.Sub) == 3 && re.Sub[2].Op == syntax.OpEndText {
		kind = pattern.Equal
	}
	return pattern.Literals{Any: []pattern.Literal{{Kind: kind, Text: string(lit.Rune)}}}
}

// whenIndex finds the rules of one table that a row can make true. It is
// immutable.
type whenIndex struct {
	columns []whenColumn
	rest    []int32 // rules without a key: candidates for every row
}

// whenColumn holds the keys of one column.
type whenColumn struct {
	before bool
	column uint8
	ints   map[int64][]int32
	exact  whenTexts
	folded whenTexts
}

// whenTexts holds the keys of one column that are compared in the same way.
type whenTexts struct {
	used     bool
	equal    map[string][]int32
	prefix   map[string][]int32
	suffix   map[string][]int32
	prefixes []int // lengths, sorted
	suffixes []int
	grams    map[[keyGram]byte][]int32 // first bytes of the texts contained
	filter   [1 << 10]uint64           // bits of hashed grams
}

// newWhenIndex chooses for each rule the condition whose keys the fewest rules
// share.
func newWhenIndex(rules []*when) *whenIndex {
	shared := make(map[whenKey]int)
	for _, w := range rules {
		for _, keys := range w.keys {
			for _, k := range keys {
				shared[k]++
			}
		}
	}
	x := &whenIndex{}
	at := make(map[[2]uint8]int)
	for i, w := range rules {
		best, cost := []whenKey(nil), 0
		for _, keys := range w.keys {
			worst := 0
			for _, k := range keys {
				weight := int(pattern.Equal - k.kind)
				if k.number {
					weight = 0
				}
				worst = max(worst, shared[k]*4+weight)
			}
			if best == nil || worst < cost {
				best, cost = keys, worst
			}
		}
		if best == nil {
			x.rest = append(x.rest, int32(i))
			continue
		}
		for _, k := range best {
			id := [2]uint8{k.column, 0}
			if k.before {
				id[1] = 1
			}
			n, ok := at[id]
			if !ok {
				n = len(x.columns)
				at[id] = n
				x.columns = append(x.columns, whenColumn{before: k.before, column: k.column})
			}
			x.columns[n].add(k, int32(i))
		}
	}
	return x
}

func (c *whenColumn) add(k whenKey, rule int32) {
	if k.number {
		if c.ints == nil {
			c.ints = make(map[int64][]int32)
		}
		c.ints[k.num] = append(c.ints[k.num], rule)
		return
	}
	t := &c.exact
	if k.fold {
		t = &c.folded
	}
	t.add(k, rule)
}

func (t *whenTexts) add(k whenKey, rule int32) {
	if !t.used {
		t.used = true
		t.equal, t.prefix, t.suffix = make(map[string][]int32), make(map[string][]int32), make(map[string][]int32)
		t.grams = make(map[[keyGram]byte][]int32)
	}
	switch k.kind {
	case pattern.Equal:
		t.equal[k.text] = append(t.equal[k.text], rule)
	case pattern.Prefix:
		t.prefix[k.text] = append(t.prefix[k.text], rule)
		t.prefixes = addLength(t.prefixes, len(k.text))
	case pattern.Suffix:
		t.suffix[k.text] = append(t.suffix[k.text], rule)
		t.suffixes = addLength(t.suffixes, len(k.text))
	case pattern.Contains:
		g := [keyGram]byte([]byte(k.text[:keyGram]))
		t.grams[g] = append(t.grams[g], rule)
		h := keyGramHash(g[:])
		t.filter[h>>6] |= 1 << (h & 63)
	}
}

func addLength(lengths []int, n int) []int {
	i, ok := slices.BinarySearch(lengths, n)
	if ok {
		return lengths
	}
	return slices.Insert(lengths, i, n)
}

func keyGramHash(g []byte) uint32 {
	x := uint32(g[0]) | uint32(g[1])<<8 | uint32(g[2])<<16 | uint32(g[3])<<24
	return x * 2654435761 >> 16
}

// candidateSet collects rules, each once. It belongs to one goroutine.
type candidateSet struct {
	rules  []int32
	marked []uint64 // bits
	value  []byte   // the value under test, folded or not
}

func (s *candidateSet) add(rules []int32) {
	for _, r := range rules {
		if s.marked[r>>6]&(1<<(r&63)) == 0 {
			s.marked[r>>6] |= 1 << (r & 63)
			s.rules = append(s.rules, r)
		}
	}
}

// candidates fills s with the rules that the rows can make true, in load
// order.
func (x *whenIndex) candidates(row, before *syscollector.Row, total int, s *candidateSet) {
	s.rules = s.rules[:0]
	if words := (total + 63) / 64; len(s.marked) < words {
		s.marked = make([]uint64, words)
	}
	for i := range x.columns {
		c := &x.columns[i]
		r := row
		if c.before {
			r = before
		}
		if !r.Has(c.column) {
			continue
		}
		v := &r.Values[c.column]
		if c.ints != nil {
			s.add(c.ints[v.Int])
		}
		if c.exact.used {
			s.value = append(s.value[:0], v.Str...)
			c.exact.find(s)
		}
		if c.folded.used {
			s.value = appendFolded(s.value[:0], v.Str)
			c.folded.find(s)
		}
	}
	s.add(x.rest)
	slices.Sort(s.rules)
	for _, r := range s.rules {
		s.marked[r>>6] = 0
	}
}

func (t *whenTexts) find(s *candidateSet) {
	v := s.value
	s.add(t.equal[string(v)])
	for _, n := range t.prefixes {
		if n > len(v) {
			break
		}
		s.add(t.prefix[string(v[:n])])
	}
	for _, n := range t.suffixes {
		if n > len(v) {
			break
		}
		s.add(t.suffix[string(v[len(v)-n:])])
	}
	if len(t.grams) == 0 {
		return
	}
	for i := 0; i+keyGram <= len(v); i++ {
		if h := keyGramHash(v[i : i+keyGram]); t.filter[h>>6]&(1<<(h&63)) != 0 {
			s.add(t.grams[[keyGram]byte(v[i:i+keyGram])])
		}
	}
}
