package syscollector_test

import (
	"errors"
	"math/bits"
	"regexp"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

// summary is everything that an event says, as one text.
func summary(e *syscollector.Event, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case e == nil:
		return "waiting"
	}
	return strings.Join([]string{e.Agent.ID, e.Agent.Name, e.Agent.IP, e.Location, e.Log, e.Type,
		e.Operation, e.ScanTime, e.Table.String(), shown(e), rowTexts(e)}, "\x1f")
}

// checkEvent holds what is true of every event.
func checkEvent(t *testing.T, e *syscollector.Event, err error) {
	t.Helper()
	if err != nil {
		var refused *syscollector.Error
		if !errors.As(err, &refused) || refused.Reason == "" || e != nil {
			t.Fatalf("event %v, error %v", e, err)
		}
		return
	}
	if e == nil {
		return
	}
	if e.Agent.ID == "" || e.Location == "" || e.Type == "" || e.Table == syscollector.NoTable || e.Table >= syscollector.NumTables {
		t.Fatalf("agent %q, location %q, type %q, table %d", e.Agent.ID, e.Location, e.Type, e.Table)
	}
	if e.Family == syscollector.FamilySync && e.Visible {
		t.Fatal("an rsync message is visible")
	}
	for i := range e.Rows {
		r := &e.Rows[i]
		m := r.Table.Masks()
		if r.Present == 0 || r.Present&^m.All != 0 || r.Present&r.Blank != 0 {
			t.Fatalf("row of %s: present %b, blank %b", r.Table, r.Present, r.Blank)
		}
		for set := r.Present & m.Text; set != 0; set &= set - 1 {
			if v := r.Values[bits.TrailingZeros64(set)].Str; v == "" || v == " " {
				t.Fatalf("row of %s: %q is present", r.Table, v)
			}
		}
	}
	first := map[string]string{}
	n := 0
	for name, value := range e.Fields() {
		if strings.Contains(value, "\x00") {
			t.Fatalf("%s holds a NUL: %q", name, value)
		}
		if _, ok := first[name]; !ok {
			first[name] = value
		}
		n++
	}
	if n > 256 {
		t.Fatalf("%d fields", n)
	}
	for name, value := range first {
		if got, ok := e.View(syscollector.LookupView(name)); !ok || got != value {
			t.Fatalf("%s is %q (%v), yielded as %q", name, got, ok, value)
		}
	}
	if e.Family != syscollector.FamilySync && first["type"] != e.Type {
		t.Fatalf("type %q, shown as %q", e.Type, first["type"])
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range traffic {
		f.Add([]byte(m.value))
	}
	f.Add([]byte(`{"component":"syscollector_hotfixes","type":"state","data":{"index":"KB1","attributes":{}}}`))
	f.Add([]byte(`{"agent_info":{"agent_id":"009"},"data_type":"integrity_clear","data":{"attributes_type":"syscollector_ports"}}`))
	f.Add([]byte(`{"type":"process","ID":1e2,"process":{"argvs":["\u0000",[1,{"a":"\\"}],-0,1e999,"x,y"],"pid":"1","utime":4294967296}}`))
	f.Add([]byte(archives(portMessage)))
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, compat := range compats {
			o := syscollector.Options{Compat: compat, DefaultAgent: "999", MaxBytes: 1 << 20}
			d := syscollector.NewDecoder(o)
			e, err := d.Decode(value, syscollector.Meta{})
			checkEvent(t, e, err)
			first := summary(e, err)
			if d.Pending() != nil {
				continue
			}
			e, err = d.Decode(value, syscollector.Meta{}) // what it has learned changes nothing
			if again := summary(e, err); again != first {
				t.Fatalf("decoded again:\n%q\n%q", again, first)
			}
		}
	})
}

// wrapper matches lines that may be a shipper's themselves.
var wrapper = regexp.MustCompile(`(?i)"message|"event|"log|\\u|\x00`)

func FuzzEnvelope(f *testing.F) {
	for _, head := range []string{
		`d:[001] (web) any->syscollector:`, `d:[001] (a|:b) fe80|:|:1->syscollector:`, `5:syscollector:`,
		"2019 Jun 14 16:30:18 wz->syscollector \n", "2019 Jun 14 16:30:18 (a (b)) any->syscollector ",
		"2024-03-20T08:00:06Z box tag: 2019 Jun 14 16:30:18 (web) any->/var/log/syslog ", `<13>Mar 20 box app{1}: `, "\ufeff",
	} {
		f.Add(head, portMessage)
		f.Add(head, "")
	}
	f.Add("", archives(deltaMessage))
	f.Fuzz(func(t *testing.T, head, message string) {
		line := head + message
		o := syscollector.Options{DefaultAgent: "999", MaxBytes: 1 << 20}
		d := syscollector.NewDecoder(o)
		e, err := d.Decode([]byte(line), syscollector.Meta{})
		checkEvent(t, e, err)
		plain := summary(e, err)
		if pending := d.Pending(); pending != nil {
			resumed := syscollector.NewDecoder(o)
			resumed.Resume(pending)
			a, errA := d.Decode([]byte(portMessage), syscollector.Meta{})
			b, errB := resumed.Decode([]byte(portMessage), syscollector.Meta{})
			if sa, sb := summary(a, errA), summary(b, errB); sa != sb || errA != nil {
				t.Fatalf("resumed:\n%q\n%q", sb, sa)
			}
		}
		// A shipper that wraps the line changes nothing of what it gives.
		// A second wrapping is not opened, and a NUL would end the text.
		if err != nil || wrapper.MatchString(line) {
			return
		}
		w := syscollector.NewDecoder(o)
		e, err = w.Decode([]byte(`{"@timestamp":"2030-01-01T00:00:00Z","agent":{"id":"7f","type":"filebeat"},"message":`+quoted(line)+`}`), syscollector.Meta{})
		if wrapped := summary(e, err); wrapped != plain {
			t.Fatalf("wrapped:\n%q\n%q", wrapped, plain)
		}
	})
}
