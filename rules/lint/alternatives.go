package lint

import (
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
)

// alternative is one of the texts between the bars of an OS_Match or OS_Regex
// pattern.
type alternative struct {
	text       string // without anchors
	start, end bool   // anchored
	at         int    // offset in the pattern
	whole      string // as written
}

// alternatives takes a pattern of the original's own dialects apart.
func alternatives(c *call) (list []alternative) {
	s, offset := c.text, 0
	if c.fn == "osmatch" && strings.HasPrefix(s, "!") {
		s, offset = s[1:], 1
	}
	from := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '|' {
			if s[i] == '\\' && c.fn == "osregex" {
				i++
			}
			continue
		}
		end := min(i, len(s))
		a := alternative{text: s[from:end], at: offset + from, whole: s[from:end]}
		a.text, a.start = strings.CutPrefix(a.text, "^")
		if !strings.HasSuffix(a.text, `\$`) || c.fn == "osmatch" {
			a.text, a.end = strings.CutSuffix(a.text, "$")
		}
		list = append(list, a)
		from = i + 1
	}
	return list
}

// literal tells whether an alternative stands for its text alone.
func (a alternative) literal(fn string) bool {
	return fn == "osmatch" || !strings.ContainsAny(a.text, `\()`)
}

// compile compiles one alternative alone, nil if that cannot be.
func (a alternative) compile(c *call, compat syscollector.Compat) pattern.Matcher {
	d, _ := pattern.ParseDialect(c.fn)
	m, err := pattern.Compile(d, a.whole, pattern.Options{Compat: pattern.Compat(compat)})
	if err != nil {
		return nil
	}
	return m
}

// anchored writes a pattern whose alternatives stand for whole values.
func anchored(list []alternative) string {
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = "^" + a.text + "$"
	}
	return strings.Join(parts, "|")
}
