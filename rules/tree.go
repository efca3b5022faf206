package rules

import (
	"fmt"
	"slices"
	"strconv"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

const (
	// stockIDs are the ids below it: a missing parent among them is a rule of
	// the original's own set, which no inventory event can reach.
	stockIDs = 100000
	// maxPlaces bounds the places of a rule that are counted: no frequency
	// asks for more.
	maxPlaces = 10000
	// defaultTimeframe is that of a correlation, in seconds.
	defaultTimeframe = 360
)

// wazuhSet is the compiled rule tree of the wazuh dialect. It is immutable.
type wazuhSet struct {
	compat syscollector.Compat
	rules  []*wazuhRule // load order, built-in ones included
	roots  []*wazuhRule // of the inventory's category
	byID   map[int]*wazuhRule
	atoms  []atom
	// tracked are the fields that correlations compare, by name.
	tracked []trackedField
	lists   int  // number of histories by rule or group
	regex   bool // a correlation searches all events
	// maxAge is the longest timeframe in seconds, -1 = no correlation.
	maxAge int64
}

// trackedField is a field remembered with each event.
type trackedField struct {
	name string
	ref  fieldRef
}

// treeBuilder builds a wazuhSet from declarations in load order.
type treeBuilder struct {
	compat syscollector.Compat
	opts   Options
	conds  conditionCompiler
	set    *wazuhSet
	roots  []*wazuhRule // of all categories
	ds     source.Diagnostics
	// ordered is false once an overwrite changed a rank: siblings may then
	// stand out of order.
	ordered bool
	sidList map[int]int // rule id → history list
	notes   map[string]int
}

func newTreeBuilder(compat syscollector.Compat, env *loadEnv) *treeBuilder {
	return &treeBuilder{
		compat: compat, opts: env.opts, ordered: true, sidList: map[int]int{}, notes: map[string]int{},
		conds: conditionCompiler{table: &atomTable{}, env: env},
		set:   &wazuhSet{compat: compat, byID: map[int]*wazuhRule{}, maxAge: -1},
	}
}

// addFiles adds the files' rules, and the built-in ones that no file defines.
func (b *treeBuilder) addFiles(files []*rulefile.File) {
	for decl, builtin := range LoadOrder(files) {
		b.add(decl)
		if builtin {
			b.set.rules[len(b.set.rules)-1].builtin = true
		}
	}
}

func (b *treeBuilder) report(decl *rulefile.Rule, at string, severity source.Severity, format string, args ...any) {
	pos := decl.Pos
	if decl.Wazuh != nil {
		if p, ok := decl.Wazuh.At[at]; ok {
			pos = p
		}
	}
	b.ds = append(b.ds, source.Diagnostic{Pos: pos, Severity: severity, Rule: decl.ID, Message: fmt.Sprintf(format, args...)})
}

func (b *treeBuilder) errorAt(decl *rulefile.Rule, at, format string, args ...any) {
	b.report(decl, at, source.Error, format, args...)
}

// refuse reports what 3.9.5 refuses and 4.14.7 skips with a warning.
func (b *treeBuilder) refuse(decl *rulefile.Rule, at, format string, args ...any) {
	if b.compat == syscollector.Compat39 {
		b.errorAt(decl, at, format, args...)
		return
	}
	b.report(decl, at, source.Warning, format+"; Wazuh 4 skips the rule", args...)
}

// add loads one rule.
func (b *treeBuilder) add(decl *rulefile.Rule) {
	w := decl.Wazuh
	id, err := strconv.Atoi(decl.ID)
	if err != nil || id < 0 || len(decl.ID) > 6 {
		if decl.Broken {
			return
		}
		b.errorAt(decl, "id", "id %q is no number of up to six digits, which the wazuh dialect wants", decl.ID)
		return
	}
	if !decl.Broken && !b.checkCorrelation(decl) {
		return
	}
	old := b.set.byID[id]
	switch {
	case old != nil && w.Overwrite:
		b.overwrite(old, decl)
		return
	case old != nil:
		b.refuse(decl, "id", "id %d is taken by the rule at %s, which stays", id, old.decls[0].Pos)
		return
	case w.Overwrite && b.compat == syscollector.Compat39:
		b.errorAt(decl, "overwrite", "there is no rule %d to overwrite", id)
		return
	case w.Overwrite:
		b.report(decl, "overwrite", source.Warning, "there is no rule %d to overwrite; it is loaded as a new one", id)
	}
	r := &wazuhRule{slot: len(b.set.rules), id: id, name: strconv.Itoa(id), decls: []*rulefile.Rule{decl}, sidList: -1}
	b.compileWazuh(r, decl)
	r.rank = RankOf(decl)
	r.cond = b.compileCondition(decl)
	if id < 10 {
		r.places = 1
		r.unreachable = r.category != inventoryCategory
		b.load(r)
		b.roots = insertSibling(b.roots, r, b.ordered)
		return
	}
	parents, ok := b.parents(r, decl)
	if !ok || !b.correlate(r, decl, &parents) {
		return
	}
	r.unreachable = r.decodedAs != "" && r.decodedAs != inventoryDecoder || !slices.ContainsFunc(parents, func(p *wazuhRule) bool { return !p.unreachable })
	if !b.checkLists(r, decl) {
		return
	}
	b.load(r)
	for _, p := range parents {
		p.children = insertSibling(p.children, r, b.ordered)
		r.places = min(r.places+p.places, maxPlaces)
	}
	if r.unreachable && !decl.Broken {
		b.notes[decl.Pos.File]++
	}
}

// compileCondition compiles a rule's condition; that of a broken rule was
// reported when it was read.
func (b *treeBuilder) compileCondition(decl *rulefile.Rule) condition {
	if decl.Broken {
		return condition{}
	}
	cond, ds := b.conds.compile(decl)
	b.ds = append(b.ds, ds...)
	return cond
}

func (b *treeBuilder) load(r *wazuhRule) {
	b.set.rules = append(b.set.rules, r)
	b.set.byID[r.id] = r
}

// root returns the first root of a category.
func (b *treeBuilder) root(category string) *wazuhRule {
	for _, r := range b.roots {
		if r.category == category {
			return r
		}
	}
	return nil
}

// parents returns the rules that the new one hangs below; none and true for a
// rule below stock rules that are not loaded. False means that the rule does
// not load.
func (b *treeBuilder) parents(r *wazuhRule, decl *rulefile.Rule) ([]*wazuhRule, bool) {
	switch p := ParentOf(decl.Wazuh); {
	case len(p.SID) > 0:
		return b.parentsByID(decl, p.SID)
	case p.Level > 0:
		return b.parentsWhere(func(r *wazuhRule) bool { return r.rank >= p.Level*100 }), true
	case p.Group != "":
		word := pattern.CompileGroupWord(p.Group)
		parents := b.parentsWhere(func(r *wazuhRule) bool { return word.Match(r.groupText) })
		if len(parents) == 0 {
			b.refuse(decl, "parent", "no rule read before has a group that contains %q", p.Group)
			return nil, false
		}
		return parents, true
	}
	if root := b.root(r.category); root != nil {
		return []*wazuhRule{root}, true
	}
	return nil, true
}

// parentsWhere returns the rules read before of which f is true.
func (b *treeBuilder) parentsWhere(f func(*wazuhRule) bool) (parents []*wazuhRule) {
	for _, r := range b.set.rules {
		if f(r) {
			parents = append(parents, r)
		}
	}
	return parents
}

func (b *treeBuilder) parentsByID(decl *rulefile.Rule, sids []int) (parents []*wazuhRule, ok bool) {
	stock := false
	var missing []int
	for _, sid := range sids {
		switch p := b.set.byID[sid]; {
		case p != nil:
			parents = append(parents, p)
		case sid < stockIDs:
			stock = true
		default:
			missing = append(missing, sid)
		}
	}
	switch {
	case len(missing) == 0:
	case b.compat == syscollector.Compat39:
		b.errorAt(decl, "parent", "parent %s is not read before this rule", joinInts(missing))
		return nil, false
	case len(parents) == 0 && !stock:
		b.refuse(decl, "parent", "parent %s is not read before this rule", joinInts(missing))
		return nil, false
	default:
		b.report(decl, "parent", source.Warning, "parent %s is not read before this rule and left out", joinInts(missing))
	}
	return parents, true
}

func joinInts(list []int) string {
	s := ""
	for i, n := range list {
		if i > 0 {
			s += ", "
		}
		s += strconv.Itoa(n)
	}
	return s
}

// checkLists answers lists that are not registered: 4.14.7 skips the rule,
// 3.9.5 finds nothing in them. Rules that cannot see inventory are let be.
func (b *treeBuilder) checkLists(r *wazuhRule, decl *rulefile.Rule) bool {
	if r.unreachable {
		return true
	}
	for _, name := range b.missingLists(r.cond) {
		if b.compat == syscollector.Compat4 {
			b.report(decl, "when", source.Warning, "list %q is not registered; Wazuh 4 skips the rule", name)
			return false
		}
		b.report(decl, "when", source.Warning, "list %q is not registered: lookups find nothing in it", name)
	}
	return true
}

func (b *treeBuilder) missingLists(c condition) (names []string) {
	for _, cj := range c.conjuncts {
		eachAtom(cj.node, func(k int32) {
			if a := &b.conds.table.atoms[k]; a.kind == atomList && a.missing && !slices.Contains(names, a.list) {
				names = append(names, a.list)
			}
		})
	}
	return names
}

// build finishes the set: programs, the children that are worth trying, the
// index over them.
func (b *treeBuilder) build() *wazuhSet {
	s := b.set
	s.atoms = b.conds.table.atoms
	for _, r := range s.rules {
		if err := r.cond.finish(); err != nil {
			b.errorAt(r.decls[len(r.decls)-1], "when", "condition: %v", err)
		}
		r.fingerprint = fingerprintRule(r.decls...)
	}
	for _, r := range s.rules {
		r.live = liveRules(r.children)
	}
	pure := make([]bool, len(s.rules))
	for i, r := range slices.Backward(s.rules) { // children were loaded behind their parents
		pure[i] = r.corr == nil && !r.checkDiff && !slices.ContainsFunc(r.children, func(c *wazuhRule) bool { return !pure[c.slot] })
		r.repeats = pure[i] && r.places > 1
	}
	for _, r := range s.rules {
		if r.index = newLevelIndex(r.live, s.atoms); r.index == nil {
			continue
		}
		for _, child := range r.live {
			child.crowded = true
		}
	}
	for _, r := range b.roots {
		if r.category == inventoryCategory {
			s.roots = append(s.roots, r)
		}
	}
	return s
}

// liveRules leaves out what no inventory event can match.
func liveRules(rules []*wazuhRule) (live []*wazuhRule) {
	for _, r := range rules {
		if !r.never() {
			live = append(live, r)
		}
	}
	return live
}

// never reports whether no inventory event can match the rule's own conditions.
func (r *wazuhRule) never() bool {
	return r.decodedAs != "" && r.decodedAs != inventoryDecoder || r.unknown != "" || r.cond.never
}
