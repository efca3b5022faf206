package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"invigil/pipeline/syscollector"
)

// pcreSigns are what a regular expression has and an OS_Regex reads literally,
// searched for after escapes were blanked out.
var pcreSigns = [...]*regexp.Regexp{
	regexp.MustCompile(`\(\?[a-z]*\)?`),
	regexp.MustCompile(`\[\^?[^\]":]+\]`),
	regexp.MustCompile(`\.[*+?]`),
	regexp.MustCompile(`\{\d+(,\d*)?\}`),
	regexp.MustCompile(`[\])][*+?]`),
	regexp.MustCompile(`[A-Za-z0-9]\?`),
	regexp.MustCompile(`[A-Za-z0-9_-]\*`),
}

// escapes are the escapes of OS_Regex with what quantifies them.
var escapes = regexp.MustCompile(`\\.[*+]?`)

func osregexAsPCRE(p *pass) {
	for r, c := range p.patterns("osregex") {
		blank := escapes.ReplaceAllStringFunc(c.text, func(s string) string { return strings.Repeat("\x01", len(s)) })
		found := quantifiedEscape.FindString(c.text)
		for _, s := range pcreSigns {
			if at := s.FindStringIndex(blank); at != nil && found == "" {
				found = c.text[at[0]:at[1]]
			}
		}
		if found != "" {
			p.report(r, c.pos, p.regexAdvice(c.text), "%s is literal text in an OS_Regex, as <%s> takes it: %s", quote(found), elementOf(c), quote(shorten(c.text)))
		}
	}
	for r := range p.rules() {
		c := r.decl.Wazuh.Correlate
		if c == nil || c.Regex == "" {
			continue
		}
		if at := strings.Index(escapes.ReplaceAllString(c.Regex, ""), ".*"); at >= 0 {
			p.report(r, r.at("if_matched_regex", "correlate.regex"), p.regexAdvice(c.Regex), "%s is literal text in an OS_Regex", quote(".*"))
		}
	}
}

// quantifiedEscape is a quantifier of regular expressions behind an escape.
var quantifiedEscape = regexp.MustCompile(`\\[dwsDWSp.](\?|\{\d+(,\d*)?\})`)

// regexAdvice says how to write what was meant.
func (p *pass) regexAdvice(text string) string {
	rewritten := strings.TrimPrefix(strings.TrimPrefix(text, "^(?i)"), "(?i)")
	if rewritten != text && strings.HasPrefix(text, "^") {
		rewritten = "^" + rewritten
	}
	rewritten = wildcards.ReplaceAllString(rewritten, `$1\$2`)
	_, err := regexp.Compile(rewritten)
	plain := !strings.ContainsAny(escapes.ReplaceAllString(rewritten, ""), "[]{}?*+")
	switch {
	case plain && err == nil && rewritten != text:
		return "write " + quote(rewritten) + "; letters fold anyway"
	case p.opts.Compat == syscollector.Compat4:
		return `add type="pcre2" for a regular expression; an OS_Regex knows \d \w \s \p \. with * or + behind them, ^ $ and |`
	}
	return `an OS_Regex knows \d \w \s \p \. with * or + behind them, ^ $ and |`
}

// wildcards are .* and .+ whose dot is bare.
var wildcards = regexp.MustCompile(`(^|[^\\])(\.[*+])`)

func osregexDot(p *pass) {
	for r, c := range p.patterns("osregex") {
		if plain := escapedDot.ReplaceAllString(escapedDot.ReplaceAllString(c.text, "$1.$2"), "$1.$2"); plain != c.text {
			p.report(r, c.pos, "write "+quote(shorten(plain)), `\. is any character in an OS_Regex, not the dot alone: %s`, quote(shorten(c.text)))
		}
	}
}

// escapedDot is an escaped dot where a dot is likely: in numbers and names.
var escapedDot = regexp.MustCompile(`([0-9A-Za-z])\\\.([0-9A-Za-z])`)

func osmatchAsRegex(p *pass) {
	for r, c := range p.patterns("osmatch") {
		if s := regexSign.FindString(strings.ReplaceAll(c.text, `\\`, "\x01\x01")); s != "" {
			hint := "write the text itself: an OS_Match has no escapes"
			if p.opts.Compat == syscollector.Compat4 {
				hint += `; or add type="osregex" or type="pcre2"`
			}
			p.report(r, c.pos, hint, "%s is literal text in an OS_Match, as <%s> takes it: %s", quote(s), elementOf(c), quote(shorten(c.text)))
		}
	}
}

var regexSign = regexp.MustCompile(`\\[dwsDWS]([*+{$|]|$)|\\[.()\[\]+*?$|^]|\.[*+]|\(\?|\[[^\]":]*\w-\w[^\]]*\]|\[\^`)

func emptyAlternative(p *pass) {
	for r, c := range p.patterns("osmatch", "osregex") {
		list := alternatives(c)
		if len(list) < 2 {
			continue
		}
		for _, a := range list {
			if m := a.compile(c, p.opts.Compat); a.text == "" && !(a.start && a.end) && m != nil && m.Match("x") {
				p.report(r, c.pos, "remove the bar", "an alternative of %s is empty: it matches every value", quote(shorten(c.text)))
				break
			}
		}
	}
}

// countedName tells whether a field's values are addresses or names that are
// told apart by their last digit.
func countedName(name string) bool {
	for _, suffix := range []string{".address", ".gateway", "_ip", "iface.name", ".iface"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// maxShort is up to how many letters a literal is found in too many values.
const maxShort = 4

func unanchored(p *pass) {
	for r, c := range p.patterns("osmatch", "osregex") {
		if c.static || c.view == 0 {
			continue
		}
		list := alternatives(c)
		if vocabulary := p.set.words.vocabulary(c.view); vocabulary != nil {
			p.unanchoredWord(r, c, list, vocabulary)
			continue
		}
		f, _ := syscollector.ByName(c.name())
		for _, a := range list {
			if a.start || a.end || a.text == "" || !a.literal(c.fn) {
				continue
			}
			number := strings.Trim(a.text, "0123456789") == ""
			last := a.text[len(a.text)-1]
			var longer string
			switch {
			case number && (f.Type != syscollector.String || len(a.text) <= maxShort):
				longer = "1" + a.text + " and " + a.text + "0"
			case countedName(c.name()) && '0' <= last && last <= '9':
				longer = a.text + "1"
			case utf8.RuneCountInString(a.text) <= maxShort && strings.Trim(strings.ToLower(a.text), "abcdefghijklmnopqrstuvwxyz0123456789") == "":
				longer = "longer words"
			default:
				continue
			}
			p.report(r, c.pos, "write "+quote(shorten(anchored(list)))+" for whole values", "%s is not anchored: for %s it is also found in %s", quote(a.text), c.name(), longer)
			break
		}
	}
}

// families are fields whose values are found in longer ones on purpose: port
// and port_end, tcp and tcp6, down and lowerlayerdown.
var families = [...]string{"type", "port.protocol", "netinfo.iface.state"}

// unanchoredWord judges a field whose values are known.
func (p *pass) unanchoredWord(r *rule, c *call, list []alternative, vocabulary []string) {
	name := c.name()
	if slices.Contains(families[:], name) {
		return
	}
	for _, a := range list {
		m := a.compile(c, p.opts.Compat)
		if m == nil || !a.literal(c.fn) || a.start && a.end {
			continue
		}
		exact := false
		var others []string
		for _, word := range vocabulary {
			if strings.EqualFold(word, a.text) {
				exact = true
			} else if m.Match(word) {
				others = append(others, word)
			}
		}
		if exact && len(others) > 0 {
			p.report(r, c.pos, "write "+quote(anchored(list))+" for whole values", "%s is not anchored: for %s it is also found in %s", quote(a.text), name, few(others))
			return
		}
	}
}

func edgeBlanks(p *pass) {
	for r, c := range p.calls() {
		text, what := c.text, "pattern"
		if c.fn == "cdb" {
			text, what = c.list, "list's name"
		}
		if trimmed := strings.TrimSpace(text); trimmed != text && trimmed != "" {
			p.report(r, c.pos, "write "+quote(shorten(trimmed))+" without blanks or newlines around it", "the blanks at the edge of <%s> are part of the %s", elementOf(c), what)
		}
	}
}

var entity = regexp.MustCompile(`&(lt|gt|amp|quot|apos|#x?[0-9A-Fa-f]+);`)

func entities(p *pass) {
	for r, c := range p.patterns() {
		if e := entity.FindString(c.text); e != "" {
			advice := `write \< for "<", and ">", "&" and quotes as they are`
			if c.fn == "osmatch" {
				advice = `write ">", "&" and quotes as they are; for "<" write \< in a <regex>, an OS_Match cannot have it`
			}
			p.report(r, c.pos, advice, "%s in <%s> is not decoded, it is compared as it stands", e, elementOf(c))
		}
	}
	for r := range p.rules() {
		d := &r.decl.Description
		if e := entity.FindStringIndex(d.Value); e != nil {
			p.report(r, d.At(0), "in a description write the character itself, or a word", "%s in the description is not decoded, alerts show it as it stands", d.Value[e[0]:e[1]])
		}
	}
}

func nonASCII(p *pass) {
	for r, c := range p.patterns("osmatch", "osregex") {
		if strings.IndexFunc(c.text, func(x rune) bool { return x >= utf8.RuneSelf }) < 0 {
			continue
		}
		for _, a := range alternatives(c) {
			at := strings.IndexFunc(a.text, func(x rune) bool { return x >= utf8.RuneSelf })
			if at < 0 || c.fn == "osmatch" && (a.start || a.end) {
				continue
			}
			letter, _ := utf8.DecodeRuneInString(a.text[at:])
			hint := `write \.\. for its bytes`
			if p.opts.Compat == syscollector.Compat4 {
				hint = `add type="pcre2"`
			}
			p.report(r, c.pos, hint, "%s never finds %s, nor any other letter outside ASCII", c.fn, quote(string(letter)))
			break
		}
	}
}

func variableNotExpanded(p *pass) {
	for r, c := range p.patterns() {
		if len(c.text) == 2 && c.text[0] == '$' && isNameByte(c.text[1]) {
			p.report(r, c.pos, "give the variable a longer name", "%s is not expanded: a text of two bytes is no variable", c.text)
		}
	}
}

// elementOf names the XML element of a call.
func elementOf(c *call) string {
	switch {
	case c.fn == "cdb":
		return "list"
	case !c.static:
		return "field"
	case c.value == "log" && c.fn == "osmatch":
		return "match"
	case c.value == "log":
		return "regex"
	}
	return c.value
}

// quote shows a text of a rule in a message.
func quote(s string) string {
	if strings.ContainsAny(s, "\"\\") && !strings.Contains(s, "`") {
		return "`" + s + "`"
	}
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' }) < 0 {
		return `"` + s + `"`
	}
	return fmt.Sprint(strconv.Quote(s))
}
