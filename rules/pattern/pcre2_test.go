package pattern_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"invigil/rules/pattern"
)

func TestPCRE2Verdicts(t *testing.T) {
	for _, c := range []verdict{
		// Mode: bytes, case-sensitive, ^ and $ as without options.
		{`^Up`, `up`, false},
		{`a$`, "a\n", true},
		{`a$`, "a\n\n", false},
		{`a$`, "a\nb", false},
		{`a\z`, "a\n", false},
		{`a\Z`, "a\n", true},
		{`(?m)a$`, "a\nb", true},
		{`a$b|x`, "a", false},
		{`(a$)+\n`, "a\n", true},
		{`a.b`, "a\nb", false},
		{`a.b`, "a\rb", true},
		{`(?s)a.b`, "a\nb", true},
		{`^..$`, `é`, true}, // two bytes
		{`é`, `xé`, true},
		{`\xc3\xa9`, `é`, true},
		{`[é]{2}`, `é`, true},
		{"\xe9", "\xe9", true},
		{"[\xe0-\xef]", "\xe9", true},
		{"\\351", "\xe9", true},
		{"[^a]", "\xe9", true},
		{``, ``, true},
		// (?m)^ is not behind a line feed that ends the subject.
		{`(?m)^b`, "a\nb", true},
		{`(?m)^$`, "a\n", false},
		{`(?m)^$`, "a\n\nb", true},
		{`(?m)a\n^`, "a\n", false},
		{`(?m)a\n^`, "a\nb", true},
		// Classes.
		{`^\w$`, "\xe9", false},
		{`^\s$`, "\v", true},
		{`^\s$`, "\xa0", false},
		{`^\h$`, "\xa0", true},
		{`^\H$`, "\xa0", false},
		{`^\v$`, "\x85", true},
		{`^\V$`, "a", true},
		{`^\N$`, "\n", false},
		{`^\R$`, "\r\n", true},
		{`^\R$`, "\x85", true},
		{`^\R\n`, "\r\n", false}, // \R is atomic
		{`\R\n`, "\n\n", true},
		{`(*BSR_ANYCRLF)^\R$`, "\x85", false},
		{`^\p{L}`, `é`, true},
		{`^\p{L}$`, "\xe9", true},
		{`^\P{L}`, `é`, false},
		{`^\p{Lu}$`, "\xc9", true},
		{`^\p{^Lu}$`, "\xc9", false},
		{`^[[:alpha:]]$`, "\xe9", false},
		{`^[[:^alpha:]]$`, "\xe9", true},
		{`^[[:xdigit:][:punct:]]+$`, `aF!`, true},
		{`^[]a]+$`, `]a`, true},
		{`^[^]a]$`, `]`, false},
		{`^[\w-]+$`, `a-b`, true},
		{`^[a\-z]+$`, `a-z`, true},
		{`^[a\-z]+$`, `b`, false},
		{`^[--a]+$`, `:A`, true},
		{`(?>^[--a]+)b`, `:Ab`, true}, // the same, backtracking
		{`^[\b]$`, "\b", true},
		{`^[\Qa-c\E]+$`, `a-c`, true},
		{`^[\Qa-c\E]$`, `b`, false},
		{`(?xx)^[a b]+$`, `a b`, false},
		// (?i) folds ASCII only.
		{`(?i)É`, `é`, false},
		{`(?i)[k]`, `K`, true},
		{`(?i)k`, "\u212a", false},
		{`(?i)[^a]`, `A`, false},
		{`(?i)[[:upper:]]`, `a`, true},
		{`(?i:a)b`, `AB`, false},
		{`a(?i)b|c`, `C`, true}, // a setting reaches into the next alternative
		{`(a(?i)b)c`, `aBC`, false},
		{`(?^i:a)`, `A`, true},
		// Escapes and literals.
		{`\<a\>`, `<a>`, true},
		{`\@\_\-\/`, `@_-/`, true},
		{`\Qa.b*\E+`, `a.b**`, true},
		{`\x41\x{42}\o{103}\104`, `ABCD`, true},
		{`\cA\e`, "\x01\x1b", true},
		{`a{,3}`, `a{,3}`, true},
		{`a{,3}`, `aaa`, false},
		{`a{x}`, `a{x}`, true},
		{`a{2}`, `aa`, true},
		{`^a{2}$`, `aaa`, false},
		{`^a{1001}$`, strings.Repeat("a", 1001), true},
		{`^a{1001}$`, strings.Repeat("a", 1000), false},
		{`(?x) a b # comment` + "\n" + `c`, `abc`, true},
		{`a(?#comment)+b`, `aab`, true},
		{`a\Kb`, `ab`, true},
		{`\Ga`, `ba`, false},
		// (*UTF)
		{`(*UTF)^.$`, `é`, true},
		{`(*UTF)^.$`, "\xe9", false},
		{`(*UTF)\N{U+202E}`, "a\u202eb", true},
		{`(*UTF)(?i)É`, `é`, true},
		{`(*UTF)(?i)k`, "\u212a", true},
		{`(*UTF)^\w$`, `é`, false},
		{`(*UTF)\bé`, `é`, false},
		{`(*UTF)(?<=\s)é(?!x)`, ` é`, true},
		{`(*UTF)^\p{sc:Greek}$`, `α`, true},
		{`(*UTF)\p{sc:Greek}`, `a`, false},
		// Lookarounds, by conjunction and by backtracking.
		{`^(?!docker)\w+`, `docker0`, false},
		{`^(?!docker)\w+`, `eth0`, true},
		{`^(?!^$).*`, ``, false},
		{`^(?!^$|^-$).*`, `-`, false},
		{`^(?!^$|^-$).*`, `--`, true},
		{`^(?=.*a)(?=.*x)`, `xa`, true},
		{`^(?=.*a)(?=.*x)`, `aa`, false},
		{`(?<=a)b`, `ab`, true},
		{`(?<=a)b`, `bb`, false},
		{`(?<=^a)b`, `xab`, false},
		{`(?<!a)b`, `ab`, false},
		{`(?<!a|cd)b`, `cdb`, false},
		{`\d+(?=x)`, `12x`, true},
		{`\d+(?=x)`, `12y`, false},
		{`\d+(?!x)$`, `12`, true},
		{`a(?=b)b*c`, `abc`, true},
		{`^(?=a)(?!ab).`, `ac`, true},
		{`(?i)^(?!DOCKER)\w+`, `docker0`, false},
		{`x|^(?!a)\w`, `ax`, true},
		// What only backtracking can say.
		{`(a|b)\1`, `abb`, true},
		{`(a|b)\1`, `aba`, false},
		{`(?i)(a)\1`, `aA`, true},
		{`(?<n>a)\k<n>`, `aa`, true},
		{`(?P<n>a)(?P=n)\g{-1}`, `aaa`, true},
		{`(a)\g1\g{1}`, `aaa`, true},
		{`(?J)(?:(?<n>a)|(?<n>b))\k<n>`, `bb`, true},
		{`(?J)(?:(?<n>a)|(?<n>b))\k<n>`, `ba`, false},
		{`^a++a`, `aaa`, false},
		{`(?>a*)b`, `aab`, true},
		{`^(?>a|ab)c`, `abc`, false},
		{`^(a)?(?(1)b|c)$`, `ab`, true},
		{`^(a)?(?(1)b|c)$`, `b`, false},
		{`^(?(?=a)ab|c)`, `c`, true},
		{`^(?(?!a)c|ab)`, `ac`, false},
		// Subroutines, branch reset, versions, conditions on recursion.
		{`^(?<b>25[0-5]|1?\d?\d)(?:\.(?&b)){3}$`, `10.0.0.255`, true},
		{`^(?<b>25[0-5]|1?\d?\d)(?:\.(?&b)){3}$`, `10.0.0.256`, false},
		{`(?(DEFINE)(?<x>[ab]))^(?P>x)\g<1>(?1)(?-1)$`, `abab`, true},
		{`(?|(a)|(b))c`, `bc`, true},
		{`(?(VERSION>=10.4)a|b)`, `b`, false},
		{`(?(R)a|b)`, `b`, true},
		{`a(*FAIL)|b`, `a`, false},
		{`(*atomic:a+)b(*nla:c)`, `aabd`, true},
		{`[[:<:]]a[[:>:]]`, `x a y`, true},
	} {
		m := compile(t, pattern.PCRE2, c.pattern, pattern.Options{})
		if got := m.Match(c.subject); got != c.want {
			t.Errorf("pcre2 %q on %q: %v", c.pattern, c.subject, got)
		}
		exact, err := pattern.CompileExact(pattern.PCRE2, c.pattern, pattern.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := exact.Match(c.subject); got != c.want {
			t.Errorf("pcre2 %q on %q without literals: %v", c.pattern, c.subject, got)
		}
		back, err := pattern.CompileBacktracking(c.pattern, pattern.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := back.Match(c.subject); got != c.want {
			t.Errorf("pcre2 %q on %q by backtracking: %v", c.pattern, c.subject, got)
		}
	}
}

func TestPCRE2RefusesWhatTheOriginalRefuses(t *testing.T) {
	for _, text := range []string{
		`(`, `a)`, `*a`, `a|+`, `(?:*)`, `a**`, `a{2}{3}`, `^*`, `$+`, `\b?`, `\A*`, `(?i)*`, `a{2,1}`, `a{65536}`,
		`[a`, `[z-a]`, `[\w-z]`, `[a-\d]`, `[[:digit:]-z]`, `[[:foo:]]`, `[:alpha:]`, `[[.a.]]`, `[[=a=]]`,
		`[\B]`, `[\R]`, `[\X]`, `[\A]`, `[\z]`, `[\Z]`, `[\G]`, `[\K]`, `[\N]`, `[\k]`,
		`\i`, `\j`, `\l`, `\m`, `\q`, `\u`, `\y`, `\F`, `\I`, `\J`, `\L`, `\M`, `\O`, `\T`, `\U`, `\Y`, `a\`,
		`(?<n>a)(?<n>b)`, `(?<n>a)(?P<n>b)`, `\1`, `(a)\2`, `\k<n>`, `(?P=n)`, `(?1)`, `(?&n)`, `(?(1)a)`, `(?(n)a)`, `\g`, `\k`, `\g{1`,
		`(?<1n>a)`, `(?<>a)`, `(?<n`, `(?Pn)`, `(?z)`, `(?i`, `(?-`, `(?--i)`, `(?`, `(?<=a+)b`, `(?<=a(b|cd))`, `(?<!a*)`, `(?(1)a|b|c)(x)`,
		`\x{100}`, `\400`, `\x{}`, `\x{zz}`, `\o`, `\o{9}`, `\c`, `\N{U+202E}`, `\p`, `\p{`, `(*foo)`, `(?#`, `(?C256)`, "(*UTF)\xff", `(*UTF)\x{d800}`, `(*UTF)\x{110000}`,
		strings.Repeat("(", 251) + strings.Repeat(")", 251),
	} {
		_, err := pattern.Compile(pattern.PCRE2, text, pattern.Options{})
		var syntax *pattern.SyntaxError
		if !errors.As(err, &syntax) || syntax.Unsupported || syntax.Reason == "" {
			t.Errorf("%q: %v, want a plain refusal", text, err)
		}
	}
}

func TestPCRE2SaysWhatItCannotExpress(t *testing.T) {
	for text, what := range map[string]string{
		`(?R)`:                    "recursion",
		`(a(?1)?b)`:               "recursion",
		`\X`:                      `\X`,
		`a(*SKIP)b`:               "(*SKIP)",
		`(*ACCEPT)`:               "(*ACCEPT)",
		`(?|(a)|(b))\1`:           "branch reset",
		`(?<=(a)\1)b`:             "lookbehind",
		`(*UCP)\w`:                "(*UCP)",
		`(*LIMIT_MATCH=10)a`:      "LIMIT_MATCH",
		`(?*a)`:                   "non-atomic",
		`(?C'text')a`:             "callout",
		`(*UTF)\p{Foo}`:           "Foo",
		`(*UTF)\C`:                `\C`,
		`(?(?=(a))b|c)\1`:         "condition",
		`(?<a>x)(?<b>\k<a>)(?&b)`: "subroutine",
	} {
		_, err := pattern.Compile(pattern.PCRE2, text, pattern.Options{})
		var syntax *pattern.SyntaxError
		if !errors.As(err, &syntax) || !syntax.Unsupported || !strings.Contains(syntax.Reason, what) {
			t.Errorf("%q: %v, want it unsupported for its %s", text, err, what)
		}
	}
}

func TestPCRE2LeavesBacktrackingToFewPatterns(t *testing.T) {
	for text, want := range map[string]bool{
		`(?i)[c-z]:\\Windows\\.+\.dll$`: false,
		`(?m)^STATUS:\[\d+] '(.*)'\n`:   false,
		`^(?!^$|^-$).*`:                 false,
		`^(?=.*a)(?=.*x)`:               false,
		`(?<=a)b|x(?=y)`:                false,
		`(*UTF)\N{U+202E}.+`:            false,
		`a\Rb`:                          false,
		`a\R$`:                          true,
		`\d++`:                          false,
		`\d++\d`:                        true,
		`(a)\1`:                         true,
		`a(?!b)`:                        true,
		`(?m)\w*^\w*`:                   true,
		`(?m)\n^a`:                      false,
		`a$|b$`:                         false,
		`(a$)*b`:                        true,
		`(?:a{1000}){2}b.`:              true,
	} {
		if got := pattern.Backtracks(compile(t, pattern.PCRE2, text, pattern.Options{})); got != want {
			t.Errorf("%q backtracks: %v", text, got)
		}
	}
}

func TestPCRE2GivesUpAndSaysSo(t *testing.T) {
	var cuts []*pattern.LimitError
	const hostile = `^(a|b|aa)+(?!q)\1!\w`
	m := compile(t, pattern.PCRE2, hostile, pattern.Options{Timeout: 20 * time.Millisecond,
		OnLimit: func(e *pattern.LimitError) { cuts = append(cuts, e) }})
	if m.Match(strings.Repeat("a", 60) + "c!!") {
		t.Error("a match that was cut off counts as a match")
	}
	if len(cuts) != 1 || cuts[0].Pattern != hostile || cuts[0].Dialect != pattern.PCRE2 || errors.Unwrap(cuts[0]) == nil {
		t.Fatalf("told of %v", cuts)
	}
	if !m.Match("aa!c") || len(cuts) != 1 {
		t.Error("an ordinary match was told as cut off")
	}
}
