package rules

// Evaluator evaluates a Set over one partition's events, in order. It belongs
// to one goroutine.
type Evaluator struct {
	set      *Set
	mem      Memory
	active   Memory
	stateful *statefulEval
	out      []Alert
}

// NewEvaluator returns an evaluator over a partition's rule memory, which it
// loads, and the partition's index of active onsets.
func (s *Set) NewEvaluator(mem, active Memory) (*Evaluator, error) {
	e := &Evaluator{set: s, mem: mem, active: active}
	var err error
	if e.stateful, err = newStatefulEval(s, mem, active); err != nil {
		return nil, err
	}
	return e, nil
}

// Eval evaluates one event: the verdict of the wazuh rules (one alert at
// most), then the invigil rules in load order. An Input without an Event, or
// with one that is not Visible, is seen by invigil rules only. The alerts are
// valid until the next Eval. An error is a failure of the rule memory.
func (e *Evaluator) Eval(in *Input) ([]Alert, error) {
	e.out = e.out[:0]
	var err error
	e.out, err = e.stateful.eval(in, e.out)
	return e.out, err
}

// Flush writes what changed in rule memory since the last Flush: call it
// before a batch commits.
func (e *Evaluator) Flush() error { return e.stateful.flush() }

// Swap goes over to another set. Rule memory survives for rules whose
// declaration is the same.
func (e *Evaluator) Swap(s *Set) error {
	if err := e.stateful.swap(s); err != nil {
		return err
	}
	e.set = s
	return nil
}
