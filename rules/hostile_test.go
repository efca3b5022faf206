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

// Conditions as deep as a file can hold are refused by their length or their
// nodes: a parser that goes that deep would end the program.
func TestDeepConditionsAreRefused(t *testing.T) {
	const deep = 1 << 17
	for name, when := range map[string]string{
		"brackets":  strings.Repeat("(", deep) + "true" + strings.Repeat(")", deep),
		"lists":     strings.Repeat("[", deep) + "1" + strings.Repeat("]", deep),
		"negations": strings.Repeat("!", deep) + "true",
		"signs":     strings.Repeat("-", deep) + "1",
		"branches":  strings.Repeat("true?", deep) + "true",
	} {
		for dialect, head := range map[string]string{
			"invigil": "rules:\n  - {id: 100001, level: 5, table: ports, description: x, when: ",
			"wazuh":   "dialect: wazuh-4.x\nrules:\n  - {id: 100001, level: 5, parent: {sid: [221]}, description: x, when: ",
		} {
			t.Run(name+" "+dialect, func(t *testing.T) {
				_, ds := loadInvigil("rules.yml", head+"'"+when+"'}\n", rules.Options{})
				if ds.Err() == nil {
					t.Error("the condition loads")
				}
			})
		}
	}
}

// Rules at many places multiply with each level of the tree. That of a rule
// with check_diff below them could differ at each place, so none may be left
// out before many were tried.
func TestRulesAtVeryManyPlacesEndAnEventAllTheSame(t *testing.T) {
	var b strings.Builder
	b.WriteString("dialect: wazuh-4.x\nrules:\n  - {id: 100000, level: 3, parent: {sid: [221]}, description: x}\n")
	for i := 1; i <= 40; i++ {
		fmt.Fprintf(&b, "  - {id: %d, level: 5, noalert: true, parent: {level: 1}, description: x}\n", 100000+i)
	}
	b.WriteString("  - {id: 100900, level: 3, parent: {level: 5}, check_diff: true, description: x}\n")
	set := mustLoad(t, b.String(), rules.Options{})
	eval, err := set.NewEvaluator(&memory{}, &memory{})
	if err != nil {
		t.Fatal(err)
	}
	decoder := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})
	ev, err := decoder.Decode([]byte(`{"type":"hotfix","ID":1,"hotfix":"KB1"}`), syscollector.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := eval.Eval(&rules.Input{Event: ev})
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != 1 || alerts[0].Rule.ID != "100000" {
		t.Errorf("alerts %v", alerts)
	}
	tried := int64(0)
	for _, c := range eval.Counters() {
		tried += c.Evaluations
	}
	if tried < 10_000 || tried > 1_000_000 {
		t.Errorf("%d rules were tried", tried)
	}
}

// FuzzLoad loads any bytes as rules of either dialect: it may refuse them, and
// never panics.
func FuzzLoad(f *testing.F) {
	f.Add("rules:\n  - {id: a, level: 5, description: x, when: atom(1)}\n", false)
	f.Add("dialect: wazuh-4.x\nrules:\n  - {id: 1, level: 5, description: x, when: atom()}\n", false)
	f.Add("tune:\n  - {rules: ['*'], level: 3}\nrules:\n  - {id: a, level: 5, scope: agent, description: $(items), when: any(ports, .pid > 0), items: ports}\n", false)
	f.Add(`<group name="a,"><rule id="100001" level="5"><if_sid>221</if_sid><field name="type">x</field><description>x</description></rule></group>`, true)
	f.Fuzz(func(t *testing.T, text string, xml bool) {
		name := "rules.yml"
		if xml {
			name = "rules.xml"
		}
		file, _ := rules.ReadFile(source.File{Name: name, Data: []byte(text)}, syscollector.Compat4)
		set, _ := rules.LoadFiles([]*rulefile.File{file}, rules.Options{ListNames: func(string) bool { return true }})
		set.Rules()
	})
}
