package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadInputStopsNothing: whatever stands between two good events, both
// alert, and what was no event is counted by its reason.
func TestBadInputStopsNothing(t *testing.T) {
	dir := unpack(t)
	good := func(ip string) string {
		return `d:[001] (a) any->syscollector:{"type":"port","ID":1,"timestamp":"t","port":{"protocol":"tcp","local_ip":"10.0.0.5","local_port":1514,"remote_ip":"` + ip + `","remote_port":1,"inode":1,"state":"established"}}`
	}
	port := func(value string) string {
		return `d:[001] (a) any->syscollector:{"type":"port","ID":1,"timestamp":"t","port":{"protocol":"tcp","local_port":` + value + `}}`
	}
	tests := []struct {
		name, line string
		stderr     string // "" = it is an event
	}{
		{"binary garbage", "\x00\xff\xfe\x01garbage\x80", "unknown-envelope 1"},
		{"a line of 20 MiB", "d:[001] (a) any->syscollector:{\"type\":\"port\",\"x\":\"" + strings.Repeat("x", 20<<20) + "\"}", "too-large 1"},
		{"broken JSON", `d:[001] (a) any->syscollector:{"type":"port","ID":1,"port":{`, "invalid-json 1"},
		{"an unknown type", `d:[001] (a) any->syscollector:{"type":"weather","ID":1}`, "unknown-type 1"},
		{"deep nesting", port(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), "invalid-json 1"},
		{"a huge number", port("1" + strings.Repeat("0", 5000)), ""},
		{"an exponent beyond all bounds", port("1e999999999"), ""},
		{"a text for a number", port(`"many"`), ""},
		{"no agent", `{"type":"port","ID":1,"timestamp":"t","port":{"protocol":"tcp"}}`, "no-agent 1"},
		{"another module", `2024 Jun 14 16:35:00 (a) any->/var/log/syslog session opened`, "skipped: 1"},
		{"an empty line", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := good("203.0.113.77") + "\n" + tt.line + "\n" + good("203.0.113.78") + "\n"
			stdout, stderr, code := invoke(t, strings.NewReader(in), "eval", "--rules", filepath.Join(dir, "rules/seed.xml"), "--lists", filepath.Join(dir, "lists"))
			if code != exitDone {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			if diff := cmp.Diff([]string{"001 224", "001 224"}, fired(t, stdout)); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
			if tt.stderr == "" && stderr != "" || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("stderr %q, want %q", stderr, tt.stderr)
			}
		})
	}
}
