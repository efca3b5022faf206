package rules_test

import (
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

// FuzzTemplate compares descriptions of the wazuh dialect with a reading of the
// format of its own: one pass, names up to the next parenthesis, the template
// itself where the text would get too long.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"", "plain", "$(port.state)", "a $(PORT.State) b", "$( port.state )", "$(port.state", "$()", "$(no.such)",
		"$($(port.state))", "$x $(type)$(type)", ")$(", strings.Repeat("$(port.remote_ip)", 80), "\xff$(port.state)\x00",
	} {
		f.Add(s)
	}
	fields := map[string]string{"type": "port", "port.state": "$(type)", "port.remote_ip": "203.0.113.77"}
	const raw = `d:[001] (web) any->syscollector:{"type":"port","ID":1,"port":{"state":"$(type)","remote_ip":"203.0.113.77"}}`
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return // a rule needs a description
		}
		set, ds := rules.LoadFiles([]*rulefile.File{{Name: "f", Dialect: rulefile.Wazuh4, Rules: []*rulefile.Rule{{
			ID: "100100", Level: 5, Description: rulefile.Text{Value: text},
			Wazuh: &rulefile.Wazuh{
				Parent: rulefile.Parent{SID: []int{221}}, Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1,
			},
		}}}}, rules.Options{})
		if err := ds.Err(); err != nil {
			t.Skip(err)
		}
		e, err := set.NewEvaluator(&memory{}, &memory{})
		if err != nil {
			t.Fatal(err)
		}
		ev, err := syscollector.NewDecoder(syscollector.Options{}).Decode([]byte(raw), syscollector.Meta{Time: 1_700_000_000_000})
		if err != nil {
			t.Fatal(err)
		}
		alerts, err := e.Eval(&rules.Input{Event: ev, StreamTime: ev.Time})
		if err != nil {
			t.Fatal(err)
		}
		if len(alerts) != 1 {
			t.Fatalf("%d alerts", len(alerts))
		}
		if want := expanded(text, fields); alerts[0].Rule.Description != want {
			t.Errorf("%q expands to %q, want %q", text, alerts[0].Rule.Description, want)
		}
	})
}

// expanded is the independent reading, for a template and the event's fields.
func expanded(text string, fields map[string]string) string {
	const limit = 1024
	text = text[:min(len(text), limit)]
	var out strings.Builder
	for rest := text; ; {
		head, tail, found := strings.Cut(rest, "$(")
		name, after, closed := strings.Cut(tail, ")")
		if !found || !closed {
			out.WriteString(rest)
			break
		}
		out.WriteString(head)
		out.WriteString(fields[lower(name)])
		rest = after
	}
	if out.Len() >= limit && strings.Contains(text, "$(") && out.String() != text {
		return text
	}
	return out.String()
}

// lower folds A to Z and nothing else.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
