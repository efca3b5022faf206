package state

import (
	"bytes"
	"fmt"
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"invigil/pipeline/syscollector"
)

// drawRow draws a row of a table: some columns, any values but "", which is an
// absent column.
func drawRow(t *rapid.T, table syscollector.Table) *syscollector.Row {
	r := &syscollector.Row{Table: table}
	text := rapid.OneOf(rapid.StringN(1, 8, -1), rapid.SampledFrom([]string{"\x00", "\x01", "a\x00b", "\x01\x02\x00", "\xff"}))
	for _, f := range syscollector.Fields(table) {
		if !rapid.Bool().Draw(t, "present") {
			continue
		}
		r.Present |= 1 << f.Number
		if f.Type == syscollector.String {
			r.Values[f.Number].Str = text.Draw(t, f.Name)
		} else {
			r.Values[f.Number].Int = rapid.Int64().Draw(t, f.Name)
		}
	}
	return r
}

func drawTable(t *rapid.T) syscollector.Table {
	return syscollector.Table(rapid.IntRange(1, int(syscollector.NumTables)-1).Draw(t, "table"))
}

func drawHead(t *rapid.T) head {
	h := head{flags: byte(rapid.IntRange(0, 255).Draw(t, "flags")) & (flagScan | flagContinued | flagFirst)}
	if h.flags&flagScan != 0 {
		h.scan = rapid.Int64().Draw(t, "scan")
	}
	h.active = bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, rapid.IntRange(0, 3).Draw(t, "active"))
	h.time = []byte(rapid.StringN(0, 20, -1).Draw(t, "time"))
	return h
}

func TestRowSurvivesEncoding(t *testing.T) {
	ls := newLayouts()
	rapid.Check(t, func(t *rapid.T) {
		l := &ls[drawTable(t)]
		want, h := drawRow(t, l.table), drawHead(t)
		scan := rapid.Bool().Draw(t, "scan family")
		if scan && len(l.scan) > 0 && len(l.appendColumns(nil, want, l.scan)) == 0 {
			t.Skip()
		}
		item := l.appendItem(nil, want, scan)
		fixed := l.appendSection(nil, want, l.fixedMask(scan))
		volatile := l.appendSection(nil, want, l.volatile)
		value := appendRow(nil, &h, fixed, volatile)

		got := &syscollector.Row{}
		gotHead, err := l.decodeRow(got, string(item), value)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if d := l.differ(want, got); d != 0 || got.Present != want.Present || got.Table != want.Table {
			t.Fatalf("columns %b differ: want %b, got %b", d, want.Present, got.Present)
		}
		if gotHead.scan != h.scan || gotHead.continued() != h.continued() || !bytes.Equal(gotHead.active, h.active) || !bytes.Equal(gotHead.time, h.time) {
			t.Fatalf("head: want %+v, got %+v", h, gotHead)
		}
		if l.isScanItem(item) != (scan && len(l.scan) > 0) {
			t.Fatalf("item %q: family not told", item)
		}
		_, f, v, err := splitRow(value)
		if err != nil || !bytes.Equal(f, fixed) || !bytes.Equal(v, volatile) {
			t.Fatalf("sections differ (%v)", err)
		}
	})
}

// Keys must sort as what they mean: a table's rows by their key columns.
func TestItemsKeepOrder(t *testing.T) {
	ls := newLayouts()
	rapid.Check(t, func(t *rapid.T) {
		l := &ls[drawTable(t)]
		a, b := drawRow(t, l.table), drawRow(t, l.table)
		want := 0
		for _, c := range l.key {
			if want = compareColumn(a, b, c, l.text&(1<<c) != 0); want != 0 {
				break
			}
		}
		if got := bytes.Compare(l.appendItem(nil, a, false), l.appendItem(nil, b, false)); got != want {
			t.Fatalf("%v and %v: want %d, got %d", a.Values, b.Values, want, got)
		}
	})
}

func compareColumn(a, b *syscollector.Row, c uint8, text bool) int {
	switch x, y := a.Values[c], b.Values[c]; {
	case !a.Has(c) && !b.Has(c):
		return 0
	case !a.Has(c):
		return -1
	case !b.Has(c):
		return 1
	case text:
		return bytes.Compare([]byte(x.Str), []byte(y.Str))
	case x.Int < y.Int:
		return -1
	case x.Int > y.Int:
		return 1
	}
	return 0
}

// The delta family's key must lead the scan family's, and same columns the key.
func TestLayoutsFollowTheFieldTable(t *testing.T) {
	for _, l := range newLayouts()[1:] {
		m := l.table.Masks()
		var key uint64
		notSame := false
		for _, c := range l.key {
			key |= 1 << c
			if m.Same&(1<<c) == 0 {
				notSame = true
			} else if notSame {
				t.Errorf("table %d: column %d is same, but behind one that is not", l.table, c)
			}
		}
		if key != m.Key {
			t.Errorf("table %d: key columns %b, want %b", l.table, key, m.Key)
		}
		for _, scan := range []bool{false, true} {
			all := l.fixedMask(scan) | l.volatile | l.inKey(scan)
			if all != m.All || bits.OnesCount64(l.fixedMask(scan))+bits.OnesCount64(l.volatile)+bits.OnesCount64(l.inKey(scan)) != bits.OnesCount64(m.All) {
				t.Errorf("table %d: a column is stored twice or not at all", l.table)
			}
		}
	}
}

// FuzzRow: a decoder of any bytes must not panic, and what it accepts must
// survive another round.
func FuzzRow(f *testing.F) {
	ls := newLayouts()
	for t := syscollector.NoTable + 1; t < syscollector.NumTables; t++ {
		l := &ls[t]
		r := &syscollector.Row{Table: t, Present: l.all}
		for i := range r.Values {
			r.Values[i] = syscollector.Value{Str: fmt.Sprint("v", i), Int: int64(i) - 3}
		}
		h := head{flags: flagScan | flagContinued, scan: 7, active: make([]byte, 16), time: []byte("2024/03/20 08:00:01")}
		value := appendRow(nil, &h, l.appendSection(nil, r, l.fixedMask(false)), l.appendSection(nil, r, l.volatile))
		f.Add(uint8(t), l.appendItem(nil, r, false), value)
	}
	f.Fuzz(func(t *testing.T, table uint8, item, value []byte) {
		if table == 0 || syscollector.Table(table) >= syscollector.NumTables {
			return
		}
		l := &ls[table]
		var r, again syscollector.Row
		h, err := l.decodeRow(&r, string(item), value)
		if err != nil {
			return
		}
		scan := l.isScanItem(item)
		b := appendRow(nil, &h, l.appendSection(nil, &r, l.fixedMask(scan)), l.appendSection(nil, &r, l.volatile))
		if _, err := l.decodeRow(&again, string(l.appendItem(nil, &r, scan)), b); err != nil {
			t.Fatalf("row %q %q was accepted, its copy %q is not: %v", item, value, b, err)
		}
		if d := l.differ(&r, &again); d != 0 {
			t.Fatalf("columns %b differ", d)
		}
	})
}

// FuzzKeys: parts of keys of any bytes must not panic.
func FuzzKeys(f *testing.F) {
	f.Add("001\x00\x06tcp\x00")
	f.Add("\x01\x01\x00\x06")
	f.Add("\x80\x7f\xff\x88")
	f.Fuzz(func(t *testing.T, key string) {
		if agent, table, item, err := cutTable(key); err == nil {
			back := append(appendTable(nil, spaceRows, agent, table), item...)
			if string(back[1:]) != key {
				t.Fatalf("%q came back as %q", key, back[1:])
			}
		}
		if v, ok, rest, err := cutInt(key); err == nil && ok {
			if got, _, _, err := cutInt(string(appendInt(nil, v)) + rest); err != nil || got != v {
				t.Fatalf("%d came back as %d (%v)", v, got, err)
			}
		}
		if a, err := decodeAgent(key, []byte(key)); err == nil && a == nil {
			t.Fatal("no agent and no error")
		}
	})
}
