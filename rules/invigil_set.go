package rules

import "invigil/pipeline/syscollector"

// statefulSet holds the invigil rules of a Set, by table and indexed. It is
// immutable.
type statefulSet struct {
	rules  []*statefulRule // in load order
	tables [syscollector.NumTables]*tableRules
	// onsets finds an onset rule by its fingerprint, ids a rule by its id.
	onsets map[uint64]int32
	ids    map[string]struct{}
	tuned  map[uint64]*statefulRule // rules of the wazuh dialect with onsets, by fingerprint
	agents []int32                  // rules about whole agents
	// definitions finds the rules with a memory by what their records begin
	// with; remembers tells whether there are any.
	definitions map[uint64]*statefulRule
	remembers   bool
	opts        Options
}

// tableRules are the rules of one table. Numbers of the index count in rules.
type tableRules struct {
	rules    []*statefulRule
	numbers  []int32 // their places in the set's load order
	index    *whenIndex
	volatile bool // some rule reads a volatile column
}

// newStatefulSet puts compiled rules together, and what tunings ask of rules of
// the wazuh dialect.
func newStatefulSet(rules, tuned []*statefulRule, o Options) *statefulSet {
	ss := &statefulSet{
		rules: rules, opts: o, tuned: make(map[uint64]*statefulRule),
		onsets: make(map[uint64]int32), ids: make(map[string]struct{}, len(rules)),
		definitions: make(map[uint64]*statefulRule),
	}
	for _, r := range tuned {
		ss.ids[r.id] = struct{}{}
		ss.remember(r)
		if !r.every {
			ss.tuned[r.fingerprint] = r
		}
	}
	for i, r := range rules {
		if r.table == syscollector.NoTable {
			ss.agents = append(ss.agents, int32(i))
		} else {
			ss.add(r, int32(i))
		}
		ss.ids[r.id] = struct{}{}
		ss.remember(r)
		if !r.every {
			ss.onsets[r.fingerprint] = int32(i)
		}
	}
	for _, t := range ss.tables {
		if t == nil {
			continue
		}
		whens := make([]*when, len(t.rules))
		for i, r := range t.rules {
			whens[i] = r.when
		}
		t.index = newWhenIndex(whens)
	}
	return ss
}

// remember notes a rule that has a memory beside its onsets.
func (ss *statefulSet) remember(r *statefulRule) {
	if r.window != nil || r.quiet != nil {
		ss.definitions[r.definition] = r
		ss.remembers = true
	}
}

// has reports whether an onset's rule is in the set as it was.
func (ss *statefulSet) has(fingerprint uint64) bool {
	_, known := ss.onsets[fingerprint]
	return known || ss.tuned[fingerprint] != nil
}

func (ss *statefulSet) add(r *statefulRule, number int32) {
	t := ss.tables[r.table]
	if t == nil {
		t = &tableRules{}
		ss.tables[r.table] = t
	}
	t.rules = append(t.rules, r)
	t.numbers = append(t.numbers, number)
	t.volatile = t.volatile || r.volatile
}

// readsVolatile reports whether some rule reads a volatile column of the table:
// such rows have to be stored at once.
func (ss *statefulSet) readsVolatile(t syscollector.Table) bool {
	return t < syscollector.NumTables && ss.tables[t] != nil && ss.tables[t].volatile
}

// unindexed returns the rules that are tried on every row of their table.
func (ss *statefulSet) unindexed() (out []*statefulRule) {
	for _, t := range ss.tables {
		if t != nil {
			for _, i := range t.index.rest {
				out = append(out, t.rules[i])
			}
		}
	}
	return out
}
