package lint

import (
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// emptyStatic reports whether a name of a description is never filled for
// inventory, and what to write instead.
func (p *pass) emptyStatic(name string) (hint string, empty bool) {
	switch name {
	case "hostname":
		return "3.9 knows no name for the agent there", p.opts.Compat == syscollector.Compat39
	case "location", "log", "user":
		return "inventory has no such value", true
	}
	hint, ok := instead[name]
	if !ok {
		return "inventory has no such value", slices.Contains(rulefile.StaticNames(), name)
	}
	return "write $(" + strings.SplitN(hint, " or ", 2)[0] + ")", true
}

func descriptionName(p *pass) {
	w := p.set.words
	for r := range p.rules() {
		d := &r.decl.Description
		rest, offset := d.Value, 0
		for {
			open := strings.Index(rest, "$(")
			if open < 0 {
				break
			}
			end := strings.IndexByte(rest[open:], ')')
			pos := d.At(offset + open)
			if end < 0 {
				p.report(r, pos, "close the parenthesis", "%s has no end: alerts show it as it stands", quote(shorten(rest[open:])))
				break
			}
			name := rest[open+2 : open+end]
			rest, offset = rest[open+end+1:], offset+open+end+1
			id := syscollector.LookupView(name)
			hint, empty := p.emptyStatic(name)
			switch {
			case name == "":
			case id == 0 && empty:
				p.report(r, pos, hint, "$(%s) is always empty in an inventory alert", name)
			case id == 0 && strings.TrimSpace(name) != name && syscollector.LookupView(strings.TrimSpace(name)) != 0:
				p.report(r, pos, "write $("+strings.TrimSpace(name)+")", "the blanks in $(%s) are part of the name, which no event has", name)
			case id == 0 && strings.HasPrefix(strings.ToLower(name), "agent."):
				hint := "write $(hostname) for the agent's name"
				if p.opts.Compat == syscollector.Compat39 {
					hint = "the alert's own agent object names it"
				}
				p.report(r, pos, hint, "$(%s) is always empty in the wazuh dialect", name)
			case id == 0 && name != "hostname":
				p.report(r, pos, w.suggest(name), "$(%s) is always empty: inventory events have no such field", name)
			case id != 0 && r.types != 0 && w.fields[id]&r.types == 0 && r.types != w.allTypes:
				p.report(r, pos, "name a field of the messages that the rule matches", "$(%s) is always empty: no message that the rule matches has it", name)
			}
		}
	}
}
