package lint_test

import (
	"os"
	"path/filepath"
	"testing"

	"invigil/config/source"
	"invigil/rules/lint"
)

// TestStockRulesHaveNoFindings judges the original's own rule set, which is not
// part of this repository: INVIGIL_CONFORMANCE names the folder beside it.
func TestStockRulesHaveNoFindings(t *testing.T) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		t.Skip("INVIGIL_CONFORMANCE is not set")
	}
	stock := filepath.Join(dir, "..", "wazuh-ruleset", "rules")
	found := lint.Check([]string{stock}, lint.Options{})
	for _, f := range found {
		if f.Severity != source.Info || f.Rule != "" {
			t.Error(f.Check, f)
		}
	}
	files, err := filepath.Glob(filepath.Join(stock, "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > len(files) {
		t.Errorf("%d notes for %d files, want one a file at most", len(found), len(files))
	}
}
