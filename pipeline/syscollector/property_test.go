package syscollector_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"

	"pgregory.net/rapid"
)

// member is one column of a generated message with what it must become.
type member struct {
	key, value string
	field      syscollector.Field
	typed      any
	shown      string
}

func quote(t string) string {
	b, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// mangled is the key with some letters in the other case.
func mangled(t *rapid.T, key string) string {
	if rapid.Bool().Draw(t, "as sent") {
		return key
	}
	b := []byte(key)
	for i, c := range b {
		if (c|0x20) >= 'a' && (c|0x20) <= 'z' && rapid.Bool().Draw(t, "fold") {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

func drawText(t *rapid.T) string {
	return rapid.StringMatching(`[a-zA-Z0-9 ."\\/,<>éß語\n\t-]{1,20}[a-z]`).Draw(t, "text")
}

// drawDelta draws a column of a dbsync message.
func drawDelta(t *rapid.T, f syscollector.Field) member {
	m := member{key: f.Column, field: f}
	switch f.Type {
	case syscollector.String:
		s := drawText(t)
		m.value, m.typed, m.shown = quote(s), s, s
	case syscollector.Integer:
		n := rapid.Int64().Draw(t, "n")
		if rapid.Bool().Draw(t, "small") {
			n = int64(int32(n))
		}
		m.value, m.typed = fmt.Sprint(n), n
		m.shown = fmt.Sprint(n)
		if n != int64(int32(n)) {
			m.shown = fmt.Sprintf("%.6f", float64(n))
		}
		if rapid.Bool().Draw(t, "as text") {
			m.value, m.shown = quote(fmt.Sprint(n)), fmt.Sprint(n)
		}
	case syscollector.Real:
		x := rapid.Float64Range(-1e12, 1e12).Draw(t, "x")
		b, _ := json.Marshal(x)
		m.value, m.typed = string(b), x
		m.shown = fmt.Sprintf("%.6f", x)
		if x == math.Trunc(x) && math.Abs(x) < 1<<31 {
			m.shown = fmt.Sprintf("%d", int64(x))
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "absent") == 0 {
		m.value = rapid.SampledFrom([]string{"null", `""`, `" "`}).Draw(t, "value")
		m.typed, m.shown = nil, strings.Trim(strings.TrimPrefix(m.value, "null"), `"`)
	}
	return m
}

// drawScan draws a column of a scan message of 4.x's reading.
func drawScan(t *rapid.T, f syscollector.Field) member {
	m := member{key: f.Scan, field: f}
	sixDecimals := f.Type == syscollector.Real || f.Name == "hardware.ram_total" || f.Name == "hardware.ram_free"
	switch {
	case f.Name == "process.args":
		parts := rapid.SliceOfN(rapid.StringMatching(`[a-z" -]{1,6}[a-z]`), 1, 4).Draw(t, "arguments")
		quoted := make([]string, len(parts))
		for i, p := range parts {
			quoted[i] = quote(p)
		}
		m.value, m.typed, m.shown = "["+strings.Join(quoted, ",")+"]", strings.Join(parts, ","), "["+strings.Join(quoted, ", ")+"]"
	case f.Type == syscollector.String:
		s := drawText(t)
		m.value, m.typed, m.shown = quote(s), s, s
	case sixDecimals:
		n := rapid.Int64Range(0, 1<<40).Draw(t, "n")
		m.value, m.typed, m.shown = fmt.Sprint(n), n, fmt.Sprintf("%d.000000", n)
		if f.Type == syscollector.Real {
			m.typed = float64(n)
		}
	default:
		n := rapid.Int64().Draw(t, "n")
		m.value, m.typed = fmt.Sprint(n), n
		m.shown = fmt.Sprint(min(max(n, math.MinInt32), math.MaxInt32))
	}
	return m
}

// object writes the members in a random order, with blanks and unknown members
// between them.
func object(t *rapid.T, ms []member) string {
	var parts []string
	for _, m := range rapid.Permutation(ms).Draw(t, "order") {
		space := rapid.SampledFrom([]string{"", " ", "\t\n"}).Draw(t, "space")
		parts = append(parts, space+quote(mangled(t, m.key))+space+":"+space+m.value+space)
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			parts = append(parts, `"unknown_`+m.key+`":[{"a":1}]`)
		}
		if rapid.IntRange(0, 9).Draw(t, "again") == 0 {
			parts = append(parts, quote(m.key)+`:"again"`)
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestRowsSurviveAnyOrderAndSpelling(t *testing.T) {
	decoder := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"}) // one for all: it learns orders
	scans := map[syscollector.Table][2]string{
		syscollector.Hardware: {"hardware", "inventory"}, syscollector.OS: {"OS", "inventory"},
		syscollector.Packages: {"program", "program"}, syscollector.Processes: {"process", "process"},
		syscollector.Ports: {"port", "port"}, syscollector.Netiface: {"network", "iface"},
	}
	rapid.Check(t, func(t *rapid.T) {
		defer decoder.Reset()
		table := rapid.SampledFrom(syscollector.Tables()).Draw(t, "table")
		scan, scanned := scans[table]
		scanned = scanned && rapid.Bool().Draw(t, "scan")
		var ms []member
		want := map[string]any{}
		shownAs := map[string]string{}
		for _, f := range syscollector.Fields(table) {
			if rapid.IntRange(0, 3).Draw(t, "sent") == 0 {
				continue
			}
			var m member
			if scanned {
				m = drawScan(t, f)
			} else {
				m = drawDelta(t, f)
			}
			ms = append(ms, m)
			if m.typed != nil {
				want[f.Name] = m.typed
			}
			shownAs[f.Name] = m.shown
		}
		body := object(t, ms)
		outer := []member{{key: "type", value: quote("dbsync_" + table.Wire())}, {key: "operation", value: `"MODIFIED"`}, {key: "data", value: body}}
		if scanned {
			outer = []member{{key: "type", value: quote(scan[0])}, {key: "ID", value: "77"}, {key: "timestamp", value: `"t"`}, {key: scan[1], value: body}}
		}
		text := object(t, outer)
		e, err := decoder.Decode([]byte(text), syscollector.Meta{})
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		got := map[string]any{}
		for i := range e.Rows {
			for _, f := range syscollector.Fields(table) {
				if v := e.Rows[i].Any(f.Number); v != nil {
					got[f.Name] = v
				}
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s:\n got %v\nwant %v", text, got, want)
		}
		for _, m := range ms {
			if m.field.DeltaName != "" && !scanned {
				continue
			}
			if shown, ok := e.View(syscollector.LookupView(m.field.Name)); !ok || shown != shownAs[m.field.Name] {
				t.Fatalf("%s: %s is %q (%v), want %q", text, m.field.Name, shown, ok, shownAs[m.field.Name])
			}
		}
	})
}

func TestStringsLiveUntilReset(t *testing.T) {
	d := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})
	type kept struct{ want, state, log string }
	var all []kept
	for round := range 3 {
		all = all[:0]
		for i := range 3000 {
			state := fmt.Sprintf("state %d of %d é", i, round)
			value := []byte(`{"type":"port","ID":1,"port":{"state":"state ` + fmt.Sprintf("%d of %d", i, round) + ` \u00e9"}}`)
			e, err := d.Decode(value, syscollector.Meta{})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, kept{state, e.Rows[0].Str(8), e.Log})
			clear(value) // the page behind the value is used again
			if _, err := d.Decode([]byte(`{"type":"port"`), syscollector.Meta{}); err == nil {
				t.Fatal("half an object was decoded")
			}
		}
		for i, k := range all {
			if k.state != k.want || !strings.Contains(k.log, fmt.Sprintf("%d of %d", i, round)) {
				t.Fatalf("event %d of round %d: %q, %q", i, round, k.state, k.log)
			}
		}
		d.Reset()
	}
}
