package rules_test

import (
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
)

func TestAPatternThatTakesTooLongIsCutAndCountedAndTheEventGoesOn(t *testing.T) {
	const text = `<group name="local,">
<rule id="100500" level="5"><if_sid>221</if_sid><field name="process.name">^\w*a\w*a\w*a\w*a\w*a\w*b</field><description>hangs</description></rule>
<rule id="100501" level="4"><if_sid>221</if_sid><field name="type">^process$</field><description>goes on</description></rule>
</group>`
	f, ds := wazuhxml.Read(source.File{Name: "hang.xml", Data: []byte(text)}, pattern.Compat4)
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	cut := 0
	set, ds := rules.LoadFiles([]*rulefile.File{f}, rules.Options{OnLimit: func(*pattern.LimitError) { cut++ }})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	e, err := set.NewEvaluator(&memory{}, &memory{})
	if err != nil {
		t.Fatal(err)
	}
	name := "b" + strings.Repeat("a", 600) + "!" // the steps grow with its fifth power
	ev, err := syscollector.NewDecoder(syscollector.Options{}).Decode(
		[]byte(`d:[001] (web) any->syscollector:{"type":"process","ID":1,"process":{"pid":1,"name":"`+name+`"}}`), syscollector.Meta{Time: 1_700_000_000_000})
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := e.Eval(&rules.Input{Event: ev, StreamTime: ev.Time})
	if err != nil {
		t.Fatal(err)
	}
	if len(alerts) != 1 || alerts[0].Rule.ID != "100501" {
		t.Errorf("alerts %v, want that of the sibling", alerts)
	}
	if cut != 1 {
		t.Errorf("%d matches were cut, want 1", cut)
	}
}
