package source_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/config/source"
)

func TestFilePlacesOffsetsByLineAndRune(t *testing.T) {
	f := source.File{Name: "f", Data: []byte("ab\r\nß€x\n\n\xff!")}
	for offset, want := range map[int]string{-1: "f:1:1", 0: "f:1:1", 2: "f:1:3", 4: "f:2:1", 6: "f:2:2", 9: "f:2:3", 11: "f:3:1", 12: "f:4:1", 13: "f:4:2", 14: "f:4:3", 99: "f:4:3"} {
		if got := f.Position(offset).String(); got != want {
			t.Errorf("offset %d is at %s, want %s", offset, got, want)
		}
	}
	for n, want := range map[int]string{0: "", 1: "ab", 2: "ß€x", 3: "", 4: "\xff!", 5: ""} {
		if got := f.Line(n); got != want {
			t.Errorf("line %d is %q, want %q", n, got, want)
		}
	}
}

func TestFileIgnoresAByteOrderMark(t *testing.T) {
	f := source.File{Name: "f", Data: []byte("\ufeffab")}
	if got := f.Position(4).Column; got != 2 {
		t.Errorf("column %d, want 2", got)
	}
	if got := f.Line(1); got != "ab" {
		t.Errorf("line %q", got)
	}
}

func TestLinesAgreesWithCountingFromTheStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.StringOf(rapid.SampledFrom([]rune("ab\n\ré€"))).Draw(t, "data")
		f := source.File{Name: "f", Data: []byte(data)}
		l := f.Lines()
		runes := []rune(data)
		for _, n := range rapid.SliceOf(rapid.IntRange(0, len(runes))).Draw(t, "offsets") {
			before := string(runes[:n])
			offset := len(before)
			want := source.Position{File: "f", Line: 1 + strings.Count(before, "\n"), Column: 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))}
			if got := l.Position(offset); got != want {
				t.Fatalf("offset %d is at %v, want %v", offset, got, want)
			}
		}
	})
}

func TestLinesAnswersAlikeWhateverWasAskedBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := source.File{Name: "f", Data: rapid.SliceOf(rapid.SampledFrom([]byte("ab\n\xc3\xa9\xe2\x82"))).Draw(t, "data")}
		l := f.Lines()
		for _, offset := range rapid.SliceOf(rapid.IntRange(0, len(f.Data)+1)).Draw(t, "offsets") {
			if got, want := l.Position(offset), f.Position(offset); got != want {
				t.Fatalf("offset %d is at %v, want %v", offset, got, want)
			}
		}
	})
}

func TestSuggest(t *testing.T) {
	keys := []string{"level", "description", "groups", "when"}
	for word, want := range map[string]string{
		"leevl": "level", "lvl": "", "Level": "level", "descrition": "description", "group": "groups", "wehn": "when", "x": "", "": "", "whenn": "when", "entirely": "",
	} {
		if got := source.Suggest(word, keys); got != want {
			t.Errorf("for %q: %q, want %q", word, got, want)
		}
	}
	if got := source.DidYouMean("leevl", keys); got != `did you mean "level"?` {
		t.Error(got)
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"0": 0, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "2w": 336 * time.Hour, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond} {
		if got, err := source.ParseDuration(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10", "m", "10 m", "-1h", "1x", "1..5h", "999999999d"} {
		if got, err := source.ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(0).Draw(t, "d"))
		if got, err := source.ParseDuration(source.FormatDuration(d)); err != nil || got != d {
			t.Fatalf("%v is written %s, read as %v, %v", d, source.FormatDuration(d), got, err)
		}
	})
}

func TestRenderPointsAtThePlace(t *testing.T) {
	render := func(d source.Diagnostic) string {
		var b strings.Builder
		if err := d.Render(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	d := source.Diagnostic{Pos: source.Position{File: "r.yml", Line: 12, Column: 8}, Rule: "7", Message: "unknown field", Hint: "did you mean this?", Line: "\twhen: porr.x == 1", Width: 6}
	want := "r.yml:12:8: error: rule 7: unknown field\n   12 | \twhen: porr.x == 1\n      | \t      ^~~~~~\n        hint: did you mean this?\n"
	if diff := cmp.Diff(want, render(d)); diff != "" {
		t.Error(diff)
	}
	d.Line = strings.Repeat("x", 300) + "HERE" + strings.Repeat("y", 300)
	d.Pos.Column = 301
	lines := strings.Split(render(d), "\n")
	if at := strings.IndexByte(lines[2], '^'); !strings.HasPrefix(string([]rune(lines[1])[at:]), "HERE") || len([]rune(lines[1])) > 130 {
		t.Errorf("a long line is not cut around the place:\n%s", strings.Join(lines, "\n"))
	}
	d = source.Diagnostic{Message: "no place"}
	if got := render(d); got != "error: no place\n" {
		t.Errorf("%q", got)
	}
}

func TestFillGivesFindingsTheirLines(t *testing.T) {
	ds := source.Diagnostics{
		{Pos: source.Position{File: "a", Line: 2}}, {Pos: source.Position{File: "b", Line: 1}},
		{Pos: source.Position{File: "c", Line: 1}}, {Pos: source.Position{File: "a", Line: 1}, Line: "kept"},
	}
	ds.Fill(source.File{Name: "a", Data: []byte("1\n2\n")}, source.File{Name: "b", Data: []byte("x")})
	got := []string{ds[0].Line, ds[1].Line, ds[2].Line, ds[3].Line}
	if diff := cmp.Diff([]string{"2", "x", "", "kept"}, got); diff != "" {
		t.Error(diff)
	}
}
