package wazuhxml

import (
	"slices"
	"strconv"
	"strings"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

// maxJoined is the length from which the original refuses a text that repeats
// are strung together to.
const maxJoined = 2048

// kind says how an element is read.
type kind uint8

const (
	textual     kind = iota // joined, read in finish
	match                   // a pattern over a static value
	address                 // srcip, dstip
	field                   // a pattern over a dynamic field
	list                    // a list
	last                    // a text of which the last one counts
	flag                    // no content
	same                    // same_*
	different               // different_*, not_same_*
	values                  // a list of value names
	special                 // its own method
	withoutWork             // accepted, has no effect
)

// elements are the known elements of a rule; new ones are not known to 3.9.5.
var elements = map[string]struct {
	kind kind
	new  bool
}{
	"match": {kind: match}, "regex": {kind: match}, "id": {kind: match}, "user": {kind: match}, "url": {kind: match}, "location": {kind: match},
	"hostname": {kind: match}, "program_name": {kind: match}, "status": {kind: match}, "srcport": {kind: match}, "dstport": {kind: match},
	"extra_data": {kind: match}, "srcgeoip": {kind: match}, "dstgeoip": {kind: match}, "action": {kind: match},
	"data": {match, true}, "protocol": {match, true}, "system_name": {match, true},
	"srcip": {kind: address}, "dstip": {kind: address}, "field": {kind: field}, "list": {kind: list},
	"decoded_as": {kind: last}, "category": {kind: last}, "time": {kind: last}, "weekday": {kind: last}, "compiled_rule": {kind: last}, "if_matched_sid": {kind: last},
	"check_diff": {kind: flag}, "if_fts": {kind: flag}, "global_frequency": {flag, true},
	"if_sid": {kind: textual}, "if_group": {kind: textual}, "if_level": {kind: textual}, "if_matched_group": {kind: textual}, "if_matched_regex": {kind: textual},
	"group": {kind: textual}, "description": {kind: textual},
	"info": {kind: special}, "cve": {kind: special}, "options": {kind: special}, "mitre": {special, true},
	"ignore": {kind: values}, "check_if_ignored": {kind: values},

	"same_source_ip": {kind: same}, "same_src_port": {kind: same}, "same_dst_port": {kind: same}, "same_user": {kind: same}, "same_location": {kind: same},
	"same_id": {kind: same}, "same_field": {kind: same},
	"same_srcip": {same, true}, "same_dstip": {same, true}, "same_srcport": {same, true}, "same_dstport": {same, true}, "same_srcuser": {same, true},
	"same_url": {same, true}, "same_data": {same, true}, "same_extra_data": {same, true}, "same_status": {same, true}, "same_system_name": {same, true},
	"same_protocol": {same, true}, "same_action": {same, true}, "same_srcgeoip": {same, true}, "same_dstgeoip": {same, true},
	"different_url": {kind: different}, "different_srcip": {kind: different}, "different_srcgeoip": {kind: different}, "not_same_field": {kind: different},
	"not_same_source_ip": {kind: different}, "not_same_user": {kind: different}, "not_same_id": {kind: different},
	"different_field": {different, true}, "different_dstip": {different, true}, "different_srcport": {different, true}, "different_dstport": {different, true},
	"different_srcuser": {different, true}, "different_user": {different, true}, "different_location": {different, true}, "different_id": {different, true},
	"different_data": {different, true}, "different_extra_data": {different, true}, "different_status": {different, true}, "different_system_name": {different, true},
	"different_protocol": {different, true}, "different_action": {different, true}, "different_dstgeoip": {different, true},
	"same_agent": {withoutWork, true}, "not_same_agent": {kind: withoutWork},
}

// elementNames lists the elements that the version knows.
func (u *rule) elementNames() []string {
	var out []string
	for name, k := range elements {
		if !k.new || !u.old {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// element reads one child of a rule, with variables expanded.
func (u *rule) element(e *element) {
	name := strings.ToLower(e.name)
	k, known := elements[name]
	if !known || k.new && u.old {
		u.unknown(e, name, known)
		return
	}
	if _, again := u.w.At[name]; !again {
		u.w.At[name] = u.pos(e.at)
	}
	if len(e.children) > 0 && name != "mitre" {
		c := e.children[0]
		u.warnf(c.at, len(c.name)+1, `write \< for a literal "<"`, "<%s> in <%s> has no effect; only the text behind it counts", shorten(c.name), e.name)
	}
	switch k.kind {
	case textual:
		u.join(name, e)
		if strings.HasPrefix(name, "if_matched") && u.matched == nil {
			u.matched = e
		}
	case match, address:
		u.conditions[name] = append(u.conditions[name], u.condition(e, name))
	case field:
		u.field(e)
	case list:
		u.lists = append(u.lists, e)
	case last:
		u.last(e, name)
	case flag:
		u.flag(e, name)
	case same, different:
		u.compare(e, name, k.kind == same)
	case values:
		u.values(e, name)
	case withoutWork:
		u.warnf(e.at, len(e.name)+1, "remove it", "<%s> has no effect", e.name)
	case special:
		switch name {
		case "info":
			u.info(e)
		case "cve":
			u.out.CVE += e.content.s
		case "options":
			u.option(e)
		case "mitre":
			u.mitre(e)
		}
	}
}

// unknown reports an element that the version does not know.
func (u *rule) unknown(e *element, name string, newer bool) {
	width := len(e.name) + 1
	switch {
	case newer:
		u.errorf(e.at, width, "load the file as 4.x", "element <%s> is not known to Wazuh 3.9", e.name)
	case name == "pcre2" || strings.HasSuffix(name, "_pcre2"):
		u.out.Broken = true
		if !u.ossec {
			u.ossec = true
			d := u.diagnostic(source.Error, e.at, width, `write <match type="pcre2">, <field name="…" type="pcre2"> and so on`,
				"this file is written in the language of OSSEC 3, whose elements <%s> and the like Wazuh does not know", e.name)
			d.Rule = ""
			u.add(d)
		}
	case slices.Contains(ruleAttributes, name):
		u.errorf(e.at, width, `write <rule id="…" level="…" `+name+`="`+shorten(e.content.s)+`">`, "%s is an attribute of <rule>, not an element", name)
	case name == "rule":
		u.errorf(e.at, width, "close the rule before it", "a rule stands in a rule")
	default:
		u.errorf(e.at, width, source.DidYouMean(name, u.elementNames()), "unknown element <%s>", shorten(e.name))
	}
}

// join strings the content of e to what elements of its name had before.
func (u *rule) join(name string, e *element) *joined {
	j := u.texts[name]
	if j == nil {
		j = &joined{first: e}
		u.texts[name] = j
	}
	j.n++
	if len(j.s) >= maxJoined {
		return j // reported
	}
	e.content.addTo(&j.m, len(j.s), u.stream, u.lines)
	s := e.content.s
	if name == "description" {
		s = strings.Replace(s, "\n", " ", 1)
	}
	if j.s += s; len(j.s) >= maxJoined {
		u.errorf(e.at, len(e.name)+1, "", "the text of <%s> has %d bytes, the limit is %d", e.name, len(j.s), maxJoined-1)
	}
	return j
}

// last reads an element of which only the last one counts.
func (u *rule) last(e *element, name string) {
	s := e.content.s
	u.w.At[name] = u.pos(e.at)
	switch name {
	case "decoded_as":
		u.w.DecodedAs = s
	case "category":
		if !slices.Contains(rulefile.CategoryNames(), s) {
			u.contentf(e, source.DidYouMean(strings.TrimSpace(s), rulefile.CategoryNames()), "category %q is none of %s", shorten(s), strings.Join(rulefile.CategoryNames(), ", "))
			return
		}
		u.w.Category = s
	case "time":
		u.w.Time = s
		if _, err := rulefile.ParseTime(s); err != nil {
			u.contentf(e, "", "%v", err)
		}
	case "weekday":
		u.w.Weekday = s
		if _, err := rulefile.ParseWeekdays(s); err != nil {
			u.contentf(e, "", "%v", err)
		}
	case "compiled_rule":
		u.w.CompiledRule = s
		d := u.diagnostic(source.Info, e.at, len(e.name)+1, "", "compiled_rule %s is not supported yet: the rule never matches", shorten(s))
		d.Construct = name
		u.add(d)
	case "if_matched_sid":
		u.matched = e
		if !isDigits(s) {
			u.skipf(e, "write one rule number", "if_matched_sid %q is no rule number", shorten(s))
			return
		}
		u.correlate().SID = clampID(s)
	}
}

// clampID returns a number of any length; what no rule can have is 1<<30.
func clampID(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n > 1<<30 {
		return 1 << 30
	}
	return n
}

// contentf reports an error about an element's text.
func (u *rule) contentf(e *element, hint, format string, args ...any) {
	u.errorf(e.content.at, max(1, len(strings.SplitN(e.content.s, "\n", 2)[0])), hint, format, args...)
}

// skipf reports why the original leaves the rule out; 3.9.5 refuses the file.
func (u *rule) skipf(e *element, hint, format string, args ...any) {
	if u.old {
		u.errorf(e.at, len(e.name)+1, hint, format, args...)
		return
	}
	u.skipped = true
	u.warnf(e.at, len(e.name)+1, hint, format+": the rule is not loaded", args...)
}

func (u *rule) flag(e *element, name string) {
	switch name {
	case "check_diff":
		u.w.CheckDiff = true
	case "if_fts":
		u.w.IfFTS = true
	case "global_frequency":
		u.correlate().Global = true
		u.needsMatched(e)
	}
}

// info reads <info type="…">; of its attributes only type counts.
func (u *rule) info(e *element) {
	i := rulefile.Info{Type: "text", Text: e.content.s}
	for _, a := range e.attrs {
		switch {
		case a.name == "type" && slices.Contains(rulefile.InfoTypes(), a.value.s):
			i.Type = a.value.s
		case a.name == "type":
			u.warnf(a.value.at, max(1, len(a.value.s)), source.DidYouMean(a.value.s, rulefile.InfoTypes()), "info type %q is unknown, it is taken for text", shorten(a.value.s))
		default:
			u.warnf(a.at, len(a.name), "", "attribute %q of <info> has no effect", a.name)
		}
	}
	u.out.Info = append(u.out.Info, i)
}

func (u *rule) option(e *element) {
	s := e.content.s
	if !slices.Contains(rulefile.OptionNames(), s) {
		hint := source.DidYouMean(strings.TrimSpace(s), rulefile.OptionNames())
		if strings.Contains(s, ",") {
			hint = "write one <options> element for each"
		} else if slices.Contains(rulefile.OptionNames(), strings.TrimSpace(s)) {
			hint = "remove the blanks"
		}
		u.contentf(e, hint, "%q is no option", shorten(s))
		return
	}
	u.w.Options = append(u.w.Options, s)
}

// values reads the value names of <ignore> and <check_if_ignored>.
func (u *rule) values(e *element, name string) {
	to := &u.w.IgnoreFields
	if name == "check_if_ignored" {
		to = &u.w.CheckIfIgnored
	} else {
		delete(u.w.At, name) // the attribute's key
		u.w.At["ignore_fields"] = u.pos(e.at)
	}
	for _, v := range strings.Split(e.content.s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*to = append(*to, v)
		}
	}
	if len(*to) == 0 {
		u.contentf(e, "write names as user, srcip, id or a field, parted by commas", "<%s> names no value", e.name)
	}
}

// mitre reads a block of technique ids, or of one tactic and one technique.
func (u *rule) mitre(e *element) {
	var ids, tactics, techniques []string
	for _, c := range e.children {
		c = u.expanded(c)
		switch {
		case c.is("id"):
			ids = append(ids, c.content.s)
		case c.is("tacticID"):
			tactics = append(tactics, c.content.s)
		case c.is("techniqueID"):
			techniques = append(techniques, c.content.s)
		default:
			u.warnf(c.at, len(c.name)+1, source.DidYouMean(c.name, []string{"id", "tacticID", "techniqueID"}), "<mitre> holds no <%s>: the block has no effect", shorten(c.name))
			return
		}
	}
	switch {
	case len(ids) > 0 && len(tactics)+len(techniques) == 0:
		u.oldMitre = append(u.oldMitre, ids...)
	case len(ids) == 0 && len(tactics) == 1 && len(techniques) == 1:
		u.newMitre = append(u.newMitre, techniques[0])
	default:
		u.warnf(e.at, len(e.name)+1, "write <id> elements only, or one <tacticID> and one <techniqueID> a block", "this <mitre> block has no effect")
	}
}
