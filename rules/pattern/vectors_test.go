package pattern_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invigil/rules/pattern"
)

type vector struct {
	pattern.Question
	CaseSensitive bool   `json:"case_sensitive"`
	Compiles      bool   `json:"compiles"`
	Match         bool   `json:"match"`
	Origin        string `json:"origin"`
	Old           *struct {
		Compiles bool `json:"compiles"`
		Match    bool `json:"match"`
	} `json:"v3_9_5"`
}

func readVectors(t *testing.T, path string) []vector {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []vector
	for line := range strings.Lines(string(data)) {
		var v vector
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if v.Engine == "pcre2" || !v.CaseSensitive {
			out = append(out, v)
		}
	}
	return out
}

// run puts vectors to Answer and compares each verdict.
func run(t *testing.T, vectors []vector, o pattern.Options) {
	t.Helper()
	var in, out bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, v := range vectors {
		if err := enc.Encode(v.Question); err != nil {
			t.Fatal(err)
		}
	}
	if err := pattern.Answer(&in, &out, o); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(&out)
	for _, v := range vectors {
		if !lines.Scan() {
			t.Fatalf("fewer answers than the %d questions", len(vectors))
		}
		var got pattern.Verdict
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		compiles, match := v.Compiles, v.Match
		if o.Compat == pattern.Compat39 && v.Old != nil {
			compiles, match = v.Old.Compiles, v.Old.Match
		}
		if got.Compiles != compiles || compiles && got.Match != match {
			t.Errorf("%s %q on %q: recorded compiles %v match %v, got %+v", v.Engine, v.Pattern, v.Subject, compiles, match, got)
		}
	}
	if lines.Scan() {
		t.Errorf("an answer too many: %s", lines.Text())
	}
}

func runFiles(t *testing.T, glob string, least int) {
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors at %s (%v)", glob, err)
	}
	count := 0
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			vectors := readVectors(t, path)
			count += len(vectors)
			all, old := vectors[:0:0], vectors[:0:0]
			for _, v := range vectors {
				if v.Engine == "oswordmatch" {
					if got := pattern.CompileGroupWord(v.Pattern).Match(v.Subject); got != v.Match {
						t.Errorf("group words %q on %q: recorded %v, got %v", v.Pattern, v.Subject, v.Match, got)
					}
					continue
				}
				all = append(all, v)
				if v.Engine == "osregex" && v.Origin != "unit-test" {
					old = append(old, v)
				}
			}
			run(t, all, pattern.Options{Captures: true})
			run(t, old, pattern.Options{Captures: true, Compat: pattern.Compat39})
		})
	}
	if count < least {
		t.Errorf("only %d vectors, expected %d at least", count, least)
	}
}

func TestRecordedVerdicts(t *testing.T) { runFiles(t, "testdata/vectors/*.jsonl", 1300) }

func TestRecordedVerdictsOfThirdParties(t *testing.T) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		t.Skip("INVIGIL_CONFORMANCE is not set")
	}
	runFiles(t, filepath.Join(dir, "regex", "*.jsonl"), 13000)
}

func TestClassesHoldTheRecordedBytes(t *testing.T) {
	for name, compat := range map[string]pattern.Compat{"4.14.7": pattern.Compat4, "3.9.5": pattern.Compat39} {
		data, err := os.ReadFile("testdata/vectors/charmap-" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Classes map[string][]int `json:"classes"`
		}
		if err := json.Unmarshal(data, &file); err != nil {
			t.Fatal(err)
		}
		if len(file.Classes) < 7 {
			t.Fatalf("%s: only %d classes", name, len(file.Classes))
		}
		for class, bytes := range file.Classes {
			m, err := pattern.Compile(pattern.OSRegex, "^"+class+"$", pattern.Options{Compat: compat})
			if err != nil {
				t.Fatal(err)
			}
			want := map[int]bool{}
			for _, b := range bytes {
				want[b] = true
			}
			for b := 1; b < 256; b++ {
				if got := m.Match(string([]byte{byte(b)})); got != want[b] {
					t.Errorf("%s: %s on byte %#x: recorded %v, got %v", name, class, b, want[b], got)
				}
			}
		}
	}
}

func TestAnswerKeepsOrderAndAnswersBadLines(t *testing.T) {
	in := strings.Join([]string{
		`{"engine":"osmatch","pattern":"^a","subject":"Ab"}`,
		``,
		`not json`,
		`{"engine":"awk","pattern":"a","subject":"a"}`,
		`{"engine":"osregex","pattern":"(a|b)","subject":"a"}`,
		`{"engine":"pcre2","pattern":"b$","subject":"ab\u0000c"}`,
	}, "\n") // the last line has no end
	var out bytes.Buffer
	if err := pattern.Answer(strings.NewReader(in), &out, pattern.Options{}); err != nil {
		t.Fatal(err)
	}
	var got []pattern.Verdict
	for line := range strings.Lines(out.String()) {
		var v pattern.Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	if len(got) != 5 {
		t.Fatalf("5 questions, %d answers:\n%s", len(got), out.String())
	}
	if got[0] != (pattern.Verdict{Compiles: true, Match: true}) || got[4] != (pattern.Verdict{Compiles: true, Match: true}) {
		t.Errorf("first %+v, last %+v", got[0], got[4])
	}
	for i, want := range []string{"not a JSON object", "unknown engine", "no alternatives inside a group"} {
		if v := got[i+1]; v.Compiles || v.Match || !strings.Contains(v.Error, want) {
			t.Errorf("answer %d: %+v, want an error with %q", i+1, v, want)
		}
	}
}
