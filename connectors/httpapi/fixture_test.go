package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/connectors/alertfmt"
	"invigil/connectors/httpapi"
	"invigil/pipeline"
	"invigil/rules"
	"invigil/rules/rulefile"
	"invigil/state"
)

// began is the record time of the first event of the small fleet.
var began = time.Date(2024, 6, 14, 16, 0, 0, 0, time.UTC)

const fleetRules = `
rules:
  - id: unexpected-peer
    level: 12
    groups: [network]
    description: $(port.remote_ip) is connected to port $(port.local_port) of $(agent.name)
    when: port.state == "established" and not inList("allowed_ips", port.remote_ip)
    resolve: true
  - id: telnet-listens
    level: 7
    description: telnet listens on $(agent.name)
    when: port.local_port == 23 and port.state == "listening"
  - id: forbidden-package
    level: 5
    groups: [software]
    description: $(program.name) $(program.version) is installed
    when: program.name == "netcat"
lists: [{name: allowed_ips, kind: cidr, entries: ["10.0.0.0/8"]}]
`

func delta(agent, name, operation, table, data string) string {
	return fmt.Sprintf(`d:[%s] (%s) any->syscollector:{"data":%s,"operation":%q,"type":"dbsync_%s"}`, agent, name, data, operation, table)
}

func portRow(number int, state, remote string) string {
	return fmt.Sprintf(`{"protocol":"tcp","local_ip":"10.0.0.5","local_port":%d,"remote_ip":%q,"remote_port":0,"tx_queue":0,"rx_queue":0,"inode":%d,"state":%q,"pid":700,"process":"sshd"}`, number, remote, 1000+number, state)
}

func packageRow(name, version, vendor string) string {
	return fmt.Sprintf(`{"name":%q,"version":%q,"vendor":%q,"architecture":"amd64","format":"deb","location":" ","size":120}`, name, version, vendor)
}

// fleetEvents are the events of the small fleet, a minute apart.
func fleetEvents() []string {
	return []string{
		delta("001", "web-01", "INSERTED", "osinfo", `{"os_name":"Debian GNU/Linux","os_version":"12","os_platform":"debian","hostname":"web-01","architecture":"x86_64"}`),
		delta("001", "web-01", "INSERTED", "ports", portRow(22, "listening", "0.0.0.0")),
		delta("001", "web-01", "INSERTED", "packages", packageRow("openssl", "3.0.11", "Debian")),
		delta("001", "web-01", "INSERTED", "packages", packageRow("netcat", "1.10", "Debian")),
		delta("002", "db-01", "INSERTED", "ports", portRow(23, "listening", "0.0.0.0")),
		delta("002", "db-01", "INSERTED", "ports", portRow(5432, "established", "203.0.113.9")),
		`this is no event`,
		delta("001", "web-01", "MODIFIED", "packages", packageRow("openssl", "3.0.11", "unknown")),
		delta("001", "web-01", "DELETED", "packages", packageRow("netcat", "1.10", "Debian")),
		`d:[003] (ws-03) any->syscollector:{"type":"port","ID":7,"timestamp":"2024/06/14 16:00:00","port":{"protocol":"udp","local_ip":"0.0.0.0","local_port":68,"remote_ip":"","remote_port":0,"tx_queue":0,"rx_queue":0,"inode":9,"state":""}}`,
		`d:[003] (ws-03) any->syscollector:{"type":"port_end","ID":7,"timestamp":"2024/06/14 16:00:00"}`,
	}
}

// fixture is a store that was filled through the pipeline, and what the API
// needs beside it.
type fixture struct {
	store    *state.Store
	pipeline *pipeline.Pipeline
	recent   *httpapi.Recent
	now      atomic.Int64 // unix milliseconds
	next     int64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	store, err := state.OpenMemory(state.Options{History: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Lists().Load("allowed_ips", state.ListCIDR, false, strings.NewReader("10.0.0.0/8:\n"))
	if err != nil {
		t.Fatal(err)
	}
	file, ds := rulefile.Read(source.File{Name: "rules.yml", Data: []byte(fleetRules)})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	set, ds := rules.LoadFiles([]*rulefile.File{file}, rules.Options{Lists: store.Lists().View()})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(pipeline.Options{Store: store, Rules: set})
	if err != nil {
		t.Fatal(err)
	}
	format, err := alertfmt.FormatIn("native", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	f := &fixture{store: store, pipeline: p, recent: &httpapi.Recent{Format: format.Append}}
	f.now.Store(began.Add(time.Hour).UnixMilli())
	return f
}

// add runs events through the pipeline, a minute apart.
func (f *fixture) add(t testing.TB, topic string, events ...string) {
	t.Helper()
	var msgs []connectors.Message
	for _, e := range events {
		msgs = append(msgs, connectors.Message{Topic: topic, Offset: f.next, Time: began.UnixMilli() + f.next*60_000, Value: []byte(e)})
		f.next++
	}
	res, err := f.pipeline.Process(msgs)
	if err != nil {
		t.Error(err)
	}
	f.recent.Add(res.Alerts)
}

// api is an API over the fixture.
func (f *fixture) api() *httpapi.API {
	return &httpapi.API{
		Store: f.store, Rules: f.pipeline.Rules, Recent: f.recent, History: 24 * time.Hour,
		Clock: func() time.Time { return time.UnixMilli(f.now.Load()) },
		Counters: func() map[string]rules.RuleCounters {
			return map[string]rules.RuleCounters{"telnet-listens": {Evaluations: 4, Matches: 1, Alerts: 1}}
		},
		Runtime: func() httpapi.Runtime {
			return httpapi.Runtime{Version: "v1.0.0", Started: began, Reload: httpapi.Reload{Time: began},
				Partitions: map[pipeline.Partition]httpapi.Serving{{Topic: "syscollector"}: {Lag: 3, Outbox: map[string]int{"main": 0}}}}
		},
	}
}

// serveFleet serves an API over the small fleet and returns its URL.
func serveFleet(t *testing.T) string {
	f := newFixture(t)
	f.add(t, "syscollector", fleetEvents()...)
	return serve(t, httpapi.Options{API: f.api()})
}

// object is a decoded JSON object.
type object = map[string]any

// ask sends a request and decodes the answer.
func ask(t *testing.T, method, url string) (int, object) {
	t.Helper()
	status, body := get(t, method, url, "")
	if status == http.StatusNoContent {
		return status, nil
	}
	var o object
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%s %s: %d: %v in %s", method, url, status, err, body)
	}
	return status, o
}

// column returns the values of a member of the items of a list.
func column(o object, name string) (values []any) {
	for _, item := range o["items"].([]any) {
		values = append(values, item.(object)[name])
	}
	return values
}

// forgetter notes whom it was told to forget.
type forgetter struct {
	mu   sync.Mutex
	told []string
}

func (f *forgetter) Forget(_ context.Context, topic, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, topic+"/"+id)
	return nil
}
