package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// flow is the state of one scripted flow: a set over a rule memory.
type flow struct {
	t       *testing.T
	opts    rules.Options
	lists   lists
	mem     *memory
	set     *rules.Set
	eval    *rules.Evaluator
	decoder *syscollector.Decoder
	offset  int64
	stream  int64
}

// TestWazuhFlows runs the scripts of testdata/wazuh. Their commands are
//
//	load [compat=3.9] [list=NAME]… [xml] [log=N] [mail=N]   rules below; prints what is said of them
//	swap                                                     the same, keeping rule memory
//	restart                                                  a new evaluator over the same memory
//	events [at=N] [every=N]                                  a message a line; prints the alerts
//	explain at=N                                             prints the rules tried
//	memory                                                   prints the keys of rule memory
//	forget agent=ID                                          forgets an agent
func TestWazuhFlows(t *testing.T) {
	datadriven.Walk(t, "testdata/wazuh", func(t *testing.T, path string) {
		f := &flow{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			f.t = t
			switch d.Cmd {
			case "load":
				f.mem, f.stream, f.offset = &memory{}, 0, 0
				return f.load(d, true)
			case "swap":
				return f.load(d, false)
			case "restart":
				f.restart()
				return ""
			case "events":
				return f.events(d)
			case "explain":
				return f.explain(d)
			case "memory":
				return f.memory()
			case "forget":
				agent := ""
				d.ScanArgs(t, "agent", &agent)
				if _, err := f.eval.Forget(&rules.Input{}, agent); err != nil {
					t.Fatal(err)
				}
				return ""
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func (f *flow) load(d *datadriven.TestData, fresh bool) string {
	f.opts = rules.Options{Manager: "manager"}
	f.lists = lists{}
	name := "rules.yml"
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "compat":
			if arg.Vals[0] == "3.9" {
				f.opts.Compat = syscollector.Compat39
			}
		case "list":
			f.lists[arg.Vals[0]] = map[string]string{"22": "ssh", "10.0.": "office"}
		case "xml":
			name = "rules.xml"
		case "log":
			d.ScanArgs(f.t, "log", &f.opts.LogLevel)
		case "mail":
			d.ScanArgs(f.t, "mail", &f.opts.EmailLevel)
		}
	}
	f.opts.Lists = f.lists
	input := d.Input
	if name == "rules.yml" && !strings.Contains(input, "dialect:") {
		dialect := "wazuh-4.x"
		if f.opts.Compat == syscollector.Compat39 {
			dialect = "wazuh-3.9"
		}
		input = "dialect: " + dialect + "\n" + input
	}
	file, ds := rules.ReadFile(source.File{Name: name, Data: []byte(input)}, f.opts.Compat)
	set, problems := rules.LoadFiles([]*rulefile.File{file}, f.opts)
	ds = append(ds, problems...)
	ds.Sort()
	out := ""
	for _, diagnostic := range ds {
		out += diagnostic.Error() + "\n"
	}
	if ds.Err() != nil {
		return out
	}
	f.decoder = syscollector.NewDecoder(syscollector.Options{Compat: f.opts.Compat, Manager: "manager"})
	if f.set = set; fresh {
		f.start()
	} else if err := f.eval.Swap(set); err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *flow) start() {
	e, err := f.set.NewEvaluator(f.mem, &memory{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.eval = e
}

func (f *flow) restart() {
	if err := f.eval.Flush(); err != nil {
		f.t.Fatal(err)
	}
	f.start()
}

// message turns "[agent] text" into a queue line: a port's fields in short, or
// a JSON message as it is.
func message(line string) string {
	agent, text, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(agent, "{") {
		agent, text = "001", line
	}
	if !strings.HasPrefix(text, "{") {
		var fields []string
		for _, pair := range strings.Fields(text) {
			key, value, _ := strings.Cut(pair, "=")
			if key != "local_port" && key != "remote_port" {
				value = `"` + value + `"`
			}
			fields = append(fields, `"`+key+`":`+value)
		}
		text = `{"type":"port","ID":1,"timestamp":"t","port":{` + strings.Join(fields, ",") + `}}`
	}
	return "d:[" + agent + "] (web" + agent[1:] + ") 10.0.0.5->syscollector:" + text
}

func (f *flow) input(line string, at int64) *rules.Input {
	ev, err := f.decoder.Decode([]byte(message(line)), syscollector.Meta{Time: at * 1000})
	if err != nil {
		f.t.Fatalf("%s: %v", line, err)
	}
	f.offset++
	f.stream = max(f.stream, ev.Time)
	return &rules.Input{Event: ev, StreamTime: f.stream, Origin: rules.Origin{Offset: f.offset}, Lists: f.lists}
}

func (f *flow) events(d *datadriven.TestData) string {
	at, every := f.stream/1000, int64(0)
	d.MaybeScanArgs(f.t, "at", &at)
	d.MaybeScanArgs(f.t, "every", &every)
	out := ""
	for line := range strings.SplitSeq(d.Input, "\n") {
		alerts, err := f.eval.Eval(f.input(line, at))
		if err != nil {
			f.t.Fatal(err)
		}
		out += fmt.Sprintf("%d:", at)
		for i := range alerts {
			out += showAlert(&alerts[i])
		}
		out += "\n"
		at += every
		f.decoder.Reset()
	}
	return out
}

func showAlert(a *rules.Alert) string {
	s := fmt.Sprintf(" %s level=%d fired=%d %q", a.Rule.ID, a.Rule.Level, a.Rule.FiredTimes, a.Rule.Description)
	if a.Rule.Frequency != 0 {
		s += fmt.Sprintf(" frequency=%d", a.Rule.Frequency)
	}
	if a.Rule.Mail {
		s += " mail"
	}
	if a.NoFullLog {
		s += " no_full_log"
	}
	if len(a.PreviousOutput) > 0 {
		s += fmt.Sprintf(" previous=%d", len(a.PreviousOutput))
	}
	if a.PreviousLog != "" {
		s += " previous_log"
	}
	return s
}

func (f *flow) explain(d *datadriven.TestData) string {
	var at int64
	d.ScanArgs(f.t, "at", &at)
	out := ""
	in := f.input(d.Input, at)
	in.Trace = &rules.Trace{Rule: func(id, reason string) {
		if reason == "" {
			reason = "matched"
		}
		out += id + ": " + reason + "\n"
	}}
	alerts, err := f.eval.Eval(in)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range alerts {
		out += "alert:" + showAlert(&alerts[i]) + "\n"
	}
	return out
}

func (f *flow) memory() string {
	if err := f.eval.Flush(); err != nil {
		f.t.Fatal(err)
	}
	out := ""
	for i, key := range f.mem.keys {
		out += fmt.Sprintf("%q: %d bytes\n", key, len(f.mem.values[i]))
	}
	return out
}
