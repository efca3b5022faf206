package alertfmt

import (
	"strings"
	"time"

	"invigil/rules"
)

// nativeFormat renders alerts as one flat object: names as in rules, values
// with their types.
type nativeFormat struct{ zone *time.Location }

// nativeTime is RFC 3339 with milliseconds.
const nativeTime = "2006-01-02T15:04:05.000Z07:00"

// Append implements Formatter.
func (f nativeFormat) Append(b []byte, a *rules.Alert) ([]byte, error) {
	o := openObject(b)
	o.string("time", time.UnixMilli(a.Time).In(f.zone).Format(nativeTime))
	o.string("id", a.ID())
	o.string("full_id", a.FullID())
	r := &a.Rule
	o.string("rule.id", r.ID)
	o.int("rule.level", r.Level)
	o.string("rule.description", r.Description)
	o.strings("rule.groups", r.Groups)
	for _, c := range r.Compliance {
		o.strings("rule."+c.Name, c.Values)
	}
	if len(r.Mitre) > 0 {
		o.strings("rule.mitre", r.Mitre)
	}
	if r.CVE != "" {
		o.string("rule.cve", r.CVE)
	}
	if r.Info != "" {
		o.string("rule.info", r.Info)
	}
	if r.Frequency != 0 {
		o.int("rule.frequency", r.Frequency)
	}
	if r.FiredTimes != 0 {
		o.int("rule.firedtimes", r.FiredTimes)
	}
	if r.Mail {
		o.bool("rule.mail", true)
	}
	o.string("agent.id", a.Agent.ID)
	if a.Agent.Name != "" {
		o.string("agent.name", a.Agent.Name)
	}
	if a.Agent.IP != "" && a.Agent.IP != "any" {
		o.string("agent.ip", a.Agent.IP)
	}
	if len(a.Agent.Groups) > 0 {
		o.strings("agent.groups", a.Agent.Groups)
	}
	if len(a.Agent.Labels) > 0 {
		labels := o.nested("agent.labels")
		for _, l := range a.Agent.Labels {
			labels.string(l.Key, l.Value)
		}
		o.end(labels)
	}
	if a.Extras != nil {
		appendExtras(&o, a.Extras)
	}
	appendRow(&o, a.Data)
	if !a.NoFullLog && a.FullLog != "" {
		o.string("full_log", a.FullLog)
	}
	if len(a.PreviousOutput) > 0 {
		o.strings("previous_output", a.PreviousOutput)
	}
	if a.PreviousLog != "" {
		o.string("previous_log", a.PreviousLog)
	}
	if a.Manager != "" {
		o.string("manager", a.Manager)
	}
	o.string("location", a.ShortLocation())
	return append(o.b, '}'), nil
}

// appendRow appends the fields of the alert's row, under "after": the first of
// a name, empty texts left out.
func appendRow(o *object, data []rules.Datum) {
	if len(data) == 0 {
		return
	}
	after := o.nested("after")
	seen := make(map[string]bool, len(data))
	for _, d := range data {
		folded := strings.ToLower(d.Name)
		if s, ok := d.Value.(string); ok && s == "" || seen[folded] {
			continue
		}
		seen[folded] = true
		after.key(d.Name)
		after.b = appendValue(after.b, d.Value)
	}
	o.end(after)
}
