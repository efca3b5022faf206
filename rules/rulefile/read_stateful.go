package rulefile

import "invigil/config/source"

// readStateful reads a rule of the invigil dialect.
func readStateful(n *source.Node, r *Rule) *Stateful {
	s := &Stateful{At: make(map[string]source.Position)}
	k := keysOf(n, s.At, "", statefulKeys...)
	if !n.IsMapping() {
		return s
	}
	k.Require("id", "level", "description")
	k.text("id", &r.ID)
	if id := k.Get("id"); id != nil && id.IsScalar() && r.ID == "" {
		id.Errorf("the id is empty")
	}
	k.number("level", &r.Level, 0, 16, 0)
	k.mapped("description", &r.Description)
	k.texts("groups", &s.Groups)
	k.texts("mitre", &r.Mitre)
	k.text("table", &s.Table)
	k.oneOf("scope", &s.Scope, "agent")
	k.expr("when", &r.When)
	k.expr("items", &s.Items)
	if items := k.Key("items"); items != nil && s.Scope != "agent" {
		items.Hintf("add scope: agent", "items is for rules about the whole agent")
	}
	k.oneOf("alert", &s.Alert, alertKinds...)
	k.bool("resolve", &s.Resolve)
	if s.Resolve && s.Alert == "every" {
		k.Key("resolve").Hintf("leave out alert: every", "only an onset can be over")
	}
	if c := k.Get("correlate"); c != nil {
		s.Correlate = new(Window)
		if m := keysOf(c, s.At, "correlate.", windowKeys...); c.IsMapping() {
			m.Require("count", "within")
			m.number("count", &s.Correlate.Count, 2, 1_000_000, 0)
			m.milliseconds("within", &s.Correlate.Within)
			m.texts("by", &s.Correlate.By)
			m.text("distinct", &s.Correlate.Distinct)
		}
		if s.Resolve {
			k.Key("resolve").Hintf("leave out resolve", "a rule with correlate is never over")
		}
	}
	s.Suppress = readSuppress(k)
	return s
}
