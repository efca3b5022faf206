package pattern

// tokenKind tells what a token of an OS_Regex asks of the bytes before it.
type tokenKind uint8

const (
	lit  tokenKind = iota // one byte, folded
	one                   // one byte of a set
	plus                  // bytes of a set, at least one
	star                  // bytes of a set
	mark                  // an unescaped parenthesis of either side
)

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

func (s *byteSet) add(from, to byte) {
	for b := int(from); b <= int(to); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

// token is one token with what the matcher wants to know about its place.
type token struct {
	kind tokenKind
	lit  byte
	set  byteSet
	next int // the token after a repeat, a single mark between skipped; -1 none

	// short: from here on the alternative is a lone set token, or a ONE and
	// exactly one literal or mark. Then a set that does not take a byte ends the
	// match after a run.
	short bool

	// ends, endsInRun: the subject may end before this token, without and with a
	// run in progress.
	ends, endsInRun bool
}

// alternative is one alternative of an OS_Regex.
type alternative struct {
	tokens     []token
	start, end bool // anchored
	repeats    bool // has a PLUS or STAR
}

// osRegex is a compiled OS_Regex. Alternatives that are plain literals are in
// set, the others in loops; the pattern matches if any of them does.
type osRegex struct {
	pattern string
	options Options
	steps   int
	set     literalSet
	loops   []alternative
	lits    Literals
}

// compileOSRegex compiles a pattern; the error is a *SyntaxError.
func compileOSRegex(pattern string, o Options) (*osRegex, error) {
	m := &osRegex{pattern: pattern, options: o, steps: o.maxSteps()}
	alts, err := parseOSRegex(pattern)
	if err != nil {
		return nil, err
	}
	captures := false
	for _, alt := range alts {
		for i := range alt.tokens {
			captures = captures || o.Captures && alt.tokens[i].kind == mark
		}
	}
	exact, need := Literals{Exact: true, Fold: true}, Literals{Exact: true, Fold: true}
	known := true
	for _, alt := range alts {
		if lit, isLiteral, never := alt.literal(o.Compat); isLiteral {
			if !never {
				exact.Any = append(exact.Any, lit)
				need.Any = append(need.Any, lit)
			}
			continue
		}
		lit, ok, never := alt.required()
		if never {
			continue
		}
		alt.prepare(captures)
		m.loops = append(m.loops, alt)
		need.Exact = false
		need.Any = append(need.Any, lit)
		known = known && ok
	}
	m.set = newLiteralSet(exact)
	if known {
		m.lits = need
	}
	return m, nil
}

// Literals implements Matcher.
func (m *osRegex) Literals() Literals { return m.lits }

// parseOSRegex splits a pattern into alternatives of tokens.
func parseOSRegex(pattern string) ([]alternative, error) {
	var alts []alternative
	fail := func(at int, reason string) ([]alternative, error) {
		return nil, &SyntaxError{Dialect: OSRegex, Pattern: pattern, Offset: at, Reason: reason}
	}
	open := -1
	begin := 0
	for i := 0; i <= len(pattern); i++ {
		switch {
		case i == len(pattern):
			if open >= 0 {
				return fail(open, "this ( is never closed; write \\( for the character")
			}
			alts = append(alts, parseAlternative(pattern[begin:i]))
		case pattern[i] == '\\':
			i++
			if i == len(pattern) {
				return fail(i-1, "nothing follows the last backslash; write \\\\ for the character")
			}
			if _, ok := escapeSet(pattern[i]); !ok {
				return fail(i-1, "unknown escape \\"+printable(pattern[i])+`; only \d \w \s \t \p \D \W \S \. \\ \( \) \$ \| \< exist`)
			}
		case pattern[i] == '(':
			if open >= 0 {
				return fail(i, "groups do not nest; write \\( for the character")
			}
			open = i
		case pattern[i] == ')':
			if open < 0 {
				return fail(i, "this ) closes nothing; write \\) for the character")
			}
			open = -1
		case pattern[i] == '|':
			if open >= 0 {
				return fail(i, "no alternatives inside a group; write one alternative for each, or \\| for the character")
			}
			alts = append(alts, parseAlternative(pattern[begin:i]))
			begin = i + 1
		}
	}
	return alts, nil
}

func printable(b byte) string {
	if b > ' ' && b < 0x7F {
		return string(rune(b))
	}
	return "(byte 0x" + string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]) + ")"
}

// parseAlternative reads one alternative, whose escapes are known to be valid.
func parseAlternative(text string) alternative {
	var alt alternative
	if text != "" && text[0] == '^' {
		alt.start, text = true, text[1:]
	}
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\':
			i++
			t := token{kind: one}
			t.set, _ = escapeSet(text[i])
			if i+1 < len(text) {
				switch text[i+1] {
				case '+':
					t.kind, alt.repeats = plus, true
					i++
				case '*':
					t.kind, alt.repeats = star, true
					i++
				}
			}
			alt.tokens = append(alt.tokens, t)
		case b == '(' || b == ')':
			alt.tokens = append(alt.tokens, token{kind: mark})
		case b == '$' && i == len(text)-1:
			alt.end = true
		default:
			alt.tokens = append(alt.tokens, token{kind: lit, lit: lower(b)})
		}
	}
	return alt
}

// escapeSet returns the bytes that the escape of b stands for. NUL is in no set.
func escapeSet(b byte) (set byteSet, ok bool) {
	complement := false
	switch b {
	case 'D', 'W', 'S':
		complement = true
		b |= 0x20
	}
	switch b {
	case 'd':
		set.add('0', '9')
	case 'w':
		set.add('0', '9')
		set.add('A', 'Z')
		set.add('a', 'z')
		set.add('_', '_')
		set.add('-', '-')
		set.add('@', '@')
	case 's':
		set.add(' ', ' ')
	case 't':
		set.add('\t', '\t')
	case 'p':
		set.add('!', '.')
		set.add(':', '?')
		set.add('[', '[')
		set.add(']', ']')
		set.add('{', '}')
	case '.':
		set.add(1, 0xFF)
	case '\\', '(', ')', '$', '<', '|':
		set.add(b, b)
	default:
		return set, false
	}
	if complement {
		for i := range set {
			set[i] = ^set[i]
		}
		set[0] &^= 1
	}
	return set, true
}

// literal returns the exact condition of an alternative that is only literals
// (single marks do not matter) or empty. never: no subject matches.
func (alt *alternative) literal(c Compat) (l Literal, ok, never bool) {
	if len(alt.tokens) == 0 {
		// Nothing takes a byte, and in 3.9.5 only that makes a match count.
		l.Kind = Contains
		if alt.end {
			l.Kind = Equal
		}
		return l, true, c == Compat39
	}
	text := make([]byte, 0, len(alt.tokens))
	for i, t := range alt.tokens {
		switch {
		case t.kind == lit:
			text = append(text, t.lit)
			never = never || t.lit >= 0x80
		case t.kind != mark, i > 0 && alt.tokens[i-1].kind == mark:
			return l, false, false
		}
	}
	if len(text) == 0 {
		return l, false, false
	}
	l.Text = string(text)
	switch {
	case alt.start && alt.end:
		l.Kind = Equal
	case alt.start:
		l.Kind = Prefix
	case alt.end:
		l.Kind = Suffix
	}
	return l, true, never
}

// required returns a literal without which the alternative cannot match: the
// best run of literal tokens. A run is taken byte after byte in every match, as
// a literal is only ever left by a byte equal to it; the one exception is a
// literal that ends the alternative after a ONE, which the short cut of a run
// does not look at. never: a literal that must be taken equals no byte.
func (alt *alternative) required() (best Literal, ok, never bool) {
	var run []byte
	first := true // no token but marks stands before the run
	flush := func(last bool) {
		l := Literal{Contains, string(run)}
		switch {
		case len(run) == 0:
			return
		case first && alt.start:
			l.Kind = Prefix
		case last && alt.end:
			l.Kind = Suffix
		}
		if !ok || len(l.Text) > len(best.Text) {
			best, ok = l, true
		}
		run = run[:0]
	}
	n := len(alt.tokens)
	for i, t := range alt.tokens {
		switch t.kind {
		case lit:
			if alt.repeats && i == n-1 && i > 0 && alt.tokens[i-1].kind == one {
				continue
			}
			never = never || t.lit >= 0x80
			run = append(run, t.lit)
		case mark:
			if i > 0 && alt.tokens[i-1].kind == mark { // a literal parenthesis
				flush(false)
				first = false
			}
		default:
			flush(false)
			first = false
		}
	}
	flush(n > 0 && (alt.tokens[n-1].kind == lit || n > 1 && alt.tokens[n-2].kind == lit))
	return best, ok, never
}
