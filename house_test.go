// Package invigil_test holds the house's arrows: who may import whom.
package invigil_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "invigil/"

// leaves know nothing of rules, state or the pipeline; everyone may import them.
var leaves = []string{"config/source", "connectors", "pipeline/syscollector", "rules/rulefile", "rules/pattern"}

// arrows lists for each package the packages of this module that its non-test
// files may import. "..." stands for all.
var arrows = map[string][]string{
	"config/source":           {},
	"connectors":              {},
	"pipeline/syscollector":   {},
	"rules/pattern":           {},
	"rules/rulefile":          {"config/source"},
	"rules/wazuhxml":          {"config/source", "rules/rulefile", "rules/pattern"},
	"rules":                   with(leaves, "rules/wazuhxml"),
	"rules/lint":              with(leaves, "rules/wazuhxml", "rules"),
	"state":                   leaves,
	"pipeline":                with(leaves, "rules", "state"),
	"pipeline/ruletest":       with(leaves, "rules", "rules/wazuhxml", "state", "pipeline"),
	"pipeline/bench":          with(leaves, "rules", "rules/wazuhxml", "state", "pipeline"),
	"pipeline/query":          with(leaves, "rules", "state"),
	"connectors/alertfmt":     with(leaves, "rules"),
	"connectors/file":         leaves,
	"connectors/kafka":        leaves,
	"connectors/kafka/broker": with(leaves, "connectors/kafka"),
	"connectors/webhook":      leaves,
	"connectors/httpapi":      with(leaves, "rules", "state", "pipeline", "pipeline/query"),
	"config":                  {"config/source"},
	"examples":                {},
	"examples/fleet":          {},
	"cmd/invigil":             {"..."},
}

// outside lists third-party modules that only the named packages may import:
// a change of library touches one room.
var outside = map[string][]string{
	"gopkg.in/yaml.v3":                {"config/source", "rules/rulefile"},
	"github.com/expr-lang/expr":       {"rules"},
	"github.com/cockroachdb/pebble":   {"state", "pipeline/bench", "cmd/invigil"},
	"github.com/segmentio/kafka-go":   {"connectors/kafka", "connectors/kafka/broker"},
	"github.com/twmb/franz-go":        {"connectors/kafka/broker"},
	"github.com/spf13/cobra":          {"cmd/invigil"},
	"github.com/dlclark/regexp2":      {"rules/pattern"},
	"github.com/rogpeppe/go-internal": {},
}

func with(base []string, more ...string) []string { return slices.Concat(base, more) }

// TestImportsGoOneWay walks every package's non-test files.
func TestImportsGoOneWay(t *testing.T) {
	for dir, files := range goFiles(t) {
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("package %s has no place in the house: add it to the arrows with what it may import", dir)
			continue
		}
		for file, imports := range files {
			for _, path := range imports {
				if own, ok := strings.CutPrefix(path, module); ok {
					if !slices.Contains(allowed, own) && !slices.Contains(allowed, "...") {
						t.Errorf("%s imports %s; %s may import %v", file, own, dir, allowed)
					}
				}
				for lib, only := range outside {
					if (path == lib || strings.HasPrefix(path, lib+"/")) && !slices.Contains(only, dir) {
						t.Errorf("%s imports %s, which is for %v", file, path, only)
					}
				}
			}
		}
	}
}

// TestLeavesAreLeaves guards the table itself: a leaf imports leaves only.
func TestLeavesAreLeaves(t *testing.T) {
	for _, leaf := range leaves {
		for _, to := range arrows[leaf] {
			if !slices.Contains(leaves, to) {
				t.Errorf("leaf %s may import %s, which is none", leaf, to)
			}
		}
	}
}

// goFiles returns directory → file → import paths of the non-test Go files.
func goFiles(t *testing.T) map[string]map[string][]string {
	t.Helper()
	all := map[string]map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Dir(path) == "." {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if all[dir] == nil {
			all[dir] = map[string][]string{}
		}
		imports := []string{}
		for _, s := range f.Imports {
			p, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, p)
		}
		all[dir][path] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("found no Go files: the test must run in the module's root")
	}
	return all
}
