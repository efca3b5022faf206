package lint

import (
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

func notBelow221(p *pass) {
	for _, r := range p.set.all {
		if r.visible || r.builtin || r.id < 10 || r.decl.Broken {
			continue
		}
		if d := r.decl.Wazuh.DecodedAs; d != "" && d != inventoryDecoder {
			continue
		}
		about := ""
		for i := range r.calls {
			single := rule{calls: r.calls[i : i+1], decl: r.decl}
			if c := &r.calls[i]; !c.static && single.aboutInventory() && about == "" {
				about = c.name()
			}
		}
		if about == "" {
			continue
		}
		where := "it has no parent, so it hangs below the root of category " + r.category()
		switch parent := r.decl.Wazuh.Parent; {
		case len(r.parents) > 0 && r.parents[0].id >= 10:
			where = "no inventory event comes to " + parentNames(r)
		case len(parent.SID) > 0 || parent.Level > 0 || parent.Group != "":
			where = "no rule that it hangs below sees inventory"
		}
		p.report(r, r.at("parent", "if_sid", "if_group", "if_level"), "write <if_sid>221</if_sid>, or the id of a rule below 221", "the rule is about %s and never sees an inventory event: %s", about, where)
	}
}

func neverReached(p *pass) {
	for r := range p.rules() {
		if r.dead || len(r.parents) == 0 {
			continue
		}
		var by *rule
		for _, parent := range r.parents {
			if !parent.visible {
				continue
			}
			first := p.coveredBelow(parent, r)
			if first == nil {
				by = nil
				break
			}
			if by == nil {
				by = first
			}
		}
		if by == nil {
			continue
		}
		hint := "make it a child, <if_sid>" + by.decl.ID + "</if_sid>"
		if r.decl.Level != 0 && rules.RankOf(r.decl) <= rules.RankOf(by.decl) && by.id != baseID && by.decl.Level != 0 {
			hint += ", or give it a higher level"
		}
		why := ""
		if by.decl.Level == 0 && r.decl.Level != 0 {
			why = ", because level 0 is tried first,"
		}
		p.report(r, r.decl.Pos, hint, "the rule is never reached: its sibling %s stands before it%s and matches whenever it would", by.decl.ID, why)
	}
}

// coveredBelow returns the first sibling before r below a parent that matches
// whenever r would.
func (p *pass) coveredBelow(parent, r *rule) *rule {
	by := r.conditions()
	for _, sibling := range parent.children {
		if sibling == r {
			return nil
		}
		if sibling.sign&^r.sign == 0 && p.covers(sibling, r, by) {
			return sibling
		}
	}
	return nil
}

// conditions returns what must hold for a rule: its own and those above it.
func (r *rule) conditions() (list []*call) {
	for _, calls := range [][]call{r.calls, r.inherited} {
		for i := range calls {
			if calls[i].must {
				list = append(list, &calls[i])
			}
		}
	}
	return list
}

// covers tells whether a matches whenever all that r needs holds.
func (p *pass) covers(a, r *rule, needs []*call) bool {
	if a.decl.Wazuh.NoAlert || a.dead || !a.plain || a.decl.Broken || r.decl.Broken {
		return false
	}
	for i := range a.calls {
		c := &a.calls[i]
		if c.name() == "type" && !c.static {
			if r.types&^p.set.words.typesOf(c) != 0 {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(needs, func(need *call) bool { return p.implies(need, c) }) {
			return false
		}
	}
	return true
}

// implies tells whether c holds whenever need does.
func (p *pass) implies(need, c *call) bool {
	if need.same(c) {
		return true
	}
	if need.static || c.static || need.view != c.view || c.view == 0 || !need.isPattern() || !c.isPattern() {
		return false
	}
	vocabulary := p.set.words.vocabulary(c.view)
	if vocabulary == nil || need.accepts("") && !c.accepts("") {
		return false
	}
	possible := false
	for _, word := range vocabulary {
		if need.accepts(word) {
			if possible = true; !c.accepts(word) {
				return false
			}
		}
	}
	return possible
}

func levelZeroFirst(p *pass) {
	for r := range p.rules() {
		if r.decl.Level != 0 || r.decl.Broken || r.decl.Wazuh.NoAlert || r.dead || r.decl.Wazuh.Accuracy == 0 {
			continue
		}
		var behind []string
		for _, parent := range r.parents {
			at := slices.Index(parent.children, r)
			for _, sibling := range parent.children[at+1:] {
				if sibling.decl.Level > 0 && sibling.meant && !sibling.dead && sibling.types&r.types != 0 && !slices.Contains(behind, sibling.decl.ID) {
					behind = append(behind, sibling.decl.ID)
				}
			}
		}
		if len(behind) > 0 {
			p.report(r, r.decl.Pos, `give it noalert="1" if the siblings shall be tried all the same, or a level above 0`,
				"level 0 is tried before siblings of any level: what it matches is over in silence, %s not tried", few(behind))
		}
	}
}

func catchAll(p *pass) {
	for _, r := range p.set.all {
		w := r.decl.Wazuh
		if r.builtin || r.decl.Broken || w.Parent.Group == "" && w.Parent.Level == 0 || len(r.calls) > 0 || !r.plain || w.NoAlert {
			continue
		}
		var over []string
		for _, parent := range r.parents {
			if parent.meant {
				over = append(over, parent.decl.ID)
			}
		}
		if len(over) > 0 {
			p.report(r, r.at("parent", "if_group", "if_level"), "add a condition, or make it a correlation with <if_matched_group> and frequency",
				"the rule has no condition: it takes over the alerts of %s", few(over))
		}
	}
}

func noalertLeaf(p *pass) {
	for r := range p.rules() {
		if r.decl.Wazuh.NoAlert && len(r.children) == 0 {
			p.report(r, r.at("noalert"), "remove noalert, or the rule", "the rule has noalert and no children: it does nothing")
		}
	}
}

func groupGlued(p *pass) {
	for r := range p.rules() {
		at, ok := r.decl.Wazuh.At["group"]
		if !ok {
			continue
		}
		groups := &r.decl.Wazuh.Groups
		for i := 1; i < len(groups.Value); i++ {
			pos := groups.At(i)
			if pos.Line < at.Line || pos.Line == at.Line && pos.Column <= at.Column || pos.File != at.File {
				continue
			}
			// The first byte of the element's text.
			if groups.Value[i-1] == ',' || groups.Value[i] == ',' || groups.At(i-1) == pos {
				break
			}
			from := strings.LastIndexByte(groups.Value[:i], ',') + 1
			word, _, _ := strings.Cut(groups.Value[from:], ",")
			p.report(r, at, `write <group name="`+groups.Value[:i]+`,">`, "the group's name has no comma at its end: the rule is in group %s, not in %s and %s",
				quote(word), quote(groups.Value[from:i]), quote(word[i-from:]))
			break
		}
	}
}

func overwriteKept(p *pass) {
	if p.opts.Compat != syscollector.Compat39 {
		return
	}
	for r := range p.rules() {
		for _, d := range r.decls[1:] {
			calls := parseCalls(&d.When, p.opts.Compat)
			if i := slices.IndexFunc(calls, func(c call) bool { return c.keptBy39() }); i >= 0 {
				p.report(r, calls[i].at, "change the rule where it is defined", "3.9 keeps the fields, lists and location of the rule that is overwritten: this <%s> has no effect", elementOf(&calls[i]))
			}
		}
	}
}
