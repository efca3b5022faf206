package pattern

import "unicode/utf8"

// The bounds of what literals are worth: texts for one place, and characters of
// a set that count as texts.
const (
	maxTexts = 64
	maxChars = 4
)

// literalsOf derives the literals of a parsed pattern: its texts where it is
// nothing but texts, else for each alternative the best text that it cannot
// match without.
func literalsOf(t *tree) Literals {
	x := &literalReader{utf: t.utf, fold: t.root.some(hasCases)}
	l := x.alternatives(t.root)
	l.Fold = x.fold
	l.Exact = l.Exact && !t.utf && !t.refs
	if !l.Exact && hopeless(l.Any) {
		l.Any = nil
	}
	return l
}

// hopeless tells whether literals exclude nothing.
func hopeless(lits []Literal) bool {
	for _, l := range lits {
		if l.Text == "" && l.Kind != Equal {
			return true
		}
	}
	return len(lits) == 0 || len(lits) > 4*maxTexts
}

// hasCases tells whether a set is a letter in both cases.
func hasCases(n *node) bool {
	return n.op == opSet && n.set.size() <= maxChars && len(n.set) >= 4 &&
		n.set[0] < 0x80 && isLetter(byte(n.set[0])) && n.set.has(n.set[0]^0x20)
}

// literalReader reads literals off a tree.
type literalReader struct {
	utf  bool
	fold bool
}

func (x *literalReader) alternatives(n *node) Literals {
	for n.op == opGroup {
		n = n.subs[0]
	}
	branches := []*node{n}
	if n.op == opAlternate {
		branches = n.subs
	}
	out := Literals{Exact: true}
	for _, b := range branches {
		l := x.sequence(b)
		out.Exact = out.Exact && l.Exact
		if len(l.Any) == 0 && !l.Exact {
			return Literals{}
		}
		out.Any = append(out.Any, l.Any...)
	}
	return out
}

// run is a stretch of a sequence: each match has one of its texts there.
type run struct {
	texts []string
	exact bool // and each of them matches there
	start bool // at the start of the subject
	end   bool // at its end
	final bool // at its end or before a final line feed
}

// sequence reads one alternative.
func (x *literalReader) sequence(n *node) Literals {
	items := []*node{n}
	if n.op == opConcat {
		items = n.subs
	}
	var best Literals
	exact := true  // the whole is one run so far
	closed := true // the run's texts are all of what matches there
	now := run{texts: []string{""}, exact: true}
	began := false // an item that takes characters was seen
	flush := func() {
		if l := now.literals(); better(l, best.Any) {
			best.Any = l
		}
		now = run{texts: []string{""}}
		exact = false
	}
	for _, item := range items {
		switch item.op {
		case opEmpty:
			continue
		case opBegin:
			if began || now.end || now.final {
				exact = false
			} else {
				now.start = true
			}
			continue
		case opEnd:
			now.end = true
			continue
		case opFinal:
			now.final = true
			continue
		case opLineBegin, opLineEnd, opWord, opLook:
			exact = false
			continue
		}
		if now.end || now.final { // characters behind the end: a repeat of nothing, or never
			return Literals{}
		}
		began = true
		texts, whole, ok := x.texts(item)
		if ok && len(now.texts)*len(texts) <= maxTexts {
			now.texts = product(now.texts, texts)
			closed = closed && whole
			continue
		}
		flush()
		if inner := x.inside(item); better(inner, best.Any) {
			best.Any = inner
		}
		if ok {
			now.texts = texts
		}
	}
	last := now.literals()
	if exact && closed {
		return Literals{Any: last, Exact: true}
	}
	if better(last, best.Any) {
		best.Any = last
	}
	return best
}

// literals returns the run as literals.
func (r run) literals() []Literal {
	kind := Contains
	switch {
	case r.start && (r.end || r.final):
		kind = Equal
	case r.start:
		kind = Prefix
	case r.end || r.final:
		kind = Suffix
	}
	var out []Literal
	for _, text := range r.texts {
		out = append(out, Literal{kind, text})
		if r.final && !r.end {
			out = append(out, Literal{kind, text + "\n"})
		}
	}
	return out
}

// better tells whether literals a exclude more than b: by their shortest text,
// an anchor being worth a character.
func better(a, b []Literal) bool { return worth(a) > worth(b) }

func worth(lits []Literal) int {
	if len(lits) == 0 {
		return 0
	}
	least := 1 << 20
	for _, l := range lits {
		w := 2 * len(l.Text)
		switch {
		case l.Kind == Equal:
			w += 100
		case l.Kind != Contains && l.Text != "":
			w++
		}
		least = min(least, w)
	}
	return least
}

// inside returns the literals of an item that characters stand around. Their
// kinds still speak of the whole subject.
func (x *literalReader) inside(n *node) []Literal {
	switch n.op {
	case opAtomic:
		return x.alternatives(n.subs[0]).Any
	case opGroup, opAlternate, opConcat:
		return x.alternatives(n).Any
	case opRepeat:
		if n.min > 0 {
			return x.inside(n.subs[0])
		}
	case opSet:
		if texts, _, ok := x.texts(n); ok {
			return run{texts: texts}.literals()
		}
	}
	return nil
}

// texts returns the texts of an item that matches a few texts only. whole:
// under folding it also matches all other cases of them, so that a folded
// comparison is exact.
func (x *literalReader) texts(n *node) (texts []string, whole, ok bool) {
	switch n.op {
	case opEmpty:
		return []string{""}, true, true
	case opSet:
		return x.chars(n.set)
	case opGroup:
		return x.texts(n.subs[0])
	case opConcat:
		texts, whole = []string{""}, true
		for _, s := range n.subs {
			t, w, ok := x.texts(s)
			if !ok || len(texts)*len(t) > maxTexts {
				return nil, false, false
			}
			texts, whole = product(texts, t), whole && w
		}
		return texts, whole, true
	case opAlternate:
		whole = true
		for _, s := range n.subs {
			t, w, ok := x.texts(s)
			if !ok || len(texts)+len(t) > maxTexts {
				return nil, false, false
			}
			texts, whole = append(texts, t...), whole && w
		}
		return texts, whole, true
	case opRepeat:
		return x.repeated(n)
	}
	return nil, false, false
}

// repeated returns the texts of a repeat with few rounds.
func (x *literalReader) repeated(n *node) (texts []string, whole, ok bool) {
	if n.max < 0 || n.max > maxTexts || n.possessive {
		return nil, false, false
	}
	once, whole, ok := x.texts(n.subs[0])
	if !ok {
		return nil, false, false
	}
	rounds := []string{""}
	for i := 0; ; i++ {
		if i >= n.min {
			texts = append(texts, rounds...)
		}
		if i == n.max {
			return texts, whole, len(texts) > 0 && len(texts) <= maxTexts
		}
		if rounds = product(rounds, once); len(rounds) > maxTexts || len(rounds[0]) > MaxPattern {
			return nil, false, false
		}
	}
}

func (x *literalReader) chars(s runeSet) (texts []string, whole, ok bool) {
	if s.size() > maxChars || len(s) == 0 {
		return nil, false, false
	}
	whole = true
	seen := map[string]bool{}
	for r := range s.all {
		var text string
		if x.utf {
			text = string(utf8.AppendRune(nil, r))
		} else {
			text = string([]byte{byte(r)})
		}
		if x.fold {
			if r < 0x80 && isLetter(byte(r)) && !s.has(r^0x20) {
				whole = false
			}
			text = foldASCII(text)
		}
		if !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return texts, whole, true
}

func product(a, b []string) []string {
	out := make([]string, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}
