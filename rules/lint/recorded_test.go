package lint_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/lint"
)

// recorded is a recorded case: rules, and which of them fired.
type recorded struct {
	ID       string            `json:"id"`
	RulesXML string            `json:"rules_xml"`
	Lists    map[string]string `json:"lists"`
	Results  map[string]struct {
		Loads    bool `json:"loads"`
		Expected []struct {
			Rule string `json:"rule_id"`
		} `json:"expected"`
	} `json:"results"`
}

func eachRecorded(t *testing.T, f func(c *recorded)) {
	t.Helper()
	files, err := filepath.Glob("../testdata/conformance/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	for _, file := range files {
		r, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<26)
		for lines.Scan() {
			var c recorded
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatal(err)
			}
			f(&c)
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// options writes a case's files and returns the path of its rules.
func (c *recorded) options(t *testing.T, compat syscollector.Compat) (string, lint.Options) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "local_rules.xml")
	write(t, path, c.RulesXML)
	o := lint.Options{Compat: compat}
	for name, text := range c.Lists {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		write(t, file, text)
		o.Lists = append(o.Lists, lint.List{Names: []string{name}, Path: file, CDB: true})
	}
	return path, o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// never are the checks that say that a rule cannot fire.
var never = []string{"never-reached", "field-unknown", "no-such-event", "static-field", "never-true", "correlation-level-zero"}

// TestWhatCannotFireNeverFired holds the checks to what the original recorded:
// a rule that is said never to fire did not.
func TestWhatCannotFireNeverFired(t *testing.T) {
	said := map[string]int{}
	eachRecorded(t, func(c *recorded) {
		for version, compat := range map[string]syscollector.Compat{"4.14.7": syscollector.Compat4, "3.9.5": syscollector.Compat39} {
			result := c.Results[version]
			if !result.Loads {
				continue
			}
			path, o := c.options(t, compat)
			for _, f := range lint.Check([]string{path}, o) {
				if !slices.Contains(never, f.Check) {
					continue
				}
				said[f.Check]++
				for _, e := range result.Expected {
					if e.Rule == f.Rule {
						t.Errorf("%s, %s: rule %s fired in spite of: %v", c.ID, version, f.Rule, f)
						break
					}
				}
			}
		}
	})
	for _, check := range never[:4] {
		if said[check] == 0 {
			t.Errorf("no recorded case has a finding of %s: the test says nothing about it", check)
		}
	}
	t.Log(said)
}

// TestLintAndLoaderAgreeOnErrors holds that every error of the loader is a
// finding, and that nothing else is an error.
func TestLintAndLoaderAgreeOnErrors(t *testing.T) {
	eachRecorded(t, func(c *recorded) {
		path, o := c.options(t, syscollector.Compat4)
		_, ds := rules.Load([]string{path}, rules.Options{ListNames: func(name string) bool { _, ok := c.Lists[name]; return ok }})
		want := 0
		for _, d := range ds {
			if d.Severity == source.Error {
				want++
			}
		}
		if got := lint.Check([]string{path}, o).Errors(); got != want {
			t.Errorf("%s: lint has %d errors, the loader %d", c.ID, got, want)
		}
	})
}
