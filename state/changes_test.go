package state_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// album is the past as full copies of the tables: what history, which keeps
// differences, must agree with.
type album struct {
	times  []int64
	copies []map[modelTable]map[string]string // rows by key, without volatile columns
}

func (a *album) add(time int64, rows map[modelTable]map[string]string) {
	if n := len(a.times); n > 0 && a.times[n-1] == time {
		a.copies[n-1] = rows // history tells times apart, not events
		return
	}
	a.times, a.copies = append(a.times, time), append(a.copies, rows)
}

// at returns a table's rows at a time.
func (a *album) at(time int64, k modelTable) map[string]string {
	for i := len(a.times) - 1; i >= 0; i-- {
		if a.times[i] <= time {
			return a.copies[i][k]
		}
	}
	return nil
}

// steady prints a row without its volatile columns.
func steady(r *syscollector.Row) string {
	if r == nil {
		return "none"
	}
	row := *r
	row.Present &^= row.Table.Masks().Volatile &^ (row.Table.Masks().Key | row.Table.Masks().ScanKey)
	return format(&row)
}

// TestThePastAgreesWithFullCopies sends random events and holds what history
// says of any two times against copies of the tables.
func TestThePastAgreesWithFullCopies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := &modelRun{rt: rt, fs: vfs.NewMem(), m: newModel(), scans: make(map[modelTable]int64)}
		var err error
		r.store, err = state.Open("db", state.Options{FS: r.fs, History: 1000 * time.Hour})
		must(rt, err)
		r.p, err = r.store.Partition("t", 3)
		must(rt, err)
		defer r.close()

		var past album
		now := int64(1000)
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			now += int64(rapid.IntRange(0, 2).Draw(rt, "pause"))
			r.offset = now - 1000 // event's stream time is 1000+offset
			r.event(rt)
			past.add(now, copies(r.m))
			if rapid.Bool().Draw(rt, "commit") {
				must(rt, r.p.Commit(false))
			}
		}
		must(rt, r.p.Commit(false))
		v := r.store.View()
		defer v.Close()
		for a, err := range v.Agents() {
			must(rt, err)
			for table := range modelTables {
				from := 999 + int64(rapid.IntRange(0, int(now-998)).Draw(rt, "from"))
				to := 999 + int64(rapid.IntRange(0, int(now-998)).Draw(rt, "to"))
				agreeAt(rt, v, a, table, from, &past)
				agreeDiff(rt, v, a, table, from, to, &past)
				agreeChanges(rt, v, a, table, min(from, to), max(from, to), &past)
			}
		}
	})
}

func copies(m *model) map[modelTable]map[string]string {
	all := make(map[modelTable]map[string]string)
	for k, t := range m.tables {
		rows := make(map[string]string)
		for key, r := range t.rows {
			rows[key] = steady(&r.row)
		}
		all[k] = rows
	}
	return all
}

func agreeAt(rt *rapid.T, v *state.View, a *state.AgentInfo, t syscollector.Table, at int64, past *album) {
	want := past.at(at, modelTable{a.ID, t})
	var got, wanted []string
	for item, err := range v.RowsAt(a, t, at) {
		must(rt, err)
		got = append(got, steady(item.Row))
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		wanted = append(wanted, want[key])
	}
	if !slices.Equal(got, wanted) {
		rt.Fatalf("agent %s, %s at %d:\n%q, want\n%q", a.ID, t, at, got, wanted)
	}
}

// agreeDiff holds a diff against the copies: what it says is gone, has come and
// has changed makes the one of the other, and it pairs all that can be paired.
func agreeDiff(rt *rapid.T, v *state.View, a *state.AgentInfo, t syscollector.Table, from, to int64, past *album) {
	rows := bag(past.at(from, modelTable{a.ID, t}))
	removed, added := make(map[string]int), make(map[string]int)
	for c, err := range v.Diff(a, t, from, to) {
		must(rt, err)
		rows.replay(rt, c)
		if c.Kind == syscollector.Removed {
			removed[modelSame(c.Before)]++
		}
		if c.Kind == syscollector.Added {
			added[modelSame(c.After)]++
		}
	}
	if want := bag(past.at(to, modelTable{a.ID, t})); !maps.Equal(rows, want) {
		rt.Fatalf("agent %s, %s from %d to %d: %v, want %v", a.ID, t, from, to, rows, want)
	}
	masks := t.Masks()
	for same := range removed {
		if masks.Same != 0 && masks.Key&^masks.Same != 0 && added[same] > 0 {
			rt.Fatalf("agent %s, %s from %d to %d: %s is said to be gone and to have come", a.ID, t, from, to, same)
		}
	}
}

// agreeChanges replays the changes over the copy at from.
func agreeChanges(rt *rapid.T, v *state.View, a *state.AgentInfo, t syscollector.Table, from, to int64, past *album) {
	rows := bag(past.at(from, modelTable{a.ID, t}))
	var last int64
	var told strings.Builder
	for c, err := range v.Changes(a, t, from, to) {
		must(rt, err)
		fmt.Fprintf(&told, "%d %s %s → %s\n", c.Time, c.Kind, steady(c.Before), steady(c.After))
		if c.Time <= from || c.Time > to || c.Time < last {
			rt.Fatalf("change at %d, after one at %d, between %d and %d", c.Time, last, from, to)
		}
		if c.Kind == syscollector.Modified && (c.Changed == 0 || steady(c.Before) == steady(c.After)) {
			rt.Fatalf("nothing changed: %s", told.String())
		}
		last = c.Time
		rows.add(steady(c.Before), -1)
		rows.add(steady(c.After), 1)
	}
	if want := bag(past.at(to, modelTable{a.ID, t})); !maps.Equal(rows, want) {
		rt.Fatalf("agent %s, %s from %d to %d: %v, want %v; told\n%s", a.ID, t, from, to, rows, want, told.String())
	}
}

// rowBag counts rows.
type rowBag map[string]int

func bag(rows map[string]string) rowBag {
	b := make(rowBag)
	for _, r := range rows {
		b.add(r, 1)
	}
	return b
}

func (b rowBag) add(row string, n int) {
	if row == "none" {
		return
	}
	if b[row] += n; b[row] == 0 {
		delete(b, row)
	}
}

func (b rowBag) replay(rt *rapid.T, c *state.Change) {
	if before := steady(c.Before); before != "none" && b[before] == 0 {
		rt.Fatalf("%s %s: it was not there", c.Kind, before)
	}
	b.add(steady(c.Before), -1)
	b.add(steady(c.After), 1)
}

func TestAnUpgradeIsOneChange(t *testing.T) {
	s := openAt(t, vfs.NewMem(), state.Options{History: time.Hour})
	p := own(t, s, "t", 0)
	apply := func(at int64, op syscollector.Op, row string) {
		t.Helper()
		ev := syscollector.Event{Agent: syscollector.Agent{ID: "001"}, Family: syscollector.FamilyDelta, Op: op,
			Rows: []syscollector.Row{parseRow(t, syscollector.Packages, row)}}
		_, err := p.Apply(&ev, at, at)
		noError(t, err)
	}
	apply(1000, syscollector.OpInsert, "name=vim version=8")
	apply(1500, syscollector.OpInsert, "name=nano version=1")
	apply(2000, syscollector.OpInsert, "name=vim version=9")
	apply(2000, syscollector.OpDelete, "name=vim version=8") // its key is the lower one
	apply(3000, syscollector.OpDelete, "name=nano version=1")
	noError(t, p.Commit(false))
	v := s.View()
	agents, err := v.Find("001")
	noError(t, err)
	var got []string
	for c, err := range v.Changes(&agents[0], syscollector.Packages, 1000, state.Now) {
		noError(t, err)
		got = append(got, fmt.Sprintf("%d %s %s → %s", c.Time, c.Kind, steady(c.Before), steady(c.After)))
	}
	want := []string{
		"1500 added none → {name=nano version=1}",
		"2000 modified {name=vim version=8} → {name=vim version=9}",
		"3000 removed {name=nano version=1} → none",
	}
	if !slices.Equal(got, want) {
		t.Errorf("history\n%s", strings.Join(got, "\n"))
	}
	got = nil
	for c, err := range v.Diff(&agents[0], syscollector.Packages, 1200, 2500) {
		noError(t, err)
		got = append(got, fmt.Sprintf("%s %s → %s", c.Kind, steady(c.Before), steady(c.After)))
	}
	want = []string{"added none → {name=nano version=1}", "modified {name=vim version=8} → {name=vim version=9}"}
	if !slices.Equal(got, want) {
		t.Errorf("difference\n%s", strings.Join(got, "\n"))
	}
	noError(t, v.Close())
	noError(t, p.Close())
	noError(t, s.Close())
}
