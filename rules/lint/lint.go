// Package lint finds what is wrong with rule files before an event does: all
// that the loader refuses, and what loads and never does what was meant, each
// with its place and with what to write instead.
//
// It stands beside the flow: nothing at run time uses it. It looks at the same
// declarations that package rules compiles. Rules that no inventory event can
// reach, most of any manager's own rules, are not judged: they are counted in
// one note a file. A file with errors is judged all the same, rule by rule.
//
// The checks are the rows of one table, see Checks; docs/lint.md is made from
// it. Check reads files and nothing else: no clock, no network, no state.
package lint

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// Options say what the rules are judged for.
type Options struct {
	// Compat is the version of Wazuh that is followed.
	Compat syscollector.Compat
	// Lists are the registered list files; a rule that names another list is
	// a finding.
	Lists []List
	// Partitioned tells that the events come from a source with several
	// partitions, each of which counts for itself.
	Partitioned bool
}

// List is a registered list.
type List struct {
	Names []string // under which rules look it up
	Path  string   // of its text
	CDB   bool     // it has the original's textual keys, not prefixes
	// Wanted is set for lists that were registered one by one, not found in
	// a directory: that one is not used is a finding.
	Wanted bool
}

// Finding is one thing found about a file.
type Finding struct {
	source.Diagnostic
	// Check names the check that found it; CheckLoad for what the loader
	// says.
	Check string
}

// Names of what is not in the table of checks.
const (
	CheckLoad    = "load"    // what reading and loading reports
	CheckRefused = "refused" // the note that Wazuh refuses a file
)

// Findings is a list of findings in the order of files, lines and columns.
type Findings []Finding

// Errors counts the findings of severity Error.
func (fs Findings) Errors() int {
	n := 0
	for _, f := range fs {
		if f.Severity == source.Error {
			n++
		}
	}
	return n
}

// Check judges rule files and directories of them, as one rule set in the order
// given, and returns all that it finds. Every finding has a file, a line and a
// column, and, where one can say it, advice.
func Check(paths []string, o Options) Findings {
	p := &pass{opts: o, unread: map[string]bool{}}
	p.files, p.loaded = rules.ReadFiles(paths, o.Compat)
	p.load()
	p.set = newSet(p.files, o.Compat)
	p.keep(p.loaded)
	table := checks()
	for i := range table {
		p.check = &table[i]
		p.check.run(p)
	}
	p.refused()
	return p.finish()
}

// pass is one run of the checks over a set.
type pass struct {
	opts   Options
	files  []*rulefile.File
	loaded source.Diagnostics // of reading and loading
	infos  []rules.RuleInfo
	set    *set
	check  *check
	found  Findings
	unread map[string]bool // list files that cannot be read
}

// load compiles the set as the service would.
func (p *pass) load() {
	registered := map[string]bool{}
	for _, l := range p.opts.Lists {
		for _, name := range l.Names {
			registered[name] = true
		}
	}
	set, ds := rules.LoadFiles(p.files, rules.Options{
		Compat: p.opts.Compat, ListNames: func(name string) bool { return registered[name] },
	})
	p.infos = set.Rules()
	p.loaded = append(p.loaded, ds...)
}

// keep takes over what reading and loading said. Notes about rules that cannot
// see inventory are left out: the loader counts those rules. So are notes about
// patterns, which the checks know more of.
func (p *pass) keep(ds source.Diagnostics) {
	type ruleIn struct{ file, id string }
	hidden, patterns := map[ruleIn]bool{}, map[source.Position]bool{}
	for _, r := range p.set.all {
		for _, d := range r.decls {
			hidden[ruleIn{d.Pos.File, d.ID}] = !r.meant
		}
		for i := range r.calls {
			patterns[r.calls[i].pos] = true
		}
	}
	for _, d := range ds {
		if d.Severity == source.Info && d.Rule != "" && (hidden[ruleIn{d.Pos.File, d.Rule}] || patterns[d.Pos]) {
			continue
		}
		p.found = append(p.found, Finding{d, CheckLoad})
	}
}

// report adds a finding of the check's severity about a rule, nil for none.
func (p *pass) report(r *rule, pos source.Position, hint, format string, args ...any) {
	p.add(p.check.Severity, r, pos, hint, format, args...)
}

// note is report for what is worth a note only.
func (p *pass) note(r *rule, pos source.Position, hint, format string, args ...any) {
	p.add(source.Info, r, pos, hint, format, args...)
}

func (p *pass) add(s source.Severity, r *rule, pos source.Position, hint, format string, args ...any) {
	f := Finding{Check: p.check.Name, Diagnostic: source.Diagnostic{Pos: pos, Severity: s, Hint: hint, Message: fmt.Sprintf(format, args...)}}
	if r != nil {
		f.Rule = r.decl.ID
		if f.Pos.Line == 0 {
			f.Pos = r.decl.Pos
		}
	}
	p.found = append(p.found, f)
}

// refused notes for each XML file with errors that Wazuh refuses it.
func (p *pass) refused() {
	version := "4.x"
	if p.opts.Compat == syscollector.Compat39 {
		version = "3.9"
	}
	for _, f := range p.files {
		n := 0
		for _, d := range p.found {
			if d.Pos.File == f.Name && d.Severity == source.Error && d.Construct == "" {
				n++
			}
		}
		if n == 0 || !strings.EqualFold(filepath.Ext(f.Name), ".xml") {
			continue
		}
		p.found = append(p.found, Finding{Check: CheckRefused, Diagnostic: source.Diagnostic{
			Pos: source.Position{File: f.Name}, Severity: source.Info,
			Message: fmt.Sprintf("Wazuh %s refuses this file and does not start with it: %s; its other rules are judged all the same", version, plural(n, "error")),
		}})
	}
}

// finish gives every finding a full place, drops notes that a check says better
// at the same place, and sorts.
func (p *pass) finish() Findings {
	type place struct {
		pos  source.Position
		rule string
	}
	better := map[place]bool{}
	for _, f := range p.found {
		if f.Check != CheckLoad {
			better[place{f.Pos, f.Rule}] = true
		}
	}
	out := slices.DeleteFunc(p.found, func(f Finding) bool {
		return f.Check == CheckLoad && f.Severity == source.Info && f.Rule != "" && better[place{f.Pos, f.Rule}]
	})
	for i := range out {
		out[i].Pos.Line, out[i].Pos.Column = max(1, out[i].Pos.Line), max(1, out[i].Pos.Column)
	}
	order := map[string]int{}
	for i, f := range p.files {
		order[f.Name] = i + 1
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(order[a.Pos.File], order[b.Pos.File]), strings.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Severity, b.Severity),
		)
	})
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
