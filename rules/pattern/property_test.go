package pattern_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"invigil/rules/pattern"
)

// join draws up to n of the parts and joins them.
func join(t *rapid.T, label string, n int, parts ...string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, n).Draw(t, label), "")
}

func drawSubject(t *rapid.T) string {
	return join(t, "subject", 8, "a", "A", "b", "B", "1", " ", "(", "$", "|", "é", "\n", "ab", "1 ", "aB1")
}

func drawOSRegex(t *rapid.T) string {
	return join(t, "pattern", 9, "a", "A", "b", "1", "é", "ab", "^", "$", "|", "(", ")", "(a)", "()", "+",
		`\w`, `\d`, `\s`, `\.`, `\w+`, `\w*`, `\d+`, `\d*`, `\s*`, `\.*`, `\.+`, `\S+`, `\D`, `\p*`, `\(`, `\$`, "|^ab", "|^a$", "b$|")
}

func drawPCRE2(t *rapid.T) string {
	return join(t, "pattern", 8, "a", "A", "b", "1", "é", "ab", "^", "$", "|", "(", ")", "(?:", "(?i)", "(?i:", "(?m)", "(?s)", "(?=", "(?!",
		"(?<=", "(?<!", "(?>", ".", ".*", "*", "+", "?", "{2}", "{1,2}", "[ab]", "[^a]", "[aA]", `\w`, `\s`, `\n`, `\b`, `\d+`, `\R`, `\z`, `\A`, `\1`, "ab|", "(a|b)", "(?i)ab", "\n")
}

func drawOptions(t *rapid.T) pattern.Options {
	return pattern.Options{
		Compat:   rapid.SampledFrom([]pattern.Compat{pattern.Compat4, pattern.Compat39}).Draw(t, "compat"),
		Captures: rapid.Bool().Draw(t, "captures"),
		MaxSteps: 1 << 20,
	}
}

// TestOSMatchAgreesWithRegexp compares OS_Match with an expression for Go's
// regexp, on ASCII.
func TestOSMatchAgreesWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := join(t, "pattern", 7, "a", "B", "1", ".", `\`, "^", "$", "|", "!", "ab", "|^a$", "b$|")
		subject := join(t, "subject", 5, "a", "b", "A", "1", ".", `\`, "^", "$", "!", "|", "ab")
		var alts []string
		inner, invert := strings.CutPrefix(text, "!")
		for alt := range strings.SplitSeq(inner, "|") {
			alt, start := strings.CutPrefix(alt, "^")
			alt, end := strings.CutSuffix(alt, "$")
			if alt == "" && start != end { // a lone anchor matches everything, as an empty alternative does
				start, end = false, false
			}
			re := regexp.QuoteMeta(alt)
			if start {
				re = `\A` + re
			}
			if end {
				re += `\z`
			}
			alts = append(alts, re)
		}
		want := regexp.MustCompile("(?is)"+strings.Join(alts, "|")).MatchString(subject) != invert
		if got := compileRapid(t, pattern.OSMatch, text, pattern.Options{}).Match(subject); got != want {
			t.Fatalf("osmatch %q on %q: %v", text, subject, got)
		}
	})
}

func compileRapid(t *rapid.T, d pattern.Dialect, text string, o pattern.Options) pattern.Matcher {
	m, err := pattern.Compile(d, text, o)
	if err != nil {
		t.Skip(err)
	}
	return m
}

// TestShortCutsAgreeWithTheEngines compares the compiled matcher with one that
// takes no short cut, and holds the promise of Literals: none stands in a
// subject that matches only if the pattern says so, and with Exact one stands
// there exactly then.
func TestShortCutsAgreeWithTheEngines(t *testing.T) {
	for d, draw := range map[pattern.Dialect]func(*rapid.T) string{
		pattern.OSRegex: drawOSRegex,
		pattern.PCRE2:   drawPCRE2,
		pattern.OSMatch: func(t *rapid.T) string {
			return join(t, "pattern", 7, "a", "B", "1", "é", "^", "$", "|", "!", "ab", "|^a$", "b$|")
		},
	} {
		t.Run(d.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkShortCuts(t, d, draw(t), drawOptions(t), drawSubject(t)) })
		})
	}
}

type fataler interface{ Fatalf(string, ...any) }

func checkShortCuts(t fataler, d pattern.Dialect, text string, o pattern.Options, subject string) {
	m, err := pattern.Compile(d, text, o)
	if err != nil {
		return
	}
	exact, err := pattern.CompileExact(d, text, o)
	if err != nil {
		t.Fatalf("%s %q compiles with short cuts only: %v", d, text, err)
	}
	want := exact.Match(subject)
	if got := m.Match(subject); got != want {
		t.Fatalf("%s %q on %q, %+v: %v, without short cuts %v", d, text, subject, o, got, want)
	}
	l := m.Literals()
	switch found := l.Match(subject); {
	case want && l.Known() && !found:
		t.Fatalf("%s %q matches %q without its literals %q", d, text, subject, l.Any)
	case l.Exact && found != want:
		t.Fatalf("%s %q on %q: %v, but its exact literals %q say otherwise", d, text, subject, want, l.Any)
	}
	for _, lit := range l.Any {
		if l.Fold && strings.ContainsFunc(lit.Text, func(r rune) bool { return 'A' <= r && r <= 'Z' }) {
			t.Fatalf("%s %q: literal %q is not folded", d, text, lit.Text)
		}
	}
}

// TestPCRE2EnginesAgree compares the linear engine, conjunctions included, with
// the backtracking one.
func TestPCRE2EnginesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, subject := drawPCRE2(t), drawSubject(t)
		m, err := pattern.CompileExact(pattern.PCRE2, text, pattern.Options{})
		if err != nil {
			t.Skip(err)
		}
		back, err := pattern.CompileBacktracking(text, pattern.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := m.Match(subject), back.Match(subject); got != want {
			t.Fatalf("pcre2 %q on %q: %v, by backtracking %v", text, subject, got, want)
		}
	})
}

// TestPCRE2AgreesWithRegexp compares patterns that mean the same to Go's regexp.
func TestPCRE2AgreesWithRegexp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := join(t, "pattern", 8, "a", "A", "b", "1", "^", "|", "(", ")", "(?:", "(?i)", "(?s)", ".", ".*", "*", "+", "?", "{2}",
			"[ab]", "[^a]", `\w`, `\n`, `\b`, `\d+`, `\z`, `\A`, "(a|b)", "(?i)ab", `\$`)
		subject := join(t, "subject", 8, "a", "A", "b", "B", "1", " ", "$", "|", "\n", "ab", "aB1")
		re, err := regexp.Compile(text)
		if err != nil {
			t.Skip(err)
		}
		m := compileRapid(t, pattern.PCRE2, text, pattern.Options{})
		if got, want := m.Match(subject), re.MatchString(subject); got != want {
			t.Fatalf("pcre2 %q on %q: %v, regexp %v", text, subject, got, want)
		}
	})
}

func TestIPAgreesWithBits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := func(label string) []byte {
			return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 127, 128, 255}), 4, 4).Draw(t, label)
		}
		a, b := addr("network"), addr("address")
		length := rapid.IntRange(0, 32).Draw(t, "length")
		text := func(b []byte) string {
			var parts []string
			for _, x := range b {
				parts = append(parts, []string{0: "0", 1: "1", 127: "127", 128: "128", 255: "255"}[x])
			}
			return strings.Join(parts, ".")
		}
		p, err := pattern.ParseIP(text(a) + "/" + strconv.Itoa(length))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Equal(bitsOf(a)[:length], bitsOf(b)[:length])
		if got := p.Match(text(b)); got != want {
			t.Fatalf("%v/%d on %v: %v", a, length, b, got)
		}
	})
}

func bitsOf(b []byte) []bool {
	var out []bool
	for _, x := range b {
		for i := 7; i >= 0; i-- {
			out = append(out, x>>i&1 == 1)
		}
	}
	return out
}
