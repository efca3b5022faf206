package pattern

import (
	"errors"
	"regexp"
	"sync"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

var (
	errTime  = errors.New("time limit reached")
	errStack = errors.New("limit of backtracking memory reached")
)

// pcre2 is a compiled PCRE2 pattern. It matches when any of its parts does.
type pcre2 struct {
	pattern string
	options Options
	utf     bool
	lits    Literals
	need    *literalSet // nil: nothing is known of the subjects
	linear  []linear
	back    *regexp2.Regexp // nil: no part needs backtracking
	buffers *sync.Pool      // of *[]byte, for subjects that are not ASCII
}

// linear is a conjunction of patterns in linear time, the negated ones must not
// match.
type linear []struct {
	*regexp.Regexp
	negate bool
}

// compilePCRE2 compiles a pattern; the error is a *SyntaxError.
func compilePCRE2(pattern string, o Options) (*pcre2, error) {
	t, err := parsePCRE2(pattern)
	if err != nil {
		return nil, err
	}
	m, err := newPCRE2(pattern, t, literalsOf(t), o)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func newPCRE2(pattern string, t *tree, lits Literals, o Options) (*pcre2, error) {
	m := &pcre2{pattern: pattern, options: o, utf: t.utf, lits: lits,
		buffers: &sync.Pool{New: func() any { return new([]byte) }}}
	if lits.Known() {
		set := newLiteralSet(lits)
		m.need = &set
	}
	if lits.Exact {
		return m, nil
	}
	return m, m.plan(t)
}

// plan divides the alternatives among the engines: together by Go's regexp
// those that it can say, each for itself those whose lookarounds dissolve into
// a conjunction, and the rest by the backtracking engine.
func (m *pcre2) plan(t *tree) error {
	var together, rest []*node
	for _, alt := range topAlternatives(t) {
		terms := dissolve(alt)
		switch {
		case t.refs:
			rest = append(rest, alt)
		case len(terms) == 1 && !terms[0].negate && m.says(terms[0].node):
			together = append(together, terms[0].node)
		default:
			if all, ok := m.conjunction(terms); ok {
				m.linear = append(m.linear, all)
			} else {
				rest = append(rest, alt)
			}
		}
	}
	if len(together) > 0 {
		one, ok := m.conjunction([]term{{node: alternate(together...)}})
		if ok {
			m.linear = append([]linear{one}, m.linear...)
		} else {
			rest = append(together, rest...)
		}
	}
	if len(rest) == 0 {
		return nil
	}
	text, ok := emit(alternate(rest...), m.utf, true, t.refs)
	if !ok {
		return &SyntaxError{Dialect: PCRE2, Pattern: m.pattern, Unsupported: true,
			Reason: "a group inside the lookaround of a condition cannot be expressed here; rewrite the pattern without it"}
	}
	re, err := regexp2.Compile(text, regexp2.RE2)
	if err != nil {
		return &SyntaxError{Dialect: PCRE2, Pattern: m.pattern, Unsupported: true,
			Reason: "the backtracking engine does not take this pattern: " + err.Error()}
	}
	re.MatchTimeout = m.options.timeout()
	m.back = re
	return nil
}

func (m *pcre2) says(n *node) bool {
	_, ok := emit(n, m.utf, false, false)
	return ok
}

// conjunction compiles terms for Go's regexp, false if it cannot have one.
func (m *pcre2) conjunction(terms []term) (linear, bool) {
	all := make(linear, len(terms))
	for i, term := range terms {
		text, ok := emit(term.node, m.utf, false, false)
		if !ok {
			return nil, false
		}
		re, err := regexp.Compile(text)
		if err != nil { // too large for it
			return nil, false
		}
		all[i].Regexp, all[i].negate = re, term.negate
	}
	return all, true
}

// topAlternatives returns the alternatives of a pattern, through groups that
// stand around the whole.
func topAlternatives(t *tree) []*node {
	n := t.root
	for n.op == opGroup && (n.cap == 0 || !t.refs) {
		n = n.subs[0]
	}
	if n.op == opAlternate {
		return n.subs
	}
	return []*node{n}
}

// term is a part of a conjunction.
type term struct {
	node   *node
	negate bool
}

// dissolve turns the lookarounds of an alternative into terms where their
// verdict is the same: those directly behind the start are questions of their
// own about the start, one in front of all is text in front, one behind all is
// text behind.
func dissolve(alt *node) []term {
	if alt.op != opConcat {
		alt = &node{op: opConcat, subs: []*node{alt}, at: alt.at}
	}
	subs := alt.subs
	var terms []term
	if first := subs[0]; first.op == opBegin {
		i := 1
		for ; i < len(subs) && subs[i].op == opLook && !subs[i].behind; i++ {
			terms = append(terms, term{concat(first, subs[i].subs[0]), subs[i].negate})
		}
		subs = append([]*node{first}, subs[i:]...)
	} else if first.op == opLook && first.behind && !first.negate {
		subs = append([]*node{first.subs[0]}, subs[1:]...)
	}
	if n := len(subs) - 1; subs[n].op == opLook && !subs[n].behind && !subs[n].negate {
		subs = append(append([]*node{}, subs[:n]...), subs[n].subs[0])
	}
	return append(terms, term{node: concat(subs...)})
}

// Literals implements Matcher.
func (m *pcre2) Literals() Literals { return m.lits }

// Match implements Matcher; it allocates for the backtracking engine only.
func (m *pcre2) Match(s string) bool {
	if m.need != nil {
		if found := m.need.match(s); !found || m.lits.Exact {
			return found
		}
	}
	if m.utf && !utf8.ValidString(s) {
		return false
	}
	for _, all := range m.linear {
		if m.matchLinear(all, s) {
			return true
		}
	}
	if m.back == nil {
		return false
	}
	found, err := m.back.MatchString(m.mapped(s))
	if err != nil {
		cause := errTime // the engine's own error repeats the subject
		if errors.Is(err, regexp2.ErrBacktrackingStackLimit) {
			cause = errStack
		}
		m.options.limit(PCRE2, m.pattern, len(s), cause)
		return false
	}
	return found
}

func (m *pcre2) matchLinear(all linear, s string) bool {
	if m.utf || ascii(s) {
		for i := range all {
			if all[i].MatchString(s) == all[i].negate {
				return false
			}
		}
		return true
	}
	buf := m.buffers.Get().(*[]byte)
	defer m.buffers.Put(buf)
	*buf = appendMapped((*buf)[:0], s)
	for i := range all {
		if all[i].Match(*buf) == all[i].negate {
			return false
		}
	}
	return true
}

// mapped returns s as the engines see it.
func (m *pcre2) mapped(s string) string {
	if m.utf || ascii(s) {
		return s
	}
	return string(appendMapped(nil, s))
}

func appendMapped(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x80 {
			dst = append(dst, s[i])
		} else {
			dst = utf8.AppendRune(dst, highBytes+rune(s[i]))
		}
	}
	return dst
}
