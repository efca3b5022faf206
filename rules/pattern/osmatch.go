package pattern

import "strings"

// osMatch is a compiled OS_Match: a disjunction of literals, perhaps inverted.
type osMatch struct {
	lits   Literals
	set    literalSet
	invert bool
}

// compileOSMatch accepts every pattern. A "!" at the very start inverts the
// whole; "|" separates alternatives always; "^" and "$" anchor at the ends of an
// alternative and are plain bytes elsewhere. An alternative with a byte of 0x80
// or above that is anchored nowhere never matches, as on x86-64.
func compileOSMatch(pattern string) *osMatch {
	m := &osMatch{lits: Literals{Exact: true, Fold: true}}
	text, invert := strings.CutPrefix(foldASCII(pattern), "!")
	m.invert = invert
	for alt := range strings.SplitSeq(text, "|") {
		if lit, ok := osMatchLiteral(alt); ok {
			m.lits.Any = append(m.lits.Any, lit)
		}
	}
	m.set = newLiteralSet(m.lits)
	return m
}

// osMatchLiteral returns the literal of one alternative, false if it can never
// match.
func osMatchLiteral(alt string) (Literal, bool) {
	text, start := strings.CutPrefix(alt, "^")
	text, end := strings.CutSuffix(text, "$")
	switch {
	case start && end:
		return Literal{Equal, text}, true
	case text == "":
		return Literal{Contains, ""}, true
	case start:
		return Literal{Prefix, text}, true
	case end:
		return Literal{Suffix, text}, true
	}
	return Literal{Contains, text}, ascii(text)
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Match implements Matcher without allocating.
func (m *osMatch) Match(s string) bool { return m.set.match(s) != m.invert }

// Literals implements Matcher: exact, but for an inverted pattern, of which
// only the two constant ones are known.
func (m *osMatch) Literals() Literals {
	switch {
	case !m.invert:
		return m.lits
	case m.set.all:
		return Literals{Exact: true, Fold: true}
	case len(m.lits.Any) == 0:
		return Literals{Any: []Literal{{Contains, ""}}, Exact: true, Fold: true}
	}
	return Literals{}
}
