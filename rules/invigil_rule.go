package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// statefulRule is one compiled rule of the invigil dialect. It is immutable.
type statefulRule struct {
	decl        *rulefile.Rule
	id          string
	level       int
	table       syscollector.Table // NoTable: about the whole agent
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

	window *window // nil = no correlate
	quiet  *quiet  // nil = no suppress
	items  *whenItems

	// fingerprint identifies the onset: what an active one survives with;
	// definition what correlate and suppress remember, too.
	fingerprint, definition uint64
}

// compileStateful compiles one rule of the invigil dialect; the diagnostics say
// why not, all reasons together.
func compileStateful(r *rulefile.Rule, env *loadEnv) (*statefulRule, source.Diagnostics) {
	decl := r.Invigil
	wenv := whenEnv{
		rule: r.ID, pos: r.Pos, hasList: env.hasList, patterns: env.opts.patterns(),
		items: decl.Items.Value != "",
	}
	var diags source.Diagnostics
	w, found := compileWhen(r.When, wenv)
	diags = append(diags, found...)
	description, textUses, found := compileText(r.Description, wenv)
	diags = append(diags, found...)
	var uses []whenUse
	if w != nil {
		uses = slices.Clip(w.uses)
	}
	rule := &statefulRule{decl: r, id: r.ID, level: r.Level, when: w, description: description}
	named, found := rule.compileMemory(r)
	diags = append(diags, found...)
	uses = append(append(uses, textUses...), named...)
	table := syscollector.NoTable
	if decl.Scope == "agent" {
		found = rule.compileAgent(wenv, uses)
	} else {
		table, found = ruleTable(r, uses, w != nil)
	}
	diags = append(diags, found...)
	if diags.Err() != nil {
		return nil, diags
	}
	rule.table, rule.lists = table, w.facts.lists
	rule.every, rule.resolve = decl.Alert == "every", decl.Resolve && rule.window == nil
	rule.onRemoved, rule.volatile = w.facts.history, w.facts.volatile
	rule.groups, rule.compliance = splitGroups(strings.Join(decl.Groups, ","), env.opts.Compat)
	rule.onUnchanged = rule.every || w.facts.history || w.facts.event || w.facts.volatile
	rule.fingerprint = fingerprintOf(r.ID, strings.TrimSpace(r.When.Value), decl.Scope+table.String(), namesOf(rule.by()))
	rule.definition = rule.fingerprint
	if w := rule.window; w != nil {
		rule.definition = fingerprintOf(fmt.Sprint(rule.definition), fmt.Sprint(w.count, w.within), namesOf(w.by), decl.Correlate.Distinct)
	}
	if rule.quiet != nil {
		rule.definition = rule.quiet.define(rule.definition)
	}
	return rule, diags
}

// compileAgent checks and completes a rule about the whole agent.
func (r *statefulRule) compileAgent(env whenEnv, uses []whenUse) (diags source.Diagnostics) {
	report := func(pos source.Position, hint, format string, args ...any) {
		diags = append(diags, source.Diagnostic{Pos: pos, Severity: source.Error, Rule: r.id, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	for _, u := range uses {
		switch {
		case u.name.ofRow():
			report(u.pos, fmt.Sprintf("ask any(%s, …)", u.name.field.Table), "a rule with scope: agent has no row, %s is a field of one", u.name.name)
		case u.name.view == viewChange:
			report(u.pos, "leave out scope: agent", "a rule with scope: agent has no row that changes")
		}
	}
	if r.decl.Invigil.Table != "" {
		report(keyPosition(r.decl, "table"), "leave out table, or scope", "a rule with scope: agent stands on no table")
	}
	if r.decl.Invigil.Items.Value != "" {
		items, tables, found := compileItems(r.decl.Invigil.Items, env)
		diags = append(diags, found...)
		if r.items = items; r.when != nil {
			r.when.facts.tables |= tables
		}
	}
	if r.when != nil && r.when.facts.tables == 0 && len(diags) == 0 {
		report(textPosition(r.decl.When, 0, r.decl.Pos), `ask known("packages"), any(packages, …), or a field of agent.os`,
			"the rule reads no table, so nothing would make it look")
	}
	return diags
}

// by returns the names that the rule's onsets are told apart by, beside its
// rows.
func (r *statefulRule) by() []*whenName {
	if r.window != nil {
		return r.window.by
	}
	return nil
}

func namesOf(names []*whenName) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n.name)
		b.WriteByte(',')
	}
	return b.String()
}

// compileMemory compiles correlate and suppress.
func (r *statefulRule) compileMemory(decl *rulefile.Rule) (uses []whenUse, diags source.Diagnostics) {
	names := allWhenNames()
	resolve := func(key, name string) *whenName {
		pos := keyPosition(decl, key)
		n := names.lookup(name)
		if n == nil {
			d := source.Diagnostic{Pos: pos, Severity: source.Error, Rule: decl.ID}
			d.Message, d.Hint = names.unknown(name)
			diags = append(diags, d)
			return nil
		}
		uses = append(uses, whenUse{n, pos})
		return n
	}
	all := func(key string, list []string) (out []*whenName) {
		for _, name := range list {
			if n := resolve(key, name); n != nil {
				out = append(out, n)
			}
		}
		return out
	}
	if c := decl.Invigil.Correlate; c != nil {
		r.window = &window{count: c.Count, within: c.Within, by: all("correlate.by", c.By)}
		if c.Distinct != "" {
			r.window.distinct = resolve("correlate.distinct", c.Distinct)
		}
	}
	if q := decl.Invigil.Suppress; q != nil {
		r.quiet = &quiet{lasts: q.For, by: all("suppress.by", q.By)}
	}
	return uses, diags
}

// info describes the rule.
func (r *statefulRule) info() RuleInfo {
	var reads []string
	for _, t := range syscollector.Tables() {
		if r.when.facts.tables&(1<<t) != 0 {
			reads = append(reads, t.String())
		}
	}
	return RuleInfo{
		ID: r.id, Level: r.level, Description: r.decl.Description.Value, Dialect: rulefile.Invigil,
		Pos: r.decl.Pos, Groups: r.decl.Invigil.Groups, Table: r.table.String(), Reads: reads, Fingerprint: r.fingerprint,
	}
}

// fingerprintOf identifies a sequence of texts.
func fingerprintOf(parts ...string) uint64 {
	var h xxhash.Digest
	h.Reset()
	for _, part := range parts {
		_, _ = h.WriteString(fmt.Sprintf("%d:", len(part)))
		_, _ = h.WriteString(part)
	}
	return h.Sum64()
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
