package rules

import (
	"slices"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
)

// indexFrom is the number of siblings from which an index pays.
const indexFrom = 8

// levelIndex finds, among the children of one rule, those that an event may
// match. From each child's conjuncts it takes one that needs a literal on one
// field: a text that the field must equal, begin or end with, or contain. It
// may only skip: candidates are still evaluated, in tree order, and children
// without such a conjunct are always candidates. It is immutable.
type levelIndex struct {
	// fields stand under the table whose messages can have them, NoTable for
	// those of every message.
	fields [syscollector.NumTables][]indexedField
	always []int32 // positions among the children, rising
}

// indexedField holds the literals wanted of one field. All are folded, which
// finds a superset where a pattern compares byte for byte.
type indexedField struct {
	ref   fieldRef
	equal map[string][]int32
	grams [maxGram + 1]*gramTable // by length of the gram; [0] is unused
}

// newLevelIndex builds the index over siblings, nil if they are few.
func newLevelIndex(siblings []*wazuhRule, atoms []atom) *levelIndex {
	if len(siblings) < indexFrom {
		return nil
	}
	keys := make([][]indexKey, len(siblings))
	uses := map[indexLiteral]int{}
	for i, r := range siblings {
		keys[i] = indexKeys(r, atoms)
		for _, key := range keys[i] {
			for _, lit := range key.literals {
				uses[indexLiteral{key.ref, lit}]++
			}
		}
	}
	ix := &levelIndex{}
	builders := map[fieldRef]*indexBuilder{}
	for i := range siblings {
		key, ok := bestKey(keys[i], uses)
		if !ok {
			ix.always = append(ix.always, int32(i))
			continue
		}
		b := builders[key.ref]
		if b == nil {
			b = &indexBuilder{rules: map[pattern.Literal][]int32{}}
			builders[key.ref] = b
			table := syscollector.NoTable
			if key.ref.kind == refView {
				table = syscollector.ViewTable(key.ref.view)
			}
			ix.fields[table] = append(ix.fields[table], indexedField{ref: key.ref})
		}
		for _, lit := range key.literals {
			b.add(lit, int32(i))
		}
	}
	for _, fields := range ix.fields {
		for i := range fields {
			builders[fields[i].ref].build(&fields[i])
		}
	}
	return ix
}

// indexKey is one conjunct's need: one of the literals must stand in the field.
type indexKey struct {
	ref      fieldRef
	literals []pattern.Literal
}

type indexLiteral struct {
	ref fieldRef
	lit pattern.Literal
}

// indexKeys returns what a rule's conjuncts need. A negated condition needs
// nothing, and the message text is left out: it holds every literal.
func indexKeys(r *wazuhRule, atoms []atom) (keys []indexKey) {
	for _, k := range r.cond.atoms {
		a := &atoms[k]
		if a.negate || a.ref.kind == refLog {
			continue
		}
		key := indexKey{ref: a.ref}
		switch a.kind {
		case atomEqual:
			key.literals = []pattern.Literal{{Kind: pattern.Equal, Text: a.text}}
		case atomPattern:
			known := a.matcher.Literals()
			if !known.Known() {
				continue
			}
			key.literals = known.Any
		default:
			continue
		}
		if slices.ContainsFunc(key.literals, func(l pattern.Literal) bool { return l.Text == "" && l.Kind != pattern.Equal }) {
			continue
		}
		folded := make([]pattern.Literal, len(key.literals))
		for i, l := range key.literals {
			folded[i] = pattern.Literal{Kind: l.Kind, Text: string(appendFolded(nil, l.Text))}
		}
		key.literals = folded
		keys = append(keys, key)
	}
	return keys
}

// bestKey chooses the key that the fewest siblings share, of those the one
// that is cheapest to find.
func bestKey(keys []indexKey, uses map[indexLiteral]int) (best indexKey, ok bool) {
	bestCost := 0
	for _, key := range keys {
		cost := 0
		for _, lit := range key.literals {
			cost += 4 * uses[indexLiteral{key.ref, lit}]
			if lit.Kind != pattern.Equal {
				cost += max(1, 8-len(lit.Text))
			}
		}
		if !ok || cost < bestCost {
			best, bestCost, ok = key, cost, true
		}
	}
	return best, ok
}

// candidates appends the positions of the children that an event may match,
// those in always left out; rising, each once. fold is scratch memory.
func (ix *levelIndex) candidates(ev *syscollector.Event, list []int32, fold *[]byte) []int32 {
	from := len(list)
	list = findIn(ix.fields[syscollector.NoTable], ev, list, fold)
	if t := ev.Table; t != syscollector.NoTable && t < syscollector.NumTables {
		list = findIn(ix.fields[t], ev, list, fold)
	}
	if found := list[from:]; len(found) > 1 {
		slices.Sort(found)
		list = list[:from+len(slices.Compact(found))]
	}
	return list
}

func findIn(fields []indexedField, ev *syscollector.Event, list []int32, fold *[]byte) []int32 {
	for i := range fields {
		f := &fields[i]
		v, ok := f.ref.value(ev)
		if !ok {
			continue
		}
		*fold = appendFolded((*fold)[:0], v)
		if f.equal != nil {
			list = append(list, f.equal[string(*fold)]...)
		}
		for n := 1; n <= maxGram; n++ {
			if t := f.grams[n]; t != nil {
				list = t.find(*fold, list)
			}
		}
	}
	return list
}

func appendFolded(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// indexBuilder gathers the literals of one field.
type indexBuilder struct {
	order []pattern.Literal
	rules map[pattern.Literal][]int32
}

func (b *indexBuilder) add(lit pattern.Literal, rule int32) {
	list, ok := b.rules[lit]
	if !ok {
		b.order = append(b.order, lit)
	}
	if n := len(list); n == 0 || list[n-1] != rule {
		b.rules[lit] = append(list, rule)
	}
}

func (b *indexBuilder) build(f *indexedField) {
	for _, lit := range b.order {
		if lit.Kind == pattern.Equal {
			if f.equal == nil {
				f.equal = map[string][]int32{}
			}
			f.equal[lit.Text] = b.rules[lit]
			continue
		}
		n := min(len(lit.Text), maxGram)
		if f.grams[n] == nil {
			f.grams[n] = &gramTable{n: n, buckets: map[uint32][]gramEntry{}}
		}
		f.grams[n].add(lit, b.rules[lit])
	}
}

// maxGram is the number of bytes by which a literal inside a value is found.
const maxGram = 4

// gramTable finds literals inside a value by one gram of n bytes each: a bitmap
// says for nearly every place that nothing begins there.
type gramTable struct {
	n       int
	bits    [1024]uint64
	buckets map[uint32][]gramEntry
}

// gramEntry is a literal whose gram stands at offset.
type gramEntry struct {
	lit    pattern.Literal
	offset int
	rules  []int32
}

// add puts the literal under the one of its grams that has the fewest so far,
// so that a part common to many literals is not what finds them.
func (t *gramTable) add(lit pattern.Literal, rules []int32) {
	best, bestGram := 0, gram(lit.Text[:t.n])
	for i := 1; i+t.n <= len(lit.Text); i++ {
		if g := gram(lit.Text[i : i+t.n]); len(t.buckets[g]) < len(t.buckets[bestGram]) {
			best, bestGram = i, g
		}
	}
	t.buckets[bestGram] = append(t.buckets[bestGram], gramEntry{lit, best, rules})
	h := gramBit(bestGram)
	t.bits[h>>6] |= 1 << (h & 63)
}

// find appends the rules whose literals stand in a folded value.
func (t *gramTable) find(v []byte, list []int32) []int32 {
	var g uint32
	mask := uint32(1)<<(8*t.n) - 1 // n = 4 wraps to all bits
	for i, c := range v {
		g = (g<<8 | uint32(c)) & mask
		if i+1 < t.n {
			continue
		}
		if h := gramBit(g); t.bits[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for j := range t.buckets[g] {
			e := &t.buckets[g][j]
			if e.at(v, i+1-t.n-e.offset) {
				list = append(list, e.rules...)
			}
		}
	}
	return list
}

// at reports whether the literal stands in v at start, where its kind wants it.
func (e *gramEntry) at(v []byte, start int) bool {
	end := start + len(e.lit.Text)
	if start < 0 || end > len(v) || e.lit.Kind == pattern.Prefix && start != 0 || e.lit.Kind == pattern.Suffix && end != len(v) {
		return false
	}
	return string(v[start:end]) == e.lit.Text
}

func gram(s string) uint32 {
	var g uint32
	for i := 0; i < len(s); i++ {
		g = g<<8 | uint32(s[i])
	}
	return g
}

// gramBit is a gram's place in the bitmap.
func gramBit(g uint32) uint32 { return g * 2654435769 >> 16 }
