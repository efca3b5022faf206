package lint

import (
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

func typeUnknown(p *pass) {
	w := p.set.words
	for r, c := range p.fields() {
		if c.name() != "type" || !c.isPattern() {
			continue
		}
		if w.typesOf(c) == 0 {
			p.report(r, c.pos, w.suggestType(c.text), "no event has a type like %s", quote(shorten(c.text)))
			continue
		}
		p.deadAlternatives(r, c, w.vocabulary(c.view), w.suggestType)
	}
}

// suggestType says what a type was most likely meant to be.
func (w *words) suggestType(text string) string {
	word := strings.Trim(strings.ReplaceAll(text, `\`, ""), "^$ ")
	if name, ok := strings.CutPrefix(word, "dbsync_"); ok && w.compat == syscollector.Compat4 {
		if t, ok := syscollector.TableByName(name); ok {
			return `write "dbsync_` + t.Wire() + `"`
		}
	}
	names := w.vocabulary(syscollector.LookupView("type"))
	if hint := source.DidYouMean(word, names); hint != "" {
		return hint
	}
	return "the types are " + strings.Join(names, ", ")
}

// deadAlternatives reports alternatives that no value of a vocabulary meets.
func (p *pass) deadAlternatives(r *rule, c *call, vocabulary []string, suggest func(string) string) {
	if c.fn == "pcre2" || c.negate || strings.HasPrefix(c.text, "!") {
		return
	}
	list := alternatives(c)
	for _, a := range list {
		m := a.compile(c, p.opts.Compat)
		if m == nil || a.text == "" || m.Match("") {
			continue
		}
		met := false
		for _, word := range vocabulary {
			met = met || m.Match(word)
		}
		if !met {
			p.report(r, c.pos, suggest(a.text), "no event's %s is like %s", c.name(), quote(shorten(a.whole)))
			return
		}
	}
}

func fieldUnknown(p *pass) {
	w := p.set.words
	for r, c := range p.calls() {
		switch {
		case c.static || c.value == "":
		case c.view == 0:
			p.report(r, c.at, w.suggest(c.value), "inventory events have no field %s: the condition is never true", quote(c.value))
		case w.fields[c.view] == 0:
			p.report(r, c.at, "load the rules as 4.x", "messages of 3.9 agents have no field %s: the condition is never true", quote(c.value))
		}
	}
}

func valueUnknown(p *pass) {
	w := p.set.words
	for r, c := range p.patterns() {
		if c.static || c.view == 0 || c.name() == "type" {
			continue
		}
		vocabulary := w.vocabulary(c.view)
		if vocabulary == nil {
			p.notNumeric(r, c)
			continue
		}
		possible := c.accepts("")
		for _, word := range vocabulary {
			possible = possible || c.accepts(word)
		}
		suggest := func(text string) string {
			if hint := source.DidYouMean(strings.Trim(text, "^$ "), vocabulary); hint != "" {
				return hint
			}
			return "its values are " + strings.Join(vocabulary, ", ")
		}
		if !possible {
			p.report(r, c.pos, suggest(c.text), "no event's %s is like %s", c.name(), quote(shorten(c.text)))
			continue
		}
		p.deadAlternatives(r, c, vocabulary, suggest)
	}
}

// notNumeric reports a pattern with letters on a number.
func (p *pass) notNumeric(r *rule, c *call) {
	f, ok := syscollector.ByName(c.name())
	if !ok || f.Type == syscollector.String || c.negate {
		return
	}
	known := c.matcher.Literals()
	if len(known.Any) == 0 {
		return
	}
	for _, lit := range known.Any {
		if strings.Trim(lit.Text, "0123456789.-") == "" {
			return
		}
	}
	p.report(r, c.pos, "write digits", "%s is a number, which %s never matches", c.name(), quote(shorten(c.text)))
}

func noSuchEvent(p *pass) {
	w := p.set.words
	for r := range p.rules() {
		if r.types != 0 {
			continue
		}
		var above typeSet
		for _, parent := range r.parents {
			above |= parent.types
		}
		if above == 0 {
			continue // told of the parent
		}
		own := w.allTypes
		var last *call
		for i := range r.calls {
			c := &r.calls[i]
			set := w.typesOf(c)
			if !c.must || set == 0 {
				continue // told by another check if none is left
			}
			if own&set == 0 {
				p.report(r, c.pos, "conditions of one rule look at one message; make two rules, and correlate them",
					"no message has both %s and %s", w.describe(last), w.describe(c))
				own = 0
				break
			}
			if own&set != own {
				last = c
			}
			own &= set
		}
		if own != 0 && own == r.own && own&above == 0 && last != nil {
			p.report(r, last.pos, "hang it below a rule whose type it shares, or below 221", "no message that reaches this rule can have %s: %s lets other types through only", w.describe(last), parentNames(r))
		}
	}
}

// describe says what a condition asks for.
func (w *words) describe(c *call) string {
	if c == nil {
		return "that"
	}
	if c.name() == "type" {
		return "type " + quote(shorten(c.text))
	}
	return c.name()
}

func parentNames(r *rule) string {
	var names []string
	for _, parent := range r.parents {
		names = append(names, parent.decl.ID)
	}
	if len(names) == 1 {
		return "its parent " + names[0]
	}
	return "its parents " + few(names)
}

// instead names the fields of inventory that stand for a static one.
var instead = map[string]string{
	"srcip": "port.remote_ip", "dstip": "port.local_ip", "srcport": "port.remote_port", "dstport": "port.local_port",
	"user": "process.euser or user.user_name", "srcuser": "process.euser or user.user_name", "dstuser": "process.euser or user.user_name",
	"program_name": "process.name or program.name", "protocol": "port.protocol", "status": "port.state", "system_name": "os.hostname",
	"action": "operation_type", "id": "a field of the message", "data": "a field of the message", "extra_data": "a field of the message",
	"url": "a field of the message",
}

func staticField(p *pass) {
	for r, c := range p.calls() {
		if c.static && p.set.words.never(c) {
			hint := "inventory has no such value"
			if name, ok := instead[c.value]; ok {
				hint = `compare <field name="…"> with ` + name
			}
			p.report(r, c.at, hint, "inventory events never have %s: the condition is never true, negated or not", c.value)
		}
	}
}

func neverTrue(p *pass) {
	for r := range p.rules() {
		switch w := r.decl.Wazuh; {
		case w.CompiledRule != "":
			p.report(r, r.at("compiled_rule"), "write its conditions as fields", "compiled_rule %s is not evaluated: the rule never matches", w.CompiledRule)
		case w.IfFTS:
			p.report(r, r.at("if_fts"), `a rule of the invigil dialect with change == "added" sees what is new`, "inventory events have no first-time-seen marks: the rule never matches")
		}
	}
}

func location(p *pass) {
	for r, c := range p.patterns("osmatch", "osregex") {
		if c.value != "location" || !c.static || c.negate || strings.HasPrefix(c.text, "!") {
			continue
		}
		const tail = ")->syscollector" // of every location, the address left out
		possible := false
		for _, a := range alternatives(c) {
			text := strings.ToLower(a.text)
			ok := !a.literal(c.fn)
			switch {
			case ok:
			case a.start && a.end:
				ok = strings.HasPrefix(text, "(") && strings.HasSuffix(text, "->syscollector")
			case a.start:
				ok = text == "" || text[0] == '('
			case a.end:
				ok = strings.HasSuffix(tail, text) || strings.HasSuffix(text, "->syscollector")
			default:
				ok = true
			}
			possible = possible || ok
		}
		if !possible {
			p.report(r, c.pos, `write "syscollector$", or leave it out: below 221 every event is Syscollector's`,
				"the location is compared as stored, (agent) ip->syscollector: %s is never met by an agent's event", quote(shorten(c.text)))
		}
	}
}

func hostname(p *pass) {
	for r, c := range p.patterns() {
		if c.static && c.value == "hostname" {
			p.report(r, c.pos, "os.hostname of type OS and dbsync_osinfo is the host's own name", "hostname is the name under which the agent is registered")
		}
	}
}

func negatedAbsent(p *pass) {
	w := p.set.words
	for r, c := range p.fields() {
		if !c.negate && !(c.fn == "osmatch" && strings.HasPrefix(c.text, "!")) || c.fn == "cdb" || p.requiresValue(r, c) {
			continue
		}
		name, types := c.name(), w.fields[c.view]&r.types
		scans, deltas := types&^w.deltas != 0, types&w.deltas != 0
		if name == "type" || name == "operation_type" {
			continue
		}
		hint := `add a condition on the same field that an empty value does not meet, as <field name="` + name + `">\.</field>`
		switch {
		case deltas && scans:
			p.report(r, c.pos, hint, "a delta that lacks %s meets this negated condition, a 3.9 agent's message that lacks it does not", name)
		case deltas:
			p.report(r, c.pos, hint, "a delta that lacks %s meets this negated condition", name)
		case scans && !c.negate:
		case scans:
			p.report(r, c.pos, "an absent field cannot be asked for", "a message that lacks %s does not meet this condition although it is negated", name)
		}
	}
}

// requiresValue tells whether the rule, or one above it, has another condition
// on the same field that an empty value does not meet.
func (p *pass) requiresValue(r *rule, c *call) bool {
	for _, list := range [][]call{r.calls, r.inherited} {
		for i := range list {
			other := &list[i]
			if other != c && other.must && !other.static && other.view == c.view && !other.accepts("") {
				return true
			}
		}
	}
	return false
}

func arrayText(p *pass) {
	w := p.set.words
	for r, c := range p.fields() {
		types := w.fields[c.view] & r.types
		if !w.lists[c.view] || types&w.deltas != 0 || types == 0 && r.types != 0 {
			continue
		}
		const advice = `write "10.0.0.1" with its quotes and without anchors, as in ["10.0.0.1", "10.0.0.2"]`
		if c.fn == "cdb" {
			p.report(r, c.at, "compare it with a pattern, or take netinfo.addr.address of 4.x agents", "%s holds a whole array as text: no key equals it", c.name())
			continue
		}
		if c.fn == "pcre2" || c.negate {
			continue
		}
		dead := true
		for _, a := range alternatives(c) {
			first, last := strings.HasPrefix(a.text, "[") || !a.literal(c.fn), strings.HasSuffix(a.text, "]") || !a.literal(c.fn)
			dead = dead && a.text != "" && (a.start && !first || a.end && !last)
		}
		if dead {
			p.report(r, c.pos, advice, "%s holds an array as text: %s is never met", c.name(), quote(shorten(c.text)))
		}
	}
}

func formattedNumber(p *pass) {
	w := p.set.words
	for r, c := range p.patterns("osmatch", "osregex") {
		types := w.fields[c.view] & r.types
		if c.static || !w.reals[c.view] || types&^w.deltas == 0 {
			continue
		}
		for _, a := range alternatives(c) {
			if !a.end || !a.literal(c.fn) || a.text == "" || strings.Contains(a.text, ".") {
				continue
			}
			const hint = "leave the $ out, or compare numbers in a rule of the invigil dialect"
			if types&w.deltas == 0 {
				p.report(r, c.pos, hint, "%s of a 3.9 agent has six decimals, as %s.000000: %s is never met", c.name(), a.text, quote(c.text))
			} else {
				p.note(r, c.pos, hint, "%s of a 3.9 agent has six decimals, as %s.000000: %s is met by 4.x agents' only", c.name(), a.text, quote(c.text))
			}
			break
		}
	}
}
