// Package wazuhxml reads Wazuh XML rule files as the original's own lenient
// reader does, oddities included, and turns them into the declaration of
// package rulefile: conditions become calls of an expr text, everything else a
// key. A rule evaluates the same whether it is used directly or written as YAML
// and read back.
//
// It tells all problems of a file at once, each with its place and with what to
// write instead. An error means that the original refuses the file; a warning,
// that it loads the file without the rule or does not do what was meant; an
// info, that something is done which can surprise. The latter stand on the rule
// as notes too. What depends on other rules, lists or decoders (a parent that
// does not exist, an id that is taken) is for package rules to say.
package wazuhxml

import (
	"fmt"
	"strings"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// Read reads an XML rule file as the version compat of the original does. The
// file is never nil: it holds the rules that the original would load and those
// that have errors, which are marked as broken; a rule that the original skips
// with a warning is left out.
func Read(src source.File, compat pattern.Compat) (*rulefile.File, source.Diagnostics) {
	r := &reader{
		lines: src.Lines(), old: compat == pattern.Compat39, options: pattern.Options{Compat: compat},
		file: &rulefile.File{Name: src.Name, Dialect: rulefile.Wazuh4, Source: src},
	}
	if r.old {
		r.file.Dialect = rulefile.Wazuh39
	}
	stream, open := newStream(src.Data)
	if r.stream = stream; open >= 0 {
		d := r.lines.Diagnostic(r.lines.Position(open), source.Error, "this comment is not closed")
		d.Hint, d.Width = `"<!" opens a comment anywhere, also in a pattern; it ends at "-->"`, 2
		r.add(d)
	}
	roots := r.scan()
	if len(roots) > 0 {
		r.comments(&r.file.Header, roots[0].at)
	}
	for _, e := range roots {
		r.root(e)
	}
	r.comments(&r.file.Trailer, len(r.stream.data))
	if len(r.file.Rules) == 0 {
		r.file.Header, r.file.Trailer = append(r.file.Header, r.file.Trailer...), nil
	}
	r.found.Sort()
	return r.file, r.found
}

// reader is the state of one Read.
type reader struct {
	lines   *source.Lines
	stream  *stream
	old     bool // 3.9.5
	options pattern.Options
	file    *rulefile.File
	vars    []variable
	found   source.Diagnostics
	rule    *rule // the rule that findings concern, nil = none
	ossec   bool  // the file's language was reported to be OSSEC's
	taken   int   // comments given out
}

// pos returns the place of a stream offset.
func (r *reader) pos(at int) source.Position { return r.lines.Position(r.stream.src(at)) }

// diagnostic returns a finding about width runes at a stream offset.
func (r *reader) diagnostic(s source.Severity, at, width int, hint, format string, args ...any) source.Diagnostic {
	d := r.lines.Diagnostic(r.pos(at), s, format, args...)
	d.Hint, d.Width = hint, width
	if r.rule != nil {
		d.Rule = r.rule.out.ID
	}
	return d
}

// add adds a finding; an error breaks the rule that is read.
func (r *reader) add(d source.Diagnostic) {
	if r.rule != nil && d.Severity == source.Error {
		r.rule.out.Broken = true
	}
	r.found = append(r.found, d)
}

// errorf reports what makes the original refuse the file.
func (r *reader) errorf(at, width int, hint, format string, args ...any) {
	r.add(r.diagnostic(source.Error, at, width, hint, format, args...))
}

// warnf reports what does not do what was meant.
func (r *reader) warnf(at, width int, hint, format string, args ...any) {
	r.add(r.diagnostic(source.Warning, at, width, hint, format, args...))
}

// notef reports what can surprise, and puts it on the rule.
func (r *reader) notef(at, width int, format string, args ...any) {
	r.add(r.diagnostic(source.Info, at, width, "", format, args...))
	r.rule.out.Notes = append(r.rule.out.Notes, rulefile.CommentLine(fmt.Sprintf(format, args...)))
}

// comments adds the comments before stream offset end to to.
func (r *reader) comments(to *[]string, end int) {
	limit := len(r.file.Source.Data)
	if end < len(r.stream.data) {
		limit = r.stream.src(end)
	}
	for r.taken < len(r.stream.comments) && r.stream.comments[r.taken].from < limit {
		*to = append(*to, r.stream.comments[r.taken].lines...)
		r.taken++
	}
}

// root reads a root element.
func (r *reader) root(e *element) {
	e = r.expanded(e)
	switch {
	case e.is("var"):
		r.define(e)
	case e.is("group"):
		r.group(e)
	case e.is("rule"):
		r.errorf(e.at, 5, `put it into <group name="local,">…</group>`, "a rule must stand in a group")
		r.readRule(e, text{})
	default:
		hint := "a rule file holds <group> and <var> only"
		if e.is("ossec_config") || e.is("localfile") || e.is("active-response") || e.is("command") {
			hint = "this belongs into ossec.conf; " + hint
		}
		r.errorf(e.at, len(e.name)+1, hint, "unknown root element <%s>", shorten(e.name))
	}
}

// expanded returns e with the variables in its attributes and content replaced.
func (r *reader) expanded(e *element) *element {
	if len(r.vars) == 0 || e.is("var") {
		return e
	}
	out := *e
	out.content = r.expand(e.content)
	out.attrs = append([]attr(nil), e.attrs...)
	for i := range out.attrs {
		out.attrs[i].value = r.expand(out.attrs[i].value)
	}
	return &out
}

// group reads a group of rules.
func (r *reader) group(e *element) {
	var name text
	if len(e.attrs) == 1 && strings.EqualFold(e.attrs[0].name, "name") {
		name = e.attrs[0].value
	} else if !e.broken {
		r.errorf(e.at, 6, `write <group name="local,">`, "a group has exactly one attribute, name")
	}
	if len(e.children) == 0 && !e.broken {
		hint := "remove it"
		if r.commented(e) {
			hint = "all that it holds is commented out: remove it, or comment out the group as well"
		}
		r.errorf(e.at, 6, hint, "this group has no rules")
	}
	for _, c := range e.children {
		switch {
		case c.is("rule"):
			r.readRule(r.expanded(c), name)
		case c.is("group"):
			r.errorf(c.at, 6, "close the outer group before it", "groups cannot be nested")
			r.group(r.expanded(c))
		default:
			hint := "a group holds rules only"
			if c.is("var") {
				hint = "define variables before the group"
			} else if d := source.DidYouMean(c.name, []string{"rule"}); d != "" {
				hint = d
			}
			r.errorf(c.at, len(c.name)+1, hint, "unknown element <%s> in a group", shorten(c.name))
		}
	}
}

// commented tells whether a comment stands in e.
func (r *reader) commented(e *element) bool {
	from, to := r.stream.src(e.at), r.stream.src(e.end)
	for _, c := range r.stream.comments {
		if c.from > from && c.from < to {
			return true
		}
	}
	return false
}
