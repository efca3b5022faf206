package rules_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/rules"
)

var updateBad = flag.Bool("update", false, "write golden files")

// Each file's wanted findings are its .want twin, as a terminal shows them.
func TestBadRuleFilesTellAllTheirProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/invigil/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := loadInvigil(filepath.Base(name), string(text), rules.Options{})
			if diags.Err() == nil {
				t.Error("the file loads")
			}
			var got bytes.Buffer
			if err := diags.Render(&got); err != nil {
				t.Fatal(err)
			}
			golden := name[:len(name)-len(".yml")] + ".want"
			if *updateBad {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("findings differ (-want +got):\n%s", d)
			}
		})
	}
}
