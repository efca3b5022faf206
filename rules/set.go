package rules

import (
	"maps"
	"slices"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// Set is a compiled rule set of both dialects. It is immutable and safe for
// concurrent use.
type Set struct {
	opts     Options
	infos    []RuleInfo
	wazuh    *wazuhSet    // nil = no rule of the wazuh dialect
	stateful *statefulSet // the rules of the invigil dialect
	lists    []*rulefile.List
}

// RuleInfo describes one loaded rule.
type RuleInfo struct {
	ID          string
	Level       int
	Description string // the template
	Dialect     rulefile.Dialect
	Pos         source.Position
	Groups      []string // without compliance tokens
	Table       string   // table whose rows an invigil rule is about, "" otherwise
	Reads       []string // the agent's tables that an invigil rule reads beside its row
	// Unreachable is set for wazuh rules that no inventory event can reach:
	// other decoders, stock parents that are not loaded.
	Unreachable bool
	// Unindexed is set for rules that every event of their place or table is
	// tried on, because they need no literal that an index could look for.
	Unindexed bool
	// Disabled is set for rules that a tuning switched off.
	Disabled bool
	// Fingerprint identifies the declaration: rule memory survives a reload
	// while it is the same.
	Fingerprint uint64
}

// Rules describes the loaded rules, the wazuh dialect's first, each in load
// order, built-in ones left out.
func (s *Set) Rules() []RuleInfo { return s.infos }

// Lists returns the lists that the rule files declare in place. What
// Input.Lists holds must include them.
func (s *Set) Lists() []*rulefile.List { return s.lists }

// Dialect returns the wazuh dialect that the set's rules are written in, ""
// if it has none of them.
func (s *Set) Dialect() rulefile.Dialect {
	if s.wazuh == nil {
		return ""
	}
	return dialectOf(s.wazuh.compat)
}

// ReadsVolatile reports whether a rule reads a volatile column of the table:
// its changes must then not be deferred.
func (s *Set) ReadsVolatile(t syscollector.Table) bool { return s.stateful.readsVolatile(t) }

// wazuhInfos describes the rules of the tree.
func wazuhInfos(s *wazuhSet) (infos []RuleInfo) {
	indexed := map[*wazuhRule]bool{}
	for _, parent := range s.rules {
		if parent.index == nil {
			continue
		}
		always := map[int32]bool{}
		for _, i := range parent.index.always {
			always[i] = true
		}
		for i, r := range parent.live {
			if !always[int32(i)] {
				indexed[r] = true
			}
		}
	}
	for _, r := range s.rules {
		decl := r.decls[len(r.decls)-1]
		if r.builtin {
			continue // an overwrite ends that
		}
		infos = append(infos, RuleInfo{
			ID: r.name, Level: r.level, Description: decl.Description.Value, Dialect: dialectOf(s.compat), Pos: decl.Pos,
			Groups: r.alert.Groups, Unreachable: r.unreachable, Unindexed: !indexed[r] && r.crowded, Disabled: r.tune.disabled,
			Fingerprint: r.fingerprint,
		})
	}
	return infos
}

// Onset describes a rule whose condition stands on stored items: what it is
// identified by, and the lists that it reads. A change of either may make
// conditions true that no event will report.
type Onset struct {
	Fingerprint uint64
	Lists       []string
}

// TunedOnsets returns the fingerprints of the rules of the wazuh dialect that a
// tuning gave onsets. They stand on messages: stored inventory begins none.
func (s *Set) TunedOnsets() []uint64 { return slices.Sorted(maps.Keys(s.stateful.tuned)) }

// Onsets returns the onset rules of the invigil dialect, in load order.
func (s *Set) Onsets() []Onset {
	var all []Onset
	for _, r := range s.stateful.rules {
		if !r.every {
			all = append(all, Onset{r.fingerprint, r.lists})
		}
	}
	return all
}
