package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func ids(set *rules.Set) (list []string) {
	for _, info := range set.Rules() {
		list = append(list, info.ID)
	}
	return list
}

func xmlRule(id int, parent string) string {
	return fmt.Sprintf(`<group name="local,"><rule id="%d" level="3"><if_sid>%s</if_sid><description>x</description></rule></group>`, id, parent)
}

func TestDirectoriesAreReadInBaseNameOrder(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"0020-b.xml": xmlRule(100002, "100001"), "0010-a.xml": xmlRule(100001, "221"),
		"c.yaml": "dialect: wazuh-4.x\nrules:\n  - {id: 100003, level: 3, parent: {sid: [100002]}, description: x}\n",
		"d.txt":  "not a rule", "sub/0001-e.xml": xmlRule(100009, "100999"),
	})
	set, ds := rules.Load([]string{dir}, rules.Options{})
	if len(ds) > 0 {
		t.Error(ds)
	}
	if got := ids(set); !slices.Equal(got, []string{"100001", "100002", "100003"}) {
		t.Errorf("rules %v", got)
	}
}

func TestExplicitFilesAreReadInTheOrderGiven(t *testing.T) {
	dir := writeFiles(t, map[string]string{"b.xml": xmlRule(100001, "221"), "a.xml": xmlRule(100002, "100001")})
	set, ds := rules.Load([]string{filepath.Join(dir, "b.xml"), filepath.Join(dir, "a.xml")}, rules.Options{})
	if len(ds) > 0 {
		t.Error(ds)
	}
	if got := ids(set); !slices.Equal(got, []string{"100001", "100002"}) {
		t.Errorf("rules %v", got)
	}
}

func TestBothDialectsShareASet(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.xml": xmlRule(100001, "221"),
		"b.yml": "rules:\n  - {id: new, level: 5, description: x, when: port.local_port == 22}\n",
	})
	set, ds := rules.Load([]string{dir}, rules.Options{})
	if len(ds) > 0 {
		t.Error(ds)
	}
	if got := ids(set); !slices.Equal(got, []string{"100001", "new"}) {
		t.Errorf("rules %v", got)
	}
	if set.Dialect() != rulefile.Wazuh4 {
		t.Errorf("dialect %q", set.Dialect())
	}
}

func TestProblemsOfAllFilesAreReportedTogether(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a.xml": `<group name="x,"><rule id="100001" level="99"><description>x</description></rule></group>`,
		"b.yml": "dialect: wazuh-3.9\nrules: []\n",
		"c.yml": "dialect: wazuh-4.x\nrules:\n  - {id: 100002, level: 3, parent: {sid: [221]}, description: x, when: 'nosuch(\"a\")'}\n",
		"d.yml": "rules:\n  - {id: a, level: 3, description: x, when: port.local_port == 1}\n  - {id: a, level: 3, description: x, when: port.local_port == 2}\n",
	})
	_, ds := rules.Load([]string{dir, filepath.Join(dir, "missing.yml")}, rules.Options{})
	text := ds.Error()
	for _, want := range []string{
		"a.xml:1", "b.yml:1: error: the file's dialect is wazuh-3.9, the rule set's is wazuh-4.x",
		"c.yml:3:73: error: rule 100002: function nosuch is not part of the wazuh dialect",
		"d.yml:3:5: error: rule a: id a is taken by the rule at", "missing.yml: error: the file cannot be read",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	for _, d := range ds {
		if d.Pos.Line > 0 && d.Line == "" && d.Severity == source.Error {
			t.Errorf("no source line: %v", d)
		}
	}
}

// TestEventsLeaveTheMemoryAsInTheOriginal fills the history with events of
// another rule: the original remembers 8192 of all rules together.
func TestEventsLeaveTheMemoryAsInTheOriginal(t *testing.T) {
	const text = `dialect: wazuh-4.x
rules:
  - {id: 100001, level: 3, parent: {sid: [221]}, when: 'osregex("port.local_port", "^1$")', description: base}
  - {id: 100002, level: 10, timeframe: 9999, correlate: {sid: 100001}, parent: {sid: [100001]}, description: two}
  - {id: 100003, level: 3, parent: {sid: [221]}, when: 'osregex("port.local_port", "^2$")', description: other}
`
	for _, c := range []struct{ others, want string }{{"8191", "100002"}, {"8192", "100001"}} {
		file, ds := rulefile.Read(source.File{Name: "r.yml", Data: []byte(text)})
		set, problems := rules.LoadFiles([]*rulefile.File{file}, rules.Options{})
		if ds = append(ds, problems...); len(ds) > 0 {
			t.Fatal(ds)
		}
		e, err := set.NewEvaluator(&memory{}, &memory{})
		if err != nil {
			t.Fatal(err)
		}
		port := func(n int) *rules.Input {
			ev, err := syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(message(fmt.Sprintf("001 local_port=%d", n))), syscollector.Meta{Time: 1000})
			if err != nil {
				t.Fatal(err)
			}
			return &rules.Input{Event: ev, StreamTime: 1000}
		}
		eval := func(in *rules.Input) string {
			out, err := e.Eval(in)
			if err != nil || len(out) != 1 {
				t.Fatal(out, err)
			}
			return out[0].Rule.ID
		}
		eval(port(1))
		var others int
		_, _ = fmt.Sscan(c.others, &others)
		for other := port(2); others > 0; others-- {
			eval(other)
		}
		if got := eval(port(1)); got != c.want {
			t.Errorf("after %s other events: rule %s, want %s", c.others, got, c.want)
		}
	}
}

func TestFailuresOfTheMemoryAreReturned(t *testing.T) {
	f := manyRules(1)
	f.Rules[0].When.Value, f.Rules[0].Wazuh.CheckDiff = "", true
	set, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{})
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	mem := &memory{}
	_ = mem.Set([]byte("wr\x00\x00\x00\x01"), []byte("damaged"))
	if _, err := set.NewEvaluator(mem, &memory{}); err == nil {
		t.Error("damaged memory was read")
	}
}

// TestRulesAtManyPlacesAreTriedOnce builds a tree whose walk would take 2^40
// steps if each place of a rule were tried by itself.
func TestRulesAtManyPlacesAreTriedOnce(t *testing.T) {
	f := &rulefile.File{Name: "deep.yml", Dialect: rulefile.Wazuh4}
	for i := range 40 {
		f.Rules = append(f.Rules, &rulefile.Rule{
			ID: fmt.Sprint(100000 + i), Level: 5, Description: rulefile.Text{Value: "x"},
			Wazuh: &rulefile.Wazuh{
				Parent: rulefile.Parent{Level: 1}, NoAlert: true, DecodedAs: "syscollector",
				Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1,
			},
		})
	}
	e, inputs := evaluatorOf(t, f), benchInputs(t)
	if out, err := e.Eval(inputs[0]); err != nil || len(out) > 0 {
		t.Error(out, err)
	}
}

func FuzzCondition(f *testing.F) {
	for _, when := range []string{
		`osregex("port.state", "^a$") and not cdb("l", "port.state")`, `(osmatch(log, "a", true) or pcre2("type", "b")) && true`,
		`ip(srcip, "10.0.0.0/8", "any", false)`, `equal(action, bytes("c3 28"))`, `filter([1], osregex(#, "a"))`, `osregex()`, `a.b("x")`, `osregex("a", "b"; 1`,
	} {
		f.Add(when)
	}
	events := benchInputs(f)
	f.Fuzz(func(t *testing.T, when string) {
		file := manyRules(1)
		file.Rules[0].When.Value = when
		set, ds := rules.LoadFiles([]*rulefile.File{file}, rules.Options{Lists: randomLists})
		if ds.Err() != nil {
			return
		}
		e, err := set.NewEvaluator(&memory{}, &memory{})
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range events {
			plain, err := e.Eval(in)
			if err != nil {
				t.Fatal(err)
			}
			matched := len(plain) > 0
			traced := *in
			traced.Trace = &rules.Trace{}
			if out, err := e.Eval(&traced); err != nil || len(out) > 0 != matched {
				t.Fatalf("explained %v, evaluated %v: %v", len(out) > 0, matched, err)
			}
		}
	})
}
