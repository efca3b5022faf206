package lint

import (
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

func correlationLevelZero(p *pass) {
	for r := range p.rules() {
		c := r.decl.Wazuh.Correlate
		if !r.correlates() {
			continue
		}
		if r.decl.Level == 0 {
			p.report(r, r.decl.Pos, "give it a level above 0", "a correlation of level 0 never matches")
			continue
		}
		if base := p.set.byID[c.SID]; c.SID != 0 && base != nil && base.decl.Level == 0 {
			p.report(r, r.at("if_matched_sid", "correlate.sid", "parent"), "give rule "+base.decl.ID+" a level above 0", "rule %s is of level 0, whose events are not remembered: there is nothing to count", base.decl.ID)
		}
	}
}

func correlationUnused(p *pass) {
	for r := range p.rules() {
		w := r.decl.Wazuh
		if r.correlates() || w.CheckDiff || r.decl.Broken {
			continue
		}
		key := ""
		switch {
		case w.Frequency >= 0:
			key = "frequency"
		case w.Timeframe >= 0:
			key = "timeframe"
		default:
			continue
		}
		p.report(r, r.at(key), "add <if_matched_sid>, <if_matched_group> or <if_matched_regex>", "%s has no effect: the rule looks at no earlier events", key)
	}
}

func correlationField(p *pass) {
	w := p.set.words
	for r := range p.rules() {
		for _, name := range slices.Concat(r.decl.Wazuh.IgnoreFields, r.decl.Wazuh.CheckIfIgnored) {
			if syscollector.LookupView(name) == 0 && name != "location" {
				hint := w.suggest(name)
				if field, ok := instead[name]; ok {
					hint = "name " + field
				}
				p.report(r, r.at("ignore_fields", "check_if_ignored"), hint, "inventory events have no %s: there is nothing to ignore by", quote(name))
			}
		}
		c := r.decl.Wazuh.Correlate
		if c == nil {
			continue
		}
		judge := func(list []string, element, effect string) {
			for _, value := range list {
				name, dynamic := strings.CutPrefix(value, "field:")
				pos := r.at(element+"field", element+value, "correlate."+strings.TrimSuffix(element, "_"), "correlate")
				switch {
				case dynamic && strings.Contains(name, ","):
					p.report(r, pos, "write one element for each field", "%s is taken for one field's name, which no event has: %s", quote(name), effect)
				case dynamic && syscollector.LookupView(name) == 0:
					p.report(r, pos, w.suggest(name), "inventory events have no field %s: %s", quote(name), effect)
				case !dynamic && value != "location":
					pos = r.at(element+value, element+alias(value), "correlate."+strings.TrimSuffix(element, "_"), "correlate")
					hint := "compare a field of the message"
					if field := strings.SplitN(instead[value], " or ", 2)[0]; strings.Contains(field, ".") {
						hint = "write <" + element + "field>" + field + "</" + element + "field>"
					}
					p.report(r, pos, hint, "inventory events never have %s: %s", value, effect)
				}
			}
		}
		judge(c.Same, "same_", "the rule never fires")
		effect := "the comparison has no effect"
		if p.opts.Compat == syscollector.Compat39 {
			effect = "the rule never fires"
		}
		judge(c.Different, "different_", effect)
	}
}

// alias is the other spelling of a compared value in an element's name.
func alias(value string) string {
	switch value {
	case "srcip":
		return "source_ip"
	case "srcport":
		return "src_port"
	case "dstport":
		return "dst_port"
	}
	return value
}

func countsAcrossAgents(p *pass) {
	where := "; with a source of several partitions each of them does so for itself"
	report := p.note
	if p.opts.Partitioned {
		where = ", and each partition of the source does so for itself"
		report = func(r *rule, pos source.Position, hint, format string, args ...any) {
			p.add(source.Warning, r, pos, hint, format, args...)
		}
	}
	for r := range p.rules() {
		w := r.decl.Wazuh
		c := w.Correlate
		switch {
		case r.correlates() && (p.opts.Compat == syscollector.Compat39 || c.Global):
			report(r, r.at("global_frequency", "correlate.global", "frequency", "if_matched_sid", "correlate"),
				"key the topic so that the agents to be counted together share a partition, or count by agent", "the rule counts over all agents%s", where)
		case w.Ignore > 0:
			report(r, r.at("ignore"), "a rule of the invigil dialect with suppress: {for: …, by: [agent.id]} is quiet for one agent",
				"after one alert the rule is quiet for %d s for all agents%s", w.Ignore, where)
		}
	}
}
