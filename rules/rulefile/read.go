package rulefile

import (
	"strconv"
	"strings"

	"invigil/config/source"
)

var dialects = []string{string(Invigil), string(Wazuh4), string(Wazuh39)}

// Read reads a YAML rule file. It reports all problems of form at once; the
// file is never nil and holds what could be read, rules with an error marked
// as broken.
func Read(src source.File) (*File, source.Diagnostics) {
	f := &File{Name: src.Name, Dialect: Invigil, Source: src}
	y := source.ParseYAML(src)
	first, last := 0, 0
	if root := y.Root(); root != nil && !root.IsNull() {
		first, last = f.read(y, root)
	}
	f.comments(y.Lines(), first, last)
	return f, y.Diagnostics()
}

// read reads the document; it returns the lines of the key rules and of the key
// behind it.
func (f *File) read(y *source.YAML, root *source.Node) (first, last int) {
	m, ok := root.Mapping(fileKeys...)
	if !ok {
		return 0, 0
	}
	if n := m.Get("dialect"); n != nil {
		if s, ok := n.OneOf(dialects...); ok {
			f.Dialect = Dialect(s)
		}
	}
	if n := m.Get("lists"); n != nil && !n.IsNull() {
		items, _ := n.Items()
		for _, item := range items {
			f.Lists = append(f.Lists, readList(item))
		}
	}
	if n := m.Get("tune"); n != nil && !n.IsNull() {
		items, _ := n.Items()
		for _, item := range items {
			f.Tunes = append(f.Tunes, readTune(item))
		}
	}
	n := m.Get("rules")
	if n == nil {
		return 0, 0
	}
	if !n.IsNull() {
		items, _ := n.Items()
		for _, item := range items {
			f.Rules = append(f.Rules, f.readRule(y, item))
		}
	}
	y.About("")
	first = m.Key("rules").Pos().Line
	for _, p := range m.Pairs {
		if line := p.At.Pos().Line; line > first && (last == 0 || line < last) {
			last = line
		}
	}
	return first, last
}

func (f *File) readRule(y *source.YAML, n *source.Node) *Rule {
	r := &Rule{Pos: n.Pos()}
	y.About(ruleName(n))
	before := y.Errors()
	if f.Dialect == Invigil {
		r.Invigil = readStateful(n, r)
	} else {
		r.Wazuh = readWazuh(n, r)
	}
	r.Broken = y.Errors() > before
	return r
}

// ruleName is the rule's id for findings about it, "" if it has none.
func ruleName(n *source.Node) string {
	if id := n.Find("id"); id != n && id.IsScalar() {
		s, _ := id.Text()
		return s
	}
	return ""
}

// keys reads the members of a mapping; where records where each stands.
type keys struct {
	*source.Mapping
	at map[string]source.Position
}

// keysOf reads n as a mapping with the known keys; their places are recorded
// in at under prefix.
func keysOf(n *source.Node, at map[string]source.Position, prefix string, known ...string) keys {
	m, _ := n.Mapping(known...)
	for _, p := range m.Pairs {
		at[prefix+p.Key] = p.Value.Pos()
	}
	return keys{m, at}
}

func (k keys) text(key string, to *string) {
	if n := k.Get(key); n != nil {
		*to, _ = n.Text()
	}
}

func (k keys) oneOf(key string, to *string, values ...string) {
	if n := k.Get(key); n != nil {
		*to, _ = n.OneOf(values...)
	}
}

func (k keys) mapped(key string, to *Text) {
	if n := k.Get(key); n != nil {
		to.Value, to.Map, _ = n.Mapped()
	}
}

// expr reads an expr text; blanks and breaks at its end are no part of it.
func (k keys) expr(key string, to *Text) {
	n := k.Get(key)
	if n == nil {
		return
	}
	value, m, ok := n.Mapped()
	value = strings.TrimRight(value, " \t\r\n")
	switch hint := n.CutHint(); {
	case !ok:
	case value == "":
		n.Errorf("key %q is empty", key)
	case hint != "" && looksCut(value):
		n.Hintf(hint, "this condition ends too early")
	}
	*to = Text{Value: value, Map: m}
}

// looksCut tells whether an expr text ends where it cannot.
func looksCut(s string) bool {
	for _, end := range []string{" and", " or", " not", " in", "==", "!=", "<", ">", "=", "&&", "||", "(", "[", ","} {
		if strings.HasSuffix(s, end) {
			return true
		}
	}
	return strings.Count(s, `"`)%2 == 1 || strings.Count(s, "'")%2 == 1 || strings.Count(s, "`")%2 == 1 ||
		strings.Count(s, "(") != strings.Count(s, ")")
}

func (k keys) texts(key string, to *[]string) {
	if n := k.Get(key); n != nil {
		*to, _ = n.Texts()
	}
}

func (k keys) bool(key string, to *bool) {
	if n := k.Get(key); n != nil {
		*to, _ = n.Bool()
	}
}

// number reads a number from lo to hi; missing if the key is absent or wrong.
func (k keys) number(key string, to *int, lo, hi, missing int) {
	*to = missing
	if n := k.Get(key); n != nil {
		if v, ok := n.Int(int64(lo), int64(hi)); ok {
			*to = int(v)
		}
	}
}

// milliseconds reads a duration above 0.
func (k keys) milliseconds(key string, to *int64) {
	n := k.Get(key)
	if n == nil {
		return
	}
	d, ok := n.Duration()
	if ok && d.Milliseconds() <= 0 {
		n.Errorf("this must be at least 1ms")
	}
	*to = d.Milliseconds()
}

func readList(n *source.Node) *List {
	l := &List{Pos: n.Pos()}
	k := keysOf(n, map[string]source.Position{}, "", listKeys...)
	if !n.IsMapping() {
		return l
	}
	k.Require("name", "entries")
	k.text("name", &l.Name)
	k.oneOf("kind", &l.Kind, listKinds...)
	k.bool("fold", &l.Fold)
	entries := k.Get("entries")
	switch {
	case entries == nil || entries.IsNull():
	case entries.IsMapping():
		m, _ := entries.Mapping()
		for _, p := range m.Pairs {
			value := ""
			if !p.Value.IsNull() {
				value, _ = p.Value.Text()
			}
			l.Entries = append(l.Entries, Entry{p.Key, value})
		}
	case entries.IsList():
		items, _ := entries.Items()
		for _, item := range items {
			if s, ok := item.Text(); ok {
				l.Entries = append(l.Entries, Entry{Key: s})
			}
		}
	default:
		entries.Errorf("entries must be a list of keys, or a mapping of keys and values")
	}
	return l
}

func readTune(n *source.Node) *Tune {
	t := &Tune{Pos: n.Pos()}
	k := keysOf(n, map[string]source.Position{}, "", tuneKeys...)
	if !n.IsMapping() {
		return t
	}
	k.Require("rules")
	k.texts("rules", &t.Rules)
	k.oneOf("alert", &t.Alert, alertKinds...)
	if k.Get("level") != nil {
		t.Level = new(int)
		k.number("level", t.Level, 0, 16, 0)
	}
	if k.Get("disabled") != nil {
		t.Disabled = new(bool)
		k.bool("disabled", t.Disabled)
	}
	t.Suppress = readSuppress(k)
	return t
}

func readSuppress(k keys) *Suppress {
	n := k.Get("suppress")
	if n == nil {
		return nil
	}
	s := new(Suppress)
	if m := keysOf(n, k.at, "suppress.", suppressKeys...); n.IsMapping() {
		m.Require("for")
		m.milliseconds("for", &s.For)
		m.texts("by", &s.By)
	}
	return s
}

// sids reads a list of rule numbers.
func sids(n *source.Node) []int {
	texts, ok := n.Texts()
	if !ok {
		return nil
	}
	var out []int
	for _, s := range texts {
		v, err := strconv.ParseInt(s, 10, 32)
		if err != nil || v < 0 {
			n.Errorf("%q is no rule number", s)
			continue
		}
		out = append(out, int(v))
	}
	return out
}
