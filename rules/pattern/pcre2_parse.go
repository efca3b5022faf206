package pattern

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// flags are the options that stand inside a pattern, (?imsxnUJ).
type flags struct {
	caseless, multiline, dotAll, extended, extendedMore, noCapture, ungreedy, sameNames bool
}

// parser reads a PCRE2 pattern into a tree and refuses what PCRE2 refuses. It
// follows the published syntax of libpcre2 10.42.
type parser struct {
	src      string
	pos      int
	utf      bool
	crlfOnly bool // (*BSR_ANYCRLF): \R is CR, LF or CRLF
	flags    flags
	quoting  bool // inside \Q…\E
	depth    int

	groups   []*node // by number; [0] is nil until the end
	names    map[string][]int
	numbered map[int]string // the name that a number was given
	refs     []*node        // back references, conditions and calls to resolve
	behinds  []*node        // lookbehinds to measure
	looks    int            // lookarounds that are open
	inBehind int            // lookbehinds that are open
	reset    bool           // has a branch reset group
	asked    []*node        // conditions on recursion
	count    int            // groups so far
}

// tree is a parsed pattern.
type tree struct {
	root   *node
	utf    bool
	refs   bool // a back reference or a condition on a group stands in it
	groups []*node
}

// maxNesting is PCRE2's limit of open parentheses.
const maxNesting = 250

func parsePCRE2(pattern string) (t *tree, err error) {
	p := &parser{src: pattern, names: map[string][]int{}, numbered: map[int]string{}, groups: []*node{nil}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *SyntaxError: // the parser's own way out of its recursion
			t, err = nil, r
		default:
			panic(r)
		}
	}()
	p.startVerbs()
	if p.utf && !utf8.ValidString(pattern) {
		p.fail(0, "(*UTF) and not valid UTF-8")
	}
	root := p.alternatives()
	if p.pos < len(p.src) {
		p.fail(p.pos, "this ) closes nothing")
	}
	p.groups[0] = root
	t = &tree{root: root, utf: p.utf, groups: p.groups}
	p.resolve(t)
	return t, nil
}

func (p *parser) fail(at int, reason string) {
	panic(&SyntaxError{Dialect: PCRE2, Pattern: p.src, Offset: at, Reason: reason})
}

func (p *parser) unsupported(at int, what string) {
	panic(&SyntaxError{Dialect: PCRE2, Pattern: p.src, Offset: at, Unsupported: true,
		Reason: what + " cannot be expressed here; rewrite the pattern without it"})
}

func (p *parser) more() bool { return p.pos < len(p.src) }

// peek returns the byte n further on, 0 behind the end.
func (p *parser) peek(n int) byte {
	if p.pos+n < len(p.src) {
		return p.src[p.pos+n]
	}
	return 0
}

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.src[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

// char takes the next character: a byte, or a code point in UTF mode.
func (p *parser) char() rune {
	if !p.utf {
		p.pos++
		return rune(p.src[p.pos-1])
	}
	r, size := utf8.DecodeRuneInString(p.src[p.pos:])
	p.pos += size
	return r
}

func (p *parser) last() rune {
	if p.utf {
		return lastRune
	}
	return lastByte
}

// startVerbs reads (*UTF) and its like, which stand at the very start.
func (p *parser) startVerbs() {
	for strings.HasPrefix(p.src[p.pos:], "(*") {
		end := strings.IndexByte(p.src[p.pos:], ')')
		if end < 0 {
			return
		}
		verb := p.src[p.pos+2 : p.pos+end]
		switch name, value, hasValue := strings.Cut(verb, "="); {
		case verb == "UTF":
			p.utf = true
		case verb == "NO_START_OPT", verb == "NO_AUTO_POSSESS", verb == "NO_DOTSTAR_ANCHOR", verb == "NO_JIT",
			verb == "LF", verb == "BSR_UNICODE":
		case verb == "BSR_ANYCRLF":
			p.crlfOnly = true
		case verb == "UCP", verb == "CR", verb == "CRLF", verb == "ANYCRLF", verb == "ANY", verb == "NUL",
			verb == "NOTEMPTY", verb == "NOTEMPTY_ATSTART":
			p.unsupported(p.pos, "(*"+verb+")")
		case hasValue && (name == "LIMIT_MATCH" || name == "LIMIT_DEPTH" || name == "LIMIT_HEAP" || name == "LIMIT_RECURSION"):
			if _, err := strconv.ParseUint(value, 10, 32); err != nil {
				p.fail(p.pos, "(*"+name+"=…) takes a number")
			}
			p.unsupported(p.pos, "(*"+name+")")
		default:
			return
		}
		p.pos += end + 1
	}
}

// alternatives reads up to the end or to a ")" that it leaves.
func (p *parser) alternatives() *node {
	branches := []*node{p.branch()}
	for p.more() && p.src[p.pos] == '|' {
		p.pos++
		branches = append(branches, p.branch())
	}
	return alternate(branches...)
}

// branch reads one alternative.
func (p *parser) branch() *node {
	var items []*node
	repeatable := false // the last item may take a quantifier
	for {
		if !p.quoting {
			p.skipIgnored()
		}
		if !p.more() {
			break
		}
		at := p.pos
		if p.quoting {
			if p.accept(`\E`) {
				p.quoting = false
				continue
			}
			items, repeatable = append(items, p.literal(p.char(), at)), true
			continue
		}
		if p.accept(`\Q`) {
			p.quoting = true
			continue
		}
		if p.accept(`\E`) {
			continue
		}
		c := p.src[p.pos]
		if c == '|' || c == ')' {
			break
		}
		if lo, hi, ok := p.quantifier(); ok {
			if !repeatable {
				p.fail(at, "this quantifier has nothing that it could repeat")
			}
			items[len(items)-1] = p.repeat(items[len(items)-1], lo, hi, at)
			repeatable = false
			continue
		}
		n, ok := p.item()
		if n != nil {
			items = append(items, n)
		}
		repeatable = ok
	}
	return concat(items...)
}

// skipIgnored skips comments, and blanks under (?x).
func (p *parser) skipIgnored() {
	for p.more() {
		switch c := p.src[p.pos]; {
		case p.flags.extended && (c == ' ' || c >= '\t' && c <= '\r'):
			p.pos++
		case p.flags.extended && c == '#':
			if i := strings.IndexByte(p.src[p.pos:], '\n'); i >= 0 {
				p.pos += i + 1
			} else {
				p.pos = len(p.src)
			}
		case strings.HasPrefix(p.src[p.pos:], "(?#"):
			i := strings.IndexByte(p.src[p.pos:], ')')
			if i < 0 {
				p.fail(p.pos, "this comment is never closed")
			}
			p.pos += i + 1
		default:
			return
		}
	}
}

// quantifier reads * + ? or {…}, with max -1 for no end. A brace that is no
// quantifier is left, to be a literal.
func (p *parser) quantifier() (lo, hi int, ok bool) {
	switch p.src[p.pos] {
	case '*':
		p.pos++
		return 0, -1, true
	case '+':
		p.pos++
		return 1, -1, true
	case '?':
		p.pos++
		return 0, 1, true
	case '{':
	default:
		return 0, 0, false
	}
	end := strings.IndexByte(p.src[p.pos:], '}')
	if end < 0 {
		return 0, 0, false
	}
	from, to, comma := strings.Cut(p.src[p.pos+1:p.pos+end], ",")
	if !digits(from) || to != "" && !digits(to) {
		return 0, 0, false
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil || n > 65535 {
			p.fail(p.pos, "a repeat of more than 65535")
		}
		return n
	}
	lo = number(from)
	switch {
	case !comma:
		hi = lo
	case to == "":
		hi = -1
	default:
		if hi = number(to); hi < lo {
			p.fail(p.pos, "the numbers of this repeat are out of order")
		}
	}
	p.pos += end + 1
	return lo, hi, true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// repeat applies a quantifier and the + or ? behind it.
func (p *parser) repeat(n *node, lo, hi, at int) *node {
	if n.op == opConcat && n.name != "" { // [[:<:]] is \b(?=\w): the last item is repeated
		return concat(n.subs[0], p.repeat(n.subs[1], lo, hi, at))
	}
	r := &node{op: opRepeat, subs: []*node{n}, min: lo, max: hi, at: at, lazy: p.flags.ungreedy}
	p.skipIgnored()
	for p.accept(`\E`) || p.accept(`\Q\E`) {
		p.skipIgnored()
	}
	switch {
	case p.accept("?"):
		r.lazy = !r.lazy
	case p.accept("+"):
		r.possessive, r.lazy = true, false
	}
	return r
}

// literal returns one character, in both cases under (?i).
func (p *parser) literal(r rune, at int) *node {
	set := setOf(r, r)
	if p.flags.caseless {
		set = set.folded(p.utf)
	}
	return &node{op: opSet, set: set, at: at}
}

// item reads one item that is no quantifier; nil for a setting. repeatable says
// whether a quantifier may follow.
func (p *parser) item() (n *node, repeatable bool) {
	at := p.pos
	switch p.src[p.pos] {
	case '^':
		p.pos++
		if p.flags.multiline {
			return &node{op: opLineBegin, at: at}, false
		}
		return &node{op: opBegin, at: at}, false
	case '$':
		p.pos++
		if p.flags.multiline {
			return &node{op: opLineEnd, at: at}, false
		}
		return &node{op: opFinal, at: at}, false
	case '.':
		p.pos++
		set := setOf(0, p.last())
		if !p.flags.dotAll {
			set = setOf('\n', '\n').negate(p.last())
		}
		return &node{op: opSet, set: set, at: at}, true
	case '[':
		return p.bracket()
	case '(':
		return p.group()
	case '\\':
		return p.escape()
	}
	return p.literal(p.char(), at), true
}
