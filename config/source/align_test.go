package source_test

import (
	"strings"
	"testing"
	"unicode"

	"invigil/config/source"
)

// TestMappedPlacesEveryVisibleRune checks, for every scalar style, that each
// visible rune of a value is placed on the same rune in the file.
func TestMappedPlacesEveryVisibleRune(t *testing.T) {
	files := map[string]string{
		"plain":                       "when: a == 1 and b\n",
		"plain over lines":            "when: a == 1\n  and b\n\n  and c\nx: y\n",
		"single quoted":               "when: 'it''s a == \"x\"'\n",
		"single quoted over lines":    "when: 'a\n   and\n\n\n   b'\n",
		"folded":                      "when: >\n  a == 1\n  and b\n\n  and c\n",
		"folded, deeper lines":        "when: >-\n  a\n    deep er\n  b\n\n\n  c  \n  d\n",
		"folded with explicit indent": "when: >2\n   a\n  b\n",
		"literal":                     "when: |\n  a == 1\n    and b\n\n  and c\n",
		"literal with a comment":      "when: |- # note\n\n  a # b\n  c\n",
		"wide runes":                  "when: äöü == 'ß€𝄞' and x\n",
		"wide runes, folded":          "- é: >\n    ä == \"ö\"\n    and ü\n",
		"windows line ends":           "when: >\r\n  a == 1\r\n  and b\r\n",
		"byte order mark":             "\ufeffwhen: a == 1\n",
		"in a flow mapping":           "{when: 'a == 1', x: b c}\n",
		"no line end":                 "when: |\n  a\n  b",
		"tabs inside":                 "when: a\tb\t== c\n",
		"nested":                      "rules:\n  - when: >\n      a\n      and b\n",
	}
	for name, text := range files {
		t.Run(name, func(t *testing.T) {
			y := source.ParseYAML(source.File{Name: "f", Data: []byte(text)})
			if ds := y.Diagnostics(); len(ds) > 0 {
				t.Fatal(ds)
			}
			n := y.Root()
			for n.IsMapping() || n.IsList() {
				if n.IsList() {
					n = n.Find("0")
					continue
				}
				m, _ := n.Mapping()
				n = m.Pairs[0].Value
			}
			value, m, ok := n.Mapped()
			if !ok {
				t.Fatal(y.Diagnostics())
			}
			checkPlaces(t, text, value, m)
		})
	}
}

func checkPlaces(t *testing.T, text, value string, m source.Map) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	for i, r := range value {
		if unicode.IsSpace(r) {
			continue
		}
		p := m.At(i)
		if p.Line < 1 || p.Line > len(lines) {
			t.Fatalf("%q at %d is placed at %v", r, i, p)
		}
		line := []rune(lines[p.Line-1])
		if p.Column < 1 || p.Column > len(line) || line[p.Column-1] != r {
			t.Fatalf("%q at %d of %q is placed at %v", r, i, value, p)
		}
	}
}

func TestMappedFollowsEscapesOfDoubleQuotes(t *testing.T) {
	text := "when: \"a\\tb \\\"c\\\" \\u00e9 d\\\n   e\n  f\\x41g\"\n"
	y := source.ParseYAML(source.File{Name: "f", Data: []byte(text)})
	value, m, ok := y.Root().Find("when").Mapped()
	if !ok || value != "a\tb \"c\" é de fAg" {
		t.Fatalf("value %q, %v", value, y.Diagnostics())
	}
	for want, at := range map[string]source.Position{
		"a": {File: "f", Line: 1, Column: 8}, "b": {File: "f", Line: 1, Column: 11}, `"c`: {File: "f", Line: 1, Column: 13},
		"c": {File: "f", Line: 1, Column: 15}, "é": {File: "f", Line: 1, Column: 19}, "d": {File: "f", Line: 1, Column: 26},
		"e f": {File: "f", Line: 2, Column: 4}, "fA": {File: "f", Line: 3, Column: 3}, "A": {File: "f", Line: 3, Column: 4},
		"g": {File: "f", Line: 3, Column: 8},
	} {
		if got := m.At(strings.Index(value, want)); got != at {
			t.Errorf("%q is placed at %v, want %v", want, got, at)
		}
	}
}

func TestMapPlacesTextAndHeldStretches(t *testing.T) {
	var m source.Map
	m.AddText(0, "aé\nb", source.Position{File: "f", Line: 3, Column: 5})
	m.Hold(5, source.Position{File: "f", Line: 9, Column: 2})
	for offset, want := range map[int]source.Position{
		0: {File: "f", Line: 3, Column: 5}, 1: {File: "f", Line: 3, Column: 6}, 3: {File: "f", Line: 3, Column: 7}, 4: {File: "f", Line: 4, Column: 1}, 5: {File: "f", Line: 9, Column: 2}, 50: {File: "f", Line: 9, Column: 2},
	} {
		if got := m.At(offset); got != want {
			t.Errorf("offset %d is at %v, want %v", offset, got, want)
		}
	}
	if got := new(source.Map).At(3); got != (source.Position{}) {
		t.Errorf("the zero map places 3 at %v", got)
	}
}

func FuzzMapped(f *testing.F) {
	for _, s := range []string{"a b\n c", "'a''b\n\n c'", "\"a\\n\\\n b\"", "|\n a\n  b\n", ">2\n   a\n b\n", "&x a", "!!str a", "é\u0085b", "\"\\U0001F600\\x4\""} {
		f.Add("when: " + s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		y := source.ParseYAML(source.File{Name: "f", Data: []byte(text)})
		n := y.Root()
		if n == nil {
			return
		}
		if value, m, ok := n.Find("when").Mapped(); ok {
			for i := range value {
				m.At(i)
			}
		}
		if ds := y.Diagnostics(); len(ds) > 0 && ds[0].Message == "" {
			t.Fatal("a finding without a message")
		}
	})
}
