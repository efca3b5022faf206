package rulefile

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
)

// Write writes f as canonical YAML that Read reads as an equal declaration:
// only positions differ. Writing what was read gives the same bytes. The error
// is w's, or says which rule does not belong to the file's dialect.
func Write(w io.Writer, f *File) error {
	var e emitter
	for _, c := range f.Header {
		e.comment(0, "", c)
	}
	if f.Dialect != Invigil && f.Dialect != "" {
		e.line(0, "dialect: ", string(f.Dialect))
	}
	if len(f.Lists) > 0 {
		e.line(0, "lists:")
		for _, l := range f.Lists {
			e.listDecl(l)
		}
	}
	if len(f.Tunes) > 0 {
		e.line(0, "tune:")
		for _, t := range f.Tunes {
			e.tune(t)
		}
	}
	if len(f.Rules) == 0 {
		e.line(0, "rules: []")
	} else {
		e.line(0, "rules:")
	}
	for i, r := range f.Rules {
		if i > 0 {
			e.line(0)
		}
		if err := e.rule(r, f.Dialect); err != nil {
			return err
		}
	}
	for _, c := range f.Trailer {
		e.comment(0, "", c)
	}
	_, err := w.Write(e.Bytes())
	return err
}

func (e *emitter) comment(indent int, mark, s string) {
	s = CommentLine(s)
	if s != "" {
		s = " " + s
	}
	e.line(indent, "#", mark, s)
}

func (e *emitter) rule(r *Rule, d Dialect) error {
	for _, c := range r.Comment {
		e.comment(2, "", c)
	}
	for _, n := range r.Notes {
		e.comment(2, noteMark, n)
	}
	if d == Invigil || d == "" {
		if r.Invigil == nil {
			return fmt.Errorf("rule %s: it is no rule of the invigil dialect, write it to a file of its own", r.ID)
		}
		e.line(2, "- id: ", block(r.ID))
		e.stateful(r, r.Invigil)
		return nil
	}
	if r.Wazuh == nil {
		return fmt.Errorf("rule %s: it is no rule of the dialect %s, write it to a file of its own", r.ID, d)
	}
	e.line(2, "- id: ", r.ID)
	e.wazuh(r, r.Wazuh)
	return nil
}

// ruleIndent is where a rule's keys stand.
const ruleIndent = 4

func (e *emitter) stateful(r *Rule, s *Stateful) {
	e.line(ruleIndent, "level: ", strconv.Itoa(r.Level))
	e.line(ruleIndent, "description: ", block(r.Description.Value))
	e.list(ruleIndent, "groups", s.Groups)
	e.list(ruleIndent, "mitre", r.Mitre)
	e.text(ruleIndent, "table", s.Table)
	e.text(ruleIndent, "scope", s.Scope)
	e.expr(ruleIndent, "when", r.When.Value)
	e.expr(ruleIndent, "items", s.Items.Value)
	e.text(ruleIndent, "alert", s.Alert)
	e.flag(ruleIndent, "resolve", s.Resolve)
	if c := s.Correlate; c != nil {
		var m flowMap
		m.add("count", strconv.Itoa(c.Count))
		m.add("within", milliseconds(c.Within))
		m.list("by", c.By)
		if c.Distinct != "" {
			m.add("distinct", flow(c.Distinct))
		}
		e.line(ruleIndent, "correlate: ", m.String())
	}
	e.suppress(ruleIndent, s.Suppress)
}

func (e *emitter) suppress(indent int, s *Suppress) {
	if s == nil {
		return
	}
	var m flowMap
	m.add("for", milliseconds(s.For))
	m.list("by", s.By)
	e.line(indent, "suppress: ", m.String())
}

func milliseconds(ms int64) string {
	return source.FormatDuration(time.Duration(ms) * time.Millisecond)
}

func (e *emitter) wazuh(r *Rule, w *Wazuh) {
	const in = ruleIndent
	e.line(in, "level: ", strconv.Itoa(r.Level))
	e.flag(in, "overwrite", w.Overwrite)
	e.parent(w.Parent)
	e.text(in, "category", w.Category)
	e.text(in, "decoded_as", w.DecodedAs)
	if w.Groups.Value != "" {
		e.line(in, "groups: ", inQuotes(w.Groups.Value))
	}
	e.line(in, "description: ", block(r.Description.Value))
	e.expr(in, "when", r.When.Value)
	e.number("maxsize", w.MaxSize)
	e.text(in, "time", w.Time)
	e.text(in, "weekday", w.Weekday)
	e.text(in, "compiled_rule", w.CompiledRule)
	e.flag(in, "check_diff", w.CheckDiff)
	e.flag(in, "if_fts", w.IfFTS)
	e.correlate(w)
	e.flag(in, "noalert", w.NoAlert)
	e.number("ignore", w.Ignore)
	e.list(in, "ignore_fields", w.IgnoreFields)
	e.list(in, "check_if_ignored", w.CheckIfIgnored)
	e.list(in, "options", w.Options)
	e.number("accuracy", w.Accuracy)
	e.list(in, "mitre", r.Mitre)
	e.text(in, "cve", r.CVE)
	if len(r.Info) > 0 {
		e.line(in, "info:")
		for _, i := range r.Info {
			e.line(in+2, "- {type: ", flow(i.Type), ", text: ", flow(i.Text), "}")
		}
	}
}

// number writes a number of a rule that is given.
func (e *emitter) number(key string, n int) {
	if n >= 0 {
		e.line(ruleIndent, key, ": ", strconv.Itoa(n))
	}
}

func (e *emitter) parent(p Parent) {
	var m flowMap
	switch {
	case len(p.SID) > 0:
		m.add("sid", "["+strings.Trim(strings.Join(strings.Fields(fmt.Sprint(p.SID)), ", "), "[]")+"]")
	case p.Level > 0:
		m.add("level", strconv.Itoa(p.Level))
	case p.Group != "":
		m.add("group", flow(p.Group))
	default:
		return
	}
	e.line(ruleIndent, "parent: ", m.String())
}

// correlate writes the correlation; frequency and timeframe of a rule without
// one stand in the rule.
func (e *emitter) correlate(w *Wazuh) {
	c := w.Correlate
	if c == nil {
		e.number("frequency", w.Frequency)
		e.number("timeframe", w.Timeframe)
		return
	}
	var m flowMap
	if c.SID > 0 {
		m.add("sid", strconv.Itoa(c.SID))
	}
	if c.Group != "" {
		m.add("group", flow(c.Group))
	}
	if c.Regex != "" {
		m.add("regex", flow(c.Regex))
	}
	if w.Frequency >= 0 {
		m.add("frequency", strconv.Itoa(w.Frequency))
	}
	if w.Timeframe >= 0 {
		m.add("timeframe", strconv.Itoa(w.Timeframe))
	}
	m.list("same", c.Same)
	m.list("different", c.Different)
	if c.Global {
		m.add("global", "true")
	}
	e.line(ruleIndent, "correlate: ", m.String())
}

// maxPlainKey is the longest entry written as "key: value"; YAML allows 1024.
const maxPlainKey = 500

func (e *emitter) listDecl(l *List) {
	e.line(2, "- name: ", block(l.Name))
	e.text(4, "kind", l.Kind)
	e.flag(4, "fold", l.Fold)
	if len(l.Entries) == 0 {
		e.line(4, "entries: []")
		return
	}
	e.line(4, "entries:")
	values := false
	for _, entry := range l.Entries {
		values = values || entry.Value != ""
	}
	for _, entry := range l.Entries {
		key := flow(entry.Key)
		switch {
		case !values:
			e.line(6, "- ", key)
		case len(key) > maxPlainKey:
			e.line(6, "? ", key)
			e.line(6, ": ", flow(entry.Value))
		default:
			e.line(6, key, ": ", flow(entry.Value))
		}
	}
}

func (e *emitter) tune(t *Tune) {
	e.line(2, "- rules: ", flowList(t.Rules))
	if t.Disabled != nil {
		e.line(4, "disabled: ", strconv.FormatBool(*t.Disabled))
	}
	if t.Level != nil {
		e.line(4, "level: ", strconv.Itoa(*t.Level))
	}
	e.text(4, "alert", t.Alert)
	e.suppress(4, t.Suppress)
}

// flowMap is a mapping in braces.
type flowMap struct{ strings.Builder }

func (m *flowMap) add(key, value string) {
	if m.Len() > 0 {
		m.WriteString(", ")
	}
	m.WriteString(key)
	m.WriteString(": ")
	m.WriteString(value)
}

func (m *flowMap) list(key string, items []string) {
	if len(items) > 0 {
		m.add(key, flowList(items))
	}
}

func (m *flowMap) String() string { return "{" + m.Builder.String() + "}" }
