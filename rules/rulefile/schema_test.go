package rulefile_test

import (
	"encoding/json"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/rules/rulefile"
)

type node = map[string]any

// follow returns the schema at a path of keys; items and properties are entered
// by their names.
func follow(t *testing.T, n node, path ...string) node {
	t.Helper()
	for _, p := range path {
		next, ok := n[p].(node)
		if !ok {
			t.Fatalf("no %s in %v", p, n)
		}
		n = next
	}
	return n
}

// knownKeys has Read tell which keys it knows where it meets an unknown one.
func knownKeys(t *testing.T, text string) []string {
	t.Helper()
	_, ds := read("f", text)
	for _, d := range ds {
		if list, ok := strings.CutPrefix(d.Hint, "known here: "); ok {
			keys := strings.Split(list, ", ")
			sort.Strings(keys)
			return keys
		}
	}
	t.Fatalf("no unknown key in %s: %v", text, ds)
	return nil
}

// TestSchemaKnowsTheKeysThatReadKnows compares the two for every mapping.
func TestSchemaKnowsTheKeysThatReadKnows(t *testing.T) {
	var root node
	if err := json.Unmarshal(rulefile.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	const wazuh = "dialect: wazuh-4.x\nrules: [{"
	for _, c := range []struct {
		text string
		path []string
	}{
		{"zzzzzzzz: 1", nil},
		{"lists: [{zzzzzzzz: 1}]", []string{"properties", "lists", "items"}},
		{"tune: [{zzzzzzzz: 1}]", []string{"properties", "tune", "items"}},
		{"tune: [{suppress: {zzzzzzzz: 1}}]", []string{"properties", "tune", "items", "properties", "suppress"}},
		{"rules: [{zzzzzzzz: 1}]", []string{"else", "properties", "rules", "items"}},
		{"rules: [{correlate: {zzzzzzzz: 1}}]", []string{"else", "properties", "rules", "items", "properties", "correlate"}},
		{wazuh + "zzzzzzzz: 1}]", []string{"then", "properties", "rules", "items"}},
		{wazuh + "parent: {zzzzzzzz: 1}}]", []string{"then", "properties", "rules", "items", "properties", "parent"}},
		{wazuh + "correlate: {zzzzzzzz: 1}}]", []string{"then", "properties", "rules", "items", "properties", "correlate"}},
	} {
		var got []string
		for key, s := range follow(t, follow(t, root, c.path...), "properties") {
			if s == nil {
				t.Errorf("%s: key %s has no schema", c.text, key)
			}
			got = append(got, key)
		}
		slices.Sort(got)
		if diff := cmp.Diff(knownKeys(t, c.text), got); diff != "" {
			t.Errorf("%s: %s", c.text, diff)
		}
	}
}
