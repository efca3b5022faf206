package rules

import (
	"slices"
	"sort"

	"invigil/pipeline/syscollector"
)

// RuleCounters are what an Evaluator counted for one rule since it was made.
type RuleCounters struct {
	Evaluations, Matches, Alerts, Suppressed, Errors int64
	LastError                                        string
}

// statefulEval evaluates the invigil rules of a set over one partition. It
// belongs to one goroutine. It keeps no state of its own between two events:
// active onsets stand in the rows and in the index of active onsets.
type statefulEval struct {
	set    *statefulSet
	active Memory
	memory statefulMemory
	now    int64 // stream time of the last event
	run    *whenRunner
	counts []RuleCounters // by place in the set

	found   candidateSet
	holds   []bool    // by place in the set: true on the row at hand
	verdict [2]uint64 // onsets of tuned wazuh rules that the message at hand ended at
	touched []int32
	agent   syscollector.Agent
	in      *Input
	out     []Alert
	orders  []int32          // place of each alert's rule, for sorting
	items   [][]Datum        // of the alert at hand
	none    syscollector.Row // of rules about the whole agent
	swept   sweptAgent
	key     []byte
	value   []byte
}

// newStatefulEval returns the evaluator of a set's invigil rules.
func newStatefulEval(s *Set, mem, active Memory) (*statefulEval, error) {
	e := &statefulEval{active: active, memory: statefulMemory{mem: mem}, run: newWhenRunner(s.opts.Zone)}
	return e, e.swap(s)
}

// swap goes over to another set. Onsets of rules that are the same stay active:
// their fingerprints stand in the rows.
func (e *statefulEval) swap(s *Set) error {
	e.set = s.stateful
	e.counts = make([]RuleCounters, len(e.set.rules))
	e.holds = make([]bool, len(e.set.rules))
	return nil
}

// flush drops what rule memory need not hold any longer; everything else is
// written as it happens.
func (e *statefulEval) flush() error { return e.memory.prune(e.set, e.now) }

// eval evaluates the rules over the deltas of one event and appends their
// alerts in load order. An error is a failure of the memory.
func (e *statefulEval) eval(in *Input, out []Alert) ([]Alert, error) {
	if len(in.Deltas) == 0 && len(e.set.agents) == 0 {
		return out, nil
	}
	e.begin(in, out)
	first := len(out)
	for i := range in.Deltas {
		d := &in.Deltas[i]
		t := e.set.tables[d.Table]
		if t == nil && len(d.Active) == 0 {
			continue
		}
		if err := e.row(t, d); err != nil {
			return out, err
		}
	}
	if err := e.agentRules(); err != nil {
		return out, err
	}
	out = e.out
	if len(out)-first > 1 {
		sort.Stable(inLoadOrder{out[first:], e.orders})
	}
	e.in, e.out = nil, nil
	return out, nil
}

// begin sets the scope up for one event.
func (e *statefulEval) begin(in *Input, out []Alert) {
	e.in, e.out, e.orders, e.now = in, out, e.orders[:0], in.StreamTime
	s := &e.run.scope
	s.nextEvent()
	s.event, s.lists, s.inventory = in.Event, in.Lists, in.Inventory
	if in.Event != nil {
		s.agent = &in.Event.Agent
		return
	}
	e.agent = syscollector.Agent{}
	s.agent = &e.agent
}

// row evaluates the rules of one table over one delta.
func (e *statefulEval) row(t *tableRules, d *syscollector.Delta) error {
	s := &e.run.scope
	s.row, s.before, s.change, s.changed, s.table = d.After, d.Before, d.Change, d.Changed, d.Table
	if e.in.Event == nil && e.agent.ID != d.Agent {
		e.agent.ID = d.Agent
		s.nextEvent()
	}
	defer e.clearHolds()
	if len(d.Active) > 0 && d.Change != syscollector.Removed {
		if err := e.move(d); err != nil {
			return err
		}
	}
	if t != nil {
		t.index.candidates(d.After, d.Before, len(t.rules), &e.found)
		for _, k := range e.found.rules {
			r := t.rules[k]
			if !e.sees(r, d.Change) || r.when.facts.changes&(1<<d.Change) == 0 {
				continue
			}
			if err := e.rule(r, t.numbers[k], d); err != nil {
				return err
			}
		}
	}
	if len(d.Active) == 0 {
		return nil
	}
	return e.endOnsets(d)
}

func (e *statefulEval) clearHolds() {
	for _, n := range e.touched {
		e.holds[n] = false
	}
	e.touched = e.touched[:0]
}

// sweep reports whether the input is stored inventory shown again, not a
// message: then every onset rule looks, so that what a reload made true needs
// no event.
func (e *statefulEval) sweep() bool { return e.in.Event == nil || e.in.Event.Type == "" }

// sees reports whether a rule is evaluated for a change. For all others a
// removal only ends their onsets.
func (e *statefulEval) sees(r *statefulRule, c syscollector.Change) bool {
	switch c {
	case syscollector.Unchanged:
		if e.sweep() {
			return !r.every
		}
		return r.onUnchanged
	case syscollector.Removed:
		return r.onRemoved
	}
	return true
}

// rule evaluates one rule over the row at hand.
func (e *statefulEval) rule(r *statefulRule, number int32, d *syscollector.Delta) error {
	if !e.evaluate(r, number) {
		return nil
	}
	if r.every {
		_, err := e.begun(r, number, d)
		return err
	}
	e.holds[number] = true
	e.touched = append(e.touched, number)
	if slices.Contains(d.Active, r.fingerprint) {
		return nil
	}
	onset, err := e.begun(r, number, d)
	if err != nil {
		return err
	}
	if d.Change == syscollector.Removed {
		return nil // there is no item left on which it could stand
	}
	stand(d, r)
	if r.window != nil {
		return nil // counted, not shown: one onset alone is nothing to see
	}
	return e.write(&onset)
}

// begun takes a match (every) or an onset through correlate and suppress to
// its alert, and returns the entry for the index of active onsets.
func (e *statefulEval) begun(r *statefulRule, number int32, d *syscollector.Delta) (ActiveOnset, error) {
	s := &e.run.scope
	if r.window != nil {
		if enough, err := e.memory.counted(r, s, e.in.StreamTime); err != nil || !enough {
			return ActiveOnset{}, err
		}
	}
	onset := e.onset(r, d)
	s.itemNames, e.items = nil, nil
	if r.items != nil {
		var err error
		if e.items, s.itemNames, err = r.items.collect(s); err != nil {
			e.counts[number].Errors++
			e.counts[number].LastError = "items: " + err.Error()
		}
	}
	onset.Description = r.description.expand(s)
	suppressed := 0
	if r.quiet != nil && e.alerts(r.level) {
		held, before, err := e.memory.quietNow(r, s, e.in.StreamTime)
		if err != nil {
			return onset, err
		}
		if held {
			e.counts[number].Suppressed++
			onset.Resolve = false // who was not told of the begin is not told of the end
			return onset, nil
		}
		suppressed = before
	}
	e.fire(r, number, d, onset.Description, suppressed)
	return onset, nil
}

// evaluate decides a rule's condition over what the scope shows. An error at
// run time counts against the rule, whose condition is false then.
func (e *statefulEval) evaluate(r *statefulRule, number int32) bool {
	count := &e.counts[number]
	count.Evaluations++
	ok, err := e.run.run(r.when)
	if err != nil {
		count.Errors++
		count.LastError = err.Error()
		ok = false
	}
	if e.in.Trace != nil && e.in.Trace.Rule != nil {
		e.trace(r, ok, err)
	}
	if ok {
		count.Matches++
	}
	return ok
}

// counters returns what was counted, by place in the set.
func (e *statefulEval) counters() []RuleCounters { return e.counts }

// inLoadOrder sorts alerts by the place of their rules.
type inLoadOrder struct {
	alerts []Alert
	orders []int32
}

func (o inLoadOrder) Len() int           { return len(o.alerts) }
func (o inLoadOrder) Less(i, j int) bool { return o.orders[i] < o.orders[j] }
func (o inLoadOrder) Swap(i, j int) {
	o.alerts[i], o.alerts[j] = o.alerts[j], o.alerts[i]
	o.orders[i], o.orders[j] = o.orders[j], o.orders[i]
}
