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

// model is the inventory as plain maps: the meaning of events written down a
// second time, without hashes, marks, batches or bytes.
type model struct {
	tables map[modelTable]*modelRows
}

type modelTable struct {
	agent string
	table syscollector.Table
}

type modelRows struct {
	rows         map[string]*modelRow
	known, ended bool
	lastEnd      int64
	marks        map[modelMark]bool
}

// modelMark says that a scan found an item unchanged. It holds for the item,
// whatever becomes of its row, until a scan of the table ends.
type modelMark struct {
	scan int64
	key  string
}

type modelRow struct {
	row       syscollector.Row
	scanKey   bool  // its key has the scan family's columns
	wrote     int64 // the scan that wrote it last, 0 = none
	first     int64 // the scan that was first to report it, 0 = none
	active    []uint64
	continued bool
}

func newModel() *model { return &model{tables: make(map[modelTable]*modelRows)} }

func (m *model) clone() *model {
	c := newModel()
	for k, t := range m.tables {
		n := &modelRows{make(map[string]*modelRow), t.known, t.ended, t.lastEnd, maps.Clone(t.marks)}
		for key, r := range t.rows {
			row := *r
			row.active = slices.Clone(r.active)
			n.rows[key] = &row
		}
		c.tables[k] = n
	}
	return c
}

func (m *model) table(agent string, t syscollector.Table) *modelRows {
	k := modelTable{agent, t}
	if m.tables[k] == nil {
		m.tables[k] = &modelRows{rows: make(map[string]*modelRow), marks: make(map[modelMark]bool)}
	}
	return m.tables[k]
}

// modelKey prints a row's key so that it sorts as the store's.
func modelKey(r *syscollector.Row, scan bool) string {
	masks := r.Table.Masks()
	parts := []uint64{masks.Key & masks.Same, masks.Key &^ masks.Same}
	if scan {
		parts = append(parts, masks.ScanKey)
	}
	var b strings.Builder
	for _, mask := range parts {
		for n := uint8(0); n < syscollector.MaxColumns; n++ {
			if mask&(1<<n) == 0 {
				continue
			}
			switch {
			case masks.Text&(1<<n) != 0 && r.Has(n):
				fmt.Fprintf(&b, "%s\x00", r.Values[n].Str)
			case r.Has(n):
				fmt.Fprintf(&b, "+%020d\x00", r.Values[n].Int)
			default:
				b.WriteString("\x00")
			}
		}
	}
	return b.String()
}

func modelSame(r *syscollector.Row) string {
	var b strings.Builder
	for n := uint8(0); n < syscollector.MaxColumns; n++ {
		if r.Table.Masks().Same&(1<<n) != 0 && r.Has(n) {
			fmt.Fprintf(&b, "%d=%v|", n, r.Values[n])
		}
	}
	return b.String()
}

func modelDiffer(a, b *syscollector.Row) (d uint64) {
	for n := uint8(0); n < syscollector.MaxColumns; n++ {
		if a.Has(n) != b.Has(n) || a.Has(n) && a.Values[n] != b.Values[n] {
			d |= 1 << n
		}
	}
	return d
}

type modelDelta struct {
	change        syscollector.Change
	before, after syscollector.Row
	changed       uint64
	active        []uint64
	key           string
}

func (m *model) apply(ev *syscollector.Event) (ds []modelDelta) {
	switch ev.Op {
	case syscollector.OpReport, syscollector.OpInsert, syscollector.OpModify, syscollector.OpState:
		for i := range ev.Rows {
			ds = append(ds, m.upsert(ev, ev.Rows[i]))
		}
	case syscollector.OpDelete:
		for i := range ev.Rows {
			ds = append(ds, m.delete(ev, ev.Rows[i])...)
		}
	case syscollector.OpScanEnd:
		tables := []syscollector.Table{ev.Table}
		if ev.Table == syscollector.Netiface {
			tables = append(tables, syscollector.Netproto, syscollector.Netaddr)
		}
		for _, t := range tables {
			rows := m.table(ev.Agent.ID, t)
			if !rows.ended || rows.lastEnd != ev.ScanID {
				ds = append(ds, rows.drop(func(r *modelRow) bool {
					return r.wrote != ev.ScanID && !rows.marks[modelMark{ev.ScanID, modelKey(&r.row, r.scanKey)}]
				})...)
				rows.known, rows.ended, rows.lastEnd = true, true, ev.ScanID
			}
			clear(rows.marks)
		}
	case syscollector.OpClear:
		rows := m.table(ev.Agent.ID, ev.Table)
		ds = rows.drop(func(*modelRow) bool { return true })
		clear(rows.marks)
		rows.known = true
	}
	return ds
}

func (t *modelRows) drop(pick func(*modelRow) bool) (ds []modelDelta) {
	for _, key := range slices.Sorted(maps.Keys(t.rows)) {
		r := t.rows[key]
		if !pick(r) {
			continue
		}
		delete(t.rows, key)
		if !r.continued {
			ds = append(ds, modelDelta{change: syscollector.Removed, before: r.row,
				after: syscollector.Row{Table: r.row.Table}, changed: r.row.Present, active: r.active, key: key})
		}
	}
	return ds
}

func (m *model) upsert(ev *syscollector.Event, row syscollector.Row) modelDelta {
	t := m.table(ev.Agent.ID, row.Table)
	single := row.Table.Masks().Key == 0
	scan := ev.Family == syscollector.FamilyScan
	ended := t.ended
	if single {
		t.known = true
		t.ended = t.ended || scan
	}
	key := modelKey(&row, scan)
	volatile := row.Table.Masks().Volatile
	old := t.rows[key]
	if old != nil {
		after := row
		if ev.Op == syscollector.OpModify {
			after = old.row
			after.Present |= row.Present
			for n := range row.Values {
				if row.Has(uint8(n)) {
					after.Values[n] = row.Values[n]
				}
			}
		}
		d := modelDelta{before: old.row, after: after, changed: modelDiffer(&old.row, &after), active: old.active, key: key}
		if d.changed&^volatile != 0 {
			d.change = syscollector.Modified
			if ev.Op == syscollector.OpState {
				d.change = syscollector.Baseline
			}
		}
		old.row = after
		mark := scan && d.changed&^volatile == 0 && (d.changed == 0 || old.wrote != ev.ScanID)
		switch {
		case mark:
			if !single { // tables whose scans end
				t.marks[modelMark{ev.ScanID, key}] = true
			}
			if d.changed != 0 {
				old.wrote, old.first = 0, 0
			}
		case d.changed != 0:
			old.written(ev, old.first)
		}
		return d
	}
	d := modelDelta{after: row, before: syscollector.Row{Table: row.Table}, changed: row.Present, key: key}
	n := &modelRow{row: row, scanKey: scan}
	sibling := ""
	masks := row.Table.Masks()
	if masks.Same != 0 && masks.Key&^masks.Same != 0 {
		for _, k := range slices.Sorted(maps.Keys(t.rows)) {
			r := t.rows[k]
			if !r.continued && modelSame(&r.row) == modelSame(&row) && !(scan && r.first != 0 && r.first == ev.ScanID) {
				sibling = k
				break
			}
		}
	}
	switch s := t.rows[sibling]; {
	case s != nil:
		d.before, d.changed, d.active = s.row, modelDiffer(&s.row, &row), s.active
		if d.changed&^volatile != 0 {
			d.change = syscollector.Modified
			if ev.Op == syscollector.OpState {
				d.change = syscollector.Baseline
			}
		}
		n.active = s.active
		s.active, s.continued = nil, true
		if masks.ScanKey != 0 && s.scanKey && !scan {
			t.drop(func(r *modelRow) bool { return r == s })
		}
	case ev.Op == syscollector.OpModify:
		d.change, d.changed = syscollector.Modified, 0
	case ev.Op == syscollector.OpInsert, ev.Op == syscollector.OpReport && ended:
		d.change = syscollector.Added
	default:
		d.change = syscollector.Baseline
	}
	n.written(ev, ev.ScanID)
	t.rows[key] = n
	return d
}

// written notes that an event wrote the row: the last scan that did counts.
func (r *modelRow) written(ev *syscollector.Event, first int64) {
	r.wrote, r.first = 0, 0
	if ev.Family == syscollector.FamilyScan {
		r.wrote = ev.ScanID
		if first == ev.ScanID {
			r.first = first
		}
	}
}

func (m *model) delete(ev *syscollector.Event, row syscollector.Row) []modelDelta {
	t := m.table(ev.Agent.ID, row.Table)
	key := modelKey(&row, false)
	if t.rows[key] != nil {
		return t.drop(func(r *modelRow) bool { return r == t.rows[key] })
	}
	masks, found := row.Table.Masks(), false
	ds := t.drop(func(r *modelRow) bool {
		match := masks.ScanKey != 0 && r.scanKey && modelKey(&r.row, false) == key &&
			modelDiffer(&row, &r.row)&masks.ScanKey&row.Present == 0
		found = found || match
		return match
	})
	if !found && !t.known {
		ds = append(ds, modelDelta{change: syscollector.Removed, before: row,
			after: syscollector.Row{Table: row.Table}, changed: row.Present, key: key})
	}
	return ds
}

// TestStateIsTheModel sends random events of all families to a store that is
// committed, reopened and rolled back at random, and to the model.
func TestStateIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewMem()
		r := &modelRun{rt: rt, fs: fs, m: newModel(), saved: newModel(), scans: make(map[modelTable]int64)}
		r.quiet = rapid.Bool().Draw(rt, "no rule reads volatile columns")
		r.interval = time.Duration(rapid.IntRange(0, 40).Draw(rt, "volatile interval")) * time.Millisecond
		r.open()
		defer r.close()
		rt.Repeat(map[string]func(*rapid.T){
			"event":   r.event,
			"event 2": r.event,
			"event 3": r.event,
			"event 4": r.event,
			"commit": func(rt *rapid.T) {
				must(rt, r.p.Commit(rapid.Bool().Draw(rt, "sync")))
				r.saved, r.savedAt = r.m.clone(), r.offset
				r.compareStored(rt)
			},
			"discard": func(rt *rapid.T) {
				r.lost = true
				r.p.Discard()
				r.m, r.offset = r.saved.clone(), r.savedAt
			},
			"reopen": func(rt *rapid.T) {
				r.lost = r.lost || !r.p.Clean()
				r.close()
				r.open()
				r.m, r.offset = r.saved.clone(), r.savedAt
			},
			"visit": r.visit,
			"":      r.compare,
		})
	})
}

type modelRun struct {
	rt              *rapid.T
	fs              vfs.FS
	store           *state.Store
	p               *state.Partition
	m, saved        *model
	offset, savedAt int64
	scans           map[modelTable]int64
	quiet           bool
	interval        time.Duration
	lost            bool // a batch was, so volatile columns may be older than the model's
}

func (r *modelRun) lossy() bool { return r.lost && r.quiet && r.interval > 0 }

// differ compares two rows in the columns that the store promises to have.
func (r *modelRun) differ(a, b *syscollector.Row) uint64 {
	d := modelDiffer(a, b)
	if r.lossy() {
		d &^= a.Table.Masks().Volatile
	}
	return d
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func (r *modelRun) open() {
	var err error
	r.store, err = state.Open("db", state.Options{FS: r.fs, History: time.Hour, VolatileInterval: r.interval})
	must(r.rt, err)
	r.p, err = r.store.Partition("t", 3)
	must(r.rt, err)
	if r.quiet {
		r.p.ReadVolatile(syscollector.Hardware)
	}
	if next, _, ok := r.p.Applied(); ok != (r.savedAt > 0) || next != r.savedAt {
		r.rt.Fatalf("applied offset %d, %v; want %d", next, ok, r.savedAt)
	}
}

func (r *modelRun) close() {
	must(r.rt, r.p.Close())
	must(r.rt, r.store.Close())
}

// modelTables are the tables drawn, with the columns that vary: few values, so
// that rows meet again.
var modelTables = map[syscollector.Table][]string{
	syscollector.Ports:     {"protocol", "local_port", "inode", "remote_port", "state", "tx_queue"},
	syscollector.Packages:  {"name", "version", "vendor"},
	syscollector.Processes: {"pid", "name", "ppid", "utime"},
	syscollector.Netiface:  {"name", "type", "state", "rx_bytes"},
	syscollector.Netaddr:   {"iface", "address", "netmask"},
	syscollector.Hardware:  {"board_serial", "cpu_cores", "ram_free"},
	syscollector.Hotfixes:  {"hotfix"},
}

func (r *modelRun) event(rt *rapid.T) {
	tables := slices.Sorted(maps.Keys(modelTables))
	ev := &syscollector.Event{
		Agent: syscollector.Agent{ID: rapid.SampledFrom([]string{"001", "002"}).Draw(rt, "agent")},
		Table: rapid.SampledFrom(tables).Draw(rt, "table"),
	}
	verb := verbs[rapid.SampledFrom([]string{
		"report", "report", "report", "report", "end", "insert", "insert", "modify", "delete", "state", "clear", "none",
	}).Draw(rt, "verb")]
	ev.Op, ev.Family = verb.op, verb.family
	if ev.Family == syscollector.FamilyScan {
		if ev.Op == syscollector.OpScanEnd && ev.Table == syscollector.Netaddr {
			ev.Table = syscollector.Netiface
		}
		k := modelTable{ev.Agent.ID, ev.Table}
		if ev.Table == syscollector.Netaddr {
			k.table = syscollector.Netiface
		}
		if r.scans[k] == 0 || rapid.IntRange(0, 9).Draw(rt, "next scan") == 0 {
			r.scans[k] = int64(rapid.IntRange(1, 5).Draw(rt, "scan"))
		}
		ev.ScanID = r.scans[k]
	}
	if ev.Op != syscollector.OpScanEnd && ev.Op != syscollector.OpClear && ev.Op != syscollector.OpNone {
		for range rapid.IntRange(1, 3).Draw(rt, "rows") {
			ev.Rows = append(ev.Rows, r.row(rt, ev.Table))
			if ev.Table == syscollector.Netiface {
				ev.Rows = append(ev.Rows, r.row(rt, syscollector.Netaddr))
			}
		}
	}
	want := r.m.apply(ev)
	got, err := r.p.Apply(ev, 1000+r.offset, r.offset)
	must(rt, err)
	if len(got) != len(want) {
		rt.Fatalf("%d deltas, want %d:\n%s", len(got), len(want), deltas(got))
	}
	for i := range want {
		g, w := &got[i], &want[i]
		before, volatile, compared := &w.before, g.Table.Masks().Volatile, ^uint64(0)
		if r.lossy() {
			compared &^= volatile
		}
		if r.quiet && w.changed&^volatile == 0 && w.change == syscollector.Unchanged && g.Before == g.After && (w.changed != 0 || r.lossy()) {
			before, w.changed = &w.after, w.after.Present&volatile // written without being read
		}
		if g.Change != w.change || r.differ(g.Before, before) != 0 || r.differ(g.After, &w.after) != 0 ||
			(g.Changed^w.changed)&compared != 0 || !slices.Equal(g.Active, w.active) || g.Agent != ev.Agent.ID || g.Table != w.after.Table {
			rt.Fatalf("delta %d of agent %s: got\n%schanged %b; want %s %s, was %s, changed %b, active %v",
				i, g.Agent, deltas(got[i:i+1]), g.Changed, w.change, format(&w.after), format(before), w.changed, w.active)
		}
		if g.Change != syscollector.Removed && rapid.IntRange(0, 4).Draw(rt, "touch") == 0 {
			g.Active = []uint64{uint64(r.offset)}
			if rapid.Bool().Draw(rt, "none") {
				g.Active = nil
			}
			if row := r.m.table(g.Agent, g.Table).rows[w.key]; row != nil && !slices.Equal(g.Active, w.active) {
				row.active = g.Active
			}
		}
	}
	must(rt, r.p.Put(got))
	r.offset++
	r.p.SetApplied(r.offset, 1000+r.offset)
}

func (r *modelRun) row(rt *rapid.T, table syscollector.Table) syscollector.Row {
	row := syscollector.Row{Table: table}
	for _, column := range modelTables[table] {
		if n := rapid.IntRange(0, 3).Draw(rt, column); n > 0 {
			for _, f := range syscollector.Fields(table) {
				if f.Column != column {
					continue
				}
				row.Present |= 1 << f.Number
				if f.Type == syscollector.String {
					row.Values[f.Number].Str = strings.Repeat("x", n)
				} else {
					row.Values[f.Number].Int = int64(n - 1)
				}
			}
		}
	}
	return row
}

// visit goes over all rows in small steps, and must meet each once that no
// other one continued.
func (r *modelRun) visit(rt *rapid.T) {
	n, want := 0, 0
	for _, t := range r.m.tables {
		for _, row := range t.rows {
			if !row.continued {
				want++
			}
		}
	}
	var cursor []byte
	for {
		ds, next, err := r.p.Visit(cursor, 2)
		must(rt, err)
		n += len(ds)
		must(rt, r.p.Put(ds))
		if next == nil {
			break
		}
		cursor = next
	}
	if n != want {
		rt.Fatalf("visited %d rows of %d", n, want)
	}
}

// compare holds the batch's own view against the model.
func (r *modelRun) compare(rt *rapid.T) {
	for k, t := range r.m.tables {
		keys := slices.Sorted(maps.Keys(t.rows))
		i := 0
		for _, row := range r.p.Rows(k.agent, k.table) {
			if i == len(keys) || r.differ(row, &t.rows[keys[i]].row) != 0 {
				rt.Fatalf("agent %s, table %d, row %d is %s, the model has %d rows", k.agent, k.table, i, format(row), len(keys))
			}
			i++
		}
		if i != len(keys) {
			rt.Fatalf("agent %s, table %d: %d rows, want %d", k.agent, k.table, i, len(keys))
		}
		if got := r.p.Known(k.agent, k.table); got != t.known {
			rt.Fatalf("agent %s, table %d: known %v, want %v", k.agent, k.table, got, t.known)
		}
	}
}

// compareStored holds a query's view against the model.
func (r *modelRun) compareStored(rt *rapid.T) {
	v := r.store.View()
	defer v.Close()
	got := 0
	for a, err := range v.Agents() {
		must(rt, err)
		for table := range modelTables {
			rows := r.m.table(a.ID, table).rows
			keys := slices.Sorted(maps.Keys(rows))
			i := 0
			for item, err := range v.Rows(a, table) {
				must(rt, err)
				want := rows[keys[i]]
				if r.differ(item.Row, &want.row) != 0 || !slices.Equal(item.Active, want.active) {
					rt.Fatalf("agent %s: stored %s %v, want %s %v", a.ID, format(item.Row), item.Active, format(&want.row), want.active)
				}
				i++
				got++
			}
		}
	}
	counts, err := v.Counts()
	must(rt, err)
	n := 0
	for _, c := range counts {
		n += c
	}
	if n != got {
		rt.Fatalf("counted %d rows, read %d", n, got)
	}
}
