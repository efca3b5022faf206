package syscollector_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

func TestJSONIsReadAsTheOriginalReadsIt(t *testing.T) {
	deep := func(levels int) string {
		return `{"type":"port","ID":1,"x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
	}
	deepObjects := func(levels int) string {
		return strings.Repeat(`{"type":"port","ID":1,"x":`, levels-1) + "{}" + strings.Repeat("}", levels-1)
	}
	x := func(value string) string { return `{"type":"port","ID":1,"x":` + value + `}` }
	tests := []struct {
		name, message string
		ok            bool
	}{
		{"a plain object", `{"type":"port","ID":1}`, true},
		{"blanks and control bytes between tokens", "{ \"type\"\t:\r\n\"port\" , \x01\"ID\" :1 }", true},
		{"text after the object", `{"type":"port","ID":1}}]garbage`, true},
		{"raw control bytes in a text", x("\"a\nb\x01\""), true},
		{"bytes that are no UTF-8", x("\"\xff\xfe\""), true},
		{"a NUL in a text", x("\"a\x00b\""), true},
		{"leading zeros", x(`007`), true},
		{"a point without digits", x(`1.`), true},
		{"a huge exponent", x(`1e999`), true},
		{"an exponent with a sign", x(`1E+2`), true},
		{"minus before a point", x(`-.5`), true},
		{"a surrogate pair", x(`"\ud83d\ude00"`), true},
		{"an empty key", `{"":1,"type":"port","ID":1}`, true},
		{"nested values", x(`[{"a":[1,{"b":"\""}]},[],{}]`), true},
		{"1000 levels of lists", deep(1000), true},
		{"1000 levels of objects", deepObjects(1000), true},

		{"1001 levels of lists", deep(1001), false},
		{"1001 levels of objects", deepObjects(1001), false},
		{"a million levels", x(strings.Repeat("[", 1<<20)), false},
		{"an object without an end", `{"type":"port","ID":1`, false},
		{"a text without an end", `{"type":"port`, false},
		{"an escape without an end", `{"type":"port\`, false},
		{"a trailing comma", `{"type":"port","ID":1,}`, false},
		{"a trailing comma in a list", x(`[1,]`), false},
		{"two commas", `{"type":"port",,"ID":1}`, false},
		{"no comma", `{"type":"port" "ID":1}`, false},
		{"no colon", `{"type" "port","ID":1}`, false},
		{"no value", x(``), false},
		{"a comment", x(`/**/1`), false},
		{"a bare key", `{type:"port","ID":1}`, false},
		{"single quotes", `{'type':'port','ID':1}`, false},
		{"a point first", x(`.5`), false},
		{"a plus first", x(`+1`), false},
		{"a minus alone", x(`-`), false},
		{"minus and point alone", x(`-.`), false},
		{"an exponent without digits", x(`1e`), false},
		{"a hexadecimal number", x(`0x10`), false},
		{"NaN", x(`NaN`), false},
		{"a word in other letters", x(`True`), false},
		{"half a word", x(`nul`), false},
		{"an unknown escape", x(`"\x"`), false},
		{"an unknown escape in a list", x(`["\x"]`), false},
		{"an unknown escape in a key", `{"\x":1,"type":"port","ID":1}`, false},
		{"a short escape", x(`"\u12"`), false},
		{"letters in an escape", x(`"\u12g4"`), false},
		{"a lone high surrogate", x(`"\ud83d"`), false},
		{"a high surrogate before another escape", x(`"\ud83d\n12345"`), false},
		{"two high surrogates", x(`"\ud83d\ud83d"`), false},
		{"a lone low surrogate", x(`"\ude00"`), false},
		{"the wrong bracket", x(`[1}`), false},
		{"the wrong brace", x(`[{"a":1]]`), false},
		{"a list", `[]`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := syscollector.NewDecoder(syscollector.Options{})
			e, err := d.Decode([]byte(`d:[001] (web) any->syscollector:`+tt.message), syscollector.Meta{})
			if (err == nil) != tt.ok {
				t.Fatalf("error %v", err)
			}
			if tt.ok && e.Type != "port" {
				t.Errorf("type %q", e.Type)
			}
			var refused *syscollector.Error
			if !tt.ok && (!errors.As(err, &refused) || refused.Reason != syscollector.ReasonJSON) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Whatever the standard library takes for an object is read, and its texts
// are the same.
func FuzzJSONAgreesWithTheStandardLibrary(f *testing.F) {
	for _, s := range []string{`{"state":"a\u00e9\ud83d\ude00\\\"\/\b"}`, `{"state":"x","n":[1,2.5e3,{"a":null}],"m":{}}`, `{"State":"é"}`, `{"state":5}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if len(body) > 1<<16 || strings.Contains(body, `\u0000`) || strings.Contains(body, "\x00") {
			return
		}
		var members map[string]json.RawMessage
		valid := json.Unmarshal([]byte(body), &members) == nil && members != nil
		d := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})
		e, err := d.Decode([]byte(`{"type":"port","ID":1,"port":`+body+`}`), syscollector.Meta{})
		if !valid {
			return
		}
		if err != nil {
			if strings.Contains(body, `\u`) || strings.Count(body, "[")+strings.Count(body, "{") > 900 {
				return // lone surrogates and deep values are refused
			}
			t.Fatalf("%v: %s", err, body)
		}
		var want string
		if json.Unmarshal(members["state"], &want) != nil || len(members) != 1 {
			return
		}
		got, _ := e.View(syscollector.LookupView("port.state"))
		if got != want && strings.ToValidUTF8(body, "") == body {
			t.Errorf("state %q, want %q", got, want)
		}
	})
}
