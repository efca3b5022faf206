package state_test

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// TestFlows runs the scripts of testdata/flows: events in, deltas and stored
// rows out.
func TestFlows(t *testing.T) {
	datadriven.Walk(t, "testdata/flows", func(t *testing.T, path string) {
		s := newScript(t)
		defer s.close()
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	t      *testing.T
	fs     vfs.FS
	store  *state.Store
	p      *state.Partition
	offset int64
	now    int64
}

func newScript(t *testing.T) *script {
	s := &script{t: t, fs: vfs.NewMem()}
	s.open()
	return s
}

func (s *script) open() {
	var err error
	if s.store, err = state.Open("db", state.Options{FS: s.fs, History: time.Hour}); err != nil {
		s.t.Fatal(err)
	}
	if s.p, err = s.store.Partition("t", 0); err != nil {
		s.t.Fatal(err)
	}
	s.offset, s.now, _ = s.p.Applied()
}

func (s *script) close() {
	if err := s.p.Close(); err != nil {
		s.t.Error(err)
	}
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

var tableNames = map[string]syscollector.Table{
	"hardware": syscollector.Hardware, "os": syscollector.OS, "hotfixes": syscollector.Hotfixes,
	"packages": syscollector.Packages, "processes": syscollector.Processes, "ports": syscollector.Ports,
	"netiface": syscollector.Netiface, "netproto": syscollector.Netproto, "netaddr": syscollector.Netaddr,
	"users": syscollector.Users, "groups": syscollector.Groups, "services": syscollector.Services,
}

var verbs = map[string]struct {
	op     syscollector.Op
	family syscollector.Family
}{
	"report": {syscollector.OpReport, syscollector.FamilyScan},
	"end":    {syscollector.OpScanEnd, syscollector.FamilyScan},
	"insert": {syscollector.OpInsert, syscollector.FamilyDelta},
	"modify": {syscollector.OpModify, syscollector.FamilyDelta},
	"delete": {syscollector.OpDelete, syscollector.FamilyDelta},
	"state":  {syscollector.OpState, syscollector.FamilySync},
	"clear":  {syscollector.OpClear, syscollector.FamilySync},
	"none":   {syscollector.OpNone, syscollector.FamilySync},
}

// run executes one command. Events: VERB table [agent=001] [scan=N] [at=MS]
// [active=1,2] with a row a line, "column=value …" or "table: column=value …".
func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	arg := func(name, value string) string {
		for _, a := range d.CmdArgs {
			if a.Key == name {
				return strings.Join(a.Vals, ",")
			}
		}
		return value
	}
	agent := arg("agent", "001")
	switch d.Cmd {
	case "commit":
		if err := s.p.Commit(false); err != nil {
			return err.Error()
		}
		return ""
	case "reopen": // as after a crash: what was not committed is gone
		s.close()
		s.open()
		return ""
	case "discard":
		s.p.Discard()
		s.offset, s.now, _ = s.p.Applied()
		return ""
	case "rows":
		var out strings.Builder
		for _, row := range s.p.Rows(agent, tableNames[d.CmdArgs[0].Key]) {
			fmt.Fprintln(&out, format(row))
		}
		return out.String()
	case "known":
		var names []string
		for name, table := range tableNames {
			if s.p.Known(agent, table) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	case "forget":
		ds, err := s.p.Forget(agent)
		if err != nil {
			return err.Error()
		}
		return deltas(ds)
	case "stored":
		return s.stored(tableNames[d.CmdArgs[0].Key], agent, arg("at", ""))
	}
	verb, ok := verbs[d.Cmd]
	if !ok {
		t.Fatalf("%s: no command %s", d.Pos, d.Cmd)
	}
	s.now = max(s.now, atoi(t, arg("at", "0")))
	ev := &syscollector.Event{
		Agent: syscollector.Agent{ID: agent, Name: "host-" + agent}, Time: s.now,
		Family: verb.family, Op: verb.op, Table: tableNames[d.CmdArgs[0].Key],
		ScanID: atoi(t, arg("scan", "0")),
	}
	for line := range strings.Lines(d.Input) {
		ev.Rows = append(ev.Rows, parseRow(t, ev.Table, strings.TrimSpace(line)))
	}
	ds, err := s.p.Apply(ev, s.now, s.offset)
	if err != nil {
		return err.Error()
	}
	out := deltas(ds)
	if a := arg("active", "-"); a != "-" {
		for i := range ds {
			ds[i].Active = nil
			for _, f := range strings.FieldsFunc(a, func(r rune) bool { return r == ',' }) {
				ds[i].Active = append(ds[i].Active, uint64(atoi(t, f)))
			}
		}
	}
	if err := s.p.Put(ds); err != nil {
		return err.Error()
	}
	s.offset++
	s.p.SetApplied(s.offset, s.now)
	return out
}

// stored prints committed rows as a query sees them.
func (s *script) stored(table syscollector.Table, agent, at string) string {
	v := s.store.View()
	defer v.Close()
	agents, err := v.Find(agent)
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for i := range agents {
		seq := v.Rows(&agents[i], table)
		if at != "" {
			seq = v.RowsAt(&agents[i], table, atoi(s.t, at))
		}
		for item, err := range seq {
			if err != nil {
				return err.Error()
			}
			fmt.Fprint(&out, format(item.Row))
			if item.ScanID != 0 {
				fmt.Fprintf(&out, " scan=%d", item.ScanID)
			}
			if len(item.Active) > 0 {
				fmt.Fprintf(&out, " active=%v", item.Active)
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String()
}

func atoi(t *testing.T, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// parseRow reads "column=value …", led by "table:" if it is another table's.
func parseRow(t *testing.T, table syscollector.Table, line string) syscollector.Row {
	words := strings.Fields(line)
	if len(words) > 0 && strings.HasSuffix(words[0], ":") {
		table = tableNames[strings.TrimSuffix(words[0], ":")]
		words = words[1:]
	}
	r := syscollector.Row{Table: table}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		set(t, &r, name, value)
	}
	return r
}

func set(t *testing.T, r *syscollector.Row, column, value string) {
	for _, f := range syscollector.Fields(r.Table) {
		if f.Column != column {
			continue
		}
		v := syscollector.Value{Str: value}
		switch f.Type {
		case syscollector.Integer:
			v = syscollector.Value{Int: atoi(t, value)}
		case syscollector.Real:
			x, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			v = syscollector.Value{Int: int64(math.Float64bits(x))}
		}
		r.Values[f.Number] = v
		r.Present |= 1 << f.Number
		return
	}
	t.Fatalf("table %d has no column %s", r.Table, column)
}

func deltas(ds []syscollector.Delta) string {
	var out strings.Builder
	for i := range ds {
		d := &ds[i]
		fmt.Fprintf(&out, "%s %s", d.Change, format(d.After))
		if d.Change == syscollector.Removed {
			fmt.Fprintf(&out, "was %s", format(d.Before))
		} else if d.Before.Present != 0 && d.Change != syscollector.Unchanged {
			fmt.Fprintf(&out, " was %s", format(d.Before))
		}
		if d.Changed != 0 && d.Before.Present != 0 && d.After.Present != 0 {
			var names []string
			for m := d.Changed; m != 0; m &= m - 1 {
				names = append(names, d.Table.Column(uint8(bits.TrailingZeros64(m))).Column)
			}
			fmt.Fprintf(&out, " changed %s", strings.Join(names, ","))
		}
		if len(d.Active) > 0 {
			fmt.Fprintf(&out, " active=%v", d.Active)
		}
		if d.Synthetic {
			out.WriteString(" (synthetic)")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func format(r *syscollector.Row) string {
	if r.Present == 0 {
		return ""
	}
	var words []string
	for m := r.Present; m != 0; m &= m - 1 {
		n := uint8(bits.TrailingZeros64(m))
		f := r.Table.Column(n)
		switch f.Type {
		case syscollector.String:
			words = append(words, f.Column+"="+r.Values[n].Str)
		case syscollector.Integer:
			words = append(words, fmt.Sprintf("%s=%d", f.Column, r.Values[n].Int))
		default:
			words = append(words, fmt.Sprintf("%s=%g", f.Column, math.Float64frombits(uint64(r.Values[n].Int))))
		}
	}
	return "{" + strings.Join(words, " ") + "}"
}
