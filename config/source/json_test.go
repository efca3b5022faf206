package source_test

import (
	"strings"
	"testing"

	"invigil/config/source"
)

func TestANodeAsJSON(t *testing.T) {
	tests := []struct{ name, yaml, want, problem string }{
		{"keys stay in their order", "{b: 1, a: 2}", `{"b":1,"a":2}`, ""},
		{"a block reads as flow does", "type: port\nport:\n  local_port: 22\n  flags: [a, b]\n", `{"type":"port","port":{"local_port":22,"flags":["a","b"]}}`, ""},
		{"a quoted number is a text", `{a: "22", b: 22}`, `{"a":"22","b":22}`, ""},
		{"true, false and nothing", "{a: true, b: False, c: null, d: , e: ~}", `{"a":true,"b":false,"c":null,"d":null,"e":null}`, ""},
		{"numbers that JSON writes otherwise", "[0x1F, 1_000, .5, 1e3, -0.25, 007]", `[31,1000,0.5,1e3,-0.25,7]`, ""},
		{"a date is a text", "[2024-01-01, 2024/06/14 16:30:18]", `["2024-01-01","2024/06/14 16:30:18"]`, ""},
		{"texts are escaped, not for HTML", `["a\"b\\c\n<&>"]`, `["a\"b\\c\n<&>"]`, ""},
		{"an anchor is unfolded", "{a: &x {k: 1}, b: *x}", `{"a":{"k":1},"b":{"k":1}}`, ""},
		{"infinity is reported", "[.inf]", `[0]`, "t.yml:1:2: error: JSON has no number .inf"},
		{"a key that stands twice is reported", "{a: 1, a: 2}", `{"a":1}`, "t.yml:1:8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			y := source.ParseYAML(source.File{Name: "t.yml", Data: []byte(tt.yaml)})
			if y.Root() == nil {
				t.Fatal(y.Diagnostics())
			}
			if got := string(y.Root().AppendJSON(nil)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			problems := y.Diagnostics().Error()
			if tt.problem == "" && problems != "" || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
		})
	}
}
