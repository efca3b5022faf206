package rules

import (
	"invigil/config/source"
	"invigil/rules/rulefile"
)

// Set is a compiled rule set of both dialects. It is immutable and safe for
// concurrent use.
type Set struct {
	infos    []RuleInfo
	stateful []*statefulRule // in load order
	opts     Options
}

// RuleInfo describes one loaded rule.
type RuleInfo struct {
	ID          string
	Level       int
	Description string // the template
	Dialect     rulefile.Dialect
	Pos         source.Position
	Groups      []string
	Table       string // table of an invigil rule, "" otherwise
	// Unreachable is set for wazuh rules that no inventory event can reach:
	// other decoders, stock parents that are not loaded.
	Unreachable bool
	// Fingerprint identifies the declaration: rule memory survives a reload
	// while it is the same.
	Fingerprint uint64
}

// Rules describes the loaded rules in load order, built-in ones left out.
func (s *Set) Rules() []RuleInfo { return s.infos }
