package rules_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/connectors/alertfmt"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// version is a recorded version of the original.
type version struct {
	name   string
	compat syscollector.Compat
}

var versions = []version{{"4.14.7", syscollector.Compat4}, {"3.9.5", syscollector.Compat39}}

// recorded is one recorded case: rules, lists and events, and what each
// version answered.
type recorded struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	RulesXML string            `json:"rules_xml"`
	Lists    map[string]string `json:"lists"`
	Events   []struct {
		Raw string `json:"raw"`
		At  int64  `json:"at"`
	} `json:"events"`
	Results map[string]struct {
		Loads    bool            `json:"loads"`
		Expected []expectedAlert `json:"expected"`
	} `json:"results"`
}

type expectedAlert struct {
	Event       int             `json:"event_index"`
	Rule        string          `json:"rule_id"`
	Level       int             `json:"level"`
	Description string          `json:"description"`
	Groups      []string        `json:"groups"`
	FiredTimes  int             `json:"firedtimes"`
	Frequency   *int            `json:"frequency"`
	Agent       json.RawMessage `json:"agent"`
	Location    *string         `json:"location"`
	Data        json.RawMessage `json:"data"`
	Previous    int             `json:"previous_output_lines"`
}

// shownAlert is the part of an alerts.json line that is compared.
type shownAlert struct {
	Rule struct {
		ID          string   `json:"id"`
		Level       int      `json:"level"`
		Description string   `json:"description"`
		Groups      []string `json:"groups"`
		FiredTimes  int      `json:"firedtimes"`
		Frequency   *int     `json:"frequency"`
	} `json:"rule"`
	Agent          map[string]any  `json:"agent"`
	Location       string          `json:"location"`
	Data           json.RawMessage `json:"data"`
	PreviousOutput string          `json:"previous_output"`
}

func eachRecorded(t testing.TB, f func(c *recorded)) {
	t.Helper()
	files, err := filepath.Glob("testdata/conformance/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 64<<20)
		for lines.Scan() {
			c := &recorded{}
			if err := json.Unmarshal(lines.Bytes(), c); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f(c)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
}

// load loads the case's rules as a version reads them.
func (c *recorded) load(v version) (*rules.Set, source.Diagnostics) {
	f, ds := rules.ReadFile(source.File{Name: c.ID + ".xml", Data: []byte(c.RulesXML)}, v.compat)
	return c.compile(v, f, ds)
}

func (c *recorded) compile(v version, f *rulefile.File, ds source.Diagnostics) (*rules.Set, source.Diagnostics) {
	set, problems := rules.LoadFiles([]*rulefile.File{f}, rules.Options{Compat: v.compat, Lists: newLists(c.Lists), Manager: "manager"})
	return set, append(ds, problems...)
}

// replay evaluates the case's events and returns the alerts as sinks write
// them. between, if given, runs between two events and may replace the
// evaluator.
func (c *recorded) replay(t testing.TB, v version, e *rules.Evaluator, between func(*rules.Evaluator) *rules.Evaluator) (alerts []string) {
	t.Helper()
	lists := newLists(c.Lists)
	decoder := syscollector.NewDecoder(syscollector.Options{Compat: v.compat, Manager: "manager"})
	format, err := alertfmt.Format("wazuh")
	if err != nil {
		t.Fatal(err)
	}
	stream := int64(0)
	for i, raw := range c.Events {
		ev, err := decoder.Decode([]byte(raw.Raw), syscollector.Meta{Time: raw.At * 1000})
		if err != nil || ev == nil {
			continue
		}
		stream = max(stream, ev.Time)
		out, err := e.Eval(&rules.Input{Event: ev, StreamTime: stream, Origin: rules.Origin{Offset: int64(i)}, Lists: lists})
		if err != nil {
			t.Fatal(err)
		}
		if len(out) > 1 {
			t.Fatalf("event %d raised %d alerts", i, len(out))
		}
		for j := range out {
			line, err := format.Append(nil, &out[j])
			if err != nil {
				t.Fatal(err)
			}
			alerts = append(alerts, string(line))
		}
		decoder.Reset()
		if between != nil {
			e = between(e)
		}
	}
	return alerts
}

func TestRecordedRuleCasesGiveTheRecordedAlerts(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			ran := 0
			eachRecorded(t, func(c *recorded) {
				want, ok := c.Results[v.name]
				if !ok {
					return
				}
				ran++
				set, ds := c.load(v)
				if loads := ds.Err() == nil; loads != want.Loads {
					t.Errorf("%s (%s): loads %v, want %v: %v", c.ID, c.Title, loads, want.Loads, ds)
					return
				}
				if !want.Loads {
					return
				}
				e, err := set.NewEvaluator(&memory{}, &memory{})
				if err != nil {
					t.Fatal(err)
				}
				for _, problem := range compareAlerts(c.replay(t, v, e, nil), want.Expected) {
					t.Errorf("%s (%s): %s", c.ID, c.Title, problem)
				}
			})
			if ran < 100 {
				t.Errorf("only %d cases ran", ran)
			}
		})
	}
}

func compareAlerts(got []string, want []expectedAlert) (problems []string) {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return append(problems, fmt.Sprintf("alert %d: want rule %s for event %d, got none", i, want[i].Rule, want[i].Event))
		case i >= len(want):
			return append(problems, fmt.Sprintf("alert %d: want none, got %s", i, got[i]))
		}
		var g shownAlert
		if err := json.Unmarshal([]byte(got[i]), &g); err != nil {
			return append(problems, fmt.Sprintf("alert %d is no JSON: %v", i, err))
		}
		w := want[i]
		if g.Rule.ID != w.Rule {
			return append(problems, fmt.Sprintf("alert %d: want rule %s (event %d), got %s", i, w.Rule, w.Event, g.Rule.ID))
		}
		check := func(name string, wanted, found any) {
			if d := cmp.Diff(wanted, found); d != "" {
				problems = append(problems, fmt.Sprintf("alert %d rule %s: %s: -want +got\n%s", i, w.Rule, name, d))
			}
		}
		check("level", w.Level, g.Rule.Level)
		check("description", w.Description, g.Rule.Description)
		check("groups", w.Groups, g.Rule.Groups)
		check("firedtimes", w.FiredTimes, g.Rule.FiredTimes)
		if w.Frequency != nil {
			check("frequency", w.Frequency, g.Rule.Frequency)
		}
		if w.Location != nil {
			check("location", *w.Location, g.Location)
		}
		if w.Data != nil {
			check("data", members(w.Data), members(g.Data))
		}
		if w.Agent != nil {
			for key, value := range members(w.Agent) {
				if !(key == "name" && g.Agent["id"] == "000") { // the recording host's
					check("agent."+key, value, g.Agent[key])
				}
			}
		}
		lines := 0
		if g.PreviousOutput != "" {
			lines = strings.Count(g.PreviousOutput, "\n") + 1
		}
		check("previous_output", w.Previous, lines)
	}
	return problems
}

func members(raw json.RawMessage) map[string]any {
	m := map[string]any{}
	_ = json.Unmarshal(raw, &m) // absent and null are empty
	return m
}

// loadable calls f with every recorded case that loads, and its evaluator's set.
func loadable(t *testing.T, f func(t *testing.T, c *recorded, v version, file *rulefile.File, set *rules.Set)) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			eachRecorded(t, func(c *recorded) {
				if want, ok := c.Results[v.name]; !ok || !want.Loads {
					return
				}
				file, ds := rules.ReadFile(source.File{Name: c.ID + ".xml", Data: []byte(c.RulesXML)}, v.compat)
				set, ds := c.compile(v, file, ds)
				if ds.Err() != nil {
					t.Fatalf("%s: %v", c.ID, ds)
				}
				f(t, c, v, file, set)
			})
		})
	}
}

func TestRecordedCasesSurviveARestartAfterEachEvent(t *testing.T) {
	loadable(t, func(t *testing.T, c *recorded, v version, _ *rulefile.File, set *rules.Set) {
		mem := &memory{}
		start := func() *rules.Evaluator {
			e, err := set.NewEvaluator(mem, &memory{})
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		alerts := c.replay(t, v, start(), func(e *rules.Evaluator) *rules.Evaluator {
			if err := e.Flush(); err != nil {
				t.Fatal(err)
			}
			return start()
		})
		for _, problem := range compareAlerts(alerts, c.Results[v.name].Expected) {
			t.Errorf("%s: %s", c.ID, problem)
		}
	})
}

func TestRecordedCasesEvaluateAlikeWhenTranslated(t *testing.T) {
	loadable(t, func(t *testing.T, c *recorded, v version, file *rulefile.File, _ *rules.Set) {
		set, ds := c.compile(v, rewrite(t, file), nil)
		if ds.Err() != nil {
			t.Errorf("%s: %v", c.ID, ds)
			return
		}
		e, err := set.NewEvaluator(&memory{}, &memory{})
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range compareAlerts(c.replay(t, v, e, nil), c.Results[v.name].Expected) {
			t.Errorf("%s: %s", c.ID, problem)
		}
	})
}
