package pattern_test

import (
	"testing"

	"invigil/rules/pattern"
)

// cases are patterns of the usual shapes with a subject each; none allocates.
func cases() []struct {
	name, text, subject string
	dialect             pattern.Dialect
} {
	return []struct {
		name, text, subject string
		dialect             pattern.Dialect
	}{
		{"osmatch/contains", `established`, `tcp 10.0.0.5:1514 Established`, pattern.OSMatch},
		{"osmatch/twenty", `^a$|^b$|^c$|^d$|^e$|^f$|^g$|^h$|^i$|^j$|^k$|^l$|^m$|^n$|^o$|^p$|^q$|^r$|^s$|^sshd$`, `SSHD`, pattern.OSMatch},
		{"osregex/equal", `^1514$`, `1514`, pattern.OSRegex},
		{"osregex/contains", `openssh`, `libopenssh-client`, pattern.OSRegex},
		{"osregex/loop", `^\w+ daemon version \d+.\d+`, `openssh daemon version 8.9`, pattern.OSRegex},
		{"osregex/saved", `"(\.+)": "\S+\.exe"`, `{"path": "C:\Windows\notepad.exe"}`, pattern.OSRegex},
		{"pcre2/literal", `(?i)\\cmd\.exe`, `C:\Windows\System32\cmd.exe`, pattern.PCRE2},
		{"pcre2/linear", `(?i)[c-z]:\\Windows\\.+\.dll$`, `C:\Windows\System32\kernel32.dll`, pattern.PCRE2},
		{"pcre2/conjunction", `^(?!docker)\w+\d$`, `eth0`, pattern.PCRE2},
		{"pcre2/excluded", `(?i)powershell.+-enc`, `C:\Windows\System32\kernel32.dll`, pattern.PCRE2},
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range cases() {
		b.Run(c.name, func(b *testing.B) {
			m := compile(b, c.dialect, c.text, pattern.Options{})
			b.ReportAllocs()
			for b.Loop() {
				m.Match(c.subject)
			}
		})
	}
	b.Run("pcre2/backtracking", func(b *testing.B) {
		m := compile(b, pattern.PCRE2, `^(\w+) \1$`, pattern.Options{})
		b.ReportAllocs()
		for b.Loop() {
			m.Match("sshd sshd")
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	for _, c := range cases() {
		m := compile(t, c.dialect, c.text, pattern.Options{})
		if n := testing.AllocsPerRun(200, func() { m.Match(c.subject) }); n != 0 {
			t.Errorf("%s: %v allocations a match", c.name, n)
		}
	}
	groups := pattern.CompileGroupWord("syslog|sshd")
	ip, err := pattern.ParseIP("10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(200, func() { groups.Match("local,SSHD,"); ip.Match("10.1.2.3") }); n != 0 {
		t.Errorf("group words and addresses: %v allocations a match", n)
	}
}
