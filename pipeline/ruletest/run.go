package ruletest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// Result is what running a file of rule tests gave.
type Result struct {
	File string
	// Problems are what is wrong with the file or its rules. If one is an
	// error, no test ran.
	Problems source.Diagnostics
	Tests    []Outcome // those that were chosen, in the file's order
	Rules    []rules.RuleInfo
	// Fired are the rules that a test made fire: they gave an alert or, at
	// level 0, matched.
	Fired map[string]bool
}

// Failed reports whether a test failed or the file could not be run.
func (r *Result) Failed() bool {
	return r.Problems.Err() != nil || slices.ContainsFunc(r.Tests, func(o Outcome) bool { return !o.Passed() })
}

// Outcome is what one test gave.
type Outcome struct {
	Test *Test
	// Diff compares wanted and got alerts, a line each; "" if they agree.
	Diff string
	// Notes say what else went wrong, and why rules that should have alerted
	// did not.
	Notes []string
}

// Passed reports whether the test passed.
func (o *Outcome) Passed() bool { return o.Diff == "" && len(o.Notes) == 0 }

// Run reads and runs a file of rule tests; choose, if given, picks tests by
// their names. An error is a failure of the store, or of list files.
func Run(src source.File, choose *regexp.Regexp) (r *Result, err error) {
	f, ds := ReadFile(src)
	r = &Result{File: src.Name, Problems: ds, Fired: make(map[string]bool)}
	if ds.Err() != nil {
		return r, nil
	}
	store, err := state.OpenMemory(state.Options{CacheBytes: 8 << 20})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	lists := f.Lists
	if f.ListsDir != "" {
		if lists, err = ListFiles(f.ListsDir); err != nil {
			return r, err
		}
	}
	if err := LoadLists(store, lists); err != nil {
		return r, err
	}
	set, ds, err := LoadRules(store, f.Rules, rules.Options{Compat: f.Compat, Zone: time.UTC, Manager: manager})
	r.Problems = append(r.Problems, ds...)
	if err != nil || set == nil {
		return r, err
	}
	r.Rules = set.Rules()
	if r.Problems = append(r.Problems, f.unknownRules(r.Rules)...); r.Problems.Err() != nil {
		return r, nil
	}
	return r, r.runTests(f, store, set, choose)
}

// manager is the name of the manager, agent 000, in tests.
const manager = "manager"

// unknownRules reports expected alerts of rules that are not loaded.
func (f *File) unknownRules(infos []rules.RuleInfo) (ds source.Diagnostics) {
	ids := make([]string, len(infos))
	known := make(map[string]bool)
	for i := range infos {
		ids[i] = infos[i].ID
		known[ids[i]] = true
	}
	for _, t := range f.Tests {
		for _, w := range t.Alerts {
			if !known[w.Rule] {
				d := f.source.Diagnostic(w.Pos, source.Error, "rule %q is in none of the rule files", w.Rule)
				d.Hint = source.DidYouMean(w.Rule, ids)
				ds = append(ds, d)
			}
		}
	}
	return ds
}

// runTests runs the tests, each in a partition of its own, so that none sees
// what another one left.
func (r *Result) runTests(f *File, store *state.Store, set *rules.Set, choose *regexp.Regexp) (err error) {
	run := &testRun{result: r, levels: make(map[string]int)}
	for _, info := range r.Rules {
		run.levels[info.ID] = info.Level
	}
	run.trace.Rule = run.tried
	run.pipeline, err = pipeline.New(pipeline.Options{
		Store: store, Rules: set,
		Decoder: syscollector.Options{Compat: f.Compat, Manager: manager, Zone: time.UTC},
		Explain: func(*syscollector.Event) *rules.Trace { return &run.trace },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.pipeline.Close()) }()
	for i, t := range f.Tests {
		if choose != nil && !choose.MatchString(t.Name) {
			continue
		}
		outcome, err := run.test(t, "test-"+strconv.Itoa(i+1))
		if err != nil {
			return fmt.Errorf("%s: test %q: %w", t.Pos, t.Name, err)
		}
		r.Tests = append(r.Tests, outcome)
	}
	return nil
}

// testRun runs tests one after the other.
type testRun struct {
	result   *Result
	pipeline *pipeline.Pipeline
	levels   map[string]int
	trace    rules.Trace
	event    observed
}

// observed is what the rules did with one event.
type observed struct {
	why   map[string]string // rule tried → why it did not match, "" if it did
	fired map[string]bool   // rules that alerted
}

func (r *testRun) tried(id, reason string) {
	if before, again := r.event.why[id]; !again || before != "" { // a rule is tried on each row
		r.event.why[id] = reason
	}
	if level, ok := r.levels[id]; ok && level == 0 && reason == "" {
		r.result.Fired[id] = true
	}
}

// test runs one test.
func (r *testRun) test(t *Test, topic string) (Outcome, error) {
	out := Outcome{Test: t}
	var alerts []got
	events := make([]observed, len(t.Events))
	for i, e := range t.Events {
		r.event = observed{why: make(map[string]string), fired: make(map[string]bool)}
		res, err := r.pipeline.Process([]connectors.Message{e.message(topic, int64(i))})
		if err != nil {
			return out, err
		}
		for _, letter := range res.DeadLetters {
			out.Notes = append(out.Notes, fmt.Sprintf("event %d (line %d) is no event: %s: %s", i+1, e.Pos.Line, letter.Reason, letter.Error))
		}
		for a := range res.Alerts {
			r.event.fired[res.Alerts[a].Rule.ID] = true
			r.result.Fired[res.Alerts[a].Rule.ID] = true
			alerts = append(alerts, gotAlert(&res.Alerts[a]))
		}
		events[i] = r.event
	}
	diff := align(t.Alerts, alerts)
	if slices.ContainsFunc(diff, func(d diffLine) bool { return d.mark != ' ' }) {
		out.Diff = render(diff)
		out.Notes = append(out.Notes, explain(t, diff, events)...)
	}
	return out, nil
}

// explain tells of each rule whose wanted alert did not come what its
// conditions saw.
func explain(t *Test, diff []diffLine, events []observed) (notes []string) {
	told := make(map[string]bool)
	for _, d := range diff {
		if d.mark != '-' || told[d.rule] {
			continue
		}
		told[d.rule] = true
		tried := false
		for i, e := range t.Events {
			reason, ok := events[i].why[d.rule]
			tried = tried || ok
			if !ok || reason == "" && events[i].fired[d.rule] {
				continue
			}
			if reason == "" {
				reason = "matched without an alert: it stood already, is suppressed, has not counted enough, or another rule took the event"
			}
			notes = append(notes, fmt.Sprintf("rule %s at event %d (line %d): %s", d.rule, i+1, e.Pos.Line, reason))
		}
		if !tried {
			notes = append(notes, fmt.Sprintf("rule %s was tried on no event: none has a row of its table with the values that it needs, or a rule above it took the event", d.rule))
		}
	}
	return notes
}

// message wraps an event as it would come.
func (e *Event) message(topic string, offset int64) connectors.Message {
	m := connectors.Message{Topic: topic, Offset: offset, Time: start.Add(e.At).UnixMilli(), Key: []byte(e.Agent.ID)}
	if e.Raw != "" {
		m.Value = []byte(e.Raw)
		return m
	}
	m.Value = e.Agent.archived(e.Log, start.Add(e.At))
	return m
}

// archived wraps a message as a line of archives.json.
func (a *Agent) archived(log string, at time.Time) []byte {
	type name struct {
		Name string `json:"name"`
	}
	type agent struct {
		ID     string            `json:"id"`
		Name   string            `json:"name"`
		IP     string            `json:"ip,omitempty"`
		Labels map[string]string `json:"labels,omitempty"`
	}
	line := struct {
		Timestamp string `json:"timestamp"`
		Agent     agent  `json:"agent"`
		Manager   name   `json:"manager"`
		FullLog   string `json:"full_log"`
		Decoder   name   `json:"decoder"`
		Location  string `json:"location"`
	}{
		at.Format(alertTime), agent{a.ID, a.Name, a.IP, nil}, name{manager}, log, name{decoderName}, decoderName,
	}
	if line.Agent.Name == "" {
		line.Agent.Name = "agent-" + a.ID
		if a.ID == "000" {
			line.Agent.Name = manager
		}
	}
	if len(a.Labels)+len(a.Groups) > 0 {
		line.Agent.Labels = make(map[string]string)
		for k, v := range a.Labels {
			line.Agent.Labels[k] = v
		}
		if len(a.Groups) > 0 {
			line.Agent.Labels["group"] = strings.Join(a.Groups, ",")
		}
	}
	b, _ := json.Marshal(line) // texts never fail
	return b
}

// As the manager writes them.
const (
	alertTime   = "2006-01-02T15:04:05.000-0700"
	decoderName = "syscollector"
)
