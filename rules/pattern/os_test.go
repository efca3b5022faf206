package pattern_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"invigil/rules/pattern"
)

func compile(t testing.TB, d pattern.Dialect, text string, o pattern.Options) pattern.Matcher {
	t.Helper()
	m, err := pattern.Compile(d, text, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type verdict struct {
	pattern, subject string
	want             bool
}

func TestOSMatchVerdicts(t *testing.T) {
	for _, c := range []verdict{
		{`^ossec: output`, `Ossec: OUTPUT x`, true},
		{`foo$|^bar`, `xfoo`, true},
		{`foo$|^bar`, `bar!`, true},
		{`foo$|^bar`, `foobar`, false},
		{`a.c`, `abc`, false},
		{`!error`, `all fine`, true},
		{`!error`, `an ERROR`, false},
		{`!a|b`, `xb`, false}, // the whole pattern is inverted
		{`a|!b`, `!b`, true},
		{`a|!b`, `c`, false},
		{`!`, ``, false},
		{`!`, `x`, false},
		{`!!`, `a!`, false},
		{`err|`, `anything`, true},
		{``, ``, true},
		{`^`, `x`, true},
		{`$`, `x`, true},
		{`^$`, ``, true},
		{`^$`, `x`, false},
		{`a^`, `xA^`, true},
		{`$a`, `x$A`, true},
		{`^^a`, `^a`, true},
		{`a$$`, `a$`, true},
		{`\<a`, `<a`, false},
		{`\<a`, `x\<a`, true},
		{`a\|b`, `a\`, true},
		{`é`, `é`, false},
		{`^é`, `é`, true},
		{`é$`, `é`, true},
		{`^É$`, `é`, false},
		{"^\xff", "\xff", true},
		{`[k]`, `[K]`, true},
		{`@`, "`", false}, // only letters fold
	} {
		if got := compile(t, pattern.OSMatch, c.pattern, pattern.Options{}).Match(c.subject); got != c.want {
			t.Errorf("osmatch %q on %q: %v", c.pattern, c.subject, got)
		}
	}
}

func TestOSRegexVerdicts(t *testing.T) {
	for _, c := range []verdict{
		{`^docker\d*$`, `docker0`, true},
		{`^docker\d*$`, `docker`, true},
		{`^docker\d*$`, `DOCKER12`, true},
		{`^docker\d*$`, `docker0a`, false},
		{`^docker\d*$`, `xdocker0`, false},
		{`^up`, `unknown up`, false},
		{`^1514$`, `15140`, false},
		{`a.b`, `axb`, false},
		{`a.b`, `a.b`, true},
		{`\w+@\w+`, `bob@example`, true},
		{`\s`, "\t", false},
		{`\S`, "\t", true},
		{`a+`, `aaa`, false},
		{`a+`, `a+`, true},
		{`^\.+$`, ``, false},
		{`\<script>`, `x<SCRIPT>`, true},
		{`^\w+ab`, `xaab`, false},
		{`^\w*ab`, `xaab`, true},
		{`open: \S+: permission`, `x open: 9:9:: permission`, false},
		{`\d+\s*:`, `1 2:`, false},
		{`^\.*\d\d`, `1x`, true},
		{`^\w+\d\da`, `11x`, true},
		{`^\w+\s\d*$`, `ab`, true},
		{`(a)(b)`, `ab`, false},
		{`(a)(b)`, `a(b`, true},
		{`$`, `abc`, false},
		{`\d*$`, `a1`, false},
		{`é`, `é`, false},
		{`^\.\.$`, `é`, true},
		{`^abc\s*\d*`, `abc`, false},
		{`^abc\s*\d*`, `abcd`, true},
		{`^^a`, `^a`, true},
		{`a$$`, `a$`, true},
		{`(^a)`, `x^a`, true},
		{`(a$)`, `a$`, true},
		{`\p\p`, `|!`, true},
		{`\p`, `/@^_~`, false},
		{`(\w*)\p*\d*\w*`, `xy`, false}, // captures off
		{`a\$`, `a$b`, true},
		{`\)+$`, `x))`, true},
		{`()`, `(`, true}, // the second mark in a row is compared
		{`()`, `)`, false},
	} {
		for _, compat := range []pattern.Compat{pattern.Compat4, pattern.Compat39} {
			if got := compile(t, pattern.OSRegex, c.pattern, pattern.Options{Compat: compat}).Match(c.subject); got != c.want {
				t.Errorf("osregex %q on %q, compat %d: %v", c.pattern, c.subject, compat, got)
			}
		}
	}
}

func TestOSRegexWithCapturesLeavesTrailingStars(t *testing.T) {
	m := compile(t, pattern.OSRegex, `(\w*)\p*\d*\w*`, pattern.Options{Captures: true})
	if !m.Match("xy") {
		t.Error("with captures the stars behind the group may be left over")
	}
}

func TestOSRegexOfOldVersionLosesMatchesWithoutAByte(t *testing.T) {
	for _, c := range []struct {
		pattern, subject string
		now, old         bool
	}{
		{``, ``, true, false},
		{``, `x`, true, false},
		{`^`, `x`, true, false},
		{`$`, ``, true, false},
		{`^$`, ``, true, false},
		{`^$`, `x`, false, false},
		{`$`, `x`, false, false},
		{`\d*`, ``, true, false},
		{`\d*`, `1`, true, false},
		{`\d*`, `1x`, true, true},
		{`^\d*`, `x`, true, true},
		{`^\d*`, `12`, true, false},
		{`\d*$`, `12`, true, false},
		{`\d*$`, ``, true, false},
		{`^\d*$`, `1x`, false, false},
		{`^(\d*)$`, `12`, true, false},
		{`\.*`, ``, true, false},
		{`a|`, `zz`, true, false},
	} {
		for compat, want := range map[pattern.Compat]bool{pattern.Compat4: c.now, pattern.Compat39: c.old} {
			if got := compile(t, pattern.OSRegex, c.pattern, pattern.Options{Compat: compat}).Match(c.subject); got != want {
				t.Errorf("%q on %q, compat %d: %v", c.pattern, c.subject, compat, got)
			}
		}
	}
}

func TestOSRegexRefusesWhatTheOriginalRefuses(t *testing.T) {
	for text, at := range map[string]int{
		`\<script\>`: 8, `(foo|bar)`: 4, `a\`: 1, `a)`: 1, `(a`: 0, `((a))`: 1, `a(b`: 1, `a|(`: 2,
		`\n`: 0, `\r`: 0, `\-`: 0, `\/`: 0, `\[`: 0, `\"`: 0, `\b`: 0, `\1`: 0, `\^`: 0, `\*`: 0, `\+`: 0, `\?`: 0,
		`\:`: 0, `\!`: 0, `\T`: 0, `\P`: 0, "\\\xe9": 0,
	} {
		_, err := pattern.Compile(pattern.OSRegex, text, pattern.Options{})
		var syntax *pattern.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != at || syntax.Unsupported || syntax.Dialect != pattern.OSRegex {
			t.Errorf("%q: %v, want an error at %d", text, err, at)
		}
	}
}

func TestPatternsOverTheLimitAreRefused(t *testing.T) {
	for d := pattern.OSMatch; d <= pattern.PCRE2; d++ {
		if _, err := pattern.Compile(d, strings.Repeat("a", pattern.MaxPattern), pattern.Options{}); err != nil {
			t.Errorf("%s of %d bytes: %v", d, pattern.MaxPattern, err)
		}
		if _, err := pattern.Compile(d, strings.Repeat("a", pattern.MaxPattern+1), pattern.Options{}); err == nil {
			t.Errorf("%s of %d bytes compiles", d, pattern.MaxPattern+1)
		}
	}
}

func TestOSRegexGivesUpAndSaysSo(t *testing.T) {
	var cuts []*pattern.LimitError
	o := pattern.Options{MaxSteps: 100000, OnLimit: func(e *pattern.LimitError) { cuts = append(cuts, e) }}
	const hostile = `^\w*a\w*a\w*a\w*a\w*b`
	m := compile(t, pattern.OSRegex, hostile, o)
	subject := strings.Repeat("a", 200) + " "
	if m.Match(subject) {
		t.Error("a match that was cut off counts as a match")
	}
	if len(cuts) != 1 || cuts[0].Pattern != hostile || cuts[0].Subject != len(subject) || cuts[0].Cause == nil {
		t.Fatalf("told of %v", cuts)
	}
	if text := cuts[0].Error(); !strings.Contains(text, "gave up") || !strings.Contains(text, strconv.Quote(hostile)) {
		t.Errorf("message %q", text)
	}
	if m.Match("aaaab"); len(cuts) != 1 {
		t.Error("an ordinary match was told as cut off")
	}
}

func TestGroupWordVerdicts(t *testing.T) {
	for _, c := range []verdict{
		{``, `local,`, false},
		{`local`, ``, false},
		{`syslog`, `rsyslog,`, true},
		{`SysLog`, `rsyslog,`, true},
		{`^syslog`, `rsyslog,`, false},
		{`^syslog`, `syslog,sshd,`, true},
		{`^`, ``, true},
		{`a|sshd`, `syslog,sshd,`, true},
		{`a|`, ``, true},
		{`a|`, `zz`, true},
		{`|a`, `a`, true},       // the second alternative
		{`|b`, `a`, false},      // an empty one that is not last
		{`|^b|c`, `a|^b`, true}, // sought as "|^b" too
		{`|^b`, `a|^b`, false},  // unless nothing follows that one
		{`sshd$`, `sshd`, false},
		{`!a`, `b`, false},
		{`é`, `xé`, true},
	} {
		if got := pattern.CompileGroupWord(c.pattern).Match(c.subject); got != c.want {
			t.Errorf("group words %q on %q: %v", c.pattern, c.subject, got)
		}
	}
}

func TestIPVerdicts(t *testing.T) {
	for _, c := range []verdict{
		{`10.0.0.5`, `10.0.0.5`, true},
		{`10.0.0.5`, `10.0.0.6`, false},
		{`10.0.0.5/24`, `10.0.0.250`, true},
		{`10.0.0.0/24`, `10.0.1.1`, false},
		{`10.0.0.0/0`, `192.0.2.1`, true},
		{`10.0.0.0/255.255.0.0`, `10.0.9.9`, true},
		{`10.0.0.0/255.255.0.0`, `10.1.0.1`, false},
		{`10.0.0.7/255.0.0.255`, `10.9.9.7`, true},
		{`10.0.0.7/255.0.0.255`, `10.9.9.8`, false},
		{`any`, `2001:db8::1`, true},
		{`any`, `host`, false},
		{`any`, ``, false},
		{`2001:db8::/32`, `2001:db8:0:1::2`, true},
		{`2001:db8::/32`, `2001:db9::1`, false},
		{`2001:db8:0:0:0:0:0:1`, `2001:db8::1`, true},
		{`::ffff:10.0.0.5`, `10.0.0.5`, true},
		{`10.0.0.5`, `::ffff:10.0.0.5`, true},
		{`::ffff:10.0.0.0/120`, `10.0.0.9`, true},
		{`::/0`, `10.0.0.5`, false},
		{`10.0.0.0/8`, `::a00:1`, false},
		{`10.0.0.5`, `10.0.0.5 `, false},
	} {
		p, err := pattern.ParseIP(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(c.subject); got != c.want {
			t.Errorf("%s on %q: %v", c.pattern, c.subject, got)
		}
	}
	for _, bad := range []string{``, `10.0.0`, `10.0.0.0/33`, `10.0.0.0/-1`, `10.0.0.0/`, `10.0.0.0/255.255`, `2001:db8::/129`, `fe80::1%eth0`, `host`, `!10.0.0.1`, `10.0.0.0/+8`} {
		if _, err := pattern.ParseIP(bad); err == nil {
			t.Errorf("%q is no address and was taken", bad)
		}
	}
	if (pattern.IP{}).Match("10.0.0.1") {
		t.Error("the zero IP matches")
	}
}

func TestDialectNames(t *testing.T) {
	for name, want := range map[string]pattern.Dialect{"osmatch": pattern.OSMatch, "OSRegex": pattern.OSRegex, "pcre2": pattern.PCRE2} {
		if d, ok := pattern.ParseDialect(name); !ok || d != want {
			t.Errorf("%s: %v %v", name, d, ok)
		}
	}
	if _, ok := pattern.ParseDialect("pcre"); ok {
		t.Error("pcre is no dialect")
	}
	if _, err := pattern.Compile(99, "a", pattern.Options{}); err == nil || !strings.Contains(err.Error(), "dialect(99)") {
		t.Errorf("an unknown dialect: %v", err)
	}
}

func TestLiteralsOfTheHouseShapes(t *testing.T) {
	for _, c := range []struct {
		dialect pattern.Dialect
		text    string
		want    string
	}{
		{pattern.OSMatch, `^Foo$|bar|^x|y$`, `exact fold [equal "foo" contains "bar" prefix "x" suffix "y"]`},
		{pattern.OSMatch, `!foo`, `[]`},
		{pattern.OSMatch, `!`, `exact fold []`},
		{pattern.OSMatch, `a|é`, `exact fold [contains "a"]`},
		{pattern.OSRegex, `^1514$`, `exact fold [equal "1514"]`},
		{pattern.OSRegex, `^(Up)|down$|x`, `exact fold [prefix "up" suffix "down" contains "x"]`},
		{pattern.OSRegex, `^docker\d+`, `fold [prefix "docker"]`},
		{pattern.OSRegex, `^a\d+ established$`, `fold [suffix " established"]`},
		{pattern.OSRegex, `\d+foo\w+longer\s|^bar$`, `fold [contains "longer" equal "bar"]`},
		{pattern.OSRegex, `\d+foo|\w+`, `[]`},
		{pattern.OSRegex, `\w+\da`, `[]`}, // the last literal may be left unlooked at
		{pattern.OSRegex, `\w+\dab`, `fold [contains "ab"]`},
		{pattern.OSRegex, `\d+é|^b`, `exact fold [prefix "b"]`},
		{pattern.PCRE2, `^abc$`, `exact [equal "abc" equal "abc\n"]`},
		{pattern.PCRE2, `(?i)\\cmd\.exe`, `exact fold [contains "\\cmd.exe"]`},
		{pattern.PCRE2, `(?i)\\(c|w)script\.exe\z`, `exact fold [suffix "\\cscript.exe" suffix "\\wscript.exe"]`},
		{pattern.PCRE2, `(?i)a.+longer.+b`, `fold [contains "longer"]`},
		{pattern.PCRE2, `\d+`, `[]`},
		{pattern.PCRE2, `^(?!docker)\w+`, `[]`},
		{pattern.PCRE2, `(?<=a)b|colou?r`, `[contains "b" contains "color" contains "colour"]`},
	} {
		l := compile(t, c.dialect, c.text, pattern.Options{}).Literals()
		var b strings.Builder
		if l.Exact {
			b.WriteString("exact ")
		}
		if l.Fold {
			b.WriteString("fold ")
		}
		b.WriteByte('[')
		for i, lit := range l.Any {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%s %q", lit.Kind, lit.Text)
		}
		b.WriteByte(']')
		if got := b.String(); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.dialect, c.text, got, c.want)
		}
	}
}
