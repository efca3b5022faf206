package wazuhxml

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// condition is one element that compares a value.
type condition struct {
	e      *element
	value  string // the first argument as written: an identifier or a text
	call   string // osmatch, osregex, pcre2, equal, ip
	negate bool
	text   text
}

// staticFields are names that <field> refuses: they have elements of their own.
var staticFields = []string{
	"srcip", "dstip", "srcgeoip", "dstgeoip", "srcport", "dstport", "user", "srcuser", "dstuser", "url", "id", "data", "extra_data", "status",
	"protocol", "system_name", "action",
}

// listFields are the static names that <list> knows.
var listFields = []string{
	"srcip", "srcport", "dstip", "dstport", "user", "url", "id", "hostname", "program_name", "status", "action", "protocol", "system_name", "data", "extra_data",
}

var lookups = []string{"match_key", "not_match_key", "match_key_value", "address_match_key", "not_address_match_key", "address_match_key_value"}

// condition reads an element that compares the static value name.
func (u *rule) condition(e *element, name string) *condition {
	c := &condition{e: e, value: name, call: "osmatch", text: e.content}
	switch name {
	case "match", "regex":
		if c.value = "log"; name == "regex" {
			c.call = "osregex"
		}
	case "srcip", "dstip":
		c.call = "ip"
	case "action":
		c.call = "equal"
	}
	u.attrsOf(c)
	return c
}

// attrsOf reads type and negate, whose names do not fold. 3.9.5 has neither.
func (u *rule) attrsOf(c *condition) {
	for _, a := range c.e.attrs {
		switch {
		case a.name == "name" && c.e.is("field"):
		case a.name != "negate" && a.name != "type":
			u.warnf(a.at, len(a.name), source.DidYouMean(a.name, []string{"negate", "type"}), "attribute %q of <%s> has no effect", a.name, c.e.name)
		case u.old:
			u.warnf(a.at, len(a.name), "", "attribute %q of <%s> has no effect in 3.9", a.name, c.e.name)
		case a.name == "negate":
			switch strings.ToLower(a.value.s) {
			case "yes":
				c.negate = true
			case "no":
				c.negate = false
			default:
				u.warnf(a.value.at, max(1, len(a.value.s)), "use yes or no", "negate %q has no effect", a.value.s)
			}
		case c.call == "ip":
			u.warnf(a.at, len(a.name), "", `attribute "type" of <%s> has no effect`, c.e.name)
		default:
			if d, ok := pattern.ParseDialect(a.value.s); ok {
				c.call = d.String()
			} else {
				u.warnf(a.value.at, max(1, len(a.value.s)), "use osmatch, osregex or pcre2", "type %q has no effect, it stays %s", a.value.s, c.call)
			}
		}
	}
}

// field reads a <field>.
func (u *rule) field(e *element) {
	c := &condition{e: e, call: "osregex", text: e.content}
	u.attrsOf(c)
	i := slices.IndexFunc(e.attrs, func(a attr) bool { return a.name == "name" })
	switch {
	case i < 0:
		if !e.broken {
			u.errorf(e.at, 6, `write <field name="port.local_port">`, "this <field> has no name")
		}
		return
	case i > 0 && u.old:
		u.errorf(e.attrs[i].at, 4, "", "name must be the first attribute of <field> in 3.9")
	}
	name := e.attrs[i].value
	if s := strings.ToLower(name.s); slices.Contains(staticFields, s) {
		u.errorf(name.at, len(name.s), "write "+u.staticHint(s), "%q is a static field, <field> is for dynamic ones", name.s)
		return
	}
	if name.s == "" {
		u.notef(name.at, 1, "a field with an empty name is never there: the rule never matches")
	}
	c.value = rulefile.Quote(name.s)
	u.fields = append(u.fields, c)
}

// staticHint says how a static field is compared.
func (u *rule) staticHint(name string) string {
	switch {
	case u.old && (name == "data" || name == "protocol" || name == "system_name"):
		return `a condition with <match> on the log: 3.9 has no element for it`
	case name == "srcuser" || name == "dstuser":
		return "<user>…</user>"
	}
	return "<" + name + ">…</" + name + ">"
}

// when builds the condition's text, in the order in which the original looks.
type when struct {
	*rule
	b strings.Builder
	m source.Map
}

// order is that of the original; "fields" and "lists" stand for theirs.
var order = []string{
	"program_name", "id", "system_name", "protocol", "match", "regex", "action", "url", "location", "fields", "srcip", "dstip", "srcport", "dstport",
	"user", "srcgeoip", "dstgeoip", "data", "extra_data", "hostname", "status", "lists",
}

func (u *rule) when() rulefile.Text {
	w := &when{rule: u}
	for _, name := range order {
		switch cs := u.conditions[name]; {
		case name == "fields":
			for _, c := range u.fields {
				w.pattern(c, []*condition{c})
			}
		case name == "lists":
			for _, e := range u.lists {
				w.list(e)
			}
		case len(cs) == 0:
		case name == "srcip" || name == "dstip":
			w.address(cs)
		default:
			w.pattern(cs[len(cs)-1], cs)
		}
	}
	return rulefile.Text{Value: w.b.String(), Map: w.m}
}

// begin starts a call that belongs to e.
func (w *when) begin(e *element, call, first string) {
	if w.b.Len() > 0 {
		w.b.WriteString(" and ")
	}
	w.m.Hold(w.b.Len(), w.pos(e.at))
	w.b.WriteString(call + "(" + first)
}

// arg writes a text that stands at the stream offset at.
func (w *when) arg(s string, at int) {
	w.b.WriteString(", ")
	w.m.Hold(w.b.Len(), w.pos(at))
	w.b.WriteString(rulefile.Quote(s))
}

func (w *when) end(negate bool) {
	if negate {
		w.b.WriteString(", true")
	}
	w.b.WriteByte(')')
}

// pattern writes one call for elements whose texts are strung together; type
// and negate are those of the last.
func (w *when) pattern(c *condition, all []*condition) {
	var m source.Map
	var s string
	for _, one := range all {
		one.text.addTo(&m, len(s), w.stream, w.lines)
		s += one.text.s
	}
	if !c.e.is("field") && len(s) >= maxJoined {
		w.errorf(c.e.at, len(c.e.name)+1, "", "the text of <%s> has %d bytes, the limit is %d", c.e.name, len(s), maxJoined-1)
		return
	}
	if len(all) > 1 {
		w.notef(c.e.at, len(c.e.name)+1, "the %d <%s> elements are strung together to one pattern: %s", len(all), c.e.name, rulefile.Quote(s))
	}
	if c.call != "equal" && !w.compiles(c.call, s, &m) {
		return
	}
	w.surprises(c, s)
	w.begin(c.e, c.call, c.value)
	w.arg(s, all[0].text.at)
	w.end(c.negate)
}

// compiles reports a pattern that the original refuses.
func (w *when) compiles(call, s string, m *source.Map) bool {
	d, _ := pattern.ParseDialect(call)
	_, err := pattern.Compile(d, s, w.options)
	var syntax *pattern.SyntaxError
	if !errors.As(err, &syntax) {
		return true
	}
	diag := w.lines.Diagnostic(m.At(syntax.Offset), source.Error, "%s pattern: %s", call, syntax.Reason)
	diag.Rule, diag.Hint = w.out.ID, w.patternHint(d, s, syntax)
	if syntax.Unsupported {
		diag.Construct = "pcre2"
		diag.Message = "pcre2 pattern: not supported yet: " + syntax.Reason
	}
	w.add(diag)
	return false
}

func (w *when) patternHint(d pattern.Dialect, s string, err *pattern.SyntaxError) string {
	if d != pattern.OSRegex {
		return ""
	}
	alternatives := err.Offset < len(s) && s[err.Offset] == '|'
	escape := err.Offset < len(s) && s[err.Offset] == '\\'
	switch {
	case alternatives && w.old:
		return "write them out, as ^a$|^b$"
	case alternatives:
		return `write them out, as ^a$|^b$, or add type="pcre2"`
	case escape && !w.old:
		return `leave the backslash out, or add type="pcre2" for a regular expression`
	}
	return ""
}

// surprises notes what a pattern does not do although it looks so.
func (w *when) surprises(c *condition, s string) {
	width := max(1, utf8.RuneCountInString(strings.SplitN(s, "\n", 2)[0]))
	if e := entity(s); e != "" {
		w.notef(c.text.at, width, `entities are not decoded: %s in <%s> is compared as it stands; write \< for "<", and ">" and "&" as they are`, e, c.e.name)
	}
	if s != strings.TrimSpace(s) && strings.TrimSpace(s) != "" {
		w.notef(c.text.at, width, "the blanks at the edge of <%s> are part of the pattern", c.e.name)
	}
	d, ok := pattern.ParseDialect(c.call)
	if !ok || d == pattern.PCRE2 {
		return
	}
	if strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 && (d == pattern.OSRegex || !strings.HasPrefix(s, "^") && !strings.HasSuffix(s, "$")) {
		w.notef(c.text.at, width, "%s never finds a letter outside ASCII, as in <%s>", c.call, c.e.name)
	}
	if d == pattern.OSRegex && c.e.is("field") && shortUnanchored(s) {
		w.notef(c.text.at, width, "the pattern for %s is not anchored: it is also found inside longer values; write ^…$ for the whole value", c.value)
	}
}

// entity returns the first XML entity in s, "" if none.
func entity(s string) string {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], '&')
		if i < 0 {
			return ""
		}
		from += i
		rest := s[from:]
		end := strings.IndexByte(rest, ';')
		if end > 0 {
			name := rest[1:end]
			if slices.Contains([]string{"lt", "gt", "amp", "quot", "apos"}, name) || strings.HasPrefix(name, "#") && isDigits(strings.TrimPrefix(name[1:], "x")) {
				return rest[:end+1]
			}
		}
		from++
	}
}

// shortUnanchored tells whether an alternative of an OS_Regex is a literal of
// at most four letters or digits without an anchor.
func shortUnanchored(s string) bool {
	for _, alt := range strings.Split(s, "|") {
		if len(alt) > 0 && len(alt) <= 4 && strings.Trim(alt, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
			return true
		}
	}
	return false
}

// address writes one call for all elements: any of them is enough. A leading
// "!" negates one in 3.9 and is dropped without effect in 4.x.
func (w *when) address(cs []*condition) {
	last := cs[len(cs)-1]
	var good []text
	for _, c := range cs {
		s := c.text.s
		rest, not := strings.CutPrefix(s, "!")
		if _, err := pattern.ParseIP(rest); err != nil {
			w.contentf(c.e, "write an address, address/bits, address/mask or any", "<%s>: %q is no address", c.e.name, shorten(s))
			continue
		}
		if not && !w.old {
			w.notef(c.text.at, 1, `the "!" of <%s>%s</%s> has no effect in 4.x: write negate="yes"`, c.e.name, s, c.e.name)
			s = rest
		}
		good = append(good, text{s: s, at: c.text.at})
	}
	if len(good) == 0 {
		return
	}
	w.begin(last.e, "ip", last.value)
	for _, t := range good {
		w.arg(t.s, t.at)
	}
	w.end(last.negate)
}

// list writes a list condition.
func (w *when) list(e *element) {
	var name, lookup, check *attr
	bad := e.broken
	for i := range e.attrs {
		switch a := &e.attrs[i]; strings.ToLower(a.name) {
		case "field":
			name = a
		case "lookup":
			lookup = a
		case "check_value":
			check = a
		default:
			bad = true
			w.errorf(a.at, len(a.name), source.DidYouMean(a.name, []string{"field", "lookup", "check_value"}), "<list> has no attribute %q", a.name)
		}
	}
	kind := "match_key"
	switch {
	case name == nil && !e.broken:
		bad = true
		w.errorf(e.at, 5, `write <list field="port.remote_ip" lookup="match_key">etc/lists/name</list>`, "this <list> has no field")
	case name == nil:
		return
	}
	if lookup != nil {
		if kind = lookup.value.s; !slices.Contains(lookups, kind) {
			bad = true
			w.errorf(lookup.value.at, max(1, len(kind)), source.DidYouMean(kind, lookups), "lookup %q is none of %s", shorten(kind), strings.Join(lookups, ", "))
		}
	}
	if bad {
		return
	}
	switch {
	case kind == "address_match_key_value":
		w.notef(e.at, 5, "address_match_key_value is inverted, as in the original: true when no key is found or the value does not match")
	case kind == "match_key_value" && check == nil:
		w.notef(e.at, 5, "match_key_value without check_value never matches")
	case check != nil && !strings.HasSuffix(kind, "_value"):
		w.notef(check.at, len(check.name), "check_value has no effect with %s", kind)
	}
	if s := e.content.s; s != strings.TrimSpace(s) {
		w.notef(e.content.at, len(s), "the blanks around %s are part of the list's name", rulefile.Quote(strings.TrimSpace(s)))
	}
	w.begin(e, "cdb", "")
	w.m.Hold(w.b.Len(), w.pos(e.content.at))
	w.b.WriteString(rulefile.Quote(e.content.s))
	w.b.WriteString(", ")
	w.m.Hold(w.b.Len(), w.pos(name.value.at))
	if s := strings.ToLower(name.value.s); slices.Contains(listFields, s) {
		w.b.WriteString(s)
	} else {
		field := strings.TrimLeft(name.value.s, " ")
		field, _, _ = strings.Cut(field, " ")
		w.b.WriteString(rulefile.Quote(field))
	}
	at := e.at
	if lookup != nil {
		at = lookup.value.at
	}
	w.arg(kind, at)
	if check != nil {
		w.arg(check.value.s, check.value.at)
	}
	w.end(false)
}
