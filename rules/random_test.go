package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"invigil/connectors/alertfmt"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// randomSet draws a rule set of the wazuh dialect: conditions of every kind,
// several parents, correlations, windows and overwrites.
func randomSet(t *rapid.T, dialect rulefile.Dialect) *rulefile.File {
	f := &rulefile.File{Name: "random.yml", Dialect: dialect}
	ids := []int{221}
	n := rapid.IntRange(1, 40).Draw(t, "rules")
	for i := range n {
		id := 100000 + i
		w := &rulefile.Wazuh{
			Groups:    rulefile.Text{Value: rapid.SampledFrom([]string{"a,", "a,b,", "base,", ""}).Draw(t, "groups")},
			Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1,
			NoAlert: rapid.IntRange(0, 9).Draw(t, "noalert") == 0,
		}
		for range rapid.IntRange(1, 2).Draw(t, "parents") {
			// Mostly siblings of 221, so that levels get an index.
			parent := 221
			if rapid.IntRange(0, 3).Draw(t, "deep") == 0 {
				parent = rapid.SampledFrom(ids).Draw(t, "parent")
			}
			w.Parent.SID = append(w.Parent.SID, parent)
		}
		if rapid.IntRange(0, 9).Draw(t, "window") == 0 {
			w.Ignore = rapid.IntRange(1, 20).Draw(t, "ignore")
		}
		if rapid.IntRange(0, 5).Draw(t, "correlates") == 0 {
			c := &rulefile.Correlate{SID: rapid.SampledFrom(ids).Draw(t, "base")}
			switch rapid.IntRange(0, 4).Draw(t, "history") {
			case 0:
				c.SID, c.Group = 0, "a"
			case 1:
				c.SID, c.Regex = 0, "listening"
			}
			if rapid.Bool().Draw(t, "same") {
				c.Same = []string{rapid.SampledFrom([]string{"field:port.state", "location"}).Draw(t, "same field")}
			}
			w.Correlate, w.Frequency, w.Timeframe = c, rapid.IntRange(2, 5).Draw(t, "frequency"), rapid.IntRange(0, 30).Draw(t, "timeframe")
		}
		f.Rules = append(f.Rules, &rulefile.Rule{
			ID: fmt.Sprint(id), Level: rapid.IntRange(0, 15).Draw(t, "level"),
			Description: rulefile.Text{Value: "rule $(port.local_port) $(port.state)"},
			When:        rulefile.Text{Value: randomCondition(t)},
			Wazuh:       w,
		})
		ids = append(ids, id)
	}
	if rapid.Bool().Draw(t, "overwrites") {
		r := *rapid.SampledFrom(f.Rules).Draw(t, "overwritten")
		w := *r.Wazuh
		w.Overwrite = true
		r.Wazuh, r.Level, r.When.Value = &w, rapid.IntRange(0, 15).Draw(t, "new level"), randomCondition(t)
		f.Rules = append(f.Rules, &r)
	}
	return f
}

func randomCondition(t *rapid.T) string {
	calls := rapid.SliceOfN(rapid.SampledFrom([]string{
		`osregex("port.local_port", "^22$")`,
		`osregex("port.local_port", "^80$|^443$")`,
		`osregex("port.local_port", "22", true)`,
		`osmatch("port.state", "listen")`,
		`osmatch("port.state", "^ESTABLISHED$")`,
		`osmatch("port.process", "ss|ng")`,
		`osmatch("port.process", "d$")`,
		`osmatch("port.process", "x$", true)`,
		`osmatch("type", "^port$")`,
		`osmatch("hostname", "web")`,
		`osmatch(location, "any")`,
		`osmatch(hostname, "^web01$")`,
		`osmatch(log, "listening")`,
		`osmatch(srcip, "1", true)`,
		`cdb("etc/lists/ports", "port.local_port", "match_key")`,
		`cdb("etc/lists/ports", "port.local_port", "not_match_key")`,
		`pcre2("port.state", "^(?i)L")`,
		`(osmatch("port.state", "listen") or osregex("port.local_port", "^80$"))`,
	}), 0, 3).Draw(t, "calls")
	return strings.Join(calls, " and ")
}

// randomEvents draws messages of few values, so that rules meet them.
func randomEvents(t *rapid.T) []event {
	events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		process := ""
		if p := rapid.SampledFrom([]string{"", "sshd", "nginx", "SSH"}).Draw(t, "process"); p != "" {
			process = `,"process":"` + p + `"`
		}
		return event{
			at: int64(rapid.IntRange(0, 10).Draw(t, "gap")),
			raw: fmt.Sprintf(`d:[00%d] (web0%[1]d) any->syscollector:{"type":"port","ID":1,"timestamp":"t","port":{"protocol":"tcp","local_port":%d,"state":"%s"%s}}`,
				rapid.IntRange(1, 2).Draw(t, "agent"), rapid.SampledFrom([]int{22, 80, 443, 2222}).Draw(t, "port"),
				rapid.SampledFrom([]string{"listening", "established", "Established", ""}).Draw(t, "state"), process),
		}
	}), 1, 25).Draw(t, "events")
	at := int64(1_700_000_000)
	for i := range events {
		at += events[i].at
		events[i].at = at
	}
	return events
}

type event struct {
	raw string
	at  int64 // receive time, unix seconds
}

var randomLists = newLists(map[string]string{"etc/lists/ports": "22:ssh\n443:\n"})

func compileRandom(t *rapid.T, v version, f *rulefile.File) *rules.Set {
	set, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{Compat: v.compat, Lists: randomLists})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	return set
}

// run evaluates events and renders each event's alerts on a line.
func run(t *rapid.T, v version, set *rules.Set, events []event, trace *rules.Trace, between func(*rules.Evaluator, rules.Memory) *rules.Evaluator) (lines []string) {
	mem := &memory{}
	e, err := set.NewEvaluator(mem, &memory{})
	if err != nil {
		t.Fatal(err)
	}
	decoder := syscollector.NewDecoder(syscollector.Options{Compat: v.compat})
	format, _ := alertfmt.Format("wazuh")
	for i, item := range events {
		ev, err := decoder.Decode([]byte(item.raw), syscollector.Meta{Time: item.at * 1000})
		if err != nil {
			t.Fatal(err)
		}
		out, err := e.Eval(&rules.Input{Event: ev, StreamTime: ev.Time, Origin: rules.Origin{Offset: int64(i)}, Lists: randomLists, Trace: trace})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 1 {
			t.Fatalf("event %d raised %d alerts", i, len(out))
		}
		line := []byte(fmt.Sprintf("%d ", i))
		for j := range out {
			if line, err = format.Append(line, &out[j]); err != nil {
				t.Fatal(err)
			}
		}
		lines = append(lines, string(line))
		decoder.Reset()
		if between != nil {
			e = between(e, mem)
		}
	}
	return lines
}

func equalLines(t *rapid.T, what string, want, got []string) {
	if !slices.Equal(want, got) {
		t.Fatalf("%s:\nwant\n%s\ngot\n%s", what, strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
}

func drawVersion(t *rapid.T) (version, rulefile.Dialect) {
	if rapid.Bool().Draw(t, "3.9") {
		return versions[1], rulefile.Wazuh39
	}
	return versions[0], rulefile.Wazuh4
}

func TestIndexChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, dialect := drawVersion(t)
		set, events := compileRandom(t, v, randomSet(t, dialect)), randomEvents(t)
		// A trace tries every rule in order and uses no index.
		plain := run(t, v, set, events, &rules.Trace{}, nil)
		equalLines(t, "verdicts with and without the index", plain, run(t, v, set, events, nil, nil))
	})
}

func TestRestartBetweenAnyTwoEventsChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, dialect := drawVersion(t)
		set, events := compileRandom(t, v, randomSet(t, dialect)), randomEvents(t)
		restarted := run(t, v, set, events, nil, func(e *rules.Evaluator, mem rules.Memory) *rules.Evaluator {
			if !rapid.Bool().Draw(t, "restart") {
				return e
			}
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			fresh, err := set.NewEvaluator(mem, &memory{})
			if err != nil {
				t.Fatal(err)
			}
			return fresh
		})
		equalLines(t, "verdicts with and without restarts", run(t, v, set, events, nil, nil), restarted)
	})
}

func TestReloadOfTheSameRulesChangesNoVerdict(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, dialect := drawVersion(t)
		f := randomSet(t, dialect)
		set, events := compileRandom(t, v, f), randomEvents(t)
		reloaded := run(t, v, set, events, nil, func(e *rules.Evaluator, _ rules.Memory) *rules.Evaluator {
			if err := e.Swap(compileRandom(t, v, f)); err != nil {
				t.Fatal(err)
			}
			return e
		})
		equalLines(t, "verdicts with and without reloads", run(t, v, set, events, nil, nil), reloaded)
	})
}

func TestWrittenRulesEvaluateAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, dialect := drawVersion(t)
		f := randomSet(t, dialect)
		events := randomEvents(t)
		written := compileRandom(t, v, rewrite(t, f))
		equalLines(t, "verdicts before and after writing", run(t, v, compileRandom(t, v, f), events, nil, nil), run(t, v, written, events, nil, nil))
	})
}
