package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors/httpapi"
)

func TestListsAreFilteredSelectedSortedAndPaged(t *testing.T) {
	url := serveFleet(t)
	tests := []struct {
		name, path, column string
		want               []any
		total              any
	}{
		{"all agents", "/v1/agents", "agent.id", []any{"001", "002", "003"}, 3.0},
		{"agents by a name's pattern", "/v1/agents?name=w*-0?", "agent.id", []any{"001", "003"}, 2.0},
		{"agents of another topic", "/v1/agents?topic=other", "agent.id", nil, 0.0},
		{"agents of a group that nobody is in", "/v1/agents?group=x", "agent.id", nil, 0.0},
		{"a page of agents", "/v1/agents?offset=1&limit=1", "agent.id", []any{"002"}, 3.0},
		{"an empty page", "/v1/agents?offset=1&limit=0", "agent.id", nil, 3.0},
		{"a page behind the end", "/v1/agents?offset=9", "agent.id", nil, 3.0},
		{"one agent", "/v1/agents/002", "agent.name", []any{"db-01"}, 1.0},
		{"its rows", "/v1/agents/002/ports", "port.local_port", []any{23.0, 5432.0}, 2.0},
		{"a condition", "/v1/agents/002/ports?where=port.local_port+>+1000", "port.local_port", []any{5432.0}, 1.0},
		{"a condition on the agent's system", "/v1/inventory/ports?where=agent.os.platform+==+%22debian%22", "port.local_port", []any{22.0}, 1.0},
		{"an order", "/v1/agents/002/ports?sort=-port.local_port", "port.local_port", []any{5432.0, 23.0}, 2.0},
		{"a page of an order", "/v1/agents/002/ports?sort=-port.local_port&offset=1&limit=1", "port.local_port", []any{23.0}, 2.0},
		{"an order of other columns than those chosen", "/v1/agents/002/ports?sort=port.state,-port.local_port&select=port.local_port", "port.local_port", []any{5432.0, 23.0}, 2.0},
		{"a chosen column only", "/v1/agents/002/ports?select=port.local_port", "port.state", []any{nil, nil}, 2.0},
		{"a table without rows", "/v1/agents/002/packages", "program.name", nil, 0.0},
		{"as of before the changes", "/v1/agents/001/packages?at=2024-06-14T16:05:00Z", "program.vendor", []any{"Debian", "Debian"}, 2.0},
		{"as of now", "/v1/agents/001/packages?at=2024-06-14T17:00:00Z", "program.vendor", []any{"unknown"}, 1.0},
		{"all agents' rows", "/v1/inventory/ports", "agent.id", []any{"001", "002", "002", "003"}, 4.0},
		{"those of one agent", "/v1/inventory/ports?agent=002", "port.local_port", []any{23.0, 5432.0}, 2.0},
		{"a page is not counted", "/v1/inventory/ports?limit=1", "agent.id", []any{"001"}, nil},
		{"unless that is asked for", "/v1/inventory/ports?limit=1&total=true", "agent.id", []any{"001"}, 4.0},
		{"an order over all agents", "/v1/inventory/ports?sort=-port.local_port&limit=2&total=false", "port.local_port", []any{5432.0, 68.0}, 4.0},
		{"as of a time over all agents", "/v1/inventory/packages?at=2024-06-14T16:02:00Z", "program.name", []any{"openssl"}, 1.0},
		{"another topic", "/v1/inventory/ports?topic=other", "agent.id", nil, 0.0},
		{"history", "/v1/agents/001/history?table=packages", "change", []any{"added", "added", "modified", "removed"}, 4.0},
		{"history of an item", "/v1/agents/001/history?table=packages&where=program.name+==+%22netcat%22", "change", []any{"added", "removed"}, 2.0},
		{"history of a time", "/v1/agents/001/history?table=packages&from=2024-06-14T16:03:00Z&to=2024-06-14T16:07:00Z", "change", []any{"modified"}, 1.0},
		{"a page of history", "/v1/agents/001/history?table=packages&offset=3&limit=5", "change", []any{"removed"}, 4.0},
		{"active alerts, the worst first", "/v1/alerts/active", "rule.id", []any{"unexpected-peer", "telnet-listens"}, 2.0},
		{"active alerts of a rule", "/v1/alerts/active?rule=telnet-listens,other", "rule.id", []any{"telnet-listens"}, 1.0},
		{"active alerts of an agent", "/v1/alerts/active?agent=001", "rule.id", nil, 0.0},
		{"active alerts from a level on", "/v1/alerts/active?level=8", "rule.id", []any{"unexpected-peer"}, 1.0},
		{"a page of active alerts", "/v1/alerts/active?offset=1&limit=1", "rule.id", []any{"telnet-listens"}, 2.0},
		{"active alerts show their row", "/v1/alerts/active?rule=telnet-listens", "row", []any{object{
			"port.protocol": "tcp", "port.local_ip": "10.0.0.5", "port.local_port": 23.0, "port.remote_ip": "0.0.0.0", "port.remote_port": 0.0,
			"port.tx_queue": 0.0, "port.rx_queue": 0.0, "port.inode": 1023.0, "port.state": "listening", "port.pid": 700.0, "port.process": "sshd",
		}}, 1.0},
		{"recent alerts, newest first", "/v1/alerts/recent", "rule.id", []any{"unexpected-peer", "telnet-listens", "forbidden-package"}, 3.0},
		{"recent alerts of an agent from a level on", "/v1/alerts/recent?agent=002&level=10", "rule.id", []any{"unexpected-peer"}, 1.0},
		{"a page of recent alerts", "/v1/alerts/recent?offset=2&limit=1", "rule.id", []any{"forbidden-package"}, 3.0},
		{"rules", "/v1/rules", "rule.id", []any{"unexpected-peer", "telnet-listens", "forbidden-package"}, 3.0},
		{"rules of a group", "/v1/rules?group=software", "rule.id", []any{"forbidden-package"}, 1.0},
		{"rules from a level on", "/v1/rules?level=7", "rule.id", []any{"unexpected-peer", "telnet-listens"}, 2.0},
		{"rules by id", "/v1/rules?rule=telnet-listens", "table", []any{"ports"}, 1.0},
		{"lists", "/v1/lists", "name", []any{"allowed_ips"}, 1.0},
		{"dead letters", "/v1/dead-letters", "value", []any{"this is no event"}, 1.0},
		{"dead letters of another reason", "/v1/dead-letters?reason=panic", "offset", nil, 0.0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, got := ask(t, "GET", url+tt.path)
			if status != http.StatusOK {
				t.Fatalf("%d %v", status, got)
			}
			if diff := cmp.Diff(tt.want, column(got, tt.column)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.column, diff)
			}
			if got["total"] != tt.total {
				t.Errorf("total %v, want %v", got["total"], tt.total)
			}
		})
	}
}

func TestBadRequestsSayWhatIsWrong(t *testing.T) {
	url := serveFleet(t)
	tests := []struct {
		method, path string
		status       int
		text, hint   string
	}{
		{"GET", "/v1/agents/001/prots", 404, `no table "prots"`, `did you mean "ports"?`},
		{"GET", "/v1/agents/001/nothing", 404, `no table "nothing"`, "the tables are"},
		{"GET", "/v1/inventory/nothing", 404, "no table", ""},
		{"GET", "/v1/agents/009/ports", 404, "agent 009 is not known", "/v1/agents"},
		{"GET", "/v1/agents/009", 404, "agent 009 is not known", ""},
		{"GET", "/v1/agents/009/history?table=ports", 404, "agent 009 is not known", ""},
		{"GET", "/v1/agents/001/ports?topic=other", 404, "agent 001 is not known", ""},
		{"GET", "/v1/inventory/ports?agent=009", 404, "agent 009 is not known", ""},
		{"GET", "/v1/nothing", 404, "there is no /v1/nothing", ""},
		{"GET", "/v1/", 404, "there is no /v1/", ""},
		{"POST", "/v1/agents", 405, "does not take POST", "GET, HEAD"},
		{"DELETE", "/v1/agents/001", 405, "does not take DELETE", "GET, HEAD"},
		{"GET", "/v1/agents?limt=3", 400, `unknown parameter "limt"`, `did you mean "limit"?`},
		{"GET", "/v1/lists?limit=3", 400, `unknown parameter "limit"`, ""},
		{"GET", "/v1/agents?limit=3&limit=4", 400, "stands 2 times", ""},
		{"GET", "/v1/agents?limit=%zz", 400, "cannot be read", ""},
		{"GET", "/v1/agents?limit=x", 400, "limit=x", ""},
		{"GET", "/v1/agents?limit=-1", 400, "limit=-1", ""},
		{"GET", "/v1/agents?limit=10001", 400, "from 0 to 10000", ""},
		{"GET", "/v1/agents?offset=", 400, "offset=", ""},
		{"GET", "/v1/agents?name=[", 400, "name=[", ""},
		{"GET", "/v1/agents/001/ports?where=port.locl_port+==+1", 400, "where: 1:6: port has no field locl_port", `did you mean "local_port"?`},
		{"GET", "/v1/agents/001/ports?where=port.local_port", 400, "where: ", ""},
		{"GET", "/v1/agents/001/ports?select=port.nothing", 400, `select: table ports has no column "port.nothing"`, "fields ports"},
		{"GET", "/v1/agents/001/ports?select=agent.id,agent.id", 400, "stands twice", ""},
		{"GET", "/v1/agents/001/ports?sort=-port.locl_port", 400, "sort: table ports", `did you mean "port.local_port"?`},
		{"GET", "/v1/agents/001/ports?sort=agent.id&offset=100000", 400, "only the first 100000", ""},
		{"GET", "/v1/agents/001/ports?at=yesterday", 400, "at=yesterday", ""},
		{"GET", "/v1/agents/001/ports?at=1960-01-01T00:00:00Z", 400, "too early", ""},
		{"GET", "/v1/agents/001/ports?at=2024-06-13T16:00:00Z", 400, "reaches back to 2024-06-13T16:10:00.000Z", "state.history"},
		{"GET", "/v1/agents/001/history", 400, "needs a table", "table=ports"},
		{"GET", "/v1/agents/001/history?table=prots", 404, "no table", "ports"},
		{"GET", "/v1/agents/001/history?table=ports&from=2020-01-01T00:00:00Z", 400, "from: history reaches back", ""},
		{"GET", "/v1/agents/001/history?table=ports&from=2024-06-14T17:00:00Z&to=2024-06-14T16:00:00Z", 400, "to is before from", ""},
		{"GET", "/v1/agents/001/history?table=ports&to=x", 400, "to=x", ""},
		{"GET", "/v1/inventory/ports?total=maybe", 400, "true or false", ""},
		{"GET", "/v1/alerts/active?level=17", 400, "from 0 to 16", ""},
		{"GET", "/v1/alerts/active?offset=100000", 400, "only the first", ""},
		{"GET", "/v1/alerts/recent?level=x", 400, "level=x", ""},
		{"GET", "/v1/rules?level=x", 400, "level=x", ""},
		{"GET", "/v1/agents?name=" + strings.Repeat("x", 9000), 414, "longer than 8192 bytes", ""},
		{"GET", "/v1/inventory/ports?where=1+%25+(port.local_port-22)+==+0", 400, "where: agent 001", ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.80s", tt.method, tt.path), func(t *testing.T) {
			status, got := ask(t, tt.method, url+tt.path)
			if status != tt.status {
				t.Errorf("%d, want %d: %v", status, tt.status, got)
			}
			hint, _ := got["hint"].(string)
			if text, _ := got["error"].(string); !strings.Contains(text, tt.text) || !strings.Contains(hint, tt.hint) {
				t.Errorf("error %q hint %q, want %q %q", text, hint, tt.text, tt.hint)
			}
		})
	}
}

func TestStatusTellsPartitionsCountsAndTheLastReload(t *testing.T) {
	f := newFixture(t)
	f.add(t, "syscollector", fleetEvents()...)
	api := f.api()
	failed := httpapi.Reload{Time: began.Add(time.Minute), Error: "rules.yml:3:1: error: no"}
	run := api.Runtime
	api.Runtime = func() httpapi.Runtime { r := run(); r.Reload = failed; return r }
	url := serve(t, httpapi.Options{API: api, Ready: func() error { return fmt.Errorf("a partition is stuck") }})
	_, got := ask(t, "GET", url+"/v1/status")
	want := object{
		"version": "v1.0.0", "started": "2024-06-14T16:00:00Z", "uptime_seconds": 3600.0,
		"ready": false, "not_ready": "a partition is stuck",
		"rules":       object{"loaded": 3.0, "unreachable": 0.0, "disabled": 0.0},
		"last_reload": object{"time": "2024-06-14T16:01:00Z", "ok": false, "error": failed.Error},
		"partitions": []any{object{
			"topic": "syscollector", "partition": 0.0, "applied_offset": 11.0, "stream_time": "2024-06-14T16:10:00.000Z",
			"served": true, "lag": 3.0, "outbox": object{"main": 0.0},
		}},
		"counts": object{
			"counted_at": "2024-06-14T17:00:00Z", "agents": 3.0, "dead_letters": 1.0,
			"rows": object{"os": 1.0, "packages": 1.0, "ports": 4.0}, "active_alerts": object{"12": 1.0, "7": 1.0},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Counts are of the last half minute, offsets of now.
	f.add(t, "syscollector", delta("004", "new-04", "INSERTED", "ports", portRow(80, "listening", "0.0.0.0")))
	_, got = ask(t, "GET", url+"/v1/status")
	if part := got["partitions"].([]any)[0].(object); part["applied_offset"] != 12.0 || got["counts"].(object)["agents"] != 3.0 {
		t.Errorf("right away: %v", got)
	}
	f.now.Add(31_000)
	if _, got = ask(t, "GET", url+"/v1/status"); got["counts"].(object)["agents"] != 4.0 {
		t.Errorf("after half a minute: %v", got)
	}
}

func TestAgentsAreForgottenByTheirTopic(t *testing.T) {
	f := newFixture(t)
	f.add(t, "a", delta("001", "web-01", "INSERTED", "ports", portRow(22, "listening", "0.0.0.0")), delta("a/b c", "odd", "INSERTED", "ports", portRow(22, "listening", "0.0.0.0")))
	f.add(t, "b", delta("001", "web-01", "INSERTED", "ports", portRow(22, "listening", "0.0.0.0")))
	forget := new(forgetter)
	api := f.api()
	api.Forget = forget
	url := serve(t, httpapi.Options{API: api})
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/v1/agents/002", 404},
		{"/v1/agents/001", 409},
		{"/v1/agents/001?topic=c", 404},
		{"/v1/agents/001?topic=b", 204},
		{"/v1/agents/a%2Fb%20c", 204},
	} {
		if status, got := ask(t, "DELETE", url+tt.path); status != tt.status {
			t.Errorf("%s: %d %v, want %d", tt.path, status, got, tt.status)
		}
	}
	if want := []string{"b/001", "a/a/b c"}; !slices.Equal(forget.told, want) {
		t.Errorf("told to forget %v, want %v", forget.told, want)
	}
	if status, got := ask(t, "GET", url+"/v1/agents/a%2Fb%20c/ports"); status != 200 || len(column(got, "agent.id")) != 1 {
		t.Errorf("an agent with a slash in its id: %d %v", status, got)
	}
}

func TestRecentKeepsTheLast(t *testing.T) {
	f := newFixture(t)
	var events []string
	for n := range 600 {
		events = append(events, delta("001", "web-01", "INSERTED", "ports", portRow(10_000+n, "established", "203.0.113.9")))
	}
	f.add(t, "t", events...)
	url := serve(t, httpapi.Options{API: f.api()})
	ports := func(query string) (numbers []any, total any) {
		_, got := ask(t, "GET", url+"/v1/alerts/recent?"+query)
		for _, row := range column(got, "after") {
			numbers = append(numbers, row.(object)["port.local_port"])
		}
		return numbers, got["total"]
	}
	got, total := ports("limit=2")
	if diff := cmp.Diff([]any{10_599.0, 10_598.0}, got); diff != "" || total != 500.0 {
		t.Errorf("total %v, %s", total, diff)
	}
	got, _ = ports("offset=499")
	if diff := cmp.Diff([]any{10_100.0}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersAreOfOneMoment(t *testing.T) {
	f := newFixture(t)
	f.add(t, "t", fleetEvents()...)
	url := serve(t, httpapi.Options{API: f.api()})
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			state := []string{"listening", "closed"}[n%2]
			f.add(t, "t", delta("001", "web-01", "MODIFIED", "ports", portRow(22, state, "0.0.0.0")))
		}
	}()
	for range 50 {
		if _, got := ask(t, "GET", url+"/v1/inventory/ports"); got["total"] != 4.0 {
			t.Errorf("total %v, want 4", got["total"])
		}
	}
	cancel()
	<-done
}
