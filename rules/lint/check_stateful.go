package lint

import (
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// word is a name with its dots in a condition of the invigil dialect.
type word struct {
	text   string
	offset int
	called bool // a parenthesis follows
}

// wordsOf returns the names in a condition, what stands in quotes left out.
func wordsOf(s string) (list []word) {
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\'' || c == '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
			i++
		case isNameByte(c) || c == '.':
			from := i
			for i < len(s) && (isNameByte(s[i]) || s[i] == '.') {
				i++
			}
			list = append(list, word{text: s[from:i], offset: from, called: strings.HasPrefix(strings.TrimLeft(s[i:], " "), "(")})
		default:
			i++
		}
	}
	return list
}

// isNameByte tells whether names are made of c.
func isNameByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// reportStateful adds a finding about a rule of the invigil dialect.
func (p *pass) reportStateful(d *rulefile.Rule, offset int, hint, format string, args ...any) {
	pos := d.When.At(offset)
	if pos.Line == 0 {
		pos = d.Pos
	}
	p.report(&rule{decl: d}, pos, hint, format, args...)
}

func rowRuleCollections(p *pass) {
	for _, info := range p.infos {
		at := slices.IndexFunc(info.Reads, func(t string) bool { return t != syscollector.OS.String() && t != syscollector.Hardware.String() })
		if at < 0 || info.Table == "" {
			continue
		}
		r := p.set.find(info.ID, info.Pos.File)
		if r == nil {
			continue
		}
		table, offset := info.Reads[at], 0
		for _, w := range wordsOf(r.decl.When.Value) {
			if slices.Contains(info.Reads, w.text) {
				table, offset = w.text, w.offset
				break
			}
		}
		p.reportStateful(r.decl, offset, "use scope: agent", "the rule is about one row and reads the table %s: a change there does not evaluate it", table)
	}
}

func notIndexed(p *pass) {
	for _, info := range p.infos {
		if !info.Unindexed || info.Unreachable || info.Disabled {
			continue
		}
		r := p.set.find(info.ID, info.Pos.File)
		if r == nil {
			continue
		}
		what := "below its parent"
		if r.decl.Invigil != nil {
			what = "of its table"
		} else if !r.meant {
			continue
		}
		p.report(r, info.Pos, "compare a field with a text or a number that must be equal, begin or be contained", "no literal of the condition can be looked up: the rule is tried on every row %s", what)
	}
}

// find returns a loaded rule by id and file.
func (s *set) find(id, file string) *rule {
	for _, r := range s.all {
		if r.decl.ID == id && r.decl.Pos.File == file {
			return r
		}
	}
	for _, d := range s.stateful {
		if d.ID == id && d.Pos.File == file {
			return &rule{decl: d}
		}
	}
	return nil
}

func readsVolatile(p *pass) {
	for _, d := range p.set.stateful {
		for _, w := range wordsOf(d.When.Value) {
			f, ok := syscollector.ByName(strings.TrimPrefix(w.text, "before."))
			if !ok || !f.Volatile {
				continue
			}
			p.reportStateful(d, w.offset, "compare a column that is not volatile if that says the same", "%s changes all the time: the rule is evaluated on unchanged rows too, and such rows of table %s are written at once", f.Name, f.Table)
			break
		}
	}
}
