package rules_test

import (
	"errors"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

func TestFiltersSeeOneRowAndItsAgent(t *testing.T) {
	row := makeRow(t, syscollector.Packages, "program.name=openssl", "program.version=3.0.2-1ubuntu1", "program.format=deb", "program.size=4390")
	agent := syscollector.Agent{ID: "001", Name: "web", Groups: []string{"linux"}, Labels: []syscollector.Label{{Key: "env.zone", Value: "dmz"}}}
	for src, want := range map[string]bool{
		`program.name startsWith "open"`: true, `program.size > 4000 and agent.id == "001"`: true,
		`program.vendor != "x"`: false, `not (program.vendor == "x")`: true, `"linux" in agent.groups`: true,
		`any(agent.groups, # startsWith "li")`: true, `agent.labels.env.zone == "dmz"`: true, `agent.labels["env.zone"] == "dmz"`: true,
		`"env.zone" in agent.labels and "env" not in agent.labels`: true, `agent.labels.missing != "x"`: false,
		`version(program.version) < version("3.0.10")`: true, `version("3.0.2-1ubuntu1~") < version(program.version)`: true,
		`agent.os.platform == "ubuntu"`: false, `true`: true,
	} {
		f, err := rules.CompileFilter(src, syscollector.Packages)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got, err := f.Match(row, agent); err != nil || got != want {
			t.Errorf("%s: %v, %v", src, got, err)
		}
	}
}

func TestFiltersReadTheAgentsSystemThroughAnInventory(t *testing.T) {
	p := newSmallPartition(t, mustLoad(t, ruleWith(`port.pid == 1`), rules.Options{}))
	p.put(syscollector.OS, "o", "", "os.platform=ubuntu", "os.name=Ubuntu")
	f, err := rules.CompileFilter(`agent.os.platform == "ubuntu"`, syscollector.Ports)
	if err != nil {
		t.Fatal(err)
	}
	f.Bind(p)
	for id, want := range map[string]bool{"001": true, "002": false} {
		if got, err := f.Match(makeRow(t, syscollector.Ports), syscollector.Agent{ID: id}); err != nil || got != want {
			t.Errorf("agent %s: %v, %v", id, got, err)
		}
	}
}

func TestFiltersRefuseWhatIsNotOneRow(t *testing.T) {
	for src, want := range map[string]string{
		`change == "added"`:                       `where:1:1: error: a filter sees one row and its agent, not change`,
		`port.pid == before.port.pid`:             `where:1:13: error: a filter sees one row and its agent, not before.port.pid`,
		`event.type == "x"`:                       `where:1:1: error: a filter sees one row and its agent, not event.type`,
		`changed("port.pid")`:                     `where:1:1: error: a filter sees one row and its agent, not what changed`,
		`any(ports, .pid == 1)`:                   `where:1:5: error: a filter sees one row and its agent, not the agent's tables`,
		`inList("x", port.pid)`:                   `where:1:1: error: a filter sees one row and its agent, not lists`,
		`program.name == "x"`:                     `where:1:1: error: program.name is a field of table packages (a filter over ports sees fields such as port.protocol)`,
		"port.state == \"x\" and\nport.pidd == 1": `where:2:6: error: port has no field pidd (did you mean "pid"?)`,
		``:                         `where:1:1: error: the condition is empty (write a condition, or true for every row of the table)`,
		strings.Repeat("(", 70000): `where:1:1: error: the condition is longer than 64 KB (split the rule, or keep long lists of values in a list)`,
	} {
		_, err := rules.CompileFilter(src, syscollector.Ports)
		var diags source.Diagnostics
		if !errors.As(err, &diags) {
			t.Errorf("%.40s: %v", src, err)
			continue
		}
		if got := diags.Error(); got != want {
			t.Errorf("%.40s:\n got %s\nwant %s", src, got, want)
		}
	}
}

func TestAFilterThatFailsOnARowSaysSo(t *testing.T) {
	f, err := rules.CompileFilter(`100 % port.pid == 1`, syscollector.Ports)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Match(makeRow(t, syscollector.Ports, "port.pid=0"), syscollector.Agent{}); err == nil {
		t.Error("no error")
	}
	if ok, err := f.Match(makeRow(t, syscollector.Ports), syscollector.Agent{}); ok || err != nil {
		t.Errorf("an absent operand: %v, %v", ok, err)
	}
}

func TestAnErrorAtRunTimeCountsAgainstTheRuleAndTheEventGoesOn(t *testing.T) {
	set := mustLoad(t, "rules:\n"+
		"  - {id: fails, level: 5, description: d, when: 100 % port.pid == 1, alert: every}\n"+
		"  - {id: works, level: 5, description: d, when: port.pid == 0, alert: every}\n", rules.Options{})
	p := newSmallPartition(t, set)
	alerts := p.put(syscollector.Ports, "k", "", "port.pid=0")
	if len(alerts) != 1 || alerts[0].Rule.ID != "works" {
		t.Errorf("alerts: %s", showAlerts(alerts))
	}
	for id, c := range p.eval.Counters() {
		if id == "fails" && (c.Errors != 1 || c.Matches != 0 || !strings.Contains(c.LastError, "divide by zero")) {
			t.Errorf("%s: %+v", id, c)
		}
		if id == "works" && (c.Errors != 0 || c.Matches != 1 || c.Alerts != 1 || c.Evaluations != 1) {
			t.Errorf("%s: %+v", id, c)
		}
	}
}

func TestListsAreLookedUpAtRunTime(t *testing.T) {
	set := mustLoad(t, "rules:\n"+
		"  - {id: a, level: 5, description: d, when: 'not inList(\"allowed\", port.remote_ip)', alert: every}\n"+
		"  - {id: b, level: 5, description: d, when: 'listValue(\"owners\", port.local_port) == \"ops\"', alert: every}\n"+
		"  - {id: c, level: 5, description: d, when: 'listValue(\"owners\", lower(port.process)) != \"ops\"', alert: every}\n"+
		"  - {id: d, level: 5, description: d, when: 'not (listValue(\"owners\", port.process) != \"ops\") and has(port.process)', alert: every}\n",
		rules.Options{ListNames: func(n string) bool { return n == "allowed" || n == "owners" }})
	p := newSmallPartition(t, set)
	p.lists = lists{"allowed": {"10.0.0.1": ""}, "owners": {"22": "ops", "sshd": "sec"}}
	for _, c := range []struct{ pairs, want string }{
		{"port.remote_ip=10.0.0.1 port.local_port=22", "b"},
		{"port.remote_ip=10.0.0.2 port.local_port=23", "a"},
		{"port.remote_ip=10.0.0.1 port.process=SSHD", "c d"}, // no value under SSHD: absent
		{"port.remote_ip=10.0.0.1 port.process=sshd", "c"},
		{"port.remote_ip=10.0.0.1 port.process=x", "d"},
		{"port.local_port=22", "a b"},
	} {
		var ids []string
		for _, a := range p.put(syscollector.Ports, c.pairs, "", strings.Fields(c.pairs)...) {
			ids = append(ids, a.Rule.ID)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.pairs, got, c.want)
		}
	}
}

func TestDescriptionsNameTheRowTheAgentAndTheEvent(t *testing.T) {
	set := mustLoad(t, "rules:\n"+
		"  - id: r\n    level: 5\n    when: has(port.local_port)\n"+
		"    description: >-\n"+
		"      $(port.protocol)/$(port.local_port) [$(port.process)] on $(agent.name) $(agent.ip) ($(agent.os.name)) of $(agent.groups), $(agent.labels.env),\n"+
		"      $(event.table) $(event.operation) at $(event.time), $(change), was $(before.port.state); $x $(port.state\n", rules.Options{})
	p := newSmallPartition(t, set)
	p.agent.Groups, p.agent.Labels = []string{"a", "b"}, []syscollector.Label{{Key: "env", Value: "prod"}}
	p.put(syscollector.OS, "o", "", "os.name=Ubuntu")
	alerts := p.put(syscollector.Ports, "k", "", "port.protocol=tcp", "port.local_port=22")
	want := "tcp/22 [] on web 10.0.0.1 (Ubuntu) of a, b, prod, ports INSERTED at 2023-11-14T22:13:22Z, added, was ; $x $(port.state"
	if len(alerts) != 1 || alerts[0].Rule.Description != want {
		t.Errorf("got  %s\nwant %s", showAlerts(alerts), want)
	}
}

func TestAlertsCarryTypedDataAndExtras(t *testing.T) {
	set := mustLoad(t, "rules:\n"+
		"  - id: r\n    level: 8\n    description: d\n    when: port.state == \"listening\"\n    alert: every\n"+
		"    groups: [syscollector, pci_dss_10.2.5]\n    mitre: [T1571]\n", rules.Options{Manager: "m"})
	p := newSmallPartition(t, set)
	p.put(syscollector.Ports, "k", "", "port.local_port=22", "port.state=closed", "port.tx_queue=1")
	a := p.put(syscollector.Ports, "k", "", "port.state=listening", "port.tx_queue=2")[0]
	if a.Rule.ID != "r" || a.Rule.Level != 8 || !a.Rule.Mail || strings.Join(a.Rule.Groups, ",") != "syscollector" ||
		len(a.Rule.Compliance) != 1 || a.Rule.Mitre[0] != "T1571" || a.Rule.FiredTimes != 0 {
		t.Errorf("rule: %+v", a.Rule)
	}
	if a.Time != p.time || a.Agent.ID != "001" || a.Agent.Name != "web" || a.Manager != "m" || a.Location != "(web) any->syscollector" ||
		a.Decoder != "syscollector" || a.FullLog != "{}" || a.Hash == [16]byte{} || a.Origin.Offset != 2 {
		t.Errorf("alert: %+v", a)
	}
	want := `r firing level=8 change=modified changed=[port.state] before={port.local_port=22 port.state=closed} ` +
		`data={port.local_port=22 port.tx_queue=2 port.state=listening}: d` + "\n"
	if got := showAlerts([]rules.Alert{a}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, d := range a.Data {
		if _, ok := d.Value.(int64); ok != (d.Name != "port.state") {
			t.Errorf("%s is %T", d.Name, d.Value)
		}
	}
	if b := p.put(syscollector.Ports, "k", "")[0]; b.Hash == a.Hash {
		t.Error("two events, one id")
	}
}

func TestLogLevelHoldsAlertsBack(t *testing.T) {
	set := mustLoad(t, ruleWith(`port.pid == 1`, "    resolve: true"), rules.Options{LogLevel: 6})
	p := newSmallPartition(t, set)
	if got := showAlerts(p.put(syscollector.Ports, "k", "", "port.pid=1")); got != "no alert\n" {
		t.Error(got)
	}
}

func TestExplainNamesTheFirstConditionThatFailed(t *testing.T) {
	set := mustLoad(t, "rules:\n"+
		"  - {id: a, level: 5, description: d, when: port.local_port == 22 and port.state != \"x\" and has(port.state), alert: every}\n"+
		"  - {id: b, level: 5, description: d, when: port.local_port in 1..30 and lower(port.state) == \"listening\" and port.pid > 1, alert: every}\n"+
		"  - {id: c, level: 5, description: d, when: port.local_port > 1 and not (port.process contains \"ss\"), alert: every}\n", rules.Options{})
	p := newSmallPartition(t, set)
	got := map[string]string{}
	in := benchInput(p)
	in.Deltas[0] = p.delta(syscollector.Ports, "z", "", []string{"port.local_port=22", "port.state=Listening", "port.process=sshd"})
	in.Trace = &rules.Trace{Rule: func(id, reason string) { got[id] = reason }}
	if _, err := p.eval.Eval(in); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"a": "",
		"b": `port.pid > 1 (port.pid is absent)`,
		"c": `not (port.process contains "ss") (port.process is "sshd")`,
	}
	for id := range want {
		if got[id] != want[id] {
			t.Errorf("%s: %q, want %q", id, got[id], want[id])
		}
	}
}

func TestVersionsCompareByTheirFormat(t *testing.T) {
	for _, c := range []struct {
		format, a, op, b string
	}{
		{"deb", "1.2", "<", "1.10"}, {"deb", "1.0~rc1", "<", "1.0"}, {"deb", "1.0", "<", "1.0-1"}, {"deb", "1:0.1", ">", "9.9"},
		{"deb", "1.0-1ubuntu1", "<", "1.0-1ubuntu2"}, {"deb", "1.0a", ">", "1.0"}, {"deb", "1.0+b", ">", "1.0a"}, {"deb", "1.00", "==", "1.0"},
		{"deb", "2.0", "!=", "2.0.0"}, {"deb", "7.91+dfsg1-1", "<=", "7.91+dfsg1-1"}, {"deb", "1.0-", "==", "1.0"},
		{"rpm", "1.2", "<", "1.10"}, {"rpm", "1.0~rc1", "<", "1.0"}, {"rpm", "1.0^git1", ">", "1.0"}, {"rpm", "1.0^git1", "<", "1.0.1"},
		{"rpm", "1.0a", ">", "1.0"}, {"rpm", "1.0.a", "<", "1.0.1"}, {"rpm", "2:1.0-1.el8", ">", "3.0-1.el8"}, {"rpm", "1.0-1.el8", "<", "1.0-2.el7"},
		{"rpm", "1_0", "==", "1.0"}, {"rpm", "1.0-5", "==", "1.0"}, {"rpm", "5.14.0", "<", "5.14.0.1"},
		{"win", "10.0.19041", "<", "10.0.22000"}, {"win", "1.0", "==", "1.0.0"}, {"win", "1.0rc1", "<", "1.0"}, {"win", "1.0", "<", "1.0.1"},
		{"pkg", "2.0", ">=", "2"}, {"", "1.10", ">", "1.9"}, {"", "v1.2", "<", "v1.3"},
	} {
		row := []string{"program.version=" + c.a, "program.format=" + c.format}
		when := `version(program.version) ` + c.op + ` version("` + c.b + `")`
		if !matches(t, when, syscollector.Packages, row...) {
			t.Errorf("%s: %s %s %s is false", c.format, c.a, c.op, c.b)
		}
		mirror := map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}[c.op]
		if !matches(t, `"`+c.b+`" `+mirror+` version(program.version)`, syscollector.Packages, row...) {
			t.Errorf("%s: %s %s %s is false from the other side", c.format, c.b, mirror, c.a)
		}
	}
}
