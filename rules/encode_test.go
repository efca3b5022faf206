package rules_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

func randomAlert(t *rapid.T) *rules.Alert {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching("[\x00-\x7f]{0,8}"), rapid.Just("\xff\xfe"))
	texts := rapid.SliceOfN(text, 0, 3)
	draw := func(name string) string { return text.Draw(t, name) }
	list := func(name string) []string { return nilIfEmpty(texts.Draw(t, name)) }
	data := rapid.Custom(func(t *rapid.T) rules.Datum {
		var value any
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			value = text.Draw(t, "string")
		case 1:
			value = rapid.Int64().Draw(t, "int")
		default:
			value = rapid.Float64().Draw(t, "float")
		}
		return rules.Datum{Name: rapid.SampledFrom([]string{"port.local_port", "type", "a.b", ""}).Draw(t, "name"), Value: value}
	})
	row := func(name string) []rules.Datum { return nilIfEmpty(rapid.SliceOfN(data, 0, 4).Draw(t, name)) }
	a := &rules.Alert{
		Time: rapid.Int64Range(0, 1<<45).Draw(t, "time"),
		Origin: rules.Origin{
			Topic: draw("topic"), Partition: rapid.Int32().Draw(t, "partition"),
			Offset: rapid.Int64().Draw(t, "offset"), Time: rapid.Int64().Draw(t, "record time"),
		},
		Rule: rules.AlertRule{
			ID: draw("id"), Level: rapid.IntRange(0, 16).Draw(t, "level"), Description: draw("description"), GroupText: draw("groups"),
			Groups: list("groups"), Mitre: list("mitre"), CVE: draw("cve"), Info: draw("info"),
			Frequency: rapid.IntRange(0, 9999).Draw(t, "frequency"), FiredTimes: rapid.IntRange(0, 1<<40).Draw(t, "fired"), Mail: rapid.Bool().Draw(t, "mail"),
		},
		Agent:   syscollector.Agent{ID: draw("agent"), Name: draw("name"), IP: draw("ip"), Groups: list("agent groups")},
		Manager: draw("manager"), Location: draw("location"), FullLog: draw("log"), NoFullLog: rapid.Bool().Draw(t, "no log"),
		Decoder: draw("decoder"), PreviousOutput: list("previous"), PreviousLog: draw("previous log"), Data: row("data"),
	}
	for i := range a.Hash {
		a.Hash[i] = rapid.Byte().Draw(t, "hash")
	}
	if rapid.Bool().Draw(t, "has labels") {
		a.Agent.Labels = []syscollector.Label{{Key: draw("key"), Value: draw("value")}}
	}
	if rapid.Bool().Draw(t, "has compliance") {
		a.Rule.Compliance = []rules.Compliance{{Name: "pci_dss", Values: list("values")}}
	}
	if rapid.Bool().Draw(t, "has extras") {
		a.Extras = &rules.Extras{
			Status: draw("status"), Reason: draw("reason"), Change: draw("change"), Changed: list("changed"), Before: row("before"),
			Suppressed: rapid.IntRange(0, 99).Draw(t, "suppressed"),
		}
		if rapid.Bool().Draw(t, "has items") {
			a.Extras.Items = [][]rules.Datum{row("item"), row("item")}
		}
	}
	return a
}

func nilIfEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestCanonicalBytesReadBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAlert(t)
		b, err := a.AppendBinary([]byte("head"))
		if err != nil {
			t.Fatal(err)
		}
		back, err := rules.DecodeAlert(b[len("head"):])
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, back); d != "" {
			t.Fatal(d)
		}
	})
}

func TestValuesOfOtherTypesAreRefused(t *testing.T) {
	a := rules.Alert{Data: []rules.Datum{{Name: "x", Value: 3}}}
	if _, err := a.AppendBinary(nil); err == nil {
		t.Error("an int was encoded")
	}
}

func TestNewerFormatsAreRefused(t *testing.T) {
	b, err := (&rules.Alert{}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	b[0]++
	if _, err := rules.DecodeAlert(b); err == nil {
		t.Error("a newer format was read")
	}
}

func TestIDsAreSecondsAndTenDigitsOfTheHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomAlert(t)
		if id := a.ID(); !regexp.MustCompile(`^\d{1,11}\.\d{10}$`).MatchString(id) {
			t.Fatalf("id %q", id)
		}
		if full := a.FullID(); !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(full) {
			t.Fatalf("full id %q", full)
		}
	})
}

func FuzzDecodeAlert(f *testing.F) {
	a := rules.Alert{
		Time: 1_700_000_000_123, Rule: rules.AlertRule{ID: "100001", Level: 5, Groups: []string{"a"}, Compliance: []rules.Compliance{{Name: "tsc", Values: []string{"1"}}}},
		Data:   []rules.Datum{{Name: "port.local_port", Value: int64(22)}, {Name: "type", Value: "port"}, {Name: "x", Value: 1.5}},
		Extras: &rules.Extras{Status: "firing", Items: [][]rules.Datum{{{Name: "x", Value: "y"}}}},
	}
	b, err := a.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := rules.DecodeAlert(b)
		if err != nil {
			return
		}
		again, err := a.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := rules.DecodeAlert(again)
		if err != nil || back.ID() != a.ID() {
			t.Fatalf("%v %v", back, err)
		}
	})
}
