package rules

import (
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// checkCorrelation reports a frequency above 2 or a comparison with earlier
// events on a rule that looks at none.
func (b *treeBuilder) checkCorrelation(decl *rulefile.Rule) bool {
	w := decl.Wazuh
	if hasCorrelation(w) || w.CheckDiff {
		return true
	}
	ok := true
	if w.Frequency > 2 {
		b.errorAt(decl, "frequency", "frequency %d needs if_matched_sid, if_matched_group or if_matched_regex", w.Frequency)
		ok = false
	}
	if c := w.Correlate; c != nil && (len(c.Same) > 0 || len(c.Different) > 0 || c.Global) {
		b.errorAt(decl, "correlate", "same, different and global need if_matched_sid, if_matched_group or if_matched_regex")
		ok = false
	}
	return ok
}

// correlate compiles a rule's correlation and registers the history that it
// searches. False means that the rule does not load.
func (b *treeBuilder) correlate(r *wazuhRule, decl *rulefile.Rule, parents *[]*wazuhRule) bool {
	if !hasCorrelation(decl.Wazuh) {
		return true
	}
	c := decl.Wazuh.Correlate
	r.corr = &correlation{}
	switch {
	case c.SID != 0:
		base := b.set.byID[c.SID]
		if base == nil && c.SID >= stockIDs {
			b.refuse(decl, "correlate.sid", "rule %d is not read before this rule", c.SID)
			return false
		}
		r.corr.search, r.corr.list = searchSID, -1
		if base != nil {
			if base.sidList < 0 {
				base.sidList = b.newList()
			}
			r.corr.list = base.sidList
		}
	case c.Group != "":
		m, err := pattern.Compile(pattern.OSMatch, c.Group, b.opts.patterns())
		if err != nil {
			b.errorAt(decl, "correlate.group", "%v", err)
			return false
		}
		r.corr.search, r.corr.list = searchGroup, b.newList()
		for _, covered := range append(slices.Clip(b.set.rules), r) {
			if m.Match(covered.groupText) {
				covered.groupLists = append(covered.groupLists, r.corr.list)
			}
		}
	default:
		r.corr.search = searchRegex
	}
	return b.compileCorrelation(r, decl)
}

// compileCorrelation compiles what an overwrite replaces: all but what is
// searched.
func (b *treeBuilder) compileCorrelation(r *wazuhRule, decl *rulefile.Rule) bool {
	w := decl.Wazuh
	c, corr := w.Correlate, r.corr
	corr.earlier = 1
	frequency := 2
	if w.Frequency >= 0 {
		frequency = w.Frequency
		corr.earlier = w.Frequency - 1
	}
	r.alert.Frequency = frequency
	corr.timeframe = defaultTimeframe
	if w.Timeframe >= 0 {
		corr.timeframe = int64(w.Timeframe)
	}
	corr.regex = nil
	if corr.search == searchRegex {
		m, err := pattern.Compile(pattern.OSRegex, c.Regex, b.opts.patterns())
		if err != nil {
			b.errorAt(decl, "correlate.regex", "%v", err)
			return false
		}
		corr.regex = m
		b.set.regex = true
	}
	legacy := b.compat == syscollector.Compat39
	corr.perAgent = !legacy && !c.Global
	corr.differentNeedsBoth = legacy
	corr.same, corr.different = b.track(c.Same), b.track(c.Different)
	corr.traits = searchTraits{
		lastText:    corr.search != searchRegex && !(legacy && corr.search == searchGroup),
		cutTexts:    legacy,
		markNewest:  legacy && corr.search != searchRegex,
		markOldest:  legacy,
		markCounted: !legacy,
	}
	b.set.maxAge = max(b.set.maxAge, corr.timeframe)
	return true
}

func (b *treeBuilder) newList() int {
	b.set.lists++
	return b.set.lists - 1
}

// absentField stands for a field that no inventory event has. staticAbsent is
// the same for a static one.
const (
	absentField  = -1
	staticAbsent = -2
)

// track returns the numbers of the fields to remember.
func (b *treeBuilder) track(names []string) []int {
	list := make([]int, 0, len(names))
	for _, name := range names {
		var ref fieldRef
		dynamic, isDynamic := strings.CutPrefix(name, "field:")
		switch {
		case isDynamic:
			ref = fieldRef{kind: refView, view: syscollector.LookupView(dynamic)}
		case name == "location" && b.compat == syscollector.Compat39:
			ref = fieldRef{kind: refHostname}
		case name == "location":
			ref = fieldRef{kind: refLocation}
		}
		switch {
		case ref.kind == refAbsent:
			list = append(list, staticAbsent)
			continue
		case ref.kind == refView && ref.view == 0:
			list = append(list, absentField)
			continue
		}
		i := slices.IndexFunc(b.set.tracked, func(t trackedField) bool { return t.ref == ref })
		if i < 0 {
			i = len(b.set.tracked)
			b.set.tracked = append(b.set.tracked, trackedField{strings.ToLower(name), ref})
		}
		list = append(list, i)
	}
	return list
}

// overwrite replaces a rule's definition, not its place in the tree.
func (b *treeBuilder) overwrite(old *wazuhRule, decl *rulefile.Rule) {
	fresh := &wazuhRule{slot: old.slot, id: old.id, name: old.name}
	cond := b.compileCondition(decl)
	b.compileWazuh(fresh, decl)
	legacy := b.compat == syscollector.Compat39
	if legacy {
		cond.conjuncts = overwrittenConjuncts(old.cond.conjuncts, cond.conjuncts)
	} else if p := decl.Wazuh.Parent; !sameParent(p, old.decls[0].Wazuh.Parent) && (len(p.SID) > 0 || p.Level > 0 || p.Group != "") {
		b.report(decl, "parent", source.Warning, "an overwrite keeps the rule's place in the tree: the parent given here is ignored")
	}
	fresh.cond = cond
	fresh.unreachable = old.unreachable
	if !legacy && !b.checkLists(fresh, decl) {
		return
	}
	if hasCorrelation(decl.Wazuh) {
		fresh.corr = &correlation{search: searchNothing, list: -1}
		if old.corr != nil && old.corr.search != searchRegex {
			fresh.corr.search, fresh.corr.list = old.corr.search, old.corr.list
		}
		c := decl.Wazuh.Correlate
		if fresh.corr.search == searchNothing && c.SID == 0 && c.Group == "" {
			fresh.corr.search = searchRegex
		}
		if legacy {
			b.keepLegacyCorrelation(old, fresh, decl)
		} else if !b.compileCorrelation(fresh, decl) {
			return
		}
	}
	fresh.decls = append(slices.Clip(old.decls), decl)
	fresh.rank = RankOf(decl)
	if fresh.rank != old.rank {
		b.ordered = false
	}
	fresh.places, fresh.children = old.places, old.children
	fresh.sidList, fresh.groupLists = old.sidList, old.groupLists
	*old = *fresh
}

// keepLegacyCorrelation compiles the correlation of a rule overwritten in
// 3.9.5: what is searched and the fields compared stay the old rule's.
func (b *treeBuilder) keepLegacyCorrelation(old, fresh *wazuhRule, decl *rulefile.Rule) {
	merged := *decl
	w := *decl.Wazuh
	c := *w.Correlate
	isField := func(name string) bool { return strings.HasPrefix(name, "field:") }
	isStatic := func(name string) bool { return !isField(name) }
	var oldSame, oldDifferent []string
	if old.corr != nil {
		was := old.decls[len(old.decls)-1].Wazuh.Correlate
		oldSame, oldDifferent = was.Same, was.Different
		if old.corr.search == searchRegex {
			fresh.corr.search, c.Regex = searchRegex, was.Regex
		}
	} else if fresh.corr.search == searchRegex {
		fresh.corr.search = searchNothing
	}
	c.Same = append(slices.DeleteFunc(slices.Clone(oldSame), isStatic), slices.DeleteFunc(slices.Clone(c.Same), isField)...)
	c.Different = append(slices.DeleteFunc(slices.Clone(oldDifferent), isStatic), slices.DeleteFunc(slices.Clone(c.Different), isField)...)
	w.Correlate = &c
	merged.Wazuh = &w
	b.compileCorrelation(fresh, &merged)
}

// overwrittenConjuncts is the condition of a rule overwritten in 3.9.5: fields,
// lists and location stay the old rule's, the others become the new one's.
func overwrittenConjuncts(old, fresh []conjunct) (list []conjunct) {
	for _, cj := range fresh {
		if !cj.kept {
			list = append(list, cj)
		}
	}
	for _, cj := range old {
		if cj.kept {
			list = append(list, cj)
		}
	}
	return list
}

func sameParent(a, b rulefile.Parent) bool {
	return slices.Equal(a.SID, b.SID) && a.Level == b.Level && a.Group == b.Group
}
