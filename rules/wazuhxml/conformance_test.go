package wazuhxml_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
)

// sameDeclaration compares files by what they declare, not where it stands.
var sameDeclaration = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreTypes(source.Position{}, source.File{}, source.Map{}),
	cmpopts.IgnoreFields(rulefile.Wazuh{}, "At"),
	cmpopts.IgnoreFields(rulefile.File{}, "Name"),
}

// checkRoundTrip writes f as YAML, reads it back, and writes it again.
func checkRoundTrip(t *testing.T, f *rulefile.File) {
	t.Helper()
	var first, second bytes.Buffer
	if err := rulefile.Write(&first, f); err != nil {
		t.Fatal(err)
	}
	back, ds := rulefile.Read(source.File{Name: f.Name, Data: first.Bytes()})
	if len(ds) > 0 {
		t.Fatalf("%v\n%s", ds, first.String())
	}
	if diff := cmp.Diff(f, back, sameDeclaration); diff != "" {
		t.Fatalf("%s\n%s", diff, first.String())
	}
	if err := rulefile.Write(&second, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Fatal(diff)
	}
}

// treeLevel are recorded refusals that need the other rules to be seen.
var treeLevel = map[string]bool{"correlate-029": true, "overwrite-006": true, "overwrite-013": true, "xml-032": true}

type record struct {
	ID       string          `json:"id"`
	RulesXML string          `json:"rules_xml"`
	Loads    map[string]bool `json:"loads"`
}

func records(t *testing.T) (out []record) {
	data, err := os.ReadFile("testdata/recorded.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// TestRecordedFilesAreRefusedAsTheOriginalRefusesThem reads every recorded rule
// file in both versions.
func TestRecordedFilesAreRefusedAsTheOriginalRefusesThem(t *testing.T) {
	for _, r := range records(t) {
		for version, compat := range map[string]pattern.Compat{"4.14.7": pattern.Compat4, "3.9.5": pattern.Compat39} {
			loads, ok := r.Loads[version]
			if !ok {
				continue
			}
			t.Run(r.ID+"/"+version, func(t *testing.T) {
				f, ds := wazuhxml.Read(source.File{Name: r.ID, Data: []byte(r.RulesXML)}, compat)
				refused := ds.Err() != nil
				if want := !loads && !treeLevel[r.ID]; refused != want {
					t.Fatalf("refused: %v, the original: %v: %v", refused, want, ds)
				}
				if !refused {
					checkRoundTrip(t, f)
				}
			})
		}
	}
}

// stockFiles returns the stock rule files; the test is skipped without them.
func stockFiles(t testing.TB) (out []source.File) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		t.Skip("INVIGIL_CONFORMANCE is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "..", "wazuh-ruleset", "rules", "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no stock rules", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, source.File{Name: filepath.Base(name), Data: data})
	}
	return out
}

func TestStockRulesReadAndReadBackEqual(t *testing.T) {
	ids := make(map[string]bool)
	for _, src := range stockFiles(t) {
		f, ds := wazuhxml.Read(src, pattern.Compat4)
		for _, d := range ds {
			if d.Severity != source.Info {
				t.Error(d)
			}
		}
		checkRoundTrip(t, f)
		for _, r := range f.Rules {
			ids[r.ID] = true
		}
	}
	if len(ids) != 4512 {
		t.Errorf("%d distinct rules, want 4512", len(ids))
	}
}

func BenchmarkReadStockRules(b *testing.B) {
	files := stockFiles(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, src := range files {
			if _, ds := wazuhxml.Read(src, pattern.Compat4); ds.Err() != nil {
				b.Fatal(ds)
			}
		}
	}
}
