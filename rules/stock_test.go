package rules_test

import (
	"os"
	"path/filepath"
	"testing"

	"invigil/config/source"
	"invigil/rules"
)

// TestStockRulesLoadWithoutComplaint reads the original's own rule set, which is
// not part of this repository: INVIGIL_CONFORMANCE names the folder beside it.
func TestStockRulesLoadWithoutComplaint(t *testing.T) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		t.Skip("INVIGIL_CONFORMANCE is not set")
	}
	stock := filepath.Join(dir, "..", "wazuh-ruleset", "rules")
	set, ds := rules.Load([]string{stock}, rules.Options{})
	for _, d := range ds {
		if d.Severity != source.Info {
			t.Error(d)
		}
	}
	infos := set.Rules()
	if len(infos) != 4512 {
		t.Errorf("%d rules, want 4512", len(infos))
	}
	unreachable := 0
	for _, info := range infos {
		if info.Unreachable {
			unreachable++
		}
	}
	t.Logf("%d rules for other decoders", unreachable)
	if unreachable < 4000 || unreachable >= len(infos) {
		t.Errorf("%d of %d rules are for other decoders", unreachable, len(infos))
	}
}
