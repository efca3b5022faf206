package rules

import (
	"fmt"
	"slices"

	"invigil/pipeline/syscollector"
)

// This file ends onsets and keeps the index of active onsets true.

// move takes the index entries of a row along that continues another, under
// whose columns they were written.
func (e *statefulEval) move(d *syscollector.Delta) error {
	if d.Before == d.After || d.Before.Present == 0 {
		return nil
	}
	from, to := itemOf(d.Before), itemOf(d.After)
	if from == to {
		return nil
	}
	for _, fp := range d.Active {
		a := ActiveOnset{Fingerprint: fp, Agent: d.Agent, Table: d.Table, Item: from}
		e.key = a.appendKey(e.key[:0])
		value, ok, err := e.active.Get(e.key)
		if err != nil {
			return fmt.Errorf("read active onset: %w", err)
		}
		if !ok {
			continue
		}
		e.value = append(e.value[:0], value...)
		if err := e.active.Delete(e.key); err != nil {
			return fmt.Errorf("move active onset: %w", err)
		}
		a.Item = to
		e.key = a.appendKey(e.key[:0])
		if err := e.active.Set(e.key, e.value); err != nil {
			return fmt.Errorf("move active onset: %w", err)
		}
	}
	return nil
}

// onset returns the entry of the index for an onset that begins with the delta.
func (e *statefulEval) onset(r *statefulRule, d *syscollector.Delta) ActiveOnset {
	agent := e.run.scope.agent
	a := ActiveOnset{
		Fingerprint: r.fingerprint, Agent: d.Agent, Table: d.Table, Item: itemOf(d.After), Key: d.Key,
		Rule: r.id, Level: r.level, Resolve: r.resolve, AgentName: agent.Name, AgentIP: agent.IP,
	}
	if e.in.Event != nil {
		a.Began = e.in.Event.Time
	} else {
		a.Began = e.in.StreamTime
	}
	return a
}

// stand notes on a row that the rule's onset stands on it.
func stand(d *syscollector.Delta, r *statefulRule) {
	d.Active = append(slices.Clip(d.Active), r.fingerprint)
	slices.Sort(d.Active)
}

// write puts an onset into the index.
func (e *statefulEval) write(a *ActiveOnset) error {
	e.key, e.value = a.appendKey(e.key[:0]), a.appendValue(e.value[:0])
	if err := e.active.Set(e.key, e.value); err != nil {
		return fmt.Errorf("write active onset of rule %s: %w", a.Rule, err)
	}
	return nil
}

// endOnsets ends the onsets of the row that are over: the condition was looked
// at and does not hold, the row is gone, or the set has no such rule any more.
func (e *statefulEval) endOnsets(d *syscollector.Delta) error {
	stays := func(fp uint64) (number int32, stay bool) {
		number, known := e.set.onsets[fp]
		if !known {
			return -1, e.verdictStays(fp, d)
		}
		if d.Change == syscollector.Removed {
			return number, false
		}
		return number, e.holds[number] || !e.sees(e.set.rules[number], d.Change)
	}
	var left []uint64
	ended := 0
	for _, fp := range d.Active {
		if _, stay := stays(fp); !stay {
			ended++
		}
	}
	if ended == 0 {
		return nil
	}
	if ended < len(d.Active) {
		left = make([]uint64, 0, len(d.Active)-ended)
	}
	for _, fp := range d.Active {
		number, stay := stays(fp)
		if stay {
			left = append(left, fp)
			continue
		}
		if err := e.end(fp, number, d); err != nil {
			return err
		}
	}
	d.Active = left
	return nil
}

// end ends one onset: it leaves the index and, if it was asked for, a resolved
// alert follows.
func (e *statefulEval) end(fp uint64, number int32, d *syscollector.Delta) error {
	row := d.After
	if d.Change == syscollector.Removed {
		row = d.Before
	}
	a := ActiveOnset{Fingerprint: fp, Agent: d.Agent, Table: d.Table, Item: itemOf(row)}
	e.key = a.appendKey(e.key[:0])
	value, ok, err := e.active.Get(e.key)
	if err != nil {
		return fmt.Errorf("read active onset: %w", err)
	}
	if ok {
		if a, err = DecodeActive(e.key, value); err != nil {
			return err
		}
		if err := e.active.Delete(e.key); err != nil {
			return fmt.Errorf("delete active onset of rule %s: %w", a.Rule, err)
		}
	}
	if !a.Resolve {
		return nil
	}
	e.resolved(&a, number, d, e.reason(&a, number, d.Change))
	return nil
}

// reason tells why an onset is over, as the resolved alert says it.
func (e *statefulEval) reason(a *ActiveOnset, number int32, c syscollector.Change) string {
	switch {
	case number < 0:
		return e.goneReason(a.Rule)
	case c == syscollector.Removed:
		return "row removed"
	case c == syscollector.Unchanged:
		return "condition over"
	}
	return "row changed"
}

// goneReason tells what became of a rule that the set does not have as it was.
func (e *statefulEval) goneReason(id string) string {
	if _, ok := e.set.ids[id]; ok {
		return "rule edited"
	}
	return "rule removed"
}

// retire ends every active onset whose rule is no longer in the set, and
// appends resolved alerts for those that want them: for a sweep after a reload.
// The rows lose the fingerprints when they are next evaluated.
func (e *statefulEval) retire(in *Input, out []Alert) ([]Alert, error) {
	return e.endWhere(in, out, func(a *ActiveOnset) string {
		if e.set.has(a.Fingerprint) {
			return ""
		}
		return e.goneReason(a.Rule)
	})
}

// forget ends every active onset of an agent that is forgotten.
func (e *statefulEval) forget(in *Input, agent string, out []Alert) ([]Alert, error) {
	return e.endWhere(in, out, func(a *ActiveOnset) string {
		if a.Agent != agent {
			return ""
		}
		return "agent forgotten"
	})
}

// endWhere ends the onsets for which reason is not "".
func (e *statefulEval) endWhere(in *Input, out []Alert, reason func(*ActiveOnset) string) ([]Alert, error) {
	type ending struct {
		onset  ActiveOnset
		reason string
	}
	var over []ending
	for key, value := range e.active.Scan(nil) {
		a, err := DecodeActive(key, value)
		if err != nil {
			return out, err
		}
		if why := reason(&a); why != "" {
			over = append(over, ending{a, why})
		}
	}
	e.begin(in, out)
	none := syscollector.Row{}
	for _, o := range over {
		e.key = o.onset.appendKey(e.key[:0])
		if err := e.active.Delete(e.key); err != nil {
			return out, fmt.Errorf("delete active onset of rule %s: %w", o.onset.Rule, err)
		}
		if !o.onset.Resolve {
			continue
		}
		s := &e.run.scope
		s.row, s.before, s.change, s.changed, s.table = &none, &none, syscollector.Unchanged, 0, o.onset.Table
		number, ok := e.set.onsets[o.onset.Fingerprint]
		if !ok {
			number = -1
		}
		d := syscollector.Delta{
			Agent: o.onset.Agent, Table: o.onset.Table, Key: o.onset.Key, Before: &none, After: &none,
		}
		e.resolved(&o.onset, number, &d, o.reason)
	}
	out = e.out
	e.in, e.out = nil, nil
	return out, nil
}
