package rules

import "iter"

// Evaluator evaluates a Set over one partition's events, in order. It belongs
// to one goroutine.
type Evaluator struct {
	set      *Set
	mem      Memory
	active   Memory
	wazuh    *wazuhEval // nil = no rule of the wazuh dialect
	stateful *statefulEval
	out      []Alert
}

// NewEvaluator returns an evaluator over a partition's rule memory, which it
// loads, and the partition's index of active onsets.
func (s *Set) NewEvaluator(mem, active Memory) (*Evaluator, error) {
	e := &Evaluator{set: s, mem: mem, active: active}
	if err := e.startWazuh(); err != nil {
		return nil, err
	}
	var err error
	if e.stateful, err = newStatefulEval(s, mem, active); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Evaluator) startWazuh() (err error) {
	e.wazuh = nil
	if e.set.wazuh != nil {
		e.wazuh, err = newWazuhEval(e.set.wazuh, &e.set.opts, e.mem)
	}
	return err
}

// Eval evaluates one event: the verdict of the wazuh rules (one alert at
// most), then the invigil rules in load order. An Input without an Event, or
// with one that is not Visible, is seen by invigil rules only. The alerts are
// valid until the next Eval. An error is a failure of the rule memory.
func (e *Evaluator) Eval(in *Input) ([]Alert, error) {
	clear(e.out)
	e.out = e.out[:0]
	var err error
	e.stateful.verdict = [2]uint64{}
	if e.wazuh != nil && in.Event != nil && in.Event.Visible {
		if e.out, err = e.wazuh.eval(in, e.out); err != nil {
			return nil, err
		}
		if e.out, err = e.tune(in, e.out); err != nil {
			return nil, err
		}
	}
	e.out, err = e.stateful.eval(in, e.out)
	return e.out, err
}

// tune takes the verdict through what tunings ask of its rules.
func (e *Evaluator) tune(in *Input, out []Alert) ([]Alert, error) {
	for i, r := range []*wazuhRule{e.wazuh.final, e.wazuh.alerted} {
		if r != nil && r.tuned != nil && !r.tuned.every {
			e.stateful.verdict[i] = r.tuned.fingerprint
		}
	}
	r := e.wazuh.alerted
	if r == nil || r.tuned == nil {
		return out, nil
	}
	count := &e.wazuh.counts[r.slot]
	due, err := e.stateful.due(in, r.tuned, &out[len(out)-1], count)
	if err != nil || due {
		return out, err
	}
	count.Alerts--
	return out[:len(out)-1], nil
}

// Flush writes what changed in rule memory since the last Flush: call it
// before a batch commits.
func (e *Evaluator) Flush() error {
	if e.wazuh != nil {
		if err := e.wazuh.flush(); err != nil {
			return err
		}
	}
	return e.stateful.flush()
}

// Swap goes over to another set. Rule memory survives for rules whose
// declaration is the same.
func (e *Evaluator) Swap(s *Set) error {
	if err := e.Flush(); err != nil {
		return err
	}
	e.set = s
	if err := e.startWazuh(); err != nil {
		return err
	}
	return e.stateful.swap(s)
}

// Retire ends the active onsets of rules that the set no longer has, and
// returns the resolved alerts of those that want them: part of a sweep after a
// reload. in gives stream time, origin and lists; the alerts are valid until
// the next call.
func (e *Evaluator) Retire(in *Input) ([]Alert, error) {
	clear(e.out)
	var err error
	e.out, err = e.stateful.retire(in, e.out[:0])
	return e.out, err
}

// Forget ends the active onsets of an agent that is forgotten, as Retire does,
// and drops the messages of it that check_diff compares with.
func (e *Evaluator) Forget(in *Input, agent string) ([]Alert, error) {
	clear(e.out)
	var err error
	if e.wazuh != nil {
		if err = e.wazuh.mem.forget(agent); err != nil {
			return nil, err
		}
	}
	e.out, err = e.stateful.forget(in, agent, e.out[:0])
	return e.out, err
}

// Counters yields what was counted for each rule since the evaluator was made
// or last swapped, by the rule's id.
func (e *Evaluator) Counters() iter.Seq2[string, RuleCounters] {
	return func(yield func(string, RuleCounters) bool) {
		if e.wazuh != nil {
			for i, r := range e.wazuh.set.rules {
				if !r.builtin && !yield(r.name, e.wazuh.counts[i]) {
					return
				}
			}
		}
		for i, c := range e.stateful.counters() {
			if !yield(e.set.stateful.rules[i].id, c) {
				return
			}
		}
	}
}
