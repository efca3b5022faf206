package ruletest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// judge says why one side alerted and the other did not, from the rule set and
// what the rules did with the event in hand.
type judge struct {
	infos    map[string]rules.RuleInfo
	logLevel int
	compat   syscollector.Compat
	decls    map[string]*rulefile.Rule // by id, read at first use

	order []string          // rules tried with the event, in order
	tries map[string]string // rule → why it did not match, "" if it did
}

func newJudge(set *rules.Set, logLevel int, compat syscollector.Compat) *judge {
	j := &judge{infos: make(map[string]rules.RuleInfo), logLevel: logLevel, compat: compat, tries: make(map[string]string)}
	for _, info := range set.Rules() {
		if _, ok := j.infos[info.ID]; !ok { // the wazuh dialect's come first
			j.infos[info.ID] = info
		}
	}
	return j
}

// begin forgets the event before.
func (j *judge) begin() {
	j.order = j.order[:0]
	clear(j.tries)
}

// tried is told of each rule tried.
func (j *judge) tried(id, reason string) {
	if j.infos[id].Dialect == rulefile.Invigil {
		return
	}
	if before, again := j.tries[id]; again && before == "" {
		return
	}
	j.order = append(j.order, id)
	j.tries[id] = reason
}

// final returns the last rule that matched: the event ended there.
func (j *judge) final() string {
	for _, id := range slices.Backward(j.order) {
		if j.tries[id] == "" {
			return id
		}
	}
	return ""
}

// whyNot says why an event gave none of our alerts of the rule that the manager
// alerted.
func (j *judge) whyNot(a *managerAlert, e *sighting, ours []rules.Alert) string {
	if slices.ContainsFunc(ours, func(o rules.Alert) bool { return o.Rule.ID == a.rule }) {
		return "the archives have fewer such events of this agent than Wazuh has alerts"
	}
	reason := j.reason(a.rule, e)
	if i := slices.IndexFunc(ours, func(o rules.Alert) bool { return o.Extras == nil }); i >= 0 {
		reason += fmt.Sprintf("; Invigil alerted rule %s (level %d)", ours[i].Rule.ID, ours[i].Rule.Level)
	}
	return reason
}

func (j *judge) reason(id string, e *sighting) string {
	info, loaded := j.infos[id]
	reason, tried := j.tries[id]
	final := j.final()
	switch {
	case !loaded:
		return "rule " + id + " is not loaded"
	case info.Disabled:
		return "rule " + id + " is switched off by a tuning"
	case info.Unreachable:
		return "rule " + id + " is out of reach: it hangs below a rule that is not loaded, or of another decoder"
	case !e.visible:
		return "no rule sees an event of this kind in this version of Wazuh: see --compat"
	case tried && reason != "":
		return "rule " + id + " did not match: " + reason
	case tried && final != id:
		return "rule " + id + " matched, and " + j.took(final, "below it took the event")
	case tried && info.Level == 0:
		return "rule " + id + " has level 0: it never alerts"
	case tried && info.Level < j.logLevel:
		return fmt.Sprintf("rule %s won, but its level %d is below the log level %d", id, info.Level, j.logLevel)
	case tried:
		return "rule " + id + " won without an alert of its own: it is ignored for a time, or has noalert or no_log"
	}
	return "rule " + id + " was not tried: " + j.kept(id, final)
}

// took says which rule ended an event.
func (j *judge) took(id, what string) string {
	level := ""
	if info, ok := j.infos[id]; ok && info.Level == 0 {
		level = ", level 0,"
	}
	return "rule " + id + level + " " + what
}

// kept says what kept a rule from being tried.
func (j *judge) kept(id, final string) string {
	for seen := map[string]bool{}; !seen[id]; {
		seen[id] = true
		decl := j.declaration(id)
		if decl == nil || decl.Wazuh == nil {
			break
		}
		parents := decl.Wazuh.Parent.SID
		if len(parents) == 0 && decl.Wazuh.Correlate != nil && decl.Wazuh.Correlate.SID != 0 {
			parents = []int{decl.Wazuh.Correlate.SID}
		}
		above := ""
		for _, p := range parents {
			parent := strconv.Itoa(p)
			reason, tried := j.tries[parent]
			switch {
			case tried && reason != "":
				return "its parent " + parent + " did not match: " + reason
			case tried && final != "" && final != parent:
				return j.took(final, "took the event first")
			}
			above = cmp.Or(above, parent)
		}
		id = above
	}
	if final != "" {
		return j.took(final, "took the event first")
	}
	return "none of the rules that it hangs below matched"
}

// noEvent says why the manager's alert has no event.
func (j *judge) noEvent(a *managerAlert, archives span) string {
	reason := "the archives have no such event of this agent"
	switch {
	case archives.first == 0:
		reason = "the archives have no event with a time"
	case !archives.holds(a.time):
		reason = "the archives have no such event: the alert is outside their time span, " + archives.String()
	case a.byData:
		reason = "the archives have no event of this agent with this data"
	}
	if _, loaded := j.infos[a.rule]; !loaded {
		reason += "; rule " + a.rule + " is not loaded"
	}
	return reason
}

// String names the span in UTC.
func (s span) String() string {
	return time.UnixMilli(s.first).UTC().Format(alertTime) + " to " + time.UnixMilli(s.last).UTC().Format(alertTime)
}

// whyOnly says why our alert has no counterpart.
func (j *judge) whyOnly(a *rules.Alert, e *sighting, alerts *alertReader) []string {
	info := j.infos[a.Rule.ID]
	if a.Extras != nil {
		return []string{"rule " + a.Rule.ID + " is of the invigil dialect, which Wazuh does not have"}
	}
	var out []string
	var other *managerAlert
	for _, m := range e.found {
		if !m.taken && m.rule != a.Rule.ID && (other == nil || e.gap(m) < e.gap(other)) {
			other = m
		}
	}
	switch {
	case other != nil:
		out = append(out, fmt.Sprintf("Wazuh alerted rule %s (level %d) on this event", other.rule, other.level))
	case alerts.span.first == 0:
		out = append(out, "Wazuh has no alert of this event: its alerts are empty")
	case a.Time < alerts.span.first || alerts.done && a.Time > alerts.span.last:
		out = append(out, "Wazuh has no alert of this event: it is outside the time span of Wazuh's alerts, "+alerts.span.String())
	case a.Rule.Level < alerts.lowest:
		out = append(out, fmt.Sprintf("Wazuh has no alert of this event, and none below level %d: set --log-level to its log_alert_level", alerts.lowest))
	default:
		out = append(out, "Wazuh has no alert of this event")
	}
	if text := j.matched(a); text != "" {
		out = append(out, "rule "+a.Rule.ID+" matched: "+text)
	} else if info.Pos.File != "" {
		out = append(out, "rule "+a.Rule.ID+" matched: it stands at "+info.Pos.String())
	}
	return out
}

// matched writes a rule's condition with the values of the fields it names.
func (j *judge) matched(a *rules.Alert) string {
	decl := j.declaration(a.Rule.ID)
	if decl == nil || decl.When.Value == "" {
		return ""
	}
	when := strings.Join(strings.Fields(decl.When.Value), " ")
	folded := strings.ToLower(when)
	var values []string
	seen := make(map[string]bool)
	for _, d := range a.Data {
		name := strings.ToLower(d.Name)
		if text, ok := d.Value.(string); ok && !seen[name] && strings.Contains(folded, strconv.Quote(name)) {
			seen[name] = true
			values = append(values, fmt.Sprintf("%s is %q", d.Name, text))
		}
	}
	if len(values) == 0 {
		return when
	}
	return when + " (" + strings.Join(values, ", ") + ")"
}

// declaration returns a rule's declaration, nil if its file cannot be read
// again.
func (j *judge) declaration(id string) *rulefile.Rule {
	if j.decls == nil {
		j.decls = make(map[string]*rulefile.Rule)
		read := make(map[string]bool)
		for _, info := range j.infos {
			name := info.Pos.File
			if info.Dialect == rulefile.Invigil || read[name] {
				continue
			}
			read[name] = true
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			f, _ := rules.ReadFile(source.File{Name: name, Data: data}, j.compat)
			for _, r := range f.Rules {
				if j.infos[r.ID].Pos == r.Pos {
					j.decls[r.ID] = r
				}
			}
		}
	}
	return j.decls[id]
}
