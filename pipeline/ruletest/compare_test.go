package ruletest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/connectors"
	"invigil/connectors/alertfmt"
	"invigil/pipeline"
	"invigil/pipeline/ruletest"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// stock is what the comparisons run: a chain, a sibling of a lower level, a
// silent rule, a rule that leaves the message out, a correlation.
const stock = `<group name="local,syscollector,">
  <rule id="100310" level="3">
    <if_sid>221</if_sid>
    <field name="type">^dbsync_ports$</field>
    <description>Port $(port.local_port) of $(port.process)</description>
  </rule>
  <rule id="100311" level="7">
    <if_sid>100310</if_sid>
    <field name="operation_type">^INSERTED$</field>
    <description>New port $(port.local_port)</description>
  </rule>
  <rule id="100312" level="0">
    <if_sid>100310</if_sid>
    <field name="port.process">^trusted$</field>
    <description>Trusted</description>
  </rule>
  <rule id="100320" level="5">
    <if_sid>221</if_sid>
    <field name="type">^dbsync_packages$</field>
    <options>no_full_log</options>
    <description>Package $(program.name)</description>
  </rule>
  <rule id="100330" level="9" frequency="3" timeframe="60">
    <if_matched_sid>100320</if_matched_sid>
    <description>Many packages</description>
  </rule>
</group>
`

// event is one event of a recording.
type event struct {
	at    time.Time
	agent string
	log   string
}

var epoch = time.Date(2024, time.June, 14, 16, 0, 0, 0, time.UTC)

func port(at time.Duration, agent, operation, process string, number int) event {
	return event{epoch.Add(at), agent, fmt.Sprintf(
		`{"type":"dbsync_ports","operation":%q,"data":{"protocol":"tcp","local_ip":"0.0.0.0","local_port":%d,"inode":1,"state":"listening","process":%q,"checksum":"a","scan_time":"x"}}`,
		operation, number, process)}
}

func program(at time.Duration, agent, name string) event {
	return event{epoch.Add(at), agent, fmt.Sprintf(
		`{"type":"dbsync_packages","operation":"MODIFIED","data":{"name":%q,"architecture":"amd64","format":"deb","version":"1","checksum":"a","scan_time":"x"}}`, name)}
}

// archived writes the event as a line of archives.json.
func (e event) archived(t require) string {
	log, err := json.Marshal(e.log)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"timestamp":"%s","agent":{"id":%q,"name":"host-%s"},"manager":{"name":"wz"},"full_log":%s,"decoder":{"name":"syscollector"},"location":"syscollector"}`,
		e.at.Format("2006-01-02T15:04:05.000-0700"), e.agent, e.agent, log)
}

// require is what of a test is used here.
type require interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Cleanup(f func())
}

// lines is an input of lines, a few a read.
type lines struct {
	rest   []string
	offset int64
	record func(i int64, line string) connectors.Message
}

func (l *lines) Read(context.Context) ([]connectors.Message, error) {
	if len(l.rest) == 0 {
		return nil, io.EOF
	}
	var out []connectors.Message
	for len(l.rest) > 0 && len(out) < 3 {
		l.offset++
		m := connectors.Message{Offset: l.offset, Value: []byte(l.rest[0])}
		if l.record != nil {
			m = l.record(l.offset, l.rest[0])
		}
		out = append(out, m)
		l.rest = l.rest[1:]
	}
	return out, nil
}

func archive(t require, events []event) []string {
	out := make([]string, len(events))
	for i, e := range events {
		out[i] = e.archived(t)
	}
	return out
}

// load compiles rules for a new store.
func load(t require, rulesText string, o rules.Options) (*state.Store, *rules.Set) {
	t.Helper()
	dir, err := os.MkdirTemp("", "ruletest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "local_rules.xml")
	if err := os.WriteFile(path, []byte(rulesText), 0o600); err != nil {
		t.Fatal(err)
	}
	store, err := state.OpenMemory(state.Options{CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	set, ds, err := ruletest.LoadRules(store, []string{path}, o)
	if err != nil || set == nil {
		t.Fatal(ds, err)
	}
	return store, set
}

// record evaluates a recording as the manager would have and returns its
// alerts.json.
func record(t require, rulesText string, archives []string) []string {
	t.Helper()
	store, set := load(t, rulesText, rules.Options{Manager: "wz"})
	defer store.Close()
	p, err := pipeline.New(pipeline.Options{Store: store, Rules: set})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out []string
	in := &lines{rest: archives}
	for {
		msgs, err := in.Read(context.Background())
		if err != nil {
			return out
		}
		res, err := p.Process(msgs)
		if err != nil {
			t.Fatal(err)
		}
		for i := range res.Alerts {
			out = append(out, string(wazuh(t)(nil, &res.Alerts[i])))
		}
	}
}

func wazuh(t require) func(b []byte, a *rules.Alert) []byte {
	f, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte, a *rules.Alert) []byte {
		if b, err = f.Append(b, a); err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// setup is one comparison of a test.
type setup struct {
	rules    string
	archives []string
	alerts   []string
	options  func(o *ruletest.CompareOptions)
	logLevel int
}

// compare runs a comparison and returns what it printed.
func (s setup) compare(t require) (*ruletest.Comparison, string) {
	t.Helper()
	store, set := load(t, s.rules, rules.Options{LogLevel: s.logLevel})
	defer store.Close()
	var out bytes.Buffer
	f, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	o := ruletest.CompareOptions{
		Store: store, Rules: set, LogLevel: s.logLevel, Decoder: syscollector.Options{Manager: "wz"},
		Archives: &lines{rest: s.archives}, Alerts: &lines{rest: s.alerts}, Format: f.Append,
		Report: func(d *ruletest.Difference) error {
			out.WriteString(d.Text(time.UTC))
			return nil
		},
	}
	if s.options != nil {
		s.options(&o)
	}
	c, err := ruletest.Compare(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString(c.String() + "\n")
	return c, out.String()
}

// day is a recording that fires every rule of stock.
func day() []event {
	return []event{
		port(0, "001", "INSERTED", "sshd", 22),
		port(time.Second, "002", "MODIFIED", "nginx", 80),
		port(2*time.Second, "002", "INSERTED", "trusted", 81),
		program(3*time.Second, "001", "bash"),
		program(4*time.Second, "001", "zsh"),
		program(5*time.Second, "001", "fish"),
		port(time.Minute, "003", "DELETED", "trusted", 90),
		port(2*time.Minute, "003", "DELETED", "sshd", 91),
	}
}

func TestARecordingComparedWithItselfIsIdentical(t *testing.T) {
	archives := archive(t, day())
	alerts := record(t, stock, archives)
	c, out := setup{rules: stock, archives: archives, alerts: alerts}.compare(t)
	if out != "6 identical, 0 only Wazuh, 0 only Invigil\n" || c.Differ() {
		t.Error(out)
	}
}

func replace(list []string, i int, old, text string) []string {
	out := slices.Clone(list)
	out[i] = strings.Replace(out[i], old, text, 1)
	return out
}

func TestEachDifferenceIsToldWithItsReason(t *testing.T) {
	archives := archive(t, day())
	alerts := record(t, stock, archives)
	without := func(list []string, i ...int) []string {
		var out []string
		for k, s := range list {
			if !slices.Contains(i, k) {
				out = append(out, s)
			}
		}
		return out
	}
	edit := func(old, text string) string {
		if !strings.Contains(stock, old) {
			t.Fatalf("%q is not in the rules", old)
		}
		return strings.Replace(stock, old, text, 1)
	}
	tests := []struct {
		name string
		s    setup
		want []string // lines that the report has
		last string
	}{
		{"an alert that Wazuh did not write", setup{rules: stock, archives: archives, alerts: without(alerts, 1)},
			[]string{
				"only Invigil: rule 100310 (level 3), agent 002 (host-002), 2024-06-14T16:00:01.000+0000: Port 80 of nginx",
				"Wazuh has no alert of this event",
				`rule 100310 matched: osregex("type", "^dbsync_ports$") (type is "dbsync_ports")`,
				"line 2 of the archives",
			}, "5 identical, 0 only Wazuh, 1 only Invigil"},
		{"an event that is not in the archives", setup{rules: stock, archives: without(archives, 1), alerts: alerts},
			[]string{"only Wazuh: rule 100310 (level 3), agent 002 (host-002)", "the archives have no such event of this agent", "line 2 of the manager's alerts"},
			"5 identical, 1 only Wazuh, 0 only Invigil"},
		{"an alert from before the archives", setup{rules: stock, archives: without(archives, 0), alerts: alerts},
			[]string{"outside their time span, 2024-06-14T16:00:01.000+0000 to 2024-06-14T16:02:00.000+0000"},
			"5 identical, 1 only Wazuh, 0 only Invigil"},
		{"an alert from after Wazuh's last one", setup{rules: stock, archives: archives, alerts: alerts[:5]},
			[]string{"it is outside the time span of Wazuh's alerts, 2024-06-14T16:00:00.000+0000 to"},
			"5 identical, 0 only Wazuh, 1 only Invigil"},
		{"another level", setup{rules: edit(`id="100311" level="7"`, `id="100311" level="8"`), archives: archives, alerts: alerts},
			[]string{"different: rule 100311 (level 8)", "rule.level: Wazuh 7, Invigil 8"},
			"5 identical, 0 only Wazuh, 0 only Invigil"},
		{"another description", setup{rules: stock, archives: archives, alerts: replace(alerts, 0, "New port", "Fresh port")},
			[]string{`rule.description: Wazuh "Fresh port 22", Invigil "New port 22"`},
			"5 identical, 0 only Wazuh, 0 only Invigil"},
		{"other groups", setup{rules: edit(`name="local,syscollector,"`, `name="local,pci_dss_1.1,"`), archives: archives, alerts: alerts[:1]},
			[]string{`rule.groups: Wazuh ["local","syscollector"], Invigil ["local"]`, `rule.pci_dss: Wazuh absent, Invigil ["1.1"]`},
			"0 identical, 0 only Wazuh, 5 only Invigil"},
		{"other data", setup{rules: stock, archives: archives, alerts: replace(alerts, 0, `"state":"listening"`, `"state":"closed"`)},
			[]string{`data.port.state: Wazuh "closed", Invigil "listening"`},
			"5 identical, 0 only Wazuh, 0 only Invigil"},
		{"a message that only one leaves out", setup{rules: edit("<options>no_full_log</options>", ""), archives: archives, alerts: alerts},
			[]string{"full_log: Wazuh absent, Invigil "},
			"4 identical, 0 only Wazuh, 0 only Invigil"},
		{"a rule that is not loaded", setup{rules: edit(`id="100311"`, `id="100399"`), archives: archives, alerts: alerts},
			[]string{"only Wazuh: rule 100311", "rule 100311 is not loaded; Invigil alerted rule 100399 (level 7)", "only Invigil: rule 100399", "Wazuh alerted rule 100311 (level 7) on this event"},
			"5 identical, 1 only Wazuh, 1 only Invigil"},
		{"a condition that fails", setup{rules: edit("^INSERTED$", "^ADDED$"), archives: archives, alerts: alerts},
			[]string{`rule 100311 did not match: osregex("operation_type", "^ADDED$"): operation_type is "INSERTED"; Invigil alerted rule 100310 (level 3)`},
			"5 identical, 1 only Wazuh, 1 only Invigil"},
		{"a parent that fails", setup{rules: edit("^dbsync_ports$", "^port$"), archives: archives, alerts: alerts},
			[]string{`rule 100311 was not tried: its parent 100310 did not match: osregex("type", "^port$"): type is "dbsync_ports"`},
			"3 identical, 3 only Wazuh, 0 only Invigil"},
		{"a sibling that takes the event silently", setup{rules: edit("^trusted$", "^sshd$|^trusted$"), archives: archives, alerts: alerts},
			[]string{"rule 100311 was not tried: rule 100312, level 0, took the event first"},
			"4 identical, 2 only Wazuh, 0 only Invigil"},
		{"a correlation that has not enough", setup{rules: edit(`frequency="3"`, `frequency="4"`), archives: archives, alerts: alerts},
			[]string{"rule 100330 did not match: correlate: 2 earlier events counted of 3 wanted within 60 s; Invigil alerted rule 100320"},
			"5 identical, 1 only Wazuh, 1 only Invigil"},
		{"a level below the log level", setup{rules: stock, archives: archives, alerts: alerts, logLevel: 5},
			[]string{"rule 100310 won, but its level 3 is below the log level 5"},
			"4 identical, 2 only Wazuh, 0 only Invigil"},
		{"a log level of the manager", setup{rules: stock, archives: archives, alerts: slices.DeleteFunc(slices.Clone(alerts), func(s string) bool { return strings.Contains(s, `"level":3`) })},
			[]string{"only Invigil: rule 100310", "and none below level 5: set --log-level to its log_alert_level"},
			"4 identical, 0 only Wazuh, 2 only Invigil"},
		{"a rule below a parent that is not loaded", setup{rules: edit("<if_sid>100310</if_sid>", "<if_sid>5700</if_sid>"), archives: archives, alerts: alerts},
			[]string{"rule 100311 is out of reach"},
			"5 identical, 1 only Wazuh, 1 only Invigil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, out := tt.s.compare(t)
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("the report lacks %q:\n%s", want, out)
				}
			}
			if !strings.HasSuffix(out, tt.last+"\n") {
				t.Errorf("the report does not end with %q:\n%s", tt.last, out)
			}
		})
	}
}

func TestManagersCountersAndConfigurationAreNotCompared(t *testing.T) {
	archives := archive(t, day())
	alerts := record(t, stock, archives)
	for i := range alerts {
		for _, r := range [][2]string{
			{`"firedtimes":1`, `"firedtimes":812`}, {`"mail":true`, `"mail":false`}, {`"manager":{"name":"wz"}`, `"manager":{"name":"other"},"cluster":{"name":"c","node":"n"}`},
			{`"id":"1718`, `"id":"1719`},
		} {
			alerts[i] = strings.Replace(alerts[i], r[0], r[1], 1)
		}
	}
	if _, out := (setup{rules: stock, archives: archives, alerts: alerts}).compare(t); out != "6 identical, 0 only Wazuh, 0 only Invigil\n" {
		t.Error(out)
	}
}

func TestAlertsOfOtherDecodersAreLeftOutAndCounted(t *testing.T) {
	archives := archive(t, day())
	alerts := slices.Concat(
		[]string{`{"timestamp":"2024-06-14T15:00:00.000+0000","rule":{"level":5,"description":"x","id":"5715"},"agent":{"id":"001"},"decoder":{"name":"sshd"},"location":"/var/log/auth.log"}`},
		record(t, stock, archives),
		[]string{
			`{"timestamp":"2024-06-14T19:00:00.000+0000","rule":{"level":5,"description":"about \"syscollector\"","id":"1"},"agent":{"id":"001"},"decoder":{"name":"json"}}`,
			`no alert`, `{"no":"rule"}`,
		})
	c, out := setup{rules: stock, archives: archives, alerts: alerts}.compare(t)
	if c.OtherDecoders != 2 || c.Unreadable != 2 || out != "6 identical, 0 only Wazuh, 0 only Invigil\n" {
		t.Errorf("%d of other decoders, %d unreadable: %s", c.OtherDecoders, c.Unreadable, out)
	}
}

func TestIdenticalEventsPairOneToOne(t *testing.T) {
	events := []event{}
	for i := range 4 { // four times the same message in one second
		events = append(events, port(time.Duration(i)*100*time.Millisecond, "001", "INSERTED", "sshd", 22))
	}
	archives := archive(t, events)
	alerts := record(t, stock, archives)
	if len(alerts) != 4 {
		t.Fatalf("%d alerts", len(alerts))
	}
	if _, out := (setup{rules: stock, archives: archives, alerts: alerts}).compare(t); out != "4 identical, 0 only Wazuh, 0 only Invigil\n" {
		t.Error(out)
	}
	_, out := setup{rules: stock, archives: archives, alerts: slices.Delete(slices.Clone(alerts), 1, 2)}.compare(t)
	if !strings.HasSuffix(out, "3 identical, 0 only Wazuh, 1 only Invigil\n") {
		t.Error(out)
	}
	_, out = setup{rules: stock, archives: slices.Delete(slices.Clone(archives), 1, 2), alerts: alerts}.compare(t)
	if !strings.HasSuffix(out, "3 identical, 1 only Wazuh, 0 only Invigil\n") {
		t.Error(out)
	}
}

func TestTheSameMessageOfAnotherAgentIsNoPartner(t *testing.T) {
	archives := archive(t, []event{port(0, "001", "INSERTED", "sshd", 22)})
	alerts := record(t, stock, archive(t, []event{port(0, "002", "INSERTED", "sshd", 22)}))
	if _, out := (setup{rules: stock, archives: archives, alerts: alerts}).compare(t); !strings.HasSuffix(out, "0 identical, 1 only Wazuh, 1 only Invigil\n") {
		t.Error(out)
	}
}

func TestEventsInOtherEnvelopesFindTheirAlerts(t *testing.T) {
	events := day()
	alerts := record(t, stock, archive(t, events))
	envelopes := map[string]struct {
		line   func(e event) string
		record func(events []event) func(i int64, line string) connectors.Message
	}{
		"queue lines in Kafka records that came a second later": {
			func(e event) string {
				return fmt.Sprintf("d:[%s] (host-%s) any->syscollector:%s", e.agent, e.agent, e.log)
			},
			func(events []event) func(int64, string) connectors.Message {
				return func(i int64, line string) connectors.Message {
					return connectors.Message{Topic: "t", Partition: int32(events[i-1].agent[2] % 2), Offset: i, Time: events[i-1].at.Add(1500 * time.Millisecond).UnixMilli(), Value: []byte(line)}
				}
			},
		},
		"archives.log, which has names and whole seconds only": {
			func(e event) string {
				return fmt.Sprintf("%s (host-%s) any->syscollector %s", e.at.Format("2006 Jan 02 15:04:05"), e.agent, e.log)
			}, nil,
		},
		"queue lines without a time in an old file": {
			func(e event) string {
				return fmt.Sprintf("d:[%s] (host-%s) any->syscollector:%s", e.agent, e.agent, e.log)
			},
			func([]event) func(int64, string) connectors.Message {
				return func(i int64, line string) connectors.Message {
					return connectors.Message{Offset: i, Time: 1000, Inferred: true, Value: []byte(line)}
				}
			},
		},
	}
	for name, e := range envelopes {
		t.Run(name, func(t *testing.T) {
			var archives []string
			for _, ev := range events {
				archives = append(archives, e.line(ev))
			}
			_, out := setup{rules: stock, alerts: alerts, options: func(o *ruletest.CompareOptions) {
				in := &lines{rest: archives}
				if e.record != nil {
					in.record = e.record(events)
				}
				o.Archives = in
			}}.compare(t)
			if out != "6 identical, 0 only Wazuh, 0 only Invigil\n" {
				t.Error(out)
			}
		})
	}
}

func TestPartitionsOneBehindTheOtherFindTheirAlerts(t *testing.T) {
	var events []event
	for i := range 20 { // an hour apart, by turns of two agents
		events = append(events, port(time.Duration(i)*time.Hour, []string{"001", "002"}[i%2], "INSERTED", "sshd", 22+i))
	}
	alerts := record(t, stock, archive(t, events))
	slices.SortStableFunc(events, func(a, b event) int { return strings.Compare(a.agent, b.agent) })
	_, out := setup{rules: stock, alerts: alerts, options: func(o *ruletest.CompareOptions) {
		o.Archives = &lines{rest: archive(t, events), record: func(i int64, line string) connectors.Message {
			return connectors.Message{Topic: "t", Partition: int32(i-1) / 10, Offset: i, Time: events[i-1].at.UnixMilli(), Value: []byte(line)}
		}}
	}}.compare(t)
	if out != "20 identical, 0 only Wazuh, 0 only Invigil\n" {
		t.Error(out)
	}
}

func TestFromAndToBoundWhatIsCompared(t *testing.T) {
	archives := archive(t, day())
	alerts := record(t, stock, archives)
	c, out := setup{rules: stock, archives: archives, alerts: alerts[1:], options: func(o *ruletest.CompareOptions) {
		o.From, o.To = epoch.Add(time.Second), epoch.Add(5*time.Second)
	}}.compare(t)
	if out != "3 identical, 0 only Wazuh, 0 only Invigil\n" || c.Outside != 5 {
		t.Errorf("%d outside: %s", c.Outside, out)
	}
}

// TestMemoryIsBounded: alerts of the manager without an event are given up
// when they fill the memory allowed, the oldest first.
func TestMemoryIsBounded(t *testing.T) {
	events := day()
	archives := archive(t, events)
	var strangers []string
	for i := range 50 {
		strangers = append(strangers, record(t, stock, archive(t, []event{port(time.Duration(i)*time.Millisecond, "009", "INSERTED", "x", 1000+i)}))...)
	}
	alerts := slices.Concat(strangers, record(t, stock, archives))
	_, out := setup{rules: stock, archives: archives, alerts: alerts, options: func(o *ruletest.CompareOptions) { o.Hold = 12_000 }}.compare(t)
	if !strings.HasSuffix(out, "6 identical, 50 only Wazuh, 0 only Invigil\n") {
		t.Error(out)
	}
}

// TestAnyRecordingAgreesWithItself and loses exactly what is taken away.
func TestAnyRecordingAgreesWithItself(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var events []event
		at := time.Duration(0)
		for range rapid.IntRange(1, 40).Draw(r, "events") {
			at += time.Duration(rapid.SampledFrom([]int{0, 1, 500, 1000, 40_000, 700_000}).Draw(r, "pause")) * time.Millisecond
			agent := rapid.SampledFrom([]string{"001", "002", "003"}).Draw(r, "agent")
			if rapid.Bool().Draw(r, "program") {
				events = append(events, program(at, agent, rapid.SampledFrom([]string{"bash", "zsh"}).Draw(r, "name")))
				continue
			}
			events = append(events, port(at, agent, rapid.SampledFrom([]string{"INSERTED", "MODIFIED", "DELETED"}).Draw(r, "operation"),
				rapid.SampledFrom([]string{"sshd", "trusted"}).Draw(r, "process"), rapid.IntRange(1, 2).Draw(r, "port")))
		}
		archives := archive(r, events)
		alerts := record(r, stock, archives)
		c, out := setup{rules: stock, archives: archives, alerts: alerts}.compare(r)
		if c.Differ() || c.Identical != len(alerts) {
			r.Fatalf("of %d alerts:\n%s", len(alerts), out)
		}
		if len(alerts) == 0 {
			return
		}
		gone := rapid.IntRange(0, len(alerts)-1).Draw(r, "gone")
		c, out = setup{rules: stock, archives: archives, alerts: slices.Delete(slices.Clone(alerts), gone, gone+1)}.compare(r)
		if diff := cmp.Diff([]int{len(alerts) - 1, 0, 0, 1}, []int{c.Identical, c.Different, c.OnlyWazuh, c.OnlyInvigil}); diff != "" {
			r.Fatalf("without alert %d (-want +got):\n%s\n%s", gone, diff, out)
		}
	})
}
