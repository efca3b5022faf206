package pattern_test

import (
	"strings"
	"testing"
	"time"

	"invigil/rules/pattern"
)

// short cuts fuzzed patterns and subjects to what stays quick.
func short(text, subject string) (string, string, bool) {
	return text, subject, len(text) <= 300 && len(subject) <= 300 && !strings.Contains(text+subject, "\x00")
}

func FuzzOSMatch(f *testing.F) {
	f.Add("^foo|bar$|^x$|!y|é", "FOO")
	f.Add("!a|b", "ab")
	f.Fuzz(func(t *testing.T, text, subject string) {
		text, subject, ok := short(text, subject)
		if !ok {
			return
		}
		checkShortCuts(t, pattern.OSMatch, text, pattern.Options{}, subject)
		if inverted, ok := strings.CutPrefix(text, "!"); ok {
			a := compile(t, pattern.OSMatch, text, pattern.Options{})
			b := compile(t, pattern.OSMatch, inverted, pattern.Options{})
			if !strings.HasPrefix(inverted, "!") && a.Match(subject) == b.Match(subject) {
				t.Fatalf("%q does not invert %q on %q", text, inverted, subject)
			}
		}
	})
}

func FuzzOSRegex(f *testing.F) {
	f.Add(`^docker\d*$|(\w+)\s*:`, "docker0", false, false)
	f.Add(`(\w*)\p*\d*\w*|é`, "xy", true, true)
	f.Fuzz(func(t *testing.T, text, subject string, captures, old bool) {
		text, subject, ok := short(text, subject)
		if !ok {
			return
		}
		o := pattern.Options{Captures: captures, MaxSteps: 1 << 20}
		if old {
			o.Compat = pattern.Compat39
		}
		cut := false
		o.OnLimit = func(*pattern.LimitError) { cut = true }
		if m, err := pattern.Compile(pattern.OSRegex, text, o); err == nil && m.Match(subject) && cut {
			t.Fatalf("%q on %q was cut off and matches", text, subject)
		}
		if !cut {
			checkShortCuts(t, pattern.OSRegex, text, o, subject)
		}
	})
}

func FuzzPCRE2(f *testing.F) {
	f.Add(`(?i)[c-z]:\\Windows\\.+\.dll$`, `c:\windows\x.DLL`)
	f.Add(`^(?!docker)\w+|(?<=a)b(?=c)`, "abc")
	f.Fuzz(func(t *testing.T, text, subject string) {
		text, subject, ok := short(text, subject)
		if !ok {
			return
		}
		cut := false
		o := pattern.Options{Timeout: 50 * time.Millisecond, OnLimit: func(*pattern.LimitError) { cut = true }}
		m, err := pattern.Compile(pattern.PCRE2, text, o)
		if err != nil {
			return
		}
		if m.Match(subject) && cut {
			t.Fatalf("%q on %q was cut off and matches", text, subject)
		}
		exact, err := pattern.CompileExact(pattern.PCRE2, text, o)
		if err != nil {
			t.Fatalf("%q compiles with short cuts only: %v", text, err)
		}
		if exact.Match(subject); !cut {
			checkShortCuts(t, pattern.PCRE2, text, o, subject)
		}
	})
}
