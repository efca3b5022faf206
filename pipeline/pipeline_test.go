package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/bench"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
	"invigil/state"
)

const storyXML = `
<group name="local,syscollector,">
  <rule id="223" level="10">
    <if_sid>221</if_sid>
    <decoded_as>syscollector</decoded_as>
    <field name="netinfo.iface.name">^docker\d*$</field>
    <field name="netinfo.iface.state">^up$</field>
    <description>A Docker network interface has been detected: $(netinfo.iface.name)</description>
  </rule>
  <rule id="224" level="12">
    <if_sid>221</if_sid>
    <field name="port.local_port">^1514$</field>
    <field name="port.state">^established$</field>
    <list field="port.remote_ip" lookup="not_address_match_key">etc/lists/allowed_ips</list>
    <description>An unexpected IP has been connected to the Wazuh manager</description>
  </rule>
</group>`

const storyYAML = `
rules:
  - id: docker-interface-up
    level: 10
    description: "A Docker network interface has been detected: $(netinfo.iface.name)"
    when: netinfo.iface.name matches "^docker[0-9]*$" and netinfo.iface.state == "up"
  - id: unexpected-manager-peer
    level: 12
    description: An unexpected IP has been connected to the Wazuh manager
    when: port.local_port == 1514 and port.state == "established" and not inList("allowed_ips", port.remote_ip)
    resolve: true
`

// loadRules compiles XML and YAML texts against a store that holds the story's
// lists.
func loadRules(t testing.TB, store *state.Store, texts ...string) *rules.Set {
	t.Helper()
	for name, kind := range map[string]state.ListKind{"etc/lists/allowed_ips": state.ListCDB, "allowed_ips": state.ListCIDR} {
		text := "192.0.2.9:\n10.0.0.:\n"
		if kind == state.ListCIDR {
			text = "192.0.2.9/32:\n10.0.0.0/24:\n"
		}
		if _, err := store.Lists().Load(name, kind, false, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	var files []*rulefile.File
	for i, text := range texts {
		var f *rulefile.File
		var ds source.Diagnostics
		if strings.HasPrefix(strings.TrimSpace(text), "<") {
			f, ds = wazuhxml.Read(source.File{Name: fmt.Sprintf("rules%d.xml", i), Data: []byte(text)}, pattern.Compat4)
		} else {
			f, ds = rulefile.Read(source.File{Name: fmt.Sprintf("rules%d.yml", i), Data: []byte(text)})
		}
		if err := ds.Err(); err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	set, ds := rules.LoadFiles(files, rules.Options{Lists: store.Lists().View(), Manager: "manager"})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

func openStore(t testing.TB, fs vfs.FS) *state.Store {
	t.Helper()
	store, err := state.Open("state", state.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newPipeline(t testing.TB, o pipeline.Options) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// messages makes records of one partition out of values.
func messages(values ...string) []connectors.Message {
	var msgs []connectors.Message
	for i, v := range values {
		msgs = append(msgs, connectors.Message{Topic: "t", Offset: int64(i), Time: 1_718_372_418_000 + int64(i)*1000, Value: []byte(v)})
	}
	return msgs
}

func port(n int, state, remote string) string {
	return fmt.Sprintf(`d:[001] (web-01) any->syscollector:{"type":"port","ID":7,"timestamp":"2019/06/14 16:31:00","port":{"protocol":"tcp","local_ip":"10.0.0.5","local_port":%d,"remote_ip":"%s","remote_port":41522,"tx_queue":0,"rx_queue":0,"inode":38211,"state":"%s"}}`, n, remote, state)
}

func docker(name, state string) string {
	return fmt.Sprintf(`2019 Jun 14 16:30:18 (pablo-work) any->syscollector {"type":"network","ID":834291887,"timestamp":"2019/06/14 16:30:18","iface":{"name":"%s","type":"ethernet","state":"%s","MAC":"02:42:00:e8:60:9c","MTU":1500,"IPv4":{"address":[""],"netmask":[""],"broadcast":[""],"gateway":"unknown","DHCP":"enabled"}}}`, name, state)
}

// lines says of each alert: rule, status, agent, description.
func lines(alerts []rules.Alert) []string {
	var out []string
	for _, a := range alerts {
		status := ""
		if a.Extras != nil {
			status = " " + a.Extras.Status
		}
		out = append(out, a.Rule.ID+status+" "+a.Agent.Name+": "+a.Rule.Description)
	}
	return out
}

func TestTheStoriesAlert(t *testing.T) {
	const peer = "An unexpected IP has been connected to the Wazuh manager"
	tests := []struct {
		name      string
		event     string
		xml, yaml []string
	}{
		{"an interface that is down is silent", docker("docker0", "down"), nil, nil},
		{"an interface that is up alerts", docker("docker0", "up"),
			[]string{"223 pablo-work: A Docker network interface has been detected: docker0"},
			[]string{"docker-interface-up firing pablo-work: A Docker network interface has been detected: docker0"}},
		{"another interface is silent", docker("br-docker0", "up"), nil, nil},
		{"a stranger alerts", port(1514, "established", "203.0.113.77"),
			[]string{"224 web-01: " + peer}, []string{"unexpected-manager-peer firing web-01: " + peer}},
		{"a listed network is silent", port(1514, "established", "10.0.0.42"), nil, nil},
		{"a listed address is silent", port(1514, "established", "192.0.2.9"), nil, nil},
		{"a longer port is silent", port(15140, "established", "203.0.113.77"), nil, nil},
		{"another state is silent", port(1514, "time_wait", "203.0.113.77"), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for dialect, text := range map[string]string{"xml": storyXML, "yaml": storyYAML} {
				store := openStore(t, vfs.NewMem())
				defer store.Close()
				p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, text)})
				defer p.Close()
				res, err := p.Process(messages(tt.event))
				if err != nil {
					t.Fatal(err)
				}
				want := tt.xml
				if dialect == "yaml" {
					want = tt.yaml
				}
				if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", dialect, diff)
				}
				if len(res.DeadLetters) > 0 {
					t.Errorf("%s: dead letter %s: %s", dialect, res.DeadLetters[0].Reason, res.DeadLetters[0].Error)
				}
			}
		})
	}
}

func TestAnOnsetAlertsOnceAndResolves(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyYAML)})
	defer p.Close()
	res, err := p.Process(messages(
		port(1514, "established", "203.0.113.77"),
		port(1514, "established", "203.0.113.77"),
		port(1514, "close_wait", "203.0.113.77"),
		port(1514, "established", "203.0.113.77"),
	))
	if err != nil {
		t.Fatal(err)
	}
	const text = " web-01: An unexpected IP has been connected to the Wazuh manager"
	want := []string{"unexpected-manager-peer firing" + text, "unexpected-manager-peer resolved" + text, "unexpected-manager-peer firing" + text}
	if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadInputBecomesDeadLettersInOrder(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyXML)})
	defer p.Close()
	deep := `d:[001] (w) any->syscollector:{"type":"port","ID":1,"port":` + strings.Repeat("[", 5000)
	msgs := messages(
		"\x00\xff\x1f\x8bgarbage",
		port(1514, "established", "203.0.113.77"),
		`d:[001] (w) any->syscollector:{"type":"port",`,
		`{"type":"unheard_of","ID":1}`,
		deep,
		strings.Repeat("x", 20<<20),
		port(1514, "established", "203.0.113.78"),
	)
	res, err := p.Process(msgs)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Alerts) != 2 {
		t.Errorf("%d alerts, want those of the two good events", len(res.Alerts))
	}
	var got []int64
	for _, d := range res.DeadLetters {
		if d.Reason == "" || d.Error == "" {
			t.Errorf("dead letter of offset %d has no reason", d.Offset)
		}
		if string(d.Value) != string(msgs[d.Offset].Value) {
			t.Errorf("dead letter of offset %d does not hold the message as it came", d.Offset)
		}
		got = append(got, d.Offset)
	}
	if diff := cmp.Diff([]int64{0, 2, 3, 4, 5}, got); diff != "" {
		t.Errorf("offsets of dead letters (-want +got):\n%s", diff)
	}
	if next := res.Applied[pipeline.Partition{Topic: "t"}]; next != int64(len(msgs)) {
		t.Errorf("applied %d, want %d", next, len(msgs))
	}
}

func TestAPanicCostsOneMessage(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML),
		Explain: func(ev *syscollector.Event) *rules.Trace {
			if strings.Contains(ev.Log, "203.0.113.66") {
				panic("boom")
			}
			return nil
		},
	})
	defer p.Close()
	res, err := p.Process(messages(
		port(1514, "established", "203.0.113.65"),
		port(1514, "established", "203.0.113.66"),
		port(1514, "established", "203.0.113.67"),
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Alerts) != 2 || res.Alerts[0].Rule.FiredTimes != 1 || res.Alerts[1].Rule.FiredTimes != 2 {
		t.Errorf("alerts: %v", lines(res.Alerts))
	}
	if len(res.DeadLetters) != 1 || res.DeadLetters[0].Reason != "panic" || !strings.Contains(res.DeadLetters[0].Error, "boom") {
		t.Errorf("dead letters: %+v", res.DeadLetters)
	}
}

// TestCutsAndRestartsChangeNothing holds the promise that alerts and state do
// not depend on how a stream is cut into calls, nor on restarts between them.
func TestCutsAndRestartsChangeNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("replays a stream a hundred times")
	}
	g := bench.NewGenerator(bench.Fleet{Agents: 4, Partitions: 2})
	var stream []connectors.Message
	for range 9 {
		stream = g.Scan(stream)
	}
	for i := range stream {
		if i%97 == 13 {
			stream[i].Value = []byte("garbage")
		}
	}
	xml, yaml := bench.RuleFiles(40)
	run := func(t testing.TB, cut func(rest int) (n int, restart bool)) (alerts []string, rows []string) {
		fs := vfs.NewMem()
		store := openStore(t, fs)
		p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, xml, yaml, storyYAML)})
		closeAll := func() {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for rest := stream; len(rest) > 0; {
			n, restart := cut(len(rest))
			res, err := p.Process(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range res.Alerts {
				alerts = append(alerts, a.FullID())
			}
			rest = rest[n:]
			if restart {
				closeAll()
				store = openStore(t, fs)
				p = newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, xml, yaml, storyYAML)})
			}
		}
		rows = storedRows(t, store)
		closeAll()
		return alerts, rows
	}
	wantAlerts, wantRows := run(t, func(rest int) (int, bool) { return rest, false })
	if len(wantAlerts) == 0 || len(wantRows) == 0 {
		t.Fatalf("the stream gives %d alerts and %d rows: it tests nothing", len(wantAlerts), len(wantRows))
	}
	rapid.Check(t, func(r *rapid.T) {
		alerts, rows := run(t, func(rest int) (int, bool) {
			return rapid.IntRange(1, min(rest, 400)).Draw(r, "batch"), rapid.IntRange(0, 3).Draw(r, "restart") == 0
		})
		if diff := cmp.Diff(sorted(wantAlerts), sorted(alerts)); diff != "" {
			r.Fatalf("alerts (-whole +cut):\n%s", diff)
		}
		if diff := cmp.Diff(wantRows, rows); diff != "" {
			r.Fatalf("rows (-whole +cut):\n%s", diff)
		}
	})
}
