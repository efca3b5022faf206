package ruletest_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/pipeline/ruletest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func readFile(t testing.TB, path string) source.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return source.File{Name: path, Data: data}
}

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestExamplesPassTheirTests runs every file of rule tests in examples.
func TestExamplesPassTheirTests(t *testing.T) {
	var results []*ruletest.Result
	err := filepath.WalkDir("../../examples", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".test.yml") {
			return err
		}
		r, err := ruletest.Run(readFile(t, path), nil)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		results = append(results, r)
		if r.Failed() {
			var out bytes.Buffer
			if err := r.WriteText(&out); err != nil {
				return err
			}
			t.Errorf("%s%s", r.Problems.Error(), out.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) == 0 {
		t.Fatal("found no tests")
	}
	if ids := ruletest.NotCovered(results); len(ids) > 0 {
		t.Errorf("no test fires %v", ids)
	}
}

// TestReports pins what each file of testdata/files gives: problems, failures,
// coverage and JUnit.
func TestReports(t *testing.T) {
	files, err := filepath.Glob("testdata/files/*.test.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".test.yml")
		t.Run(name, func(t *testing.T) {
			r, err := ruletest.Run(readFile(t, path), nil)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.Problems.Render(&out); err != nil {
				t.Fatal(err)
			}
			if err := r.WriteText(&out); err != nil {
				t.Fatal(err)
			}
			for _, id := range ruletest.NotCovered([]*ruletest.Result{r}) {
				out.WriteString("not covered: " + id + "\n")
			}
			if err := ruletest.WriteJUnit(&out, []*ruletest.Result{r}); err != nil {
				t.Fatal(err)
			}
			golden(t, "files/"+name+".golden", out.Bytes())
			if failed := strings.HasPrefix(name, "fail-") || strings.HasPrefix(name, "bad-"); failed != r.Failed() {
				t.Errorf("failed: %t", r.Failed())
			}
		})
	}
}

func TestTestsAreChosenByName(t *testing.T) {
	r, err := ruletest.Run(readFile(t, "testdata/files/pass.test.yml"), regexp.MustCompile("window"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tests) != 1 || r.Tests[0].Test.Name != "a correlation counts inside its window" {
		t.Errorf("%+v", r.Tests)
	}
}

func TestListsThatCannotBeReadAreErrors(t *testing.T) {
	for _, lists := range []string{"lists: nowhere", "lists: {x: nowhere}"} {
		_, err := ruletest.Run(source.File{Name: "testdata/files/x.test.yml", Data: []byte("rules: rules.yml\n" + lists + "\ntests: [{name: x, events: [], alerts: []}]\n")}, nil)
		if err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("%s: %v", lists, err)
		}
	}
}

// FuzzReadFile: whatever a file holds, it is read or its problems stand in it.
func FuzzReadFile(f *testing.F) {
	paths, err := filepath.Glob("testdata/files/*.test.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		f.Add(readFile(f, path).Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, ds := ruletest.ReadFile(source.File{Name: "x", Data: data})
		for _, d := range ds {
			if d.Pos.Line < 1 || d.Message == "" {
				t.Errorf("a problem without a place: %+v", d)
			}
		}
		if ds.Err() == nil && slices.ContainsFunc(file.Tests, func(t *ruletest.Test) bool { return t.Name == "" }) {
			t.Error("a test without a name was read")
		}
	})
}
