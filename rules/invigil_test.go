package rules_test

import (
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// matches tells whether a condition holds for a row that was just added.
func matches(t *testing.T, when string, table syscollector.Table, pairs ...string) bool {
	t.Helper()
	set := mustLoad(t, ruleWith(when), rules.Options{})
	return len(newSmallPartition(t, set).put(table, "k", "", pairs...)) > 0
}

func TestEveryOperatorIsFalseOnAnAbsentOperand(t *testing.T) {
	for _, when := range []string{
		`port.process == "x"`, `port.process != "x"`, `port.pid < 5`, `port.pid >= 0`, `port.pid == 0`, `port.pid != 0`,
		`port.process in ["x", ""]`, `port.process not in ["x"] and port.process != "y"`,
		`port.process startsWith ""`, `port.process endsWith ""`, `port.process contains ""`, `port.process matches ".*"`,
		`port.pid in 0..10`, `port.pid + 1 == 1`, `port.pid - 1 < 0`, `-port.pid == 0`, `port.pid * 2 == 0`,
		`port.process + "x" == "x"`, `"x" + port.process != "y"`, `port.process == port.state`, `port.process != port.state`,
		`port.state != port.process`, `port.process < "a"`, `len(port.process) == 0`, `lower(port.process) == ""`,
		`inCIDR(port.remote_ip, "0.0.0.0/0")`, `osregex(port.process, "")`, `osmatch(port.process, "!x")`, `pcre2(port.process, "")`,
		`hasPrefix(port.process, "")`, `port.process in [port.state]`, `[port.process] == [""]`, `len([port.process, "a"]) == 2`,
		`any(["a", ""], # == port.process)`, `{"a": port.process} == {"a": ""}`, `(port.pid > 1 ? port.pid : port.pid) >= 0`,
		`before.port.state != "x"`, `before.port.local_port == 0`, `agent.os.platform != "x"`, `agent.labels.env != "x"`,
		`event.time == event.time and port.pid == 0`, `version(port.process) < version("1")`, `port.process[0:1] == ""`,
		`let x = port.pid; x == 0`, `let x = port.pid + 1; x == 1`, `string(port.pid) == "0"`,
		`(port.process | lower()) == ""`,
	} {
		t.Run(when, func(t *testing.T) {
			if matches(t, "port.local_port == 22 and ("+when+")", syscollector.Ports, "port.local_port=22", "port.state=s") {
				t.Error("true on an absent operand")
			}
		})
	}
}

func TestNotOfAConditionOnAnAbsentOperandIsTrue(t *testing.T) {
	for _, when := range []string{
		`not (port.process == "x")`, `not (port.process != "x")`, `port.process not in ["x"]`, `not (port.pid < 5)`,
		`not (port.process contains "x")`, `not osregex(port.process, "x")`, `not inCIDR(port.remote_ip, "10.0.0.0/8")`,
		`not (port.pid + 1 == 1)`, `not (port.process == "x" or port.pid == 1)`, `!(len(port.process) > 0)`,
		`not (port.process == "x" and port.local_port == 22)`,
	} {
		if !matches(t, "port.local_port == 22 and "+when, syscollector.Ports, "port.local_port=22") {
			t.Errorf("%s: false", when)
		}
	}
}

func TestHasIsAPresenceTest(t *testing.T) {
	for when, want := range map[string]bool{
		`has(port.local_port)`: true, `has(port.pid)`: false, `not has(port.pid) and has(port.state)`: true,
		`(has(port.pid) ? port.pid : 0) == 0 and has(port.state)`: true,
		`(port.pid ?? 7) == 7 and has(port.state)`:                true,
		`has(change) and has(port.state)`:                         true,
		`has(before.port.state)`:                                  false,
		`has(agent.name) and has(port.state)`:                     true,
		`has(agent.os.platform) and has(port.state)`:              false,
		`has(agent.labels.env) or has(port.pid)`:                  false,
	} {
		if got := matches(t, when, syscollector.Ports, "port.local_port=22", "port.state=s"); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
}

func TestConditionsSeeTheRowWithItsTypes(t *testing.T) {
	for _, when := range []string{
		`port.local_port == 1514 and port.state == "established"`,
		`port.local_port in [22, 1514]`, `port.local_port in 1000..2000`, `1500 < port.local_port < 1600`,
		`port.local_port + port.remote_port == 1614`, `port.local_port > port.remote_port`, `port.local_port / 2 == 757`,
		`port["state"] == "established"`, `port?.state == "established"`, `port.process == "a" + "b"`,
		`upper(port.state) == "ESTABLISHED"`, `port.state matches "^esta"`, `port.state in [port.process, "established"]`,
		`"established" in [port.state]`, `any(["x", "established"], # == port.state)`, `none([1, 2], # == port.local_port)`,
		`let p = port.local_port; p > 1000 and p < 2000`, `inCIDR(port.remote_ip, "10.0.0.0/8", "192.0.2.1")`,
		`osregex(port.state, "^establ")`, `osmatch(port.state, "^ESTABLISHED$")`, `pcre2(port.state, "(?i)^EST")`,
		`osregex(upper(port.state), "^establ")`, `inCIDR(port.remote_ip + "", "10.0.0.0/8")`,
		`event.table == "ports" and event.operation == "INSERTED" and has(port.state)`,
		`event.type == "dbsync_x" and event.scan_time startsWith "2024" and event.time.Year() == 2023 and has(port.state)`,
		`agent.id == "001" and agent.name == "web" and agent.ip == "10.0.0.1" and has(port.state)`,
		`change == "added" and has(port.state)`, `change in ["added", "removed"] and has(port.state)`,
		`port.state startsWith agent.id or port.state != agent.name`,
	} {
		if !matches(t, when, syscollector.Ports, "port.local_port=1514", "port.state=established", "port.remote_port=100",
			"port.remote_ip=10.1.2.3", "port.process=ab") {
			t.Errorf("%s: false", when)
		}
	}
}

func TestOnsetsOfRulesThatLeftTheSetAreRetired(t *testing.T) {
	old := mustLoad(t, "rules:\n"+
		"  - {id: gone, level: 5, description: gone $(port.pid), when: port.pid > 0, resolve: true}\n"+
		"  - {id: edited, level: 5, description: edited, when: port.pid > 0, resolve: true}\n"+
		"  - {id: silent, level: 5, description: silent, when: port.pid > 0}\n"+
		"  - {id: kept, level: 5, description: kept, when: port.pid > 0, resolve: true}\n", rules.Options{})
	p := newSmallPartition(t, old)
	p.put(syscollector.Ports, "k", "", "port.pid=7")
	p.swap(mustLoad(t, "rules:\n"+
		"  - {id: edited, level: 5, description: edited, when: port.pid > 1, resolve: true}\n"+
		"  - {id: kept, level: 6, description: new text, when: port.pid > 0, resolve: true}\n", rules.Options{}))
	alerts, err := p.eval.Retire(&rules.Input{StreamTime: p.time})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, a := range alerts {
		got[a.Rule.ID] = a.Extras.Reason + ": " + a.Rule.Description
		if a.Agent.ID != "001" || a.Agent.Name != "web" || a.Extras.Status != "resolved" || a.Hash == [16]byte{} {
			t.Errorf("%+v", a)
		}
	}
	if len(got) != 2 || got["gone"] != "rule removed: gone 7" || got["edited"] != "rule edited: edited" {
		t.Errorf("retired: %v", got)
	}
	alerts, err = p.eval.Forget(&rules.Input{StreamTime: p.time}, "001")
	if err != nil || len(alerts) != 1 || alerts[0].Extras.Reason != "agent forgotten" || alerts[0].Rule.ID != "kept" {
		t.Errorf("forgotten: %s, %v", showAlerts(alerts), err)
	}
	for key := range p.active.Scan(nil) {
		t.Errorf("left in the index: %q", key)
	}
}

// A restarted process and an upgraded package continue a sibling: the row's key
// changes, its onsets and their entries move along.
func TestOnsetsMoveWithARowThatContinuesAnother(t *testing.T) {
	set := mustLoad(t, ruleWith(`process.name == "nc"`, "    resolve: true"), rules.Options{})
	p := newSmallPartition(t, set)
	p.put(syscollector.Processes, "1", "", "process.pid=1", "process.name=nc")
	old := p.rows["001/processes/1"]
	d := p.delta(syscollector.Processes, "2", "modified", []string{"process.pid=2", "process.name=nc"})
	before := old.row
	d.Before, d.Active, d.Changed = &before, old.active, 1
	if got := showAlerts(p.evaluate(d)); got != "no alert\n" {
		t.Errorf("continued: %s", got)
	}
	alerts := p.remove(syscollector.Processes, "2")
	if len(alerts) != 1 || alerts[0].Extras.Status != "resolved" {
		t.Errorf("removed: %s", showAlerts(alerts))
	}
	for key := range p.active.Scan(nil) {
		t.Errorf("left in the index: %q", key)
	}
}
