package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// manyStateful writes n rules of the shapes that people write, none of which the
// bench rows make true.
func manyStateful(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - id: r%d\n    level: 5\n    description: d\n    when: ", i)
		switch i % 5 {
		case 0:
			fmt.Fprintf(&b, "port.local_port == %d and port.state == \"listening\"\n", 20000+i)
		case 1:
			fmt.Fprintf(&b, "port.process == \"proc-%d\" and not inCIDR(port.remote_ip, \"10.0.0.0/8\")\n", i)
		case 2:
			fmt.Fprintf(&b, "port.state == \"established\" and port.remote_ip startsWith \"192.%d.%d.\"\n", i%250, i%199)
		case 3:
			fmt.Fprintf(&b, "'port.protocol == \"tcp\" and (port.process in [\"a%d\", \"b%d\"] or osregex(port.process, \"^c%d$\"))'\n", i, i, i)
		case 4:
			fmt.Fprintf(&b, "program.name == \"pkg-%d\" and change == \"added\"\n", i)
		}
	}
	return b.String()
}

func benchInput(p *smallPartition) *rules.Input {
	d := p.delta(syscollector.Ports, "k", "modified", []string{
		"port.protocol=tcp", "port.local_ip=10.0.0.5", "port.local_port=1514", "port.remote_ip=203.0.113.77",
		"port.remote_port=41522", "port.state=established", "port.process=sshd",
	})
	return &rules.Input{
		Event:  &syscollector.Event{Agent: p.agent, Time: p.time, Type: "dbsync_ports", Operation: "MODIFIED"},
		Deltas: []syscollector.Delta{d}, StreamTime: p.time, Inventory: p,
	}
}

func BenchmarkStatefulRules(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		set := mustLoad(b, manyStateful(n), rules.Options{})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newSmallPartition(b, set)
			in := benchInput(p)
			b.ReportAllocs()
			for b.Loop() {
				if alerts, err := p.eval.Eval(in); err != nil || len(alerts) > 0 {
					b.Fatal(alerts, err)
				}
			}
		})
	}
}

func BenchmarkWhen(b *testing.B) {
	for name, when := range map[string]string{
		"atoms":      `port.local_port == 1514 and port.state == "established" and port.process != "sshd"`,
		"expression": `lower(port.state) == "x" or port.local_port + 1 == 7`,
		"agent-os":   `port.local_port == 1514 and agent.os.platform == "windows"`,
	} {
		set := mustLoad(b, ruleWith(when), rules.Options{})
		b.Run(name, func(b *testing.B) {
			p := newSmallPartition(b, set)
			in := benchInput(p)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.eval.Eval(in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The agent's own table is asked: 3,000 packages, the one looked for is none
// of them.
func BenchmarkTable(b *testing.B) {
	set := mustLoad(b, ruleWith(`port.local_port == 1514 and any(packages, .name == "x" and .vendor == "y")`), rules.Options{})
	p := newSmallPartition(b, set)
	for i := range 3000 {
		p.put(syscollector.Packages, fmt.Sprint(i), "", "program.name=name-"+fmt.Sprint(i), "program.vendor=y")
	}
	in := benchInput(p)
	b.ReportAllocs()
	for b.Loop() {
		if alerts, err := p.eval.Eval(in); err != nil || len(alerts) > 0 {
			b.Fatal(alerts, err)
		}
	}
}

func BenchmarkLoadStatefulRules(b *testing.B) {
	f, diags := rulefile.Read(source.File{Name: "r.yml", Data: []byte(manyStateful(1000))})
	if err := diags.Err(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, diags := rules.LoadFiles([]*rulefile.File{f}, rules.Options{}); diags.Err() != nil {
			b.Fatal(diags)
		}
	}
}

func TestAnEventWithoutAnAlertAllocatesNothing(t *testing.T) {
	for name, text := range map[string]string{
		"many rules": manyStateful(1000),
		"atoms": ruleWith(`(port.local_port in [1514, 22] and port.state == "x") or not (port.remote_ip startsWith "203")
			or changed("port.pid") or inCIDR(port.remote_ip, "10.0.0.0/8") or port.local_port > port.remote_port
			or "web" in agent.groups or agent.labels.env == "x" or has(port.pid) or change == "added"`),
		"expressions": ruleWith(`port.local_port + 1 == 7 or port.process + "" == "x"`),
	} {
		set := mustLoad(t, text, rules.Options{})
		p := newSmallPartition(t, set)
		in := benchInput(p)
		allocs := testing.AllocsPerRun(100, func() {
			if alerts, err := p.eval.Eval(in); err != nil || len(alerts) > 0 {
				t.Fatal(alerts, err)
			}
		})
		// The expression library allocates for the results of + and calls.
		if allocs > 0 && name != "expressions" || allocs > 4 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
}

func FuzzWhen(f *testing.F) {
	for _, seed := range []string{
		`port.local_port == 22 and port.state == "listening"`, `let x = port.pid; x > 1 ? x : 2`, `any(agent.groups, # == "x")`,
		`port?.state ?? "x" == "y"`, `1 < port.pid < 3`, `port["state"] matches "^a"`, `not (port.pid in 1..5)`,
		`filter([1, 2], # > port.pid) == [2]`, `reduce([1, 2], #acc + #, port.pid) > 1`, `{"a": port.pid}.a == 1`,
		`version(program.version) < version("1.2~rc1")`, `osregex(port.state, "(a")`, `event.time.Hour() > 3`,
		`port.state[0:100] == ""`, `changed()`, `listValue("a", port.state) == "b"`, `if port.pid > 1 { true } else { false }`,
		`map([1], let y = # + port.pid; y) == [2]`, `port.state | upper() | len() > 2`, `sum([port.pid, 1]) > 2; true`, `$env`,
		`agent.labels["a"] == "b" or "a" in agent.labels`, `0 in port.pid`, `#`, `.name`, `"\xff" == port.state`,
		`any(packages, .name == "x")`, `none(filter(ports, .pid > 1), lower(.state) == "x")`, `count(ports, any(users, .user_id == 1)) > 2`,
		`len(ports) > 1 and all(ports, has(.pid))`, `known("ports") or one(ports, .pid == port.pid)`, `any(packages, version(.version) > version("1"))`, `b"x" == b"y"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, when string) {
		if len(when) > 1000 {
			return
		}
		text := rulefile.Text{Value: when}
		text.Map.AddText(0, when, source.Position{File: "f", Line: 1, Column: 1})
		file := &rulefile.File{Name: "f", Dialect: rulefile.Invigil, Rules: []*rulefile.Rule{{
			ID: "r", Level: 5, When: text, Invigil: &rulefile.Stateful{Table: "ports"},
		}}}
		set, diags := rules.LoadFiles([]*rulefile.File{file}, rules.Options{ListNames: func(string) bool { return true }})
		for _, d := range diags {
			if d.Pos.Line == 0 && d.Severity == source.Error {
				t.Errorf("%q: a finding without a position: %v", when, d)
			}
		}
		if set != nil && diags.Err() == nil {
			p := newSmallPartition(t, set)
			p.lists = lists{"a": {"listening": "b"}}
			p.put(syscollector.Ports, "a", "", "port.state=listening", "port.local_port=22", "port.pid=7")
			p.put(syscollector.Ports, "a", "", "port.state=closed")
			p.put(syscollector.Ports, "b", "baseline")
			p.remove(syscollector.Ports, "a")
		}
		if filter, err := rules.CompileFilter(when, syscollector.Ports); err == nil {
			_, _ = filter.Match(makeRow(t, syscollector.Ports, "port.state=listening"), syscollector.Agent{ID: "001"})
		}
	})
}

func TestTheIndexTriesTheSameFewRulesHoweverManyThereAre(t *testing.T) {
	for _, n := range []int{10, 100, 2000} {
		p := newSmallPartition(t, mustLoad(t, manyStateful(n), rules.Options{}))
		if alerts, err := p.eval.Eval(benchInput(p)); err != nil || len(alerts) > 0 {
			t.Fatal(alerts, err)
		}
		tried := int64(0)
		for _, c := range p.eval.Counters() {
			tried += c.Evaluations
		}
		if tried > 0 {
			t.Errorf("%d rules: %d tried on a row that none of them can match", n, tried)
		}
	}
}
