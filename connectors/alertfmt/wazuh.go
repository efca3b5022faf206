package alertfmt

import (
	"strconv"
	"strings"
	"time"

	"invigil/rules"
)

// wazuhFormat renders alerts as alerts.json has them.
type wazuhFormat struct{ zone *time.Location }

// wazuhTime is the layout of timestamp.
const wazuhTime = "2006-01-02T15:04:05.000-0700"

// Append implements Formatter.
func (f wazuhFormat) Append(b []byte, a *rules.Alert) ([]byte, error) {
	o := openObject(b)
	o.string("timestamp", time.UnixMilli(a.Time).In(f.zone).Format(wazuhTime))
	f.rule(&o, &a.Rule)
	f.agent(&o, a)
	manager := o.nested("manager")
	manager.string("name", a.Manager)
	o.end(manager)
	o.string("id", a.ID())
	if len(a.PreviousOutput) > 0 {
		o.string("previous_output", strings.Join(a.PreviousOutput, "\n"))
	}
	if !a.NoFullLog {
		o.string("full_log", a.FullLog)
	}
	decoder := o.nested("decoder")
	decoder.string("name", a.Decoder)
	o.end(decoder)
	if a.PreviousLog != "" {
		o.string("previous_log", a.PreviousLog)
	}
	var data tree
	for _, d := range a.Data {
		data.put(d.Name, text(d.Value))
	}
	if len(data.members) > 0 {
		inner := o.nested("data")
		data.append(&inner, true)
		o.end(inner)
	}
	o.string("location", a.ShortLocation())
	if a.Extras != nil {
		f.extras(&o, a.Extras)
	}
	return append(o.b, '}'), nil
}

func (wazuhFormat) rule(o *object, r *rules.AlertRule) {
	rule := o.nested("rule")
	if r.Level != 0 {
		rule.int("level", r.Level)
	}
	rule.string("description", r.Description)
	rule.string("id", r.ID)
	if len(r.Mitre) > 0 {
		mitre := rule.nested("mitre")
		mitre.strings("id", r.Mitre)
		rule.end(mitre)
	}
	if r.CVE != "" {
		rule.string("cve", r.CVE)
	}
	if r.Info != "" {
		rule.string("info", r.Info)
	}
	if r.Frequency != 0 {
		rule.int("frequency", r.Frequency)
	}
	if r.FiredTimes != 0 {
		rule.int("firedtimes", r.FiredTimes)
	}
	rule.bool("mail", r.Mail)
	rule.strings("groups", r.Groups)
	for _, c := range r.Compliance {
		rule.strings(c.Name, c.Values)
	}
	o.end(rule)
}

func (wazuhFormat) agent(o *object, a *rules.Alert) {
	agent := o.nested("agent")
	agent.string("id", a.Agent.ID)
	if a.Agent.Name != "" {
		agent.string("name", a.Agent.Name)
	}
	if a.Agent.IP != "" && a.Agent.IP != "any" {
		agent.string("ip", a.Agent.IP)
	}
	if len(a.Agent.Labels) > 0 {
		var labels tree
		for _, l := range a.Agent.Labels {
			labels.put(l.Key, l.Value)
		}
		inner := agent.nested("labels")
		labels.append(&inner, false)
		agent.end(inner)
	}
	o.end(agent)
}

func (wazuhFormat) extras(o *object, x *rules.Extras) {
	e := o.nested("invigil")
	appendExtras(&e, x)
	o.end(e)
}

// appendExtras appends what the invigil dialect adds to an alert.
func appendExtras(o *object, x *rules.Extras) {
	if x.Status != "" {
		o.string("status", x.Status)
	}
	if x.Reason != "" {
		o.string("reason", x.Reason)
	}
	if x.Change != "" {
		o.string("change", x.Change)
	}
	if len(x.Changed) > 0 {
		o.strings("changed", x.Changed)
	}
	if len(x.Before) > 0 {
		before := o.nested("before")
		before.data(x.Before)
		o.end(before)
	}
	if len(x.Items) > 0 {
		o.key("items")
		o.b = append(o.b, '[')
		for i, item := range x.Items {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			inner := openObject(o.b)
			inner.data(item)
			o.b = append(inner.b, '}')
		}
		o.b = append(o.b, ']')
	}
	if x.Suppressed > 0 {
		o.int("suppressed", x.Suppressed)
	}
}

// text renders a typed value as the original shows all of them.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
