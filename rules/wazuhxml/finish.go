package wazuhxml

import (
	"slices"
	"strconv"
	"strings"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// correlate returns the rule's correlation, made when it is first needed.
func (u *rule) correlate() *rulefile.Correlate {
	if u.w.Correlate == nil {
		u.w.Correlate = new(rulefile.Correlate)
	}
	return u.w.Correlate
}

// needsMatched remembers that e makes sense with an if_matched_* only.
func (u *rule) needsMatched(e *element) {
	if u.context == nil {
		u.context = e
	}
}

// aliases are the spellings of compared values that are not their names.
var aliases = map[string]string{"source_ip": "srcip", "src_port": "srcport", "dst_port": "dstport"}

// compare reads same_*, different_* and not_same_*. In 3.9.5 not_same_source_ip,
// not_same_user and not_same_id only take back a same_* before them.
func (u *rule) compare(e *element, name string, equal bool) {
	value := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "not_"), "same_"), "different_")
	if full, ok := aliases[value]; ok {
		value = full
	}
	if value == "field" {
		value = "field:" + e.content.s
	} else if u.old && strings.HasPrefix(name, "not_same_") {
		if c := u.w.Correlate; c != nil {
			c.Same = slices.DeleteFunc(c.Same, func(s string) bool { return s == value })
		}
		u.notef(e.at, len(e.name)+1, "<%s> only takes back a same_%s before it in 3.9", e.name, value)
		return
	}
	u.needsMatched(e)
	if c := u.correlate(); equal {
		c.Same = append(c.Same, value)
	} else {
		c.Different = append(c.Different, value)
	}
}

// text returns the joined text of an element, nil if the rule has none.
func (u *rule) text(name string) *joined { return u.texts[name] }

// finish puts together what the elements gave and checks what concerns several.
func (u *rule) finish() {
	u.out.Mitre = u.oldMitre
	if len(u.newMitre) > 0 {
		u.out.Mitre = u.newMitre
	}
	if d := u.text("description"); d != nil {
		u.out.Description = rulefile.Text{Value: d.s, Map: d.m}
		if e := entity(d.s); e != "" {
			u.notef(d.first.content.at, 1, "entities are not decoded: %s in the description stays as it is", e)
		}
	} else if len(u.e.children) > 0 {
		u.errorf(u.e.at, 5, "add <description>", "this rule has no description")
	}
	u.groups()
	u.matchedTexts()
	u.parents()
	u.out.When = u.when()
	u.loaderChecks()
}

// groups strings the group's name and the <group> elements together.
func (u *rule) groups() {
	s, m := u.group.s, source.Map{}
	u.group.addTo(&m, 0, u.stream, u.lines)
	if g := u.text("group"); g != nil && g.s != "" {
		if s != "" && !strings.HasSuffix(s, ",") && !strings.HasPrefix(g.s, ",") {
			first, _, _ := strings.Cut(g.s, ",")
			glued := s[strings.LastIndexByte(s, ',')+1:] + first
			u.notef(g.first.at, 6, `the group's name has no comma at its end: the rule is in group %s`, rulefile.Quote(strings.ReplaceAll(glued, "\n", "")))
		}
		m.Hold(len(s), u.pos(g.first.content.at))
		s += g.s
	}
	if !u.old && strings.Contains(s, "\n") {
		s = strings.ReplaceAll(s, "\n", "")
		m = source.Map{}
		m.Hold(0, u.pos(u.e.at))
	}
	u.w.Groups = rulefile.Text{Value: s, Map: m}
}

// matchedTexts takes if_matched_group and if_matched_regex.
func (u *rule) matchedTexts() {
	if g := u.text("if_matched_group"); g != nil {
		u.correlate().Group = g.s
	}
	if g := u.text("if_matched_regex"); g != nil {
		u.correlate().Regex = g.s
		(&when{rule: u}).compiles(pattern.OSRegex.String(), g.s, &g.m)
	}
}

// parents finds where the rule hangs: if_sid wins over if_level, if_level over
// if_group. if_matched_sid implies if_sid where neither if_sid nor if_group is
// given, if_matched_group implies if_group.
func (u *rule) parents() {
	sid, level, group := u.text("if_sid"), u.text("if_level"), u.text("if_group")
	c := u.w.Correlate
	p := &u.w.Parent
	switch {
	case sid != nil:
		u.at("parent", sid.first)
		p.SID = u.sids(sid)
		u.loses("if_sid", level, group)
	case group == nil && c != nil && c.SID > 0:
		u.w.At["parent"] = u.w.At["if_matched_sid"]
		p.SID = []int{c.SID}
		u.loses("if_matched_sid", level)
	case level != nil:
		u.at("parent", level.first)
		n, err := strconv.Atoi(level.s)
		if !isDigits(level.s) || err != nil {
			u.contentf(level.first, "write a number from 1 to 16", "if_level %q is no number", shorten(level.s))
		} else if p.Level = min(n, 1<<30); n == 0 && group != nil {
			p.Group = group.s
		}
		u.loses("if_level", group)
	case group != nil:
		u.at("parent", group.first)
		if p.Group = group.s; p.Group == "" {
			u.skipf(group.first, "write the text to look for in the groups of earlier rules", "if_group is empty")
		}
	case c != nil && c.Group != "":
		u.w.At["parent"] = u.w.At["if_matched_group"]
		p.Group = c.Group
	}
}

func (u *rule) at(key string, e *element) { u.w.At[key] = u.pos(e.at) }

// loses notes the parents that have no effect beside another.
func (u *rule) loses(winner string, others ...*joined) {
	for _, o := range others {
		if o != nil {
			u.notef(o.first.at, len(o.first.name)+1, "<%s> has no effect beside %s", o.first.name, winner)
		}
	}
}

// sids reads the numbers of if_sid. Repeated elements are strung together.
func (u *rule) sids(j *joined) []int {
	if strings.Trim(j.s, "0123456789, \t\r\n") != "" {
		u.skipf(j.first, "write rule numbers, parted by commas", "if_sid %q holds more than numbers, commas and blanks", shorten(j.s))
		return nil
	}
	var out []int
	for _, f := range strings.FieldsFunc(j.s, func(r rune) bool { return r < '0' || r > '9' }) {
		out = append(out, clampID(f))
	}
	if j.n > 1 {
		u.notef(j.first.at, 7, "the %d <if_sid> elements are strung together: %s", j.n, rulefile.Quote(j.s))
	}
	if len(out) == 0 {
		u.warnf(j.first.at, 7, "write rule numbers", "if_sid is empty: the rule hangs below its category's root")
	}
	return out
}

// loaderChecks are the original's: what only a correlation can use needs one.
func (u *rule) loaderChecks() {
	if u.matched != nil || u.w.CheckDiff {
		return
	}
	if u.w.Frequency > 2 {
		a := u.attr(u.e, "frequency")
		u.errorf(a.at, len(a.name), "add <if_matched_sid>, <if_matched_group> or <if_matched_regex>", "frequency %d has nothing to count", u.w.Frequency)
	}
	if u.context != nil {
		u.errorf(u.context.at, len(u.context.name)+1, "add <if_matched_sid>, <if_matched_group> or <if_matched_regex>", "<%s> has no earlier events to compare with", u.context.name)
	}
}
