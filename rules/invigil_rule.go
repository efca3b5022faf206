package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// statefulRule is one compiled rule of the invigil dialect. It is immutable.
type statefulRule struct {
	decl        *rulefile.Rule
	id          string
	level       int
	table       syscollector.Table
	when        *when
	description whenText
	groups      []string
	compliance  []Compliance
	lists       []string // the lists that it reads

	every   bool // an alert for each match, not for onsets only
	resolve bool

	// onUnchanged and onRemoved tell for which rows it is evaluated beside
	// new and modified ones.
	onUnchanged, onRemoved bool
	volatile               bool // reads a volatile column

	// fingerprint identifies the onset: what an active one survives with.
	fingerprint uint64
}

// compileStateful compiles one rule of the invigil dialect; the diagnostics say
// why not, all reasons together.
func compileStateful(r *rulefile.Rule, env *loadEnv) (*statefulRule, source.Diagnostics) {
	decl := r.Invigil
	wenv := whenEnv{
		rule: r.ID, pos: r.Pos, hasList: env.hasList, compat: pattern.Compat(env.opts.Compat),
	}
	diags := unsupportedKeys(r)
	w, found := compileWhen(r.When, wenv)
	diags = append(diags, found...)
	description, textUses, found := compileText(r.Description, wenv)
	diags = append(diags, found...)
	var uses []whenUse
	if w != nil {
		uses = w.uses
	}
	table, found := ruleTable(r, append(slices.Clip(uses), textUses...), w != nil)
	diags = append(diags, found...)
	if len(diags) > 0 {
		return nil, diags
	}
	rule := &statefulRule{
		decl: r, id: r.ID, level: r.Level, table: table, when: w, description: description,
		lists: w.facts.lists, every: decl.Alert == "every", resolve: decl.Resolve,
		onRemoved: w.facts.history, volatile: w.facts.volatile,
	}
	rule.groups, rule.compliance = splitGroups(strings.Join(decl.Groups, ","), env.opts.Compat)
	rule.onUnchanged = rule.every || w.facts.history || w.facts.event || w.facts.volatile
	rule.fingerprint = onsetFingerprint(r.ID, r.When.Value, table.String())
	return rule, nil
}

// info describes the rule.
func (r *statefulRule) info() RuleInfo {
	return RuleInfo{
		ID: r.id, Level: r.level, Description: r.decl.Description.Value, Dialect: rulefile.Invigil,
		Pos: r.decl.Pos, Groups: r.decl.Invigil.Groups, Table: r.table.String(), Fingerprint: r.fingerprint,
	}
}

// onsetFingerprint identifies an onset by rule id, condition and table; level
// and text may change without ending it.
func onsetFingerprint(id, when, table string) uint64 {
	var h xxhash.Digest
	h.Reset()
	for _, part := range []string{id, strings.TrimSpace(when), table} {
		_, _ = h.WriteString(fmt.Sprintf("%d:", len(part)))
		_, _ = h.WriteString(part)
	}
	return h.Sum64()
}

// unsupportedKeys refuses what rules can declare and the evaluator does not do
// yet.
func unsupportedKeys(r *rulefile.Rule) (diags source.Diagnostics) {
	d := r.Invigil
	for _, k := range []struct {
		key, construct string
		given          bool
	}{
		{"scope", "scope: agent", d.Scope == "agent"},
		{"items", "items", d.Items.Value != ""},
		{"correlate", "correlate", d.Correlate != nil},
		{"suppress", "suppress", d.Suppress != nil},
	} {
		if !k.given {
			continue
		}
		diags = append(diags, source.Diagnostic{
			Pos: keyPosition(r, k.key), Severity: source.Error, Rule: r.ID,
			Message: k.construct + ": not supported yet", Construct: k.construct,
		})
	}
	return diags
}

func keyPosition(r *rulefile.Rule, key string) source.Position {
	if pos, ok := r.Invigil.At[key]; ok {
		return pos
	}
	return r.Pos
}

// ruleTable returns the table that a rule stands on: the one it gives, else
// the one of every field that it names.
func ruleTable(r *rulefile.Rule, uses []whenUse, compiled bool) (syscollector.Table, source.Diagnostics) {
	given := syscollector.NoTable
	report := func(pos source.Position, hint, format string, args ...any) source.Diagnostics {
		return source.Diagnostics{{Pos: pos, Severity: source.Error, Rule: r.ID, Message: fmt.Sprintf(format, args...), Hint: hint}}
	}
	if name := r.Invigil.Table; name != "" {
		t, ok := syscollector.TableByName(name)
		if !ok {
			hint := source.DidYouMean(name, tableValues())
			if hint == "" {
				hint = "it is one of " + strings.Join(tableValues(), ", ")
			}
			return t, report(keyPosition(r, "table"), hint, "unknown table %s", name)
		}
		given = t
	}
	var first *whenUse
	for i := range uses {
		u := &uses[i]
		if !u.name.ofRow() {
			continue
		}
		t := u.name.field.Table
		switch {
		case given != syscollector.NoTable && t != given:
			return given, report(u.pos, "a rule stands on the rows of one table", "the rule is about table %s, %s is a field of %s", given, u.name.name, t)
		case first == nil:
			first = u
		case t != first.name.field.Table:
			return given, report(u.pos, "a rule stands on the rows of one table", "%s is a field of table %s, %s of table %s",
				first.name.name, first.name.field.Table, u.name.name, t)
		}
	}
	switch {
	case given != syscollector.NoTable:
		return given, nil
	case first != nil:
		return first.name.field.Table, nil
	case !compiled:
		return given, nil // the condition's own errors come first
	}
	return given, report(textPosition(r.When, 0, r.Pos), "add table: ports, or another of "+strings.Join(tableValues(), ", "),
		"the rule names no field, so its table is not known")
}
