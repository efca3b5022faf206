package rules

import (
	"fmt"

	"invigil/pipeline/syscollector"
)

// Rules with scope: agent. They stand on no row: their one item is the agent,
// and they are looked at when a table that they read changes (4.x) or its scan
// ends (3.9), so that none(packages, …) is not asked in mid-scan.

// agentRules evaluates the rules about the whole agent that the input can
// change.
func (e *statefulEval) agentRules() error {
	if len(e.set.agents) == 0 {
		return nil
	}
	touched := e.touchedTables()
	if touched == 0 {
		return nil
	}
	agent := ""
	switch {
	case e.in.Event != nil && e.in.Event.Agent.ID != "":
		agent = e.in.Event.Agent.ID
	case len(e.in.Deltas) > 0:
		agent = e.in.Deltas[0].Agent
	}
	if e.in.Event == nil {
		e.agent.ID = agent
	}
	for _, number := range e.set.agents {
		if r := e.set.rules[number]; r.when.facts.tables&touched != 0 {
			if err := e.agentRule(r, number, agent); err != nil {
				return err
			}
		}
	}
	return nil
}

// scannedTables are the tables that a full scan of 3.9 reports row by row.
const scannedTables = 1<<syscollector.Hotfixes | 1<<syscollector.Packages | 1<<syscollector.Processes | 1<<syscollector.Ports | networkTables
const networkTables = 1<<syscollector.Netiface | 1<<syscollector.Netproto | 1<<syscollector.Netaddr

// touchedTables returns the tables that the input completes or changes, a bit
// each. A sweep touches all, once an agent.
func (e *statefulEval) touchedTables() (touched uint16) {
	const all = 1<<syscollector.NumTables - 1
	if e.sweep() {
		if len(e.in.Deltas) == 0 || e.swept == (sweptAgent{e.in.Origin.Offset, e.in.Deltas[0].Agent}) {
			return 0
		}
		e.swept = sweptAgent{e.in.Origin.Offset, e.in.Deltas[0].Agent}
		return all
	}
	ev := e.in.Event
	for i := range e.in.Deltas {
		if d := &e.in.Deltas[i]; d.Change != syscollector.Unchanged {
			touched |= 1 << d.Table
		}
	}
	ended := uint16(1) << ev.Table
	if ev.Family == syscollector.FamilyScan && ev.Table == syscollector.Netiface {
		ended = networkTables
	}
	switch {
	case ev.Op == syscollector.OpScanEnd || ev.Op == syscollector.OpClear:
		touched |= ended
	case ev.Family == syscollector.FamilyScan:
		touched &^= scannedTables
	}
	return touched
}

// sweptAgent is the agent that a sweep showed last.
type sweptAgent struct {
	sweep int64
	agent string
}

// agentRule evaluates one rule over the agent.
func (e *statefulEval) agentRule(r *statefulRule, number int32, agent string) error {
	s := &e.run.scope
	s.row, s.before, s.change, s.changed, s.table = &e.none, &e.none, syscollector.Unchanged, 0, syscollector.NoTable
	d := syscollector.Delta{Agent: agent, Before: &e.none, After: &e.none}
	holds := e.evaluate(r, number)
	if r.every {
		if !holds || e.sweep() {
			return nil
		}
		_, err := e.begun(r, number, &d)
		return err
	}
	a := ActiveOnset{Fingerprint: r.fingerprint, Agent: agent}
	value, active, err := e.active.Get(a.appendKey(nil))
	if err != nil {
		return fmt.Errorf("read active onset of rule %s: %w", r.id, err)
	}
	switch {
	case holds && !active:
		onset, err := e.begun(r, number, &d)
		if err != nil {
			return err
		}
		if r.window != nil {
			onset = e.onset(r, &d) // counted: it stands, though it is nothing to see
		}
		onset.Item = 0
		if err := e.write(&onset); err != nil {
			return err
		}
	case active && !holds:
		e.key = a.appendKey(e.key[:0])
		if a, err = DecodeActive(e.key, value); err != nil {
			return err
		}
		if err := e.active.Delete(e.key); err != nil {
			return fmt.Errorf("delete active onset of rule %s: %w", r.id, err)
		}
		if a.Resolve {
			e.resolved(&a, number, &d, "condition over")
		}
	}
	return nil
}
