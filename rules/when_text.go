package rules

import (
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// whenText is a description with $(names) of the invigil dialect.
type whenText struct {
	parts []whenPart
}

type whenPart struct {
	text string
	name *whenName // nil: text
}

// compileText compiles a description. Names that do not exist are errors; an
// absent value is written as nothing.
func compileText(t rulefile.Text, env whenEnv) (out whenText, uses []whenUse, diags source.Diagnostics) {
	names := allWhenNames()
	rest, offset := t.Value, 0
	for {
		i := strings.Index(rest, "$(")
		end := -1
		if i >= 0 {
			end = strings.IndexByte(rest[i:], ')')
		}
		if end < 0 {
			break
		}
		out.literal(rest[:i])
		word := strings.TrimSpace(rest[i+2 : i+end])
		pos := textPosition(t, offset+i+2, env.pos)
		if word == "items" && env.items {
			out.parts = append(out.parts, whenPart{name: &whenName{name: word, view: viewItems, typ: typeString}})
		} else if n := names.lookup(word); n != nil {
			out.parts = append(out.parts, whenPart{name: n})
			uses = append(uses, whenUse{n, pos})
		} else {
			d := source.Diagnostic{Pos: pos, Severity: source.Error, Rule: env.rule, Width: max(1, len([]rune(word)))}
			d.Message, d.Hint = names.unknown(word)
			if word == "items" {
				d.Message, d.Hint = "the rule shows no items", "add scope: agent and items: filter(packages, …)"
			}
			diags = append(diags, d)
		}
		rest, offset = rest[i+end+1:], offset+i+end+1
	}
	out.literal(rest)
	return out, uses, diags
}

// unknown words that a dotted name does not exist.
func (ns *whenNames) unknown(name string) (message, hint string) {
	for group := name; ; {
		dot := strings.LastIndexByte(group, '.')
		if dot < 0 {
			break
		}
		member := name[dot+1:]
		group = group[:dot]
		if members := ns.groups[group]; members != nil {
			return group + " has no field " + member, source.DidYouMean(member, members)
		}
	}
	if members := ns.groups[name]; members != nil {
		return name + " alone is no value", "name one of its fields: " + name + "." + members[0]
	}
	root, _, _ := strings.Cut(name, ".")
	return "unknown name " + root, source.DidYouMean(root, ns.roots())
}

func (t *whenText) literal(s string) {
	if s != "" {
		t.parts = append(t.parts, whenPart{text: s})
	}
}

// expand writes the description for what the scope sees. A removed row's
// fields are its last ones.
func (t *whenText) expand(s *whenScope) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.name == nil {
			b.WriteString(p.text)
			continue
		}
		b.WriteString(s.format(p.name))
	}
	return b.String()
}

// format returns a name's value as text, "" if it is absent.
func (s *whenScope) format(n *whenName) string {
	switch n.typ {
	case typeStrings:
		return strings.Join(s.agent.Groups, ", ")
	case typeLabels:
		var all []string
		for _, l := range s.agent.Labels {
			all = append(all, l.Key+"="+l.Value)
		}
		return strings.Join(all, ", ")
	}
	v, ok := s.load(n)
	if n.view == viewRow && s.change == syscollector.Removed {
		v, ok = column(s.before, n.field.Number)
	}
	if !ok {
		return ""
	}
	switch n.typ {
	case typeInt:
		return strconv.FormatInt(v.Int, 10)
	case typeFloat:
		return strconv.FormatFloat(n.float(v), 'f', -1, 64)
	case typeTime:
		return time.UnixMilli(v.Int).In(s.zone).Format(time.RFC3339)
	}
	return v.Str
}
