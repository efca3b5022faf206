package syscollector_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
)

// recordedCase is a recorded case of the original: events in, what it decoded
// and alerted out, a version each.
type recordedCase struct {
	ID     string `json:"id"`
	Events []struct {
		Raw string `json:"raw"`
	} `json:"events"`
	Results map[string]recordedResults `json:"results"`
}

type recordedResults struct {
	Decoded  json.RawMessage  `json:"decoded"` // absent, event numbers, or results with their data
	Expected []recordedResult `json:"expected"`
}

// decoded returns the events that the original decoded.
func (r recordedResults) decoded(t *testing.T) []recordedResult {
	t.Helper()
	var results []recordedResult
	if r.Decoded == nil || json.Unmarshal(r.Decoded, &results) == nil {
		return results
	}
	var numbers []int
	if err := json.Unmarshal(r.Decoded, &numbers); err != nil {
		t.Fatal(err)
	}
	results = results[:0]
	for _, n := range numbers {
		results = append(results, recordedResult{Event: n})
	}
	return results
}

type recordedResult struct {
	Event int             `json:"event_index"`
	Data  json.RawMessage `json:"data"`
	Agent *struct {
		ID, Name, IP string
	} `json:"agent"`
}

var compats = map[string]syscollector.Compat{
	"4.14.7": syscollector.Compat4,
	"3.9.5":  syscollector.Compat39,
}

func readRecorded(t *testing.T) []recordedCase {
	t.Helper()
	files, err := filepath.Glob("testdata/recorded/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded cases: %v", err)
	}
	if dir := os.Getenv("INVIGIL_CONFORMANCE"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "rules", "*.jsonl"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no recorded cases in %s: %v", dir, err)
		}
		files = more
	}
	var cases []recordedCase
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(b))
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var c recordedCase
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// nest builds the nested data of an alert: dotted names make objects, the
// first of a name wins, empty values are left out, a value that is a JSON
// array becomes one.
func nest(e *syscollector.Event) map[string]any {
	root := map[string]any{}
	for name, value := range e.Fields() {
		if value == "" {
			continue
		}
		at, parts := root, strings.Split(name, ".")
		for _, p := range parts[:len(parts)-1] {
			sub, ok := at[p].(map[string]any)
			if !ok {
				sub = map[string]any{}
				at[p] = sub
			}
			at = sub
		}
		leaf := parts[len(parts)-1]
		if _, ok := at[leaf]; ok {
			continue
		}
		at[leaf] = value
		if value[0] == '[' {
			var list []any
			if json.Unmarshal([]byte(value), &list) == nil {
				at[leaf] = list
			}
		}
	}
	return root
}

func TestTheStringViewIsWhatTheOriginalRecorded(t *testing.T) {
	compared := 0
	for _, c := range readRecorded(t) {
		for version, compat := range compats {
			r, ok := c.Results[version]
			if !ok {
				continue
			}
			wanted := map[int]json.RawMessage{}
			for _, x := range r.Expected {
				if x.Data != nil {
					wanted[x.Event] = x.Data
				}
			}
			for _, x := range r.decoded(t) {
				if _, known := wanted[x.Event]; !known || x.Data != nil {
					wanted[x.Event] = x.Data
				}
			}
			complete := r.Decoded != nil
			d := syscollector.NewDecoder(syscollector.Options{Compat: compat, Manager: "vm"})
			for i, in := range c.Events {
				e, err := d.Decode([]byte(in.Raw), syscollector.Meta{})
				seen := err == nil && e.Visible
				want, known := wanted[i]
				if !known {
					if seen && complete {
						t.Errorf("%s %s event %d: decoded, the original drops it: %s", c.ID, version, i, in.Raw)
					}
					continue
				}
				if !seen {
					t.Errorf("%s %s event %d: not decoded (%v): %s", c.ID, version, i, err, in.Raw)
					continue
				}
				if want == nil {
					continue // decoded, to what was not recorded
				}
				var wantData map[string]any
				if err := json.Unmarshal(want, &wantData); err != nil {
					t.Fatal(err)
				}
				if got := nest(e); !reflect.DeepEqual(got, wantData) {
					t.Errorf("%s %s event %d:\n got %v\nwant %v", c.ID, version, i, got, wantData)
				}
				compared++
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d events compared", compared)
	}
}

func TestAgentsAreNamedAsTheOriginalRecorded(t *testing.T) {
	compared := 0
	for _, c := range readRecorded(t) {
		for version, r := range c.Results {
			d := syscollector.NewDecoder(syscollector.Options{Manager: "vm", Compat: compats[version]})
			for _, x := range r.Expected {
				if x.Agent == nil {
					continue
				}
				e, err := d.Decode([]byte(c.Events[x.Event].Raw), syscollector.Meta{})
				if err != nil {
					t.Errorf("%s event %d: %v", c.ID, x.Event, err)
					continue
				}
				got := [3]string{e.Agent.ID, e.Agent.Name, e.Agent.IP}
				if want := [3]string{x.Agent.ID, x.Agent.Name, x.Agent.IP}; got != want {
					t.Errorf("%s event %d: agent %q, want %q", c.ID, x.Event, got, want)
				}
				compared++
			}
		}
	}
	if compared < 100 {
		t.Errorf("only %d agents compared", compared)
	}
}
