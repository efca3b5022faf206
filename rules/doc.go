// Package rules is the compiled rule set and its evaluation: it loads rule
// files of both dialects, turns every condition into an expr program, walks
// the rule tree of the wazuh dialect with the original's verdict, evaluates the
// independent rules of the invigil dialect, and makes alerts.
//
// It stands between the inventory (an event and the deltas it caused) and the
// outbox (alerts in canonical form). It declares the small interfaces it needs
// of a store (Memory, Lists, Inventory) and never imports one.
//
// A Set is immutable and shared by goroutines. An Evaluator belongs to one
// partition and one goroutine; all that it remembers between two events lives
// in the partition's rule memory, so a restart between any two events changes
// no verdict.
package rules
