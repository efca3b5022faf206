package rules_test

import (
	"fmt"
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// manyRules is a set of n rules below 221 of the kinds that people write:
// exact ports, processes and packages by name, versions, lists.
func manyRules(n int) *rulefile.File {
	f := &rulefile.File{Name: "many.yml", Dialect: rulefile.Wazuh4}
	for i := range n {
		when := ""
		switch i % 5 {
		case 0:
			when = fmt.Sprintf(`osregex("port.local_port", "^%d$") and osregex("port.state", "^established$")`, 20000+i)
		case 1:
			when = fmt.Sprintf(`osregex("process.name", "^proc-%d$")`, i)
		case 2:
			when = fmt.Sprintf(`osregex("program.name", "package-%d$") and osregex("program.version", "^1.", true)`, i)
		case 3:
			when = fmt.Sprintf(`osmatch("process.args", "--flag-%d")`, i)
		case 4:
			when = fmt.Sprintf(`osregex("port.process", "^daemon%d") and cdb("etc/lists/ports", "port.local_port", "not_match_key")`, i)
		}
		f.Rules = append(f.Rules, &rulefile.Rule{
			ID: fmt.Sprint(100000 + i), Level: 3 + i%10, Description: rulefile.Text{Value: "rule"}, When: rulefile.Text{Value: when},
			Wazuh: &rulefile.Wazuh{Parent: rulefile.Parent{SID: []int{221}}, Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1},
		})
	}
	return f
}

var benchMessages = []string{
	`d:[001] (web01) any->syscollector:{"type":"port","ID":1,"timestamp":"2019/07/01 10:00:00","port":{"protocol":"tcp","local_ip":"0.0.0.0","local_port":22,"remote_ip":"10.0.0.9","remote_port":40000,"tx_queue":0,"rx_queue":0,"inode":1234,"state":"established","PID":1,"process":"sshd"}}`,
	`d:[001] (web01) any->syscollector:{"type":"process","ID":1,"timestamp":"2019/07/01 10:00:00","process":{"pid":2210,"name":"nginx","state":"S","ppid":1,"utime":3,"stime":1,"cmd":"nginx","argvs":["-l","-p","4444"],"euser":"www-data","priority":20,"nice":0}}`,
	`d:[001] (web01) any->syscollector:{"data":{"architecture":"amd64","format":"deb","name":"netcat-openbsd","version":"1.187-1","size":104,"vendor":"Ubuntu Developers"},"operation":"INSERTED","type":"dbsync_packages"}`,
}

// benchInputs decodes the messages, each by its own decoder so that all stay
// valid.
func benchInputs(tb testing.TB) (inputs []*rules.Input) {
	for _, raw := range benchMessages {
		ev, err := syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(raw), syscollector.Meta{Time: 1_700_000_000_000})
		if err != nil {
			tb.Fatal(err)
		}
		inputs = append(inputs, &rules.Input{Event: ev, StreamTime: ev.Time, Lists: randomLists})
	}
	return inputs
}

func evaluatorOf(tb testing.TB, f *rulefile.File) *rules.Evaluator {
	set, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{Lists: randomLists})
	if err := ds.Err(); err != nil {
		tb.Fatal(err)
	}
	e, err := set.NewEvaluator(&memory{}, &memory{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func BenchmarkEval(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			e, inputs := evaluatorOf(b, manyRules(n)), benchInputs(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := e.Eval(inputs[i%len(inputs)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	f := manyRules(10000)
	b.ReportAllocs()
	for b.Loop() {
		if _, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{Lists: randomLists}); ds.Err() != nil {
			b.Fatal(ds)
		}
	}
}

// BenchmarkCondition compares the two ways to run a conjunction of two
// conditions: atom by atom, and as a program of expr's VM, which the or with
// false forces.
func BenchmarkCondition(b *testing.B) {
	for _, c := range []struct{ name, when string }{
		{"atoms", `osregex("port.state", "^established$") and osregex("port.protocol", "^tcp$")`},
		{"program", `(osregex("port.state", "^established$") or false) and (osregex("port.protocol", "^tcp$") or false)`},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := manyRules(1)
			f.Rules[0].When.Value, f.Rules[0].Level = c.when, 0
			e, inputs := evaluatorOf(b, f), benchInputs(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(inputs[0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestEventsWithoutAnAlertAllocateNothing(t *testing.T) {
	program := manyRules(1)
	program.Rules[0].When.Value = `osregex("port.state", "^nosuch$") or osregex("port.protocol", "^nosuch$")`
	for _, c := range []struct {
		name string
		file *rulefile.File
	}{{"few rules", manyRules(5)}, {"many rules", manyRules(2000)}, {"a program", program}} {
		t.Run(c.name, func(t *testing.T) {
			e, inputs := evaluatorOf(t, c.file), benchInputs(t)
			i := 0
			if n := testing.AllocsPerRun(100, func() {
				out, err := e.Eval(inputs[i%len(inputs)])
				if err != nil || len(out) > 0 {
					t.Fatal(out, err)
				}
				i++
			}); n > 0 {
				t.Errorf("%v allocations an event", n)
			}
		})
	}
}
