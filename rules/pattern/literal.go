package pattern

import "strings"

// Kind says where in a subject a literal stands.
type Kind uint8

// The kinds. Contains with an empty text holds for every subject.
const (
	Contains Kind = iota
	Prefix
	Suffix
	Equal
)

// String returns contains, prefix, suffix or equal.
func (k Kind) String() string {
	return [...]string{"contains", "prefix", "suffix", "equal"}[k]
}

// Literal is a text and where it stands.
type Literal struct {
	Kind Kind
	Text string
}

// Literals is what an index over rules may know of a pattern: no subject
// matches unless at least one of Any stands in it. Without Exact, an empty Any
// means that nothing is known. With Exact the converse holds too: each subject
// in which one of Any stands does match, and an empty Any never matches.
type Literals struct {
	Any   []Literal
	Exact bool
	Fold  bool // compare with the subject's A-Z folded to a-z, as Any is; else byte for byte
}

// Known tells whether the literals exclude any subject at all.
func (l Literals) Known() bool { return l.Exact || len(l.Any) > 0 }

// Match tells whether one of the literals stands in s. It is the slow, plain
// definition of what they mean.
func (l Literals) Match(s string) bool {
	for _, lit := range l.Any {
		if lit.in(s, l.Fold) {
			return true
		}
	}
	return false
}

func (lit Literal) in(s string, fold bool) bool {
	if len(s) < len(lit.Text) {
		return false
	}
	switch lit.Kind {
	case Equal:
		return len(s) == len(lit.Text) && same(s, lit.Text, fold)
	case Prefix:
		return same(s[:len(lit.Text)], lit.Text, fold)
	case Suffix:
		return same(s[len(s)-len(lit.Text):], lit.Text, fold)
	}
	if !fold {
		return strings.Contains(s, lit.Text)
	}
	return containsFolded(s, lit.Text)
}

func same(s, text string, fold bool) bool {
	if !fold {
		return s == text
	}
	return equalFolded(s, text)
}

// lower folds one byte as both dialects do: A-Z and nothing else.
func lower(b byte) byte {
	if b-'A' < 26 {
		return b | 0x20
	}
	return b
}

// foldASCII returns s with A-Z folded.
func foldASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i]-'A' < 26 {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = lower(b[i])
			}
			return string(b)
		}
	}
	return s
}

// equalFolded compares s, folded, with an already folded text of its length.
func equalFolded(s, folded string) bool {
	if len(s) != len(folded) {
		return false
	}
	for i := 0; i < len(folded); i++ {
		if lower(s[i]) != folded[i] {
			return false
		}
	}
	return true
}

func containsFolded(s, folded string) bool {
	if folded == "" {
		return true
	}
	first, rest := folded[0], folded[1:]
	if first-'a' >= 26 { // no case: let the library find the first byte
		for last := len(s) - len(rest); ; {
			i := strings.IndexByte(s[:last], first)
			if i < 0 {
				return false
			}
			if equalFolded(s[i+1:i+1+len(rest)], rest) {
				return true
			}
			s, last = s[i+1:], last-i-1
		}
	}
	for i := 0; i+len(folded) <= len(s); i++ {
		if s[i]|0x20 == first && equalFolded(s[i+1:i+len(folded)], rest) {
			return true
		}
	}
	return false
}

// maxSetText bounds the texts that are looked up as a set, so that a subject
// can be folded on the stack.
const maxSetText = 64

// literalSet answers Literals.Match quickly: many equalities are one look-up.
type literalSet struct {
	fold   bool
	all    bool // some literal is contained in every subject
	rest   []Literal
	equal  map[string]struct{} // nil below a handful
	longer int                 // longest text of equal
}

func newLiteralSet(l Literals) literalSet {
	set := literalSet{fold: l.Fold}
	var equal []string
	for _, lit := range l.Any {
		switch {
		case lit.Text == "" && lit.Kind != Equal:
			set.all = true
		case lit.Kind == Equal && len(lit.Text) <= maxSetText:
			equal = append(equal, lit.Text)
		default:
			set.rest = append(set.rest, lit)
		}
	}
	if len(equal) <= 4 {
		for _, text := range equal {
			set.rest = append(set.rest, Literal{Equal, text})
		}
		return set
	}
	set.equal = make(map[string]struct{}, len(equal))
	for _, text := range equal {
		set.equal[text] = struct{}{}
		set.longer = max(set.longer, len(text))
	}
	return set
}

func (set *literalSet) match(s string) bool {
	if set.all {
		return true
	}
	if set.equal != nil && len(s) <= set.longer && set.has(s) {
		return true
	}
	for i := range set.rest {
		if set.rest[i].in(s, set.fold) {
			return true
		}
	}
	return false
}

func (set *literalSet) has(s string) bool {
	if !set.fold {
		_, ok := set.equal[s]
		return ok
	}
	var buf [maxSetText]byte
	for i := 0; i < len(s); i++ {
		buf[i] = lower(s[i])
	}
	_, ok := set.equal[string(buf[:len(s)])]
	return ok
}
