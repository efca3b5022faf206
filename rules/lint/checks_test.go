package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/lint"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

// fixture is an archive of one check: bad/rules.xml has what it finds,
// good/rules.xml has it as it should be written, beside each lists/, and want
// is what is found in the bad one. Its comment gives options.
type fixture struct {
	path    string
	archive *txtar.Archive
	options lint.Options
	wanted  bool // lists are registered by name
}

func readFixture(t *testing.T, check string) *fixture {
	t.Helper()
	f := &fixture{path: filepath.Join("testdata", "checks", check+".txtar")}
	a, err := txtar.ParseFile(f.path)
	if err != nil {
		t.Fatalf("each check has a fixture: %v", err)
	}
	f.archive = a
	options, _ := strings.CutPrefix(strings.TrimSpace(string(a.Comment)), "options:")
	for _, o := range strings.Fields(options) {
		switch o {
		case "compat=3.9":
			f.options.Compat = syscollector.Compat39
		case "partitioned":
			f.options.Partitioned = true
		case "wanted":
			f.wanted = true
		default:
			t.Fatalf("%s: unknown option %s", f.path, o)
		}
	}
	return f
}

// file returns a member of the archive, nil if there is none.
func (f *fixture) file(name string) *txtar.File {
	for i := range f.archive.Files {
		if f.archive.Files[i].Name == name {
			return &f.archive.Files[i]
		}
	}
	return nil
}

// rules returns the bad or good rule file.
func (f *fixture) rules(t *testing.T, side string) *txtar.File {
	for _, ext := range []string{"xml", "yml"} {
		if file := f.file(side + "/rules." + ext); file != nil {
			return file
		}
	}
	t.Fatalf("%s has no %s rules", f.path, side)
	return nil
}

// check judges one side in a directory of its own; places are relative to it.
func (f *fixture) check(t *testing.T, side string) lint.Findings {
	t.Helper()
	t.Chdir(t.TempDir())
	o := f.options
	for _, file := range f.archive.Files {
		name, ok := strings.CutPrefix(file.Name, side+"/")
		if !ok {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, name, string(file.Data))
		if list, ok := strings.CutPrefix(name, "lists/"); ok {
			o.Lists = append(o.Lists, lint.List{Names: []string{list}, Path: name, CDB: true, Wanted: f.wanted})
		}
	}
	return lint.Check([]string{filepath.Base(f.rules(t, side).Name)}, o)
}

// only keeps the findings of a check.
func only(found lint.Findings, check string) (out lint.Findings) {
	for _, f := range found {
		if f.Check == check {
			out = append(out, f)
		}
	}
	return out
}

func text(t *testing.T, found lint.Findings) string {
	t.Helper()
	var b strings.Builder
	if err := found.Write(&b, "text"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestChecks runs each check over what it finds and over what it must leave
// alone. The good side has no warning of any check.
func TestChecks(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range lint.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			f := readFixture(t, c.Name)
			path := filepath.Join(here, f.path)
			got := text(t, only(f.check(t, "bad"), c.Name))
			if got == "" {
				t.Error("nothing is found on the bad side")
			}
			want := f.file("want")
			if *update && want != nil {
				want.Data = []byte(got)
				write(t, path, string(txtar.Format(f.archive)))
			} else if want == nil {
				t.Error("the fixture has no member want")
			} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			for _, finding := range f.check(t, "good") {
				if finding.Check == c.Name || finding.Severity != source.Info && finding.Construct == "" {
					t.Errorf("good side: %v [%s]", finding, finding.Check)
				}
			}
		})
	}
}

// TestEachFixtureHasACheck finds fixtures that no check runs.
func TestEachFixtureHasACheck(t *testing.T) {
	known := map[string]bool{}
	for _, c := range lint.Checks() {
		if known[c.Name] {
			t.Errorf("check %s stands twice in the table", c.Name)
		}
		known[c.Name] = true
	}
	files, err := filepath.Glob("testdata/checks/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".txtar"); !known[name] {
			t.Errorf("%s belongs to no check", file)
		}
	}
}
