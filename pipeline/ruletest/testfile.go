package ruletest

import (
	"path/filepath"
	"time"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

// start is where the clock of every test stands at offset 0: midnight UTC of
// the first Monday of 2024. Rules' times and weekdays are of UTC.
var start = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// File is one file of rule tests. Paths in it were made relative to the
// directory that the program runs in.
type File struct {
	Name     string
	Rules    []string
	ListsDir string            // "" = none
	Lists    map[string]string // name → path
	Compat   syscollector.Compat
	Tests    []*Test
	source   source.File
}

// Test is one test: events in order, and all alerts that they must give.
type Test struct {
	Pos    source.Position
	Name   string
	Events []*Event
	Alerts []*Want
}

// Event is one event of a test.
type Event struct {
	Pos   source.Position
	At    time.Duration // on the test clock
	Agent Agent
	// Of Log, a Syscollector message, and Raw, a line in one of its envelopes,
	// one is set.
	Log, Raw string
}

// Agent is the sender of an event.
type Agent struct {
	ID, Name, IP string
	Groups       []string
	Labels       map[string]string
}

// Want is an alert that a test expects. A nil member is not compared.
type Want struct {
	Pos         source.Position
	At          *time.Duration
	Rule        string
	Level       *int
	Agent       *string
	Status      *string
	Description *string
	Groups      []string
	Change      *string
	Reason      *string
	Suppressed  *int
}

// ReadFile reads a file of rule tests. It reports all problems of form at once.
func ReadFile(src source.File) (*File, source.Diagnostics) {
	f := &File{Name: src.Name, source: src}
	y := source.ParseYAML(src)
	root := y.Root()
	if root == nil || root.IsNull() {
		if y.Errors() == 0 {
			y.Report(source.Diagnostic{Pos: source.Position{File: src.Name, Line: 1, Column: 1}, Message: "the file is empty: it needs the keys rules and tests"})
		}
		return f, y.Diagnostics()
	}
	m, ok := root.Mapping("rules", "lists", "compat", "tests")
	if !ok {
		return f, y.Diagnostics()
	}
	m.Require("rules", "tests")
	if n := m.Get("rules"); n != nil {
		f.Rules, _ = n.Texts()
		for i := range f.Rules {
			f.Rules[i] = f.relative(f.Rules[i])
		}
		if n.IsList() && len(f.Rules) == 0 {
			n.Errorf("name at least one rule file")
		}
	}
	if n := m.Get("lists"); n != nil && !n.IsNull() {
		f.readLists(n)
	}
	if n := m.Get("compat"); n != nil {
		if s, _ := n.OneOf("4.x", "3.9"); s == "3.9" {
			f.Compat = syscollector.Compat39
		}
	}
	if n := m.Get("tests"); n != nil {
		f.readTests(n)
	}
	return f, y.Diagnostics()
}

// relative reads a path of the file.
func (f *File) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.Name), path)
}

// readLists reads a directory, or names with their files.
func (f *File) readLists(n *source.Node) {
	if !n.IsMapping() {
		if dir, ok := n.Text(); ok {
			f.ListsDir = f.relative(dir)
		}
		return
	}
	f.Lists = make(map[string]string)
	m, _ := n.Mapping()
	for _, p := range m.Pairs {
		if path, ok := p.Value.Text(); ok {
			f.Lists[p.Key] = f.relative(path)
		}
	}
}

func (f *File) readTests(n *source.Node) {
	items, _ := n.Items()
	first := make(map[string]source.Position)
	for _, item := range items {
		t := readTest(item)
		if pos, ok := first[t.Name]; ok && t.Name != "" {
			item.Errorf("the test at line %d has this name already", pos.Line)
		}
		first[t.Name] = t.Pos
		f.Tests = append(f.Tests, t)
	}
	if n.IsList() && len(items) == 0 {
		n.Errorf("there is no test")
	}
}

func readTest(n *source.Node) *Test {
	t := &Test{Pos: n.Pos()}
	m, ok := n.Mapping("name", "events", "alerts")
	if !ok {
		return t
	}
	m.Require("name", "events")
	if n := m.Get("name"); n != nil {
		if t.Name, _ = n.Text(); t.Name == "" && n.IsScalar() {
			n.Errorf("a test needs a name")
		}
	}
	if n := m.Get("events"); n != nil {
		items, _ := n.Items()
		var at time.Duration
		for _, item := range items {
			e := readEvent(item, at)
			at = e.At
			t.Events = append(t.Events, e)
		}
	}
	if a := m.Get("alerts"); a == nil {
		n.Hintf("none is written alerts: []", "the test does not say which alerts it expects")
	} else {
		items, _ := a.Items()
		for _, item := range items {
			t.Alerts = append(t.Alerts, readWant(item))
		}
	}
	return t
}

// readEvent reads an event; one without a time comes at that of the event
// before it.
func readEvent(n *source.Node, at time.Duration) *Event {
	e := &Event{Pos: n.Pos(), At: at}
	m, ok := n.Mapping("at", "agent", "event", "raw")
	if !ok {
		return e
	}
	if n := m.Get("at"); n != nil {
		if d, ok := n.Duration(); ok {
			e.At = d
		}
	}
	event, raw := m.Get("event"), m.Get("raw")
	if event != nil { // a line tells its agent
		e.Agent.ID = defaultAgent
	}
	if n := m.Get("agent"); n != nil {
		e.Agent.read(n, event != nil)
	}
	switch {
	case event != nil && raw != nil:
		n.Errorf("an event is given as event or as raw, not both")
	case event != nil && !event.IsMapping():
		event.Hintf("a text is written raw: '…'", "this must be the message as an object")
	case event != nil:
		e.Log = string(event.AppendJSON(nil))
	case raw != nil:
		e.Raw, _ = raw.Text()
	default:
		n.Hintf("write event: {type: …} or raw: '…'", "the event is missing")
	}
	return e
}

// defaultAgent is the agent of events that name none.
const defaultAgent = "001"

// read reads an agent: its id, or a mapping.
func (a *Agent) read(n *source.Node, needID bool) {
	id := n
	if n.IsMapping() {
		m, _ := n.Mapping("id", "name", "ip", "groups", "labels")
		id = m.Get("id")
		for key, to := range map[string]*string{"name": &a.Name, "ip": &a.IP} {
			if v := m.Get(key); v != nil {
				*to, _ = v.Text()
			}
		}
		if v := m.Get("groups"); v != nil {
			a.Groups, _ = v.Texts()
		}
		if v := m.Get("labels"); v != nil {
			v.Decode(&a.Labels)
		}
	}
	if id == nil {
		return
	}
	text, ok := id.Text()
	if !ok {
		return
	}
	a.ID = text
	if needID && !isAgentID(text) {
		id.Hintf("a name is written agent: {id: \"001\", name: "+text+"}", "%q is no agent id: 3 to 10 digits", text)
	}
}

func isAgentID(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) >= 3 && len(s) <= 10
}

func readWant(n *source.Node) *Want {
	w := &Want{Pos: n.Pos()}
	m, ok := n.Mapping("at", "rule", "level", "agent", "status", "description", "groups", "change", "reason", "suppressed")
	if !ok {
		return w
	}
	m.Require("rule")
	text := func(key string) *string {
		if n := m.Get(key); n != nil {
			if s, ok := n.Text(); ok {
				return &s
			}
		}
		return nil
	}
	number := func(key string, most int64) *int {
		if n := m.Get(key); n != nil {
			if v, ok := n.Int(0, most); ok {
				i := int(v)
				return &i
			}
		}
		return nil
	}
	if rule := text("rule"); rule != nil {
		w.Rule = *rule
	}
	if n := m.Get("at"); n != nil {
		if d, ok := n.Duration(); ok {
			w.At = &d
		}
	}
	if n := m.Get("status"); n != nil {
		if s, ok := n.OneOf("firing", "resolved"); ok {
			w.Status = &s
		}
	}
	if n := m.Get("change"); n != nil {
		if s, ok := n.OneOf("baseline", "added", "modified", "removed", "unchanged"); ok {
			w.Change = &s
		}
	}
	if n := m.Get("groups"); n != nil {
		if w.Groups, _ = n.Texts(); w.Groups == nil {
			w.Groups = []string{}
		}
	}
	w.Level, w.Suppressed = number("level", 16), number("suppressed", 1<<31-1)
	w.Agent, w.Description, w.Reason = text("agent"), text("description"), text("reason")
	return w
}
