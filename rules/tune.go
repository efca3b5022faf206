package rules

import (
	"fmt"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

// tuning is what the tune entries of all files say of one rule; the last one
// to set a member wins.
type tuning struct {
	pos      source.Position // of the last entry
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
		result.pos = tune.Pos
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
			result.suppress = tune.Suppress
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
	if t.alert == "onset" {
		b.unsupported(t, "tune: alert: onset on a wazuh rule")
	}
	if t.suppress != nil {
		b.unsupported(t, "tune: suppress on a wazuh rule")
	}
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

// unsupported reports what a tuning asks for in vain, once an entry.
func (b *treeBuilder) unsupported(t tuning, construct string) {
	if slices.ContainsFunc(b.ds, func(d source.Diagnostic) bool { return d.Pos == t.pos && d.Construct == construct }) {
		return
	}
	b.ds = append(b.ds, source.Diagnostic{Pos: t.pos, Message: construct + ": not supported yet", Construct: construct})
}
