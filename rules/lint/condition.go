package lint

import (
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// call is one condition of a wazuh rule: a call in its when, as package rulefile
// describes them.
type call struct {
	fn     string // osmatch, osregex, pcre2, equal, ip, cdb
	value  string // name of the field
	static bool   // value is a static one
	view   syscollector.ViewID
	text   string // pattern, exact text, or addresses
	negate bool

	list, lookup, check string // of cdb
	checked             bool   // check is given

	must    bool            // the rule needs it: it stands in the conjunction itself
	pos     source.Position // of the pattern or the list's name
	at      source.Position // of the call
	matcher pattern.Matcher // of a pattern, nil if it does not compile
}

// isPattern tells whether the call compares with a pattern.
func (c *call) isPattern() bool { return c.matcher != nil && c.fn != "cdb" }

// accepts tells whether the condition holds for a value that is there. Lists
// are taken to be empty.
func (c *call) accepts(v string) bool {
	switch {
	case c.isPattern():
		return c.matcher.Match(v) != c.negate
	case c.fn == "cdb":
		return strings.HasPrefix(c.lookup, "not_") || c.lookup == "address_match_key_value"
	}
	return true
}

// same tells whether two conditions say the same.
func (c *call) same(o *call) bool {
	return c.fn == o.fn && c.text == o.text && c.negate == o.negate && c.list == o.list && c.lookup == o.lookup && c.check == o.check &&
		c.static == o.static && c.view == o.view && (c.view != 0 || strings.EqualFold(c.value, o.value))
}

// maxNesting bounds the parentheses of a condition.
const maxNesting = 1000

// parseCalls returns the calls of a condition in the order written. A text that
// is no condition gives those up to the mistake, which the loader reports.
func parseCalls(t *rulefile.Text, compat syscollector.Compat) []call {
	p := callParser{text: t, compat: compat}
	p.next()
	p.disjunction(true, 0)
	return p.calls
}

// callParser reads the grammar of conditions.
type callParser struct {
	text   *rulefile.Text
	compat syscollector.Compat
	at     int // behind the token
	start  int // of the token
	kind   byte
	value  string // of a name or a text
	calls  []call
}

// The kinds of tokens beside ( ) and ,.
const (
	tokenEnd  = 0
	tokenName = 'n'
	tokenText = 't'
	tokenBad  = '?'
)

func (p *callParser) next() {
	s := p.text.Value
	for p.at < len(s) && strings.IndexByte(" \t\r\n", s[p.at]) >= 0 {
		p.at++
	}
	p.start = p.at
	if p.at >= len(s) {
		p.kind = tokenEnd
		return
	}
	switch c := s[p.at]; {
	case c == '(' || c == ')' || c == ',':
		p.kind = c
		p.at++
	case strings.HasPrefix(s[p.at:], "&&"):
		p.kind, p.value = tokenName, "and"
		p.at += 2
	case strings.HasPrefix(s[p.at:], "||"):
		p.kind, p.value = tokenName, "or"
		p.at += 2
	case c == '"' || c == '\'':
		p.quoted(c)
	case c == '`':
		p.raw()
	case isNameByte(c):
		end := p.at
		for end < len(s) && isNameByte(s[end]) {
			end++
		}
		p.kind, p.value = tokenName, s[p.at:end]
		p.at = end
	default:
		p.kind = tokenBad
	}
}

func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// quoted reads a text with escapes.
func (p *callParser) quoted(quote byte) {
	rest := p.text.Value[p.at+1:]
	var b strings.Builder
	for rest != "" && rest[0] != quote {
		r, multi, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil {
			p.kind = tokenBad
			return
		}
		if rest = tail; multi || r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
	}
	if rest == "" {
		p.kind = tokenBad
		return
	}
	p.kind, p.value, p.at = tokenText, b.String(), len(p.text.Value)-len(rest)+1
}

// raw reads a text without escapes, in which a doubled backquote is one.
func (p *callParser) raw() {
	s := p.text.Value
	for end := p.at + 1; end < len(s); end++ {
		if s[end] != '`' {
			continue
		}
		if end+1 < len(s) && s[end+1] == '`' {
			end++
			continue
		}
		p.kind, p.value = tokenText, strings.ReplaceAll(s[p.at+1:end], "``", "`")
		p.at = end + 1
		return
	}
	p.kind = tokenBad
}

func (p *callParser) isName(name string) bool { return p.kind == tokenName && p.value == name }

// disjunction reads operands of or; what stands in one need not hold.
func (p *callParser) disjunction(must bool, depth int) bool {
	first := len(p.calls)
	for {
		if !p.conjunction(must, depth) {
			return false
		}
		if !p.isName("or") {
			return true
		}
		p.next()
		must = false
		for i := first; i < len(p.calls); i++ {
			p.calls[i].must = false
		}
	}
}

func (p *callParser) conjunction(must bool, depth int) bool {
	for {
		if !p.operand(must, depth) {
			return false
		}
		if !p.isName("and") {
			return true
		}
		p.next()
	}
}

func (p *callParser) operand(must bool, depth int) bool {
	switch {
	case depth > maxNesting:
		return false
	case p.kind == '(':
		p.next()
		if !p.disjunction(must, depth+1) || p.kind != ')' {
			return false
		}
		p.next()
		return true
	case p.isName("true") || p.isName("false"):
		p.next()
		return true
	case p.kind == tokenName:
		return p.call(must)
	}
	return false
}

// callArg is one argument of a call.
type callArg struct {
	kind  byte
	value string
	at    int
}

func (p *callParser) call(must bool) bool {
	c := call{fn: p.value, at: p.text.At(p.start), must: must}
	if p.next(); p.kind != '(' {
		return false
	}
	var args []callArg
	for p.next(); p.kind != ')'; {
		a := callArg{p.kind, p.value, p.start}
		if p.kind != tokenName && p.kind != tokenText {
			return false
		}
		if p.next(); a.kind == tokenName && a.value == "bytes" && p.kind == '(' {
			p.next()
			b, err := hex.DecodeString(strings.ReplaceAll(p.value, " ", ""))
			if p.kind != tokenText || err != nil {
				return false
			}
			a.kind, a.value = tokenText, string(b)
			if p.next(); p.kind != ')' {
				return false
			}
			p.next()
		}
		args = append(args, a)
		if p.kind == ',' {
			p.next()
		} else if p.kind != ')' {
			return false
		}
	}
	p.next()
	if p.fill(&c, args) {
		p.calls = append(p.calls, c)
	}
	return true
}

// fill reads a call's arguments.
func (p *callParser) fill(c *call, args []callArg) bool {
	value := 0
	if c.fn == "cdb" {
		value = 1
	}
	if len(args) < 2 {
		return false
	}
	c.value, c.static = args[value].value, args[value].kind == tokenName
	if !c.static {
		c.view = syscollector.LookupView(c.value)
	}
	if c.fn == "cdb" {
		c.list, c.lookup, c.pos = args[0].value, "match_key", p.text.At(args[0].at)
		if len(args) > 2 {
			c.lookup = args[2].value
		}
		if len(args) > 3 {
			c.check, c.checked = args[3].value, true
		}
		return true
	}
	if last := args[len(args)-1]; last.kind == tokenName {
		c.negate, args = last.value == "true", args[:len(args)-1]
	}
	var texts []string
	for _, a := range args[1:] {
		texts = append(texts, a.value)
	}
	if len(texts) == 0 {
		return false
	}
	c.text, c.pos = strings.Join(texts, " "), p.text.At(args[1].at)
	if d, ok := pattern.ParseDialect(c.fn); ok {
		m, err := pattern.Compile(d, c.text, pattern.Options{Compat: pattern.Compat(p.compat)})
		if err == nil {
			c.matcher = m
		}
	}
	return true
}
