package rules

import (
	"math"
	"strings"

	"invigil/pipeline/syscollector"
)

// The states of an onset, as alerts show them.
const (
	statusFiring   = "firing"
	statusResolved = "resolved"
)

// fire appends the alert of a rule that holds for the row at hand, if its level
// makes one.
func (e *statefulEval) fire(r *statefulRule, number int32, d *syscollector.Delta, description string, suppressed int) {
	if !e.alerts(r.level) {
		return
	}
	e.counts[number].Alerts++
	a := e.alert(d, r, statusFiring)
	a.Rule = AlertRule{ID: r.id, Level: r.level, Description: description}
	a.Extras.Suppressed, a.Extras.Items = suppressed, e.items
	e.add(a, r, number)
}

// resolved appends the record that an onset is over.
func (e *statefulEval) resolved(o *ActiveOnset, number int32, d *syscollector.Delta, reason string) {
	var r *statefulRule
	level := o.Level
	if number >= 0 {
		r = e.set.rules[number]
		level = r.level
	}
	if !e.alerts(level) {
		return
	}
	a := e.alert(d, r, statusResolved)
	a.Hash = alertHash(&e.in.Origin, o.Rule, d.Agent, d.Table, d.Key, statusResolved)
	a.Rule = AlertRule{ID: o.Rule, Level: level, Description: o.Description}
	a.Extras.Reason = reason
	if a.Agent.Name == "" {
		a.Agent.Name, a.Agent.IP = o.AgentName, o.AgentIP
	}
	e.add(a, r, number)
}

// alerts reports whether a rule of that level makes alerts.
func (e *statefulEval) alerts(level int) bool {
	return level > 0 && level >= e.set.opts.LogLevel
}

// add completes an alert with what its rule says and appends it.
func (e *statefulEval) add(a Alert, r *statefulRule, number int32) {
	a.Rule.Mail = a.Rule.Level >= e.set.opts.EmailLevel
	a.Rule.Groups = []string{}
	if r != nil {
		a.Rule.Groups, a.Rule.Compliance, a.Rule.Mitre = r.groups, r.compliance, r.decl.Mitre
		a.Rule.CVE = r.decl.CVE
		a.Rule.GroupText = strings.Join(r.decl.Invigil.Groups, ",")
		for i, info := range r.decl.Info {
			if i > 0 {
				a.Rule.Info += " "
			}
			a.Rule.Info += info.Text
		}
	}
	e.out = append(e.out, a)
	e.orders = append(e.orders, number)
}

// alert returns what every alert about the row at hand says. It holds no view
// into the event.
func (e *statefulEval) alert(d *syscollector.Delta, r *statefulRule, status string) Alert {
	a := Alert{
		Time: e.in.StreamTime, Origin: e.in.Origin, Agent: keepAgent(e.run.scope.agent, d.Agent),
		Manager: e.set.opts.Manager, Decoder: "syscollector",
	}
	a.Origin.Topic = strings.Clone(a.Origin.Topic)
	if ev := e.in.Event; ev != nil {
		a.Time, a.Location, a.FullLog = ev.Time, strings.Clone(ev.Location), strings.Clone(ev.Log)
	}
	if r != nil {
		a.Hash = alertHash(&e.in.Origin, r.id, d.Agent, d.Table, d.Key, status)
	}
	fixed := ^d.Table.Masks().Volatile
	x := &Extras{Status: status, Change: d.Change.String()}
	row := d.After
	switch d.Change {
	case syscollector.Removed:
		row = d.Before // the last that is known of it
		x.Before = rowData(d.Before, fixed)
	case syscollector.Modified:
		x.Before = rowData(d.Before, fixed)
		for i := range syscollector.Fields(d.Table) {
			f := &syscollector.Fields(d.Table)[i]
			if d.Changed&fixed&(1<<f.Number) != 0 {
				x.Changed = append(x.Changed, f.Name)
			}
		}
	}
	if d.Table == syscollector.NoTable {
		x.Change = "" // about the whole agent: no row, no change
	}
	a.Data = rowData(row, ^uint64(0))
	a.Extras = x
	return a
}

// rowData returns the present columns of a row in the field table's order.
func rowData(r *syscollector.Row, mask uint64) []Datum {
	var out []Datum
	fields := syscollector.Fields(r.Table)
	for i := range fields {
		f := &fields[i]
		if mask&(1<<f.Number) == 0 || !r.Has(f.Number) {
			continue
		}
		v := r.Values[f.Number]
		switch f.Type {
		case syscollector.Integer:
			out = append(out, Datum{f.Name, v.Int})
		case syscollector.Real:
			out = append(out, Datum{f.Name, math.Float64frombits(uint64(v.Int))})
		default:
			out = append(out, Datum{f.Name, strings.Clone(v.Str)})
		}
	}
	return out
}

// keepAgent copies an agent out of the event's memory. Without an event only
// the id is known.
func keepAgent(a *syscollector.Agent, id string) syscollector.Agent {
	out := syscollector.Agent{ID: strings.Clone(id), Name: strings.Clone(a.Name), IP: strings.Clone(a.IP)}
	for _, g := range a.Groups {
		out.Groups = append(out.Groups, strings.Clone(g))
	}
	for _, l := range a.Labels {
		out.Labels = append(out.Labels, syscollector.Label{Key: strings.Clone(l.Key), Value: strings.Clone(l.Value)})
	}
	return out
}
