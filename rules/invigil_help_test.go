package rules_test

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// loadInvigil compiles one rule file.
func loadInvigil(name, text string, o rules.Options) (*rules.Set, source.Diagnostics) {
	src := source.File{Name: name, Data: []byte(text)}
	f, diags := rulefile.Read(src)
	if f == nil {
		return nil, diags
	}
	set, found := rules.LoadFiles([]*rulefile.File{f}, o)
	diags = append(diags, found...)
	diags.Fill(src)
	diags.Sort()
	return set, diags
}

func mustLoad(t testing.TB, text string, o rules.Options) *rules.Set {
	t.Helper()
	set, diags := loadInvigil("rules.yml", text, o)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// ruleWith is a rule file with one condition.
func ruleWith(when string, more ...string) string {
	return "rules:\n  - id: r\n    level: 5\n    description: d\n    when: " + strconv.Quote(when) + "\n" +
		strings.Join(append(more, ""), "\n")
}

// makeRow makes a row of a table from name=value pairs.
func makeRow(t testing.TB, table syscollector.Table, pairs ...string) *syscollector.Row {
	t.Helper()
	r := &syscollector.Row{Table: table}
	setColumns(t, r, pairs)
	return r
}

func setColumns(t testing.TB, r *syscollector.Row, pairs []string) {
	t.Helper()
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		f, ok := syscollector.ByName(name)
		if !ok || f.Table != r.Table {
			t.Fatalf("table %s has no field %q", r.Table, name)
		}
		if value == "" {
			r.Present &^= 1 << f.Number
			continue
		}
		r.Present |= 1 << f.Number
		v := &r.Values[f.Number]
		switch f.Type {
		case syscollector.Integer:
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			v.Int = n
		case syscollector.Real:
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			v.Int = int64(math.Float64bits(n))
		default:
			v.Str = value
		}
	}
}

// smallPartition is a partition in small: it keeps rows with their active onsets, makes
// deltas of what a test sends, and evaluates them.
type smallPartition struct {
	t      testing.TB
	set    *rules.Set
	eval   *rules.Evaluator
	mem    *memory
	active *memory
	lists  lists
	rows   map[string]*partitionRow
	ids    []string // of rows, sorted; nil when they changed
	agent  syscollector.Agent
	offset int64
	time   int64
	known  map[syscollector.Table]bool
	event  syscollector.Event // what the next event is, beside its agent and times
}

type partitionRow struct {
	agent  string
	table  syscollector.Table
	key    string
	row    syscollector.Row
	active []uint64
}

func newSmallPartition(t testing.TB, set *rules.Set) *smallPartition {
	t.Helper()
	b := &smallPartition{t: t, mem: &memory{}, active: &memory{}, rows: map[string]*partitionRow{}, time: 1_700_000_000_000}
	b.known = map[syscollector.Table]bool{}
	b.event = syscollector.Event{Type: "dbsync_x", Family: syscollector.FamilyDelta, Operation: "INSERTED"}
	b.agent = syscollector.Agent{ID: "001", Name: "web", IP: "10.0.0.1"}
	b.swap(set)
	return b
}

func (b *smallPartition) swap(set *rules.Set) {
	b.t.Helper()
	b.set = set
	var err error
	if b.eval == nil {
		b.eval, err = set.NewEvaluator(b.mem, b.active)
	} else {
		err = b.eval.Swap(set)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// Rows and Known make a smallPartition the inventory of its evaluator.
func (b *smallPartition) Rows(agent string, table syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	return func(yield func([]byte, *syscollector.Row) bool) {
		if b.ids == nil {
			b.ids = slices.Sorted(maps.Keys(b.rows))
		}
		for _, id := range b.ids {
			if s := b.rows[id]; s.agent == agent && s.table == table && !yield([]byte(s.key), &s.row) {
				return
			}
		}
	}
}
func (b *smallPartition) Known(agent string, table syscollector.Table) bool { return b.known[table] }

// put stores a row under a key and evaluates what that changed. A change given
// overrules the one found.
func (b *smallPartition) put(table syscollector.Table, key string, change string, pairs ...string) []rules.Alert {
	b.t.Helper()
	return b.evaluate(b.delta(table, key, change, pairs))
}

func (b *smallPartition) delta(table syscollector.Table, key, change string, pairs []string) syscollector.Delta {
	b.t.Helper()
	id := fmt.Sprintf("%s/%s/%s", b.agent.ID, table, key)
	s, known := b.rows[id]
	if !known {
		s = &partitionRow{agent: b.agent.ID, table: table, key: key}
		s.row.Table = table
		b.rows[id], b.ids = s, nil
	}
	before, after := s.row, s.row
	setColumns(b.t, &after, pairs)
	d := syscollector.Delta{Agent: b.agent.ID, Table: table, Key: []byte(key), Before: &before, After: &after, Active: s.active}
	for _, f := range syscollector.Fields(table) {
		if before.Has(f.Number) != after.Has(f.Number) || after.Has(f.Number) && before.Values[f.Number] != after.Values[f.Number] {
			d.Changed |= 1 << f.Number
		}
	}
	switch {
	case !known:
		d.Change = syscollector.Added
	case d.Changed&^table.Masks().Volatile != 0:
		d.Change = syscollector.Modified
	}
	for c := syscollector.Unchanged; c <= syscollector.Removed; c++ {
		if c.String() == change {
			d.Change = c
		}
	}
	s.row = after
	return d
}

// remove removes a row.
func (b *smallPartition) remove(table syscollector.Table, key string) []rules.Alert {
	b.t.Helper()
	id := fmt.Sprintf("%s/%s/%s", b.agent.ID, table, key)
	s, ok := b.rows[id]
	if !ok {
		b.t.Fatalf("no row %s", id)
	}
	delete(b.rows, id)
	b.ids = nil
	before, after := s.row, syscollector.Row{Table: table}
	return b.evaluate(syscollector.Delta{
		Agent: b.agent.ID, Table: table, Key: []byte(key), Change: syscollector.Removed,
		Before: &before, After: &after, Active: s.active,
	})
}

func (b *smallPartition) evaluate(deltas ...syscollector.Delta) []rules.Alert {
	b.t.Helper()
	b.offset++
	b.time += 1000
	ev := &b.event
	ev.Agent, ev.Location, ev.Time, ev.Log = b.agent, "(web) any->syscollector", b.time, "{}"
	ev.ScanTime = "2024/01/01 00:00:00"
	in := &rules.Input{
		Event: ev, Deltas: deltas, StreamTime: b.time, Inventory: b,
		Origin: rules.Origin{Topic: "t", Offset: b.offset, Time: b.time},
	}
	if b.lists != nil {
		in.Lists = b.lists
	}
	alerts, err := b.eval.Eval(in)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.eval.Flush(); err != nil {
		b.t.Fatal(err)
	}
	for _, d := range deltas {
		if s := b.rows[fmt.Sprintf("%s/%s/%s", d.Agent, d.Table, d.Key)]; s != nil {
			s.active = nil
			for _, got := range in.Deltas {
				if bytes.Equal(got.Key, d.Key) && got.Table == d.Table {
					s.active = slices.Clone(got.Active)
				}
			}
		}
	}
	return slices.Clone(alerts)
}

// showAlerts writes alerts a line each.
func showAlerts(alerts []rules.Alert) string {
	var b strings.Builder
	for _, a := range alerts {
		fmt.Fprintf(&b, "%s %s level=%d", a.Rule.ID, a.Extras.Status, a.Rule.Level)
		if a.Extras.Reason != "" {
			fmt.Fprintf(&b, " reason=%q", a.Extras.Reason)
		}
		fmt.Fprintf(&b, " change=%s", a.Extras.Change)
		if len(a.Extras.Changed) > 0 {
			fmt.Fprintf(&b, " changed=%v", a.Extras.Changed)
		}
		if len(a.Extras.Before) > 0 {
			fmt.Fprintf(&b, " before=%s", showValues(a.Extras.Before))
		}
		for _, item := range a.Extras.Items {
			fmt.Fprintf(&b, " item=%s", showValues(item))
		}
		if a.Extras.Suppressed > 0 {
			fmt.Fprintf(&b, " suppressed=%d", a.Extras.Suppressed)
		}
		fmt.Fprintf(&b, " data=%s: %s\n", showValues(a.Data), a.Rule.Description)
	}
	if b.Len() == 0 {
		return "no alert\n"
	}
	return b.String()
}

func showValues(data []rules.Datum) string {
	var parts []string
	for _, d := range data {
		parts = append(parts, fmt.Sprintf("%s=%v", d.Name, d.Value))
	}
	return "{" + strings.Join(parts, " ") + "}"
}
