package rules

import (
	"fmt"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// tuning is what the tune entries of all files say of one rule; the last one
// to set a member wins.
type tuning struct {
	pos      source.Position // of the entry that suppress is from
	alert    string
	level    *int
	disabled bool
	suppress *rulefile.Suppress
}

// tunings finds the tuning of a rule.
type tunings struct {
	tunes []*rulefile.Tune
	used  map[*rulefile.Tune][]bool // by pattern
}

func newTunings(files []*rulefile.File) *tunings {
	t := &tunings{used: map[*rulefile.Tune][]bool{}}
	for _, f := range files {
		for _, tune := range f.Tunes {
			t.tunes = append(t.tunes, tune)
			t.used[tune] = make([]bool, len(tune.Rules))
		}
	}
	return t
}

func (t *tunings) of(id string) (result tuning) {
	for _, tune := range t.tunes {
		found := false
		for i, pattern := range tune.Rules {
			if matchID(pattern, id) {
				found, t.used[tune][i] = true, true
			}
		}
		if !found {
			continue
		}
		if tune.Alert != "" {
			result.alert = tune.Alert
		}
		if tune.Level != nil {
			result.level = tune.Level
		}
		if tune.Disabled != nil {
			result.disabled = *tune.Disabled
		}
		if tune.Suppress != nil {
			result.suppress, result.pos = tune.Suppress, tune.Pos
		}
	}
	return result
}

// unused warns of tunings that name no rule.
func (t *tunings) unused() (ds source.Diagnostics) {
	for _, tune := range t.tunes {
		for i, pattern := range tune.Rules {
			if !t.used[tune][i] {
				ds = append(ds, source.Diagnostic{Pos: tune.Pos, Severity: source.Warning, Message: fmt.Sprintf("tune: no rule has the id %q", pattern)})
			}
		}
	}
	return ds
}

// apply returns the rule as tuned: itself if nothing changes it.
func (t tuning) apply(r *rulefile.Rule) *rulefile.Rule {
	if r.Invigil == nil || t.level == nil && t.alert == "" && t.suppress == nil {
		return r
	}
	tuned, dialect := *r, *r.Invigil
	if t.level != nil {
		tuned.Level = *t.level
	}
	if t.alert != "" {
		dialect.Alert = t.alert
	}
	if t.suppress != nil {
		dialect.Suppress = t.suppress
	}
	tuned.Invigil = &dialect
	return &tuned
}

// matchID matches an id against a pattern in which * stands for any text.
func matchID(pattern, id string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == id
	}
	id, ok := strings.CutPrefix(id, head)
	if !ok {
		return false
	}
	for {
		part, tail, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(id, rest)
		}
		i := strings.Index(id, part)
		if i < 0 {
			return false
		}
		id, rest = id[i+len(part):], tail
	}
}

// tune applies a tuning to a rule of the tree. Its place stays, as that of an
// overwritten rule does.
func (b *treeBuilder) tune(r *wazuhRule, t tuning) {
	r.tune = t
	if t.level != nil {
		r.level = *t.level
		frequency := r.alert.Frequency
		b.compileAlert(r, r.decls[len(r.decls)-1])
		r.alert.Frequency = frequency
	}
	if t.disabled {
		r.unknown = "disabled by tune"
	}
}

// tunedWazuh compiles what tunings ask of rules of the tree beside their level:
// what a rule of the invigil dialect does with an alert that its condition
// makes.
func (l *loader) tunedWazuh() (tuned []*statefulRule) {
	if l.set.wazuh == nil {
		return nil
	}
	said := map[source.Diagnostic]bool{}
	for _, r := range l.set.wazuh.rules {
		t := r.tune
		if t.disabled || t.alert != "onset" && t.suppress == nil {
			continue
		}
		decl := &rulefile.Rule{Pos: t.pos, Level: r.level, Invigil: &rulefile.Stateful{Suppress: t.suppress}}
		rule := &statefulRule{decl: decl, id: r.name, level: r.level, every: t.alert != "onset"}
		_, ds := rule.compileMemory(decl)
		for _, d := range ds { // once an entry, however many rules it tunes
			if !said[d] {
				said[d] = true
				l.ds = append(l.ds, d)
			}
		}
		rule.fingerprint = fingerprintOf("tune", fmt.Sprint(r.fingerprint))
		rule.definition = rule.fingerprint
		if rule.quiet != nil {
			rule.definition = rule.quiet.define(rule.fingerprint)
		}
		r.tuned = rule
		tuned = append(tuned, rule)
	}
	return tuned
}

// due takes the alert of a tuned rule through onset and suppress, and reports
// whether it is to be given. The item of an onset is the row of the message;
// without one, each verdict is one.
func (e *statefulEval) due(in *Input, r *statefulRule, a *Alert, count *RuleCounters) (bool, error) {
	e.begin(in, nil)
	defer func() { e.in = nil }()
	d := in.row()
	s := &e.run.scope
	s.row, s.before, s.change, s.changed, s.table = &e.none, &e.none, syscollector.Unchanged, 0, syscollector.NoTable
	if d != nil {
		s.row, s.before, s.change, s.changed, s.table = d.After, d.Before, d.Change, d.Changed, d.Table
	}
	if !r.every && d != nil && slices.Contains(d.Active, r.fingerprint) {
		return false, nil
	}
	held := false
	if r.quiet != nil {
		var before int
		var err error
		if held, before, err = e.memory.quietNow(r, s, in.StreamTime); err != nil {
			return false, err
		}
		if before > 0 {
			a.Extras = &Extras{Suppressed: before}
		}
	}
	if held {
		count.Suppressed++
	}
	if r.every || d == nil || d.Change == syscollector.Removed {
		return !held, nil
	}
	stand(d, r)
	onset := e.onset(r, d)
	onset.Description = a.Rule.Description
	return !held, e.write(&onset)
}

// verdictStays reports whether the onset of a tuned rule of the wazuh dialect
// goes on: what the tree did not see changes nothing.
func (e *statefulEval) verdictStays(fp uint64, d *syscollector.Delta) bool {
	switch {
	case e.set.tuned[fp] == nil, d.Change == syscollector.Removed:
		return false
	case d != e.in.row() || !e.in.Event.Visible:
		return true
	}
	return slices.Contains(e.verdict[:], fp)
}
