package rules_test

import (
	"strings"
	"testing"

	"invigil/rules"
)

// table is lists in memory.
type table map[string]map[string]string

func (l table) Has(list string) bool { return l[list] != nil }

func (l table) Get(list, key string) (string, bool) {
	v, ok := l[list][key]
	return v, ok
}

func (l table) Fingerprint(string) uint64 { return 1 }

func TestLookingUpAsARuleDoes(t *testing.T) {
	lists := table{"l": {"10.0.0.": "office", "192.0.2.9": "", "": "empty"}}
	tests := []struct {
		kind, check, value string
		want               rules.Lookup
	}{
		{"match_key", "", "192.0.2.9", rules.Lookup{true, true, "192.0.2.9", ""}},
		{"match_key", "", "10.0.0.7", rules.Lookup{}},
		{"match_key", "", "", rules.Lookup{true, true, "", "empty"}},
		{"not_match_key", "", "10.0.0.7", rules.Lookup{Holds: true}},
		{"address_match_key", "", "10.0.0.7", rules.Lookup{true, true, "10.0.0.", "office"}},
		{"not_address_match_key", "", "10.0.0.7", rules.Lookup{false, true, "10.0.0.", "office"}},
		{"not_address_match_key", "", "10.0.1.7", rules.Lookup{Holds: true}},
		{"match_key_value", "", "192.0.2.9", rules.Lookup{false, true, "192.0.2.9", ""}},
		{"match_key_value", "^off", "10.0.0.", rules.Lookup{true, true, "10.0.0.", "office"}},
		{"address_match_key_value", "office", "10.0.0.7", rules.Lookup{false, true, "10.0.0.", "office"}},
		{"address_match_key_value", "office", "172.16.0.1", rules.Lookup{Holds: true}},
	}
	for _, tt := range tests {
		got, err := rules.LookUp(lists, "l", tt.kind, tt.check, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%s %q of %q: %+v %v, want %+v", tt.kind, tt.check, tt.value, got, err, tt.want)
		}
	}
	if _, err := rules.LookUp(lists, "l", "matchkey", "", "x"); err == nil || !strings.Contains(err.Error(), "address_match_key") {
		t.Errorf("an unknown kind: %v", err)
	}
	if _, err := rules.LookUp(lists, "m", "match_key", "", "x"); err == nil {
		t.Error("a list that is not loaded is looked up")
	}
}
