package ruletest_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"invigil/config/source"
	"invigil/connectors/alertfmt"
	"invigil/pipeline/ruletest"
	"invigil/rules"
	"invigil/state"
)

// FuzzCompare: whatever stands in the archives and in the manager's alerts,
// each readable alert of the manager is counted once.
func FuzzCompare(f *testing.F) {
	archives := archive(f, day())
	alerts := record(f, stock, archives)
	f.Add(strings.Join(archives, "\n"), strings.Join(alerts, "\n"))
	f.Add(archives[0], strings.Replace(alerts[0], `"full_log"`, `"no_log"`, 1))
	f.Add(archives[0], `{"timestamp":"x","rule":{},"decoder":{"name":"syscollector"}}`)
	f.Add("", `{"timestamp":"2024-06-14T16:00:00.000+0000","rule":{"level":1,"id":"1"},"decoder":{"name":"syscollector"},"data":{"a":[1,{"b":null}],"a.b":1e400}}`)
	store, set := load(f, stock, rules.Options{})
	if err := store.Close(); err != nil {
		f.Fatal(err)
	}
	format, err := alertfmt.Format("wazuh")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, archives, alerts string) {
		store, err := state.OpenMemory(state.Options{CacheBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		manager := strings.Split(alerts, "\n")
		c, err := ruletest.Compare(context.Background(), ruletest.CompareOptions{
			Store: store, Rules: set, Format: format.Append,
			Archives: &lines{rest: strings.Split(archives, "\n")}, Alerts: &lines{rest: manager},
			Report: func(d *ruletest.Difference) error {
				_, err := io.WriteString(io.Discard, d.Text(time.UTC))
				return err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Identical + c.Different + c.OnlyWazuh + c.OtherDecoders + c.Unreadable; n != len(manager) {
			t.Errorf("%d lines of the manager are counted as %d: %+v", len(manager), n, c)
		}
	})
}

// FuzzCheckList: every finding stands on a line of the list.
func FuzzCheckList(f *testing.F) {
	f.Add("10.0.0.:office\n# x\n10.0.0.0/24:\nfe80::1:\n\"a:b\":\"c\"\n x:1\n10.0.0.:again\nplain\n", uint8(0))
	f.Add("10.1.2.3/8:a\n10.0.0.0/8\nweb\n2001:db8::/32\n\"::1\":x\n", uint8(1))
	f.Add("a\nab\na\n", uint8(2))
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		count := strings.Count(text, "\n") + 1
		for _, d := range ruletest.CheckList(source.File{Name: "l", Data: []byte(text)}, state.ListKind(kind%3)) {
			if d.Pos.Line < 1 || d.Pos.Line > count || d.Message == "" {
				t.Errorf("%+v", d)
			}
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	var events []event
	for i := range 2000 {
		events = append(events, port(time.Duration(i)*time.Second, []string{"001", "002", "003"}[i%3], []string{"INSERTED", "DELETED", "MODIFIED"}[i%3], "trusted", i%50+1))
	}
	archives := archive(b, events)
	alerts := record(b, stock, archives)
	b.ReportAllocs()
	for b.Loop() {
		setup{rules: stock, archives: archives, alerts: alerts}.compare(b)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}
