package lint

import (
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// call is one condition of a wazuh rule: a call in its when, with what the
// checks ask about it.
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

// parseCalls returns the calls of a condition in the order written; what the
// loader refuses is left out.
func parseCalls(t *rulefile.Text, compat syscollector.Compat) []call {
	var calls []call
	for _, found := range rules.Calls(t.Value) {
		c := call{
			fn: found.Function, value: found.Value, static: found.Static, negate: found.Negate, must: found.Must,
			at: t.At(found.At), pos: t.At(found.TextAt),
		}
		if !c.static {
			c.view = syscollector.LookupView(c.value)
		}
		if c.fn == "cdb" {
			c.list, c.lookup = found.List, "match_key"
			if len(found.Texts) > 0 {
				c.lookup = found.Texts[0]
			}
			if len(found.Texts) > 1 {
				c.check, c.checked = found.Texts[1], true
			}
		} else {
			c.text = strings.Join(found.Texts, " ")
		}
		if d, ok := pattern.ParseDialect(c.fn); ok {
			if m, err := pattern.Compile(d, c.text, pattern.Options{Compat: pattern.Compat(compat)}); err == nil {
				c.matcher = m
			}
		}
		calls = append(calls, c)
	}
	return calls
}
