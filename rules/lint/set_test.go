package lint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/lint"
	"invigil/rules/rulefile"
)

// TestTheTreeIsTheLoadersTree holds which rules an inventory event can reach to
// what the compiled set says, for the recorded cases and, where it is at hand,
// the original's own rule set.
func TestTheTreeIsTheLoadersTree(t *testing.T) {
	agree := func(name string, files []*rulefile.File, compat syscollector.Compat) {
		set, _ := rules.LoadFiles(files, rules.Options{Compat: compat, ListNames: func(string) bool { return true }})
		got := lint.Unreachable(files, compat)
		for _, info := range set.Rules() {
			if info.Unreachable != got[info.ID] {
				t.Errorf("%s: rule %s: unreachable is %v, the loader says %v", name, info.ID, got[info.ID], info.Unreachable)
			}
		}
	}
	eachRecorded(t, func(c *recorded) {
		for _, compat := range []syscollector.Compat{syscollector.Compat4, syscollector.Compat39} {
			f, _ := rules.ReadFile(source.File{Name: "local_rules.xml", Data: []byte(c.RulesXML)}, compat)
			agree(c.ID, []*rulefile.File{f}, compat)
		}
	})
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	names, err := filepath.Glob(filepath.Join(dir, "..", "wazuh-ruleset", "rules", "*.xml"))
	if err != nil || dir == "" {
		return
	}
	var files []*rulefile.File
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := rules.ReadFile(source.File{Name: name, Data: data}, syscollector.Compat4)
		files = append(files, f)
	}
	agree("stock", files, syscollector.Compat4)
}

// TestConditionsAreParsed goes through the grammar.
func TestConditionsAreParsed(t *testing.T) {
	for _, test := range []struct {
		name, when string
		want       []lint.Call
	}{
		{"no condition", "", nil},
		{"a field with a raw text", "osregex(\"port.state\", `^\\w``$`)", []lint.Call{{Fn: "osregex", Value: "port.state", Text: "^\\w`$", Must: true}}},
		{"a static value, negated", `osmatch(log, "a\n\u00e9", true)`, []lint.Call{{Fn: "osmatch", Value: "log", Static: true, Text: "a\né", Negate: true, Must: true}}},
		{"bytes", `pcre2("a", bytes("c3 28"))`, []lint.Call{{Fn: "pcre2", Value: "a", Text: "\xc3(", Must: true}}},
		{"addresses", `ip(srcip, "10.0.0.0/8", "::1", false)`, []lint.Call{{Fn: "ip", Value: "srcip", Static: true, Text: "10.0.0.0/8 ::1", Must: true}}},
		{"a list", `cdb("l", "f", "match_key_value", "x")`, []lint.Call{{Fn: "cdb", Value: "f", List: "l", Lookup: "match_key_value", Check: "x", Must: true}}},
		{"a list by its default", `cdb("l", "f")`, []lint.Call{{Fn: "cdb", Value: "f", List: "l", Lookup: "match_key", Must: true}}},
		{"what stands in or need not hold", `osmatch("a", "1") and (osmatch("b", "2") or osmatch("c", "3") && osmatch("d", "4"))`, []lint.Call{
			{Fn: "osmatch", Value: "a", Text: "1", Must: true}, {Fn: "osmatch", Value: "b", Text: "2"}, {Fn: "osmatch", Value: "c", Text: "3"}, {Fn: "osmatch", Value: "d", Text: "4"},
		}},
		{"parentheses alone change nothing", `((osmatch("a", "1")))`, []lint.Call{{Fn: "osmatch", Value: "a", Text: "1", Must: true}}},
		{"what stands before a mistake is kept", `osmatch("a", "1") and not osmatch("b", "2")`, []lint.Call{{Fn: "osmatch", Value: "a", Text: "1", Must: true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, lint.ParseCalls(test.when)); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// TestQuotedTextsAreReadBack holds the parser to what writes conditions.
func TestQuotedTextsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.String().Draw(t, "field")
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		negate := rapid.Bool().Draw(t, "negate")
		when := fmt.Sprintf("osmatch(%s, %s, %v)", rulefile.Quote(field), rulefile.Quote(text), negate)
		want := []lint.Call{{Fn: "osmatch", Value: field, Text: text, Negate: negate, Must: true}}
		if diff := cmp.Diff(want, lint.ParseCalls(when)); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	})
}

// FuzzConditions looks for texts that the parser does not survive.
func FuzzConditions(f *testing.F) {
	for _, seed := range []string{
		"osregex(\"port.state\", `^a$`, true) and cdb(\"l\", \"f\", \"match_key\")", `((osmatch(log, "\u00e9") or true) && false`, `pcre2("a", bytes("c3 28"))`,
		"osmatch('a", "`", "((((", `osmatch(,)`, `a(b(c))`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range lint.ParseCalls(s) {
			if c.Fn == "" || c.Value == "" && c.Static {
				t.Errorf("%q gives %+v", s, c)
			}
		}
	})
}

// TestMessageTypesAreTheDecoders holds the list of types, and the fields of
// each, to the decoder.
func TestMessageTypesAreTheDecoders(t *testing.T) {
	bodies := map[string]string{
		"hardware": `"inventory":{"cpu_cores":1}`, "OS": `"inventory":{"os_name":"x"}`, "network": `"iface":{"name":"x","IPv4":{"address":["x"],"DHCP":"x"}}`,
		"program": `"program":{"name":"x"}`, "hotfix": `"hotfix":"x"`, "port": `"port":{"local_port":1}`, "process": `"process":{"name":"x"}`,
	}
	for _, compat := range []syscollector.Compat{syscollector.Compat4, syscollector.Compat39} {
		d := syscollector.NewDecoder(syscollector.Options{Compat: compat, DefaultAgent: "001"})
		known := map[string]bool{}
		for _, name := range lint.MessageTypes(compat) {
			known[name] = true
			message := fmt.Sprintf(`{"type":%q,"ID":1,"timestamp":"2020/01/01 00:00:00"`, name)
			if body := bodies[name]; body != "" {
				message += "," + body
			}
			if table, ok := syscollector.TableByWire(name); ok {
				message = fmt.Sprintf(`{"type":%q,"operation":"INSERTED","data":{%q:"x"}`, name, syscollector.Fields(table)[0].Column)
			}
			ev, err := d.Decode([]byte(message+"}"), syscollector.Meta{})
			if err != nil || ev == nil || !ev.Visible || ev.Type != name {
				t.Errorf("%s: %+v, %v", name, ev, err)
				continue
			}
			for field := range ev.Fields() {
				if !lint.HasField(compat, name, field) {
					t.Errorf("messages of type %s have %s", name, field)
				}
			}
		}
		for _, table := range syscollector.Tables() {
			if delta := "dbsync_" + table.Wire(); known[delta] != (compat == syscollector.Compat4) {
				t.Errorf("%s: known is %v", delta, known[delta])
			}
		}
	}
}

// TestVocabulariesAreOfFields finds values of fields that do not exist.
func TestVocabulariesAreOfFields(t *testing.T) {
	for name := range lint.Vocabularies() {
		if id := syscollector.LookupView(name); syscollector.ViewName(id) != name {
			t.Errorf("%s is no field's name", name)
		}
	}
}

// TestListsAreReadAsTheOriginalDoes gives lines and the keys that they have.
func TestListsAreReadAsTheOriginalDoes(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"a key alone, with a colon", "10.0.0.5:\n", []string{"10.0.0.5"}},
		{"a value with a colon", "a:b:c\n", []string{"a"}},
		{"a quoted key", "\"fe80::1\":\"link:local\"\n", []string{"fe80::1"}},
		{"an open quote in the key", "\"fe80::1:x\n", nil},
		{"an open quote in the value", "a:\"b\n", nil},
		{"no colon", "plain\n\"plain\"\n", nil},
		{"an empty key", ":x\n", []string{""}},
		{"a comment is no comment", "# x: y\n", []string{"# x"}},
		{"carriage returns", "a:1\r\nb:2\r\n\r\n", []string{"a", "b"}},
		{"blanks stay", " k : v\n", []string{" k "}},
		{"no newline at the end", "a:1\nb:2", []string{"a", "b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, lint.ListKeys(test.text)); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
		})
	}
}
