package rulefile_test

import (
	"strings"
	"testing"

	"github.com/expr-lang/expr"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/rules/rulefile"
)

var (
	anyText  = rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("ab:# '\"\\`{}[],&*!|>%@~-?\n\t\r\u0085\u2028\ufeffé\x00")), 0, 12, -1), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }))
	anyTexts = rapid.SliceOfN(anyText, 0, 3)
	number   = rapid.IntRange(-1, 9999)
)

func word(words ...string) *rapid.Generator[string] { return rapid.SampledFrom(words) }

func anyExpr(t *rapid.T, label string) string {
	s := rapid.OneOf(anyText, rapid.Map(rapid.SliceOfN(anyText, 1, 4), func(parts []string) string {
		for i := range parts {
			parts[i] = `osregex("f", ` + rulefile.Quote(parts[i]) + `)`
		}
		return strings.Join(parts, " and ")
	})).Draw(t, label)
	return strings.TrimRight(s, " \t\r\n")
}

func comments(t *rapid.T, label string) (out []string) {
	for _, s := range anyTexts.Draw(t, label) {
		out = append(out, rulefile.CommentLine(s))
	}
	return out
}

func anyWazuh(t *rapid.T) *rulefile.Wazuh {
	w := &rulefile.Wazuh{
		Groups: rulefile.Text{Value: anyText.Draw(t, "groups")}, Overwrite: rapid.Bool().Draw(t, "overwrite"), NoAlert: rapid.Bool().Draw(t, "noalert"),
		Frequency: -1, Timeframe: number.Draw(t, "timeframe"), Ignore: number.Draw(t, "ignore"), MaxSize: number.Draw(t, "maxsize"), Accuracy: number.Draw(t, "accuracy"),
		Options: rapid.SliceOfN(word("no_log", "no_full_log"), 0, 2).Draw(t, "options"), Time: word("", "9 am - 5:30 pm", "!1-2").Draw(t, "time"), Weekday: word("", "mon,tue").Draw(t, "weekday"),
		Category: word("", "ossec", "ids").Draw(t, "category"), DecodedAs: anyText.Draw(t, "decoder"), IgnoreFields: anyTexts.Draw(t, "ignore"), CheckIfIgnored: anyTexts.Draw(t, "check"),
		CheckDiff: rapid.Bool().Draw(t, "diff"), IfFTS: rapid.Bool().Draw(t, "fts"), CompiledRule: anyText.Draw(t, "compiled"),
	}
	if f := number.Draw(t, "frequency"); f > 1 {
		w.Frequency = f
	}
	switch rapid.IntRange(0, 3).Draw(t, "parent") {
	case 1:
		w.Parent.SID = rapid.SliceOfN(rapid.IntRange(0, 999999), 1, 3).Draw(t, "sid")
	case 2:
		w.Parent.Level = rapid.IntRange(1, 20).Draw(t, "level")
	case 3:
		w.Parent.Group = anyText.Draw(t, "group")
	}
	if rapid.Bool().Draw(t, "correlates") {
		w.Correlate = &rulefile.Correlate{SID: rapid.IntRange(0, 5).Draw(t, "csid"), Group: anyText.Draw(t, "cgroup"), Regex: anyText.Draw(t, "cregex"),
			Same:      rapid.SliceOfN(rapid.OneOf(word("srcip", "location"), rapid.Map(anyText, func(s string) string { return "field:" + s })), 0, 3).Draw(t, "same"),
			Different: rapid.SliceOfN(word("id", "url"), 0, 2).Draw(t, "different"), Global: rapid.Bool().Draw(t, "global")}
	}
	return w
}

func anyStateful(t *rapid.T) *rulefile.Stateful {
	s := &rulefile.Stateful{Groups: anyTexts.Draw(t, "groups"), Table: anyText.Draw(t, "table"), Alert: word("", "onset", "every").Draw(t, "alert")}
	if rapid.Bool().Draw(t, "agent") {
		s.Scope, s.Items.Value = "agent", anyExpr(t, "items")
	}
	if rapid.Bool().Draw(t, "correlates") {
		s.Correlate = &rulefile.Window{Count: rapid.IntRange(2, 9).Draw(t, "count"), Within: rapid.Int64Range(1, 1<<40).Draw(t, "within"), By: anyTexts.Draw(t, "by"), Distinct: anyText.Draw(t, "distinct")}
	} else {
		s.Resolve = s.Alert != "every" && rapid.Bool().Draw(t, "resolve")
	}
	s.Suppress = anySuppress(t)
	return s
}

func anySuppress(t *rapid.T) *rulefile.Suppress {
	if rapid.Bool().Draw(t, "suppressed") {
		return &rulefile.Suppress{For: rapid.Int64Range(1, 1<<40).Draw(t, "for"), By: anyTexts.Draw(t, "sby")}
	}
	return nil
}

func anyFile(t *rapid.T) *rulefile.File {
	f := &rulefile.File{Dialect: rapid.SampledFrom([]rulefile.Dialect{rulefile.Invigil, rulefile.Wazuh4, rulefile.Wazuh39}).Draw(t, "dialect"), Header: comments(t, "header")}
	for range rapid.IntRange(0, 3).Draw(t, "rules") {
		r := &rulefile.Rule{Level: rapid.IntRange(0, 16).Draw(t, "level"), Comment: comments(t, "comment"), Notes: comments(t, "notes"), Mitre: anyTexts.Draw(t, "mitre")}
		r.Description.Value, r.When.Value = anyText.Draw(t, "description"), anyExpr(t, "when")
		if f.Dialect == rulefile.Invigil {
			r.ID = "i" + anyText.Draw(t, "id")
			r.Invigil = anyStateful(t)
		} else {
			r.ID = rapid.StringMatching(`[1-9][0-9]{0,5}`).Draw(t, "id")
			r.CVE = anyText.Draw(t, "cve")
			for range rapid.IntRange(0, 2).Draw(t, "infos") {
				r.Info = append(r.Info, rulefile.Info{Type: word("text", "link", "cve", "osvdb").Draw(t, "type"), Text: anyText.Draw(t, "info")})
			}
			r.Wazuh = anyWazuh(t)
		}
		f.Rules = append(f.Rules, r)
	}
	if len(f.Rules) > 0 {
		f.Trailer = comments(t, "trailer")
	}
	for range rapid.IntRange(0, 2).Draw(t, "lists") {
		l := &rulefile.List{Name: anyText.Draw(t, "name"), Kind: word("", "cidr").Draw(t, "kind"), Fold: rapid.Bool().Draw(t, "fold")}
		for _, key := range rapid.SliceOfNDistinct(rapid.StringN(0, 8, -1), 0, 3, rapid.ID).Draw(t, "keys") {
			l.Entries = append(l.Entries, rulefile.Entry{Key: key, Value: anyText.Draw(t, "value")})
		}
		f.Lists = append(f.Lists, l)
	}
	for range rapid.IntRange(0, 2).Draw(t, "tunes") {
		tune := &rulefile.Tune{Rules: append(anyTexts.Draw(t, "ids"), "x"), Alert: word("", "every").Draw(t, "alert"), Suppress: anySuppress(t)}
		if rapid.Bool().Draw(t, "levelled") {
			tune.Level, tune.Disabled = new(int), new(bool)
			*tune.Level = 5
		}
		f.Tunes = append(f.Tunes, tune)
	}
	return f
}

// TestWhatIsWrittenReadsBackEqual writes any declaration, reads it, and writes
// it again.
func TestWhatIsWrittenReadsBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := anyFile(t)
		first := write(t, f)
		again, ds := read("f", first)
		if len(ds) > 0 {
			t.Fatalf("%v\n%s", ds, first)
		}
		if diff := cmp.Diff(f, again, sameDeclaration); diff != "" {
			t.Fatalf("%s\n%s", diff, first)
		}
		if second := write(t, again); second != first {
			t.Fatal(cmp.Diff(first, second))
		}
	})
}

// TestQuotedTextsAreExprLiterals has expr read what Quote writes.
func TestQuotedTextsAreExprLiterals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyText.Draw(t, "text")
		literal := rulefile.Quote(s)
		if strings.HasPrefix(literal, "bytes(") {
			return
		}
		got, err := expr.Eval(literal, nil)
		if err != nil || got != s {
			t.Fatalf("%s is read as %q, %v; want %q", literal, got, err, s)
		}
	})
}

func TestTextsThatAreNotUTF8AreQuotedAsBytes(t *testing.T) {
	if got := rulefile.Quote("caf\xe9"); got != `bytes("636166e9")` {
		t.Error(got)
	}
}

func FuzzRuleFile(f *testing.F) {
	for _, s := range []string{
		"rules:\n  - {id: a, level: 3, description: d, when: a == 1}\n",
		"dialect: wazuh-4.x\nrules:\n  # c\n  - id: 7\n    level: 0\n    parent: {sid: 3}\n    description: |\n      x\n       y\n    when: >\n      osmatch(log, \"x\")\n",
		"lists: [{name: x, entries: {a: b}}]\ntune: [{rules: '*', level: 3}]\n",
		"rules: &a [*a]\n", "rules:\n  - *a\n", "- x", "{", "rules:\n- id: !!binary w6k=\n  level: 1\n  description: 'a\n\n    b'\n# t\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, ds := read("f", text)
		if ds.Err() != nil {
			return
		}
		first := write(t, file)
		again, ds := read("f", first)
		if len(ds) > 0 {
			t.Fatalf("%v\n%s", ds, first)
		}
		if diff := cmp.Diff(file, again, sameDeclaration); diff != "" {
			t.Fatalf("%s\n%s", diff, first)
		}
		if second := write(t, again); second != first {
			t.Fatal(cmp.Diff(first, second))
		}
	})
}
