package rules

import "invigil/pipeline/syscollector"

// Input is one event with everything a verdict may depend on.
type Input struct {
	Event      *syscollector.Event
	Deltas     []syscollector.Delta // Eval updates Active
	StreamTime int64                // unix milliseconds
	Origin     Origin
	Lists      Lists
	Inventory  Inventory
	Trace      *Trace // nil = no explanation wanted
}

// row returns the delta of the row that the message is about, nil if there is
// none.
func (in *Input) row() *syscollector.Delta {
	if in.Event == nil || len(in.Deltas) == 0 || in.Deltas[0].Synthetic {
		return nil
	}
	return &in.Deltas[0]
}

// Trace receives what Eval did, rule by rule in the order tried.
type Trace struct {
	// Rule is called for each rule tried: reason is "" when it matched, else
	// the first condition that failed with the value it saw.
	Rule func(id string, reason string)
}
