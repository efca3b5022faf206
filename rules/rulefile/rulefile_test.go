package rulefile_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sameDeclaration compares files by what they declare, not where it stands.
var sameDeclaration = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreTypes(source.Position{}, source.File{}, source.Map{}),
	cmpopts.IgnoreFields(rulefile.Wazuh{}, "At"),
	cmpopts.IgnoreFields(rulefile.Stateful{}, "At"),
	cmpopts.IgnoreFields(rulefile.File{}, "Name"),
}

func write(t interface{ Fatal(...any) }, f *rulefile.File) string {
	var b bytes.Buffer
	if err := rulefile.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func read(name, text string) (*rulefile.File, source.Diagnostics) {
	return rulefile.Read(source.File{Name: name, Data: []byte(text)})
}

func eachFile(t *testing.T, pattern string, check func(t *testing.T, name, text string)) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			check(t, filepath.Base(name), string(data))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestCanonicalFilesAreWrittenAsTheyStand(t *testing.T) {
	for _, name := range []string{"wazuh", "invigil"} {
		data, err := os.ReadFile("testdata/good/" + name + ".yml")
		if err != nil {
			t.Fatal(err)
		}
		f, ds := read(name, string(data))
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		if diff := cmp.Diff(string(data), write(t, f)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestGoodFilesReadBackEqual(t *testing.T) {
	eachFile(t, "testdata/good/*.yml", func(t *testing.T, name, text string) {
		f, ds := read(name, text)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		first := write(t, f)
		again, ds := read(name, first)
		if len(ds) > 0 {
			t.Fatal(ds)
		}
		if diff := cmp.Diff(f, again, sameDeclaration); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(first, write(t, again)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBadFilesTellAllTheirProblems(t *testing.T) {
	eachFile(t, "testdata/bad/*.yml", func(t *testing.T, name, text string) {
		f, ds := read(name, text)
		if ds.Err() == nil || f == nil {
			t.Error("the file is accepted")
		}
		var b strings.Builder
		if err := ds.Render(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/bad/"+strings.TrimSuffix(name, ".yml")+".golden", b.String())
	})
}

func TestCommentsBelongToTheRuleThatTheyStandBeforeOrIn(t *testing.T) {
	data, err := os.ReadFile("testdata/good/loose.yml")
	if err != nil {
		t.Fatal(err)
	}
	f, ds := read("loose.yml", string(data))
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	got := map[string][]string{"head": f.Header, "a": f.Rules[0].Comment, "b": f.Rules[1].Comment, "tail": f.Trailer}
	want := map[string][]string{"head": {"head"}, "a": {"about a", "inside"}, "b": {"before b"}, "tail": {"tail"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w := f.Rules[0].When.Value; w != "a == 1\nand b # no comment" {
		t.Errorf("when is %q", w)
	}
}

func TestBrokenRulesAreKeptAndMarked(t *testing.T) {
	f, _ := read("f", "rules:\n  - {id: a, level: x, description: d}\n  - {id: b, level: 1, description: d}\n")
	if len(f.Rules) != 2 || !f.Rules[0].Broken || f.Rules[1].Broken || f.Rules[0].ID != "a" {
		t.Errorf("%+v", f.Rules)
	}
}

func TestPositionsAreThoseOfTheValues(t *testing.T) {
	f, ds := read("f", "rules:\n  - id: a\n    level: 3\n    description: d\n    when: >\n      port.x == \"é\" and\n      port.y == 2\n    suppress: {for: 1h}\n")
	if len(ds) > 0 {
		t.Fatal(ds)
	}
	r := f.Rules[0]
	if p := r.When.At(strings.Index(r.When.Value, "port.y")).String(); p != "f:7:7" {
		t.Error("port.y is at", p)
	}
	if p := r.When.AtRune(18).String(); p != "f:7:7" {
		t.Error("rune 18 is at", p)
	}
	if p := r.Invigil.At["suppress.for"].String(); p != "f:8:21" {
		t.Error("suppress.for is at", p)
	}
	if p := r.Pos.String(); p != "f:2:5" {
		t.Error("the rule is at", p)
	}
}

func TestWriteRefusesRulesOfAnotherDialect(t *testing.T) {
	f := &rulefile.File{Dialect: rulefile.Wazuh4, Rules: []*rulefile.Rule{{ID: "a", Invigil: &rulefile.Stateful{}}}}
	if err := rulefile.Write(new(bytes.Buffer), f); err == nil || !strings.Contains(err.Error(), "rule a") {
		t.Error(err)
	}
}
