package rules

import (
	"strings"

	"invigil/pipeline/syscollector"
)

// maxDescription bounds a description in bytes: the template is cut there, and
// a text that would get that long is replaced by the template itself.
const maxDescription = 1024

// template is a description of the wazuh dialect: text with $(field) in it.
// Absent fields become nothing; what is put in is not expanded again.
type template struct {
	text  string
	parts []templatePart
}

type templatePart struct {
	literal string // before the reference
	ref     fieldRef
}

// newTemplate compiles a description. hostname tells whether $(hostname) is the
// agent's name.
func newTemplate(text string, hostname bool) template {
	if len(text) > maxDescription {
		text = text[:maxDescription]
	}
	t := template{text: text}
	rest := text
	for {
		i := strings.Index(rest, "$(")
		if i < 0 {
			break
		}
		name, tail, ok := strings.Cut(rest[i+2:], ")")
		if !ok {
			break
		}
		ref := fieldRef{kind: refView, view: syscollector.LookupView(name)}
		if name == "hostname" {
			ref = fieldRef{kind: refAbsent}
			if hostname {
				ref.kind = refHostname
			}
		}
		t.parts = append(t.parts, templatePart{rest[:i], ref})
		rest = tail
	}
	t.parts = append(t.parts, templatePart{rest, fieldRef{kind: refAbsent}})
	return t
}

func (t *template) expand(ev *syscollector.Event) string {
	if len(t.parts) == 1 {
		return t.text
	}
	var b strings.Builder
	for i := range t.parts {
		b.WriteString(t.parts[i].literal)
		if v, ok := t.parts[i].ref.value(ev); ok {
			b.WriteString(v)
		}
	}
	if b.Len() >= maxDescription {
		return t.text
	}
	return b.String()
}

// refKind tells where a name of the wazuh dialect is looked up.
type refKind uint8

const (
	refAbsent   refKind = iota // never set on an inventory event
	refView                    // a field of the string view
	refLog                     // the message text
	refLocation                // the location as stored
	refHostname                // the agent's name
)

// fieldRef is a name resolved at load.
type fieldRef struct {
	kind refKind
	view syscollector.ViewID
}

// value returns what the name stands for in an event; ok is false when it is
// absent.
func (f fieldRef) value(ev *syscollector.Event) (string, bool) {
	switch f.kind {
	case refView:
		if f.view == 0 {
			return "", false
		}
		return ev.View(f.view)
	case refLog:
		return ev.Log, true
	case refLocation:
		return ev.Location, true
	case refHostname:
		return ev.Agent.Name, true
	}
	return "", false
}
