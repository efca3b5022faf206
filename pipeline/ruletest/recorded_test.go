package ruletest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/connectors/alertfmt"
	"invigil/pipeline/ruletest"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
	"invigil/state"
)

// recorded is one recorded case: rules, lists, events, and what each version of
// the original alerted.
type recorded struct {
	ID       string            `json:"id"`
	RulesXML string            `json:"rules_xml"`
	Lists    map[string]string `json:"lists"`
	Events   []struct {
		Raw string `json:"raw"`
		At  int64  `json:"at"`
	} `json:"events"`
	Results map[string]struct {
		Loads    bool `json:"loads"`
		Expected []struct {
			Event       int             `json:"event_index"`
			Rule        string          `json:"rule_id"`
			Level       int             `json:"level"`
			Description string          `json:"description"`
			Agent       json.RawMessage `json:"agent"`
		} `json:"expected"`
	} `json:"results"`
}

// TestRecordedVerdictsAreIdentical compares what the original alerted in the
// recorded cases, as the manager would have written it.
func TestRecordedVerdictsAreIdentical(t *testing.T) {
	files, err := filepath.Glob("../../rules/testdata/conformance/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	alerts := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			var c recorded
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			alerts += c.compare(t, store, "4.14.7", syscollector.Compat4)
			alerts += c.compare(t, store, "3.9.5", syscollector.Compat39)
		}
	}
	if alerts == 0 {
		t.Error("no alert was compared")
	}
}

// compare compares one version's alerts and returns their number. What was not
// recorded of an alert (data, groups) may differ.
func (c *recorded) compare(t *testing.T, store *state.Store, version string, compat syscollector.Compat) int {
	t.Helper()
	result := c.Results[version]
	if !result.Loads || len(result.Expected) == 0 {
		return 0
	}
	for _, l := range store.Lists().View().All() {
		if err := store.Lists().Remove(l.Name); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range c.Lists {
		if _, err := store.Lists().Load(name, state.ListCDB, false, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	f, _ := rules.ReadFile(source.File{Name: c.ID + ".xml", Data: []byte(c.RulesXML)}, compat)
	set, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{Compat: compat, Lists: store.Lists().View()})
	if ds.Err() != nil {
		t.Fatalf("%s: %v", c.ID, ds)
	}
	stamp := func(at int64) string { return time.Unix(at, 0).UTC().Format("2006-01-02T15:04:05.000-0700") }
	var archives, alerts []string
	for _, e := range c.Events {
		archives = append(archives, e.Raw)
	}
	for _, e := range result.Expected {
		ev := c.Events[e.Event]
		_, body, _ := strings.Cut(ev.Raw, "syscollector:")
		log, _ := json.Marshal(body)
		description, _ := json.Marshal(e.Description)
		alerts = append(alerts, fmt.Sprintf(`{"timestamp":"%s","rule":{"level":%d,"description":%s,"id":"%s"},"agent":%s,"full_log":%s,"decoder":{"name":"syscollector"},"location":"syscollector"}`,
			stamp(ev.At), e.Level, description, e.Rule, e.Agent, log))
	}
	format, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	in := &lines{rest: archives, record: func(i int64, line string) connectors.Message {
		return connectors.Message{Topic: c.ID + version, Offset: i, Time: c.Events[i-1].At * 1000, Value: []byte(line)}
	}}
	var out strings.Builder
	got, err := ruletest.Compare(context.Background(), ruletest.CompareOptions{
		Store: store, Rules: set, Decoder: syscollector.Options{Compat: compat, Manager: "vm"}, Format: format.Append,
		Archives: in, Alerts: &lines{rest: alerts},
		Report: func(d *ruletest.Difference) error {
			for _, r := range d.Reasons {
				if d.Kind != ruletest.Fields || strings.HasPrefix(r, "rule.level:") || strings.HasPrefix(r, "rule.description:") {
					out.WriteString(d.Text(time.UTC))
					break
				}
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() > 0 || got.Identical+got.Different != len(alerts) {
		t.Errorf("%s of %s: %v\n%s", c.ID, version, got, out.String())
	}
	return len(alerts)
}
