package lint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/rules"
	"invigil/rules/lint"
	"invigil/rules/rulefile"
)

// TestFormats writes what is found in broken files in every format.
func TestFormats(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "formats"))
	found := lint.Check([]string{"."}, lint.Options{})
	for _, format := range lint.Formats() {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			if err := found.Write(&b, format); err != nil {
				t.Fatal(err)
			}
			golden(t, format+".golden", b.Bytes())
		})
	}
	if err := found.Write(new(bytes.Buffer), "pdf"); err == nil {
		t.Error("an unknown format is written")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		write(t, name, string(got))
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestNoFindingsAreAnEmptyArray holds that programs can read that nothing was
// found.
func TestNoFindingsAreAnEmptyArray(t *testing.T) {
	for _, format := range []string{"json", "sarif"} {
		var b bytes.Buffer
		if err := lint.Findings(nil).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) || strings.Contains(b.String(), "null") {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}

// TestFindingsHaveAPlace holds that every finding of every fixture has a file,
// a line and a column, and that its place is in the file.
func TestFindingsHaveAPlace(t *testing.T) {
	for _, c := range lint.Checks() {
		f := readFixture(t, c.Name)
		t.Run(c.Name, func(t *testing.T) {
			for _, finding := range f.check(t, "bad") {
				data, err := os.ReadFile(finding.Pos.File)
				if err != nil {
					t.Fatal(err)
				}
				lines := bytes.Split(data, []byte("\n"))
				if n := finding.Pos.Line; n < 1 || n > len(lines) || finding.Pos.Column < 1 || finding.Pos.Column > len([]rune(string(lines[n-1])))+1 {
					t.Errorf("%v stands outside its file", finding)
				}
			}
		})
	}
}

// TestUnreadablePathsAreFindings names a file and a list that do not exist.
func TestUnreadablePathsAreFindings(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rules.xml", `<group name="local,"><rule id="100100" level="3"><if_sid>221</if_sid><list field="port.remote_ip">l</list><description>x</description></rule></group>`)
	found := lint.Check([]string{"none.xml", "rules.xml"}, lint.Options{Lists: []lint.List{{Names: []string{"l"}, Path: "none.txt", CDB: true}}})
	var got []string
	for _, f := range found {
		got = append(got, f.Error())
	}
	want := []string{
		"none.txt:1:1: error: the list cannot be read: no such file or directory",
		"none.xml:1:1: error: the file cannot be read: no such file or directory",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// unseen are checks of what a translated rule no longer shows: where the group's
// name ended.
var unseen = []string{"group-glued"}

// TestTranslatedRulesHaveTheSameFindings lints each bad side as XML and as the
// YAML that translation makes of it.
func TestTranslatedRulesHaveTheSameFindings(t *testing.T) {
	for _, c := range lint.Checks() {
		f := readFixture(t, c.Name)
		name, data := "rules.xml", f.file("bad/rules.xml")
		if data == nil || slices.Contains(unseen, c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			count := func() map[string]int {
				n := map[string]int{}
				for _, finding := range only(f.check(t, "bad"), c.Name) {
					n[finding.Rule]++
				}
				return n
			}
			want := count()
			file, _ := rules.ReadFile(source.File{Name: name, Data: data.Data}, f.options.Compat)
			var b bytes.Buffer
			if err := rulefile.Write(&b, file); err != nil {
				t.Fatal(err)
			}
			data.Name, data.Data = "bad/rules.yml", b.Bytes()
			if diff := cmp.Diff(want, count()); diff != "" {
				t.Errorf("findings by rule (-XML +YAML):\n%s\n%s", diff, b.Bytes())
			}
		})
	}
}

// TestDocumentation holds docs/lint.md to the table and the fixtures.
func TestDocumentation(t *testing.T) {
	var b strings.Builder
	b.WriteString(docHead)
	for _, c := range lint.Checks() {
		f := readFixture(t, c.Name)
		rules := f.rules(t, "bad")
		want := strings.TrimSuffix(string(f.file("want").Data), "\n")
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n\n```%s\n%s```\n", c.Name, c.Severity, c.Doc, strings.TrimPrefix(filepath.Ext(rules.Name), "."), rules.Data)
		for _, file := range f.archive.Files {
			if list, ok := strings.CutPrefix(file.Name, "bad/lists/"); ok && strings.HasPrefix(c.Name, "list-key") || ok && strings.HasPrefix(c.Name, "list-line") {
				fmt.Fprintf(&b, "\n`%s`:\n\n```\n%s```\n", list, file.Data)
			}
		}
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", want)
	}
	golden(t, filepath.Join("..", "..", "docs", "lint.md"), []byte(b.String()))
}

const docHead = `# Lint

` + "`invigil lint PATH…`" + ` reports all problems of rule files and directories of them, taken
as one rule set in the order given: what is refused (errors), what loads and never
does what was meant (warnings), and what is worth knowing (info). Each finding has
its place and, where one can say it, what to write instead:

` + "```text\nfile:line:col: severity: rule ID: message (advice)\n```" + `

* The exit code is 1 if there is an error; warnings and notes alone are 0.
* ` + "`--lists DIR`, `--list NAME=FILE` or `-c CONFIG`" + ` name the lists. With them the
  lists' own lines are judged too.
* ` + "`-c CONFIG`" + ` also gives the version of Wazuh, and whether the source has
  partitions.
* ` + "`--format`" + ` is text, json (an array of {file, line, column, severity, rule,
  message}), github (commands that GitHub shows beside the lines) or sarif.
* Rules that no inventory event can reach, for other decoders or below stock rules
  that are not loaded, are not judged: they are counted in one note a file.
* A file that Wazuh would refuse is said to be so, with every problem; its other
  rules are judged all the same.

This page is made from the table of checks and their tests' files; a test holds it
to them.
`

// FuzzCheck looks for rule files that lint does not survive.
func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("testdata/checks/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), strings.Contains(string(data), "rules.yml"))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, s string, yaml bool) {
		path := filepath.Join(dir, "r.xml")
		if yaml {
			path = filepath.Join(dir, "r.yml")
		}
		write(t, path, s)
		for _, finding := range lint.Check([]string{path}, lint.Options{}) {
			if finding.Message == "" || finding.Check == "" || finding.Pos.Line < 1 {
				t.Errorf("%+v", finding)
			}
		}
	})
}

// BenchmarkCheck judges a thousand rules below one parent.
func BenchmarkCheck(b *testing.B) {
	var s strings.Builder
	s.WriteString("<group name=\"local,syscollector,\">\n")
	for i := range 1000 {
		fmt.Fprintf(&s, "<rule id=\"%d\" level=\"%d\"><if_sid>221</if_sid><field name=\"port.local_port\">^%d$</field>"+
			"<field name=\"port.state\">^listening$</field><description>$(port.local_port)</description></rule>\n", 100100+i, 1+i%15, i)
	}
	s.WriteString("</group>\n")
	path := filepath.Join(b.TempDir(), "rules.xml")
	if err := os.WriteFile(path, []byte(s.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if found := lint.Check([]string{path}, lint.Options{}); len(found) != 0 {
			b.Fatal(found[0])
		}
	}
}
