package wazuhxml_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
)

const (
	v4   = pattern.Compat4
	v39  = pattern.Compat39
	both = pattern.Compat(99)
)

// sentence is a fact about the reader: what becomes of a file.
type sentence struct {
	about  string
	compat pattern.Compat
	xml    string
	want   string // refused: TEXT, skipped: TEXT, warned: TEXT, else a part of the YAML
}

// rule wraps a rule's children into a file.
func rule(children string) string {
	return `<group name="g,"><rule id="100001" level="3">` + children + `<description>d</description></rule></group>`
}

// attrs wraps a rule's attributes into a file.
func attrs(attributes string) string {
	return `<group name="g,"><rule ` + attributes + `><if_sid>1</if_sid><description>d</description></rule></group>`
}

func check(t *testing.T, sentences []sentence) {
	for _, s := range sentences {
		compats := []pattern.Compat{s.compat}
		if s.compat == both {
			compats = []pattern.Compat{v4, v39}
		}
		for _, c := range compats {
			t.Run(fmt.Sprintf("%s/%d", s.about, c), func(t *testing.T) {
				f, ds := wazuhxml.Read(source.File{Name: "f.xml", Data: []byte(s.xml)}, c)
				kind, part, _ := strings.Cut(s.want, ": ")
				switch kind {
				case "refused":
					if ds.Err() == nil || !strings.Contains(ds.Err().Error(), part) {
						t.Errorf("want an error with %q, got %v", part, ds)
					}
					return
				case "skipped", "warned":
					if ds.Err() != nil || !strings.Contains(ds.Error(), part) || len(ds) == 0 || ds[0].Severity != source.Warning {
						t.Errorf("want a warning with %q, got %v", part, ds)
					}
					if skipped := len(f.Rules) == 0; skipped != (kind == "skipped") {
						t.Errorf("the rule is left out: %v", skipped)
					}
					return
				}
				var b bytes.Buffer
				if err := rulefile.Write(&b, f); err != nil || ds.Err() != nil {
					t.Fatal(err, ds)
				}
				if !strings.Contains(b.String(), s.want) {
					t.Errorf("want %q in\n%s%v", s.want, b.String(), ds)
				}
				checkRoundTrip(t, f)
			})
		}
	}
}

func TestLenientXML(t *testing.T) {
	check(t, []sentence{
		{"an empty file is no error", both, "", "rules: []"},
		{"text outside of elements is ignored", both, `x <group name="g,"> y ` + `<rule id="1" level="3"> z <if_sid>1</if_sid><description>d</description></rule></group> &`, "id: 1\n"},
		{"there may be any number of roots", both, rule("") + rule(""), "id: 100001\n    level: 3\n    groups: \"g,\"\n    description: d\n\n"},
		{"a comment is removed from the middle of a text", both, rule("<match>a<!-- x -->b</match>"), `osmatch(log, "ab")`},
		{"a comment ends at !> too", both, rule("<match>a<! x !>b</match>"), `osmatch(log, "ab")`},
		{"a comment after a backslash is a comment", both, rule(`<match>x \<!-- h --> y</match>`), "osmatch(log, `x \\ y`)"},
		{"comments do not nest", both, rule(`<match><!-- <!-- -->a</match>`), `osmatch(log, "a")`},
		{"a comment may stand in a tag", both, rule(`<ma<!-- x -->tch>a</match>`), `osmatch(log, "a")`},
		{"an unclosed comment is refused", both, rule("") + "<!-- x", "refused: this comment is not closed"},
		{"entities are literal text", both, rule("<match>&lt;&amp;</match>"), `osmatch(log, "&lt;&amp;")`},
		{"an escaped less-than keeps its backslash", both, rule(`<match>a \<b> & c > d</match>`), "osmatch(log, `a \\<b> & c > d`)"},
		{"two backslashes do not escape", both, rule(`<match>a \\<b</match>`), `refused: "<" in a text starts an element`},
		{"three backslashes escape", both, rule(`<match>a \\\<b</match>`), "osmatch(log, `a \\\\\\<b`)"},
		{"content is not trimmed and keeps newlines", both, rule("<match> a\nb </match>"), `osmatch(log, " a\nb ")`},
		{"content is what stands behind the last child", both, rule("<match>a<x>b</x>c</match>"), "warned: <x> in <match> has no effect"},
		{"content behind the last child counts", both, rule("<match>a<x>b</x>c</match>"), "warned: only the text behind it counts"},
		{"a close tag equals the open one byte for byte", both, rule("<match>a</Match>"), "refused: </Match> does not close <match>"},
		{"a close tag has no blanks", both, rule("<match>a</match >"), "refused: must not hold blanks"},
		{"names of elements fold", both, `<GROUP name="g,"><Rule id="1" level="3"><MATCH>a</MATCH><Description>d</Description></Rule></GROUP>`, `osmatch(log, "a")`},
		{"an element may close itself", both, rule("<if_fts/><check_diff />"), "check_diff: true\n    if_fts: true"},
		{"an attribute may stand in a self-closing tag", both, rule(`<user x="1"/>`), "warned: attribute \"x\" of <user> has no effect"},
		{"attributes may stand in single quotes", both, `<group name='g"'><rule id='1' level= "3"><description>d</description></rule></group>`, `groups: 'g"'`},
		{"an attribute's value may hold less-than and newlines", both, rule("<field name='a<\nb'>x</field>"), `osregex("a<\nb", "x")`},
		{"an attribute's value must not hold greater-than", both, rule("<field name='a>b'>x</field>"), `refused: must not hold ">"`},
		{"no blank stands before the equals sign", both, `<group name ="g,"></group>`, "refused: no blank may stand before"},
		{"blanks may stand behind the equals sign", both, attrs("id= \n'100001' level='3'"), "id: 100001"},
		{"an attribute has a value", both, attrs("id level='3'"), "refused: has no value"},
		{"an attribute stands once", both, attrs("id='1' id='1' level='3'"), "refused: stands twice"},
		{"a value is followed by a blank", both, attrs("id='1'level='3'"), "refused: directly behind the value"},
		{"an XML declaration is refused", both, `<?xml version="1.0"?>` + rule(""), "refused: XML declaration"},
		{"an unclosed element is refused", both, `<group name="g,">`, "refused: element <group> is not closed"},
		{"a text has less than 20480 bytes", both, rule(`<field name="f">` + strings.Repeat("a", 20480) + "</field>"), "refused: the limit is 20479"},
		{"a field may have 20479 bytes", both, rule(`<field name="f">` + strings.Repeat("a", 20479) + "</field>"), `osregex("f", "aaa`},
		{"elements nest at most 1024 deep", both, strings.Repeat("<a>", 1025), "refused: nested more than 1024"},
		{"an element has at most 48 attributes", both, "<group " + manyAttributes(49) + "></group>", "refused: more than 48 attributes"},
		{"a byte order mark is text outside of elements", both, "\ufeff" + rule(""), "id: 100001"},
	})
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='x'", i)
	}
	return b.String()
}

func TestVariables(t *testing.T) {
	const x = `<var name="X">val</var>`
	check(t, []sentence{
		{"a variable is replaced in a text", both, x + rule("<match>$X</match><hostname>a$X,b</hostname>"), `osmatch(hostname, "aval,b")`},
		{"a text of two bytes is not expanded", both, x + rule("<match>$X</match>"), `osmatch(log, "$X")`},
		{"a variable is replaced in an attribute", both, `<var name="LVL">12</var>` + attrs("id='1' level='$LVL'"), "level: 12"},
		{"names fold", both, `<var name="Abc">1</var>` + rule("<match>$aBC|$ABC</match>"), `osmatch(log, "1|1")`},
		{"the first definition counts", both, x + `<var name="x">other</var>` + rule("<match>$X.</match>"), `osmatch(log, "val.")`},
		{"a value is not expanded itself", both, x + `<var name="Y">$X.</var>` + rule("<match>$Y,</match>"), `osmatch(log, "$X.,")`},
		{"a name ends at dollar, dot, bar, comma and blank", both, x + rule("<match>$X$X.$X|$X,$X </match>"), `osmatch(log, "valval.val|val,val ")`},
		{"a name does not end at a parenthesis", both, x + rule("<match>($X)</match>"), "refused: variable $X) is not defined"},
		{"an empty name is a dollar", both, x + rule("<match>foo$|a$</match>"), `osmatch(log, "foo$|a$")`},
		{"a field's reference is left alone", both, x + rule("<match>$(port.pid) $X</match>"), `osmatch(log, "$(port.pid) val")`},
		{"an unknown name is refused", both, x + rule("<match>$NOPE</match>"), "refused: variable $NOPE is not defined"},
		{"without variables a dollar is a dollar", both, rule("<match>$NOPE</match>"), `osmatch(log, "$NOPE")`},
		{"a variable holds from its place on", both, rule("<match>$XY</match>") + `<var name="XY">1</var>`, `osmatch(log, "$XY")`},
		{"a variable has a name", both, "<var>x</var>" + rule(""), "refused: has no name"},
		{"a variable has no other attribute", both, "<var name='a' b='c'>x</var>" + rule(""), "refused: has no attribute"},
		{"a name has less than 256 bytes", both, "<var name='" + strings.Repeat("a", 256) + "'>x</var>", "refused: at most 255 bytes"},
		{"a variable stands at the root", both, `<group name="g,"><var name="a">b</var></group>`, "refused: define variables before the group"},
	})
}

func TestVariablesCannotMakeATextOfAnyLength(t *testing.T) {
	// Each of these texts would have 50 MB.
	file := `<var name="A">` + strings.Repeat("a", 10_000) + `</var>` +
		`<group name="g,"><rule id="100001" level="3">` + strings.Repeat(`<match>`+strings.Repeat("$A|", 5000)+`</match>`, 50) + `<description>d</description></rule></group>`
	f, ds := wazuhxml.Read(source.File{Name: "f.xml", Data: []byte(file)}, v4)
	if ds.Err() == nil || !strings.Contains(ds.Err().Error(), "more than 20479 bytes") {
		t.Errorf("error %v", ds.Err())
	}
	if n := len(f.Rules[0].When.Value); n > 2*len(file) {
		t.Errorf("the condition has %d bytes", n)
	}
}

func TestStructure(t *testing.T) {
	check(t, []sentence{
		{"other roots are refused", both, "<rules></rules>", "refused: unknown root element"},
		{"a group has a name", both, `<group><rule id="1" level="3"><description>d</description></rule></group>`, "refused: exactly one attribute"},
		{"a group has no other attribute", both, `<group name="a" b="c"><rule id="1" level="3"><description>d</description></rule></group>`, "refused: exactly one attribute"},
		{"a group holds rules only", both, `<group name="a"><x/></group>`, "refused: unknown element <x> in a group"},
		{"a group is not empty", both, `<group name="a"></group>`, "refused: this group has no rules"},
		{"groups are not nested", both, `<group name="a">` + rule("") + `</group>`, "refused: groups cannot be nested"},
		{"a rule is not empty", both, `<group name="a"><rule id="1" level="3">x</rule></group>`, "refused: this rule is empty"},
		{"a rule has a description", both, `<group name="a"><rule id="1" level="3"><if_sid>1</if_sid></rule></group>`, "refused: no description"},
		{"unknown elements are refused", both, rule("<x>1</x>"), "refused: unknown element <x>"},
		{"group texts are strung together", both, `<group name="a,b,"><rule id="1" level="3"><group>x,</group><group>y</group><description>d</description></rule></group>`, `groups: "a,b,x,y"`},
		{"nothing is put between group and name", both, `<group name="a,b"><rule id="1" level="3"><group>x,y</group><description>d</description></rule></group>`, `groups: "a,bx,y"`},
		{"newlines are removed from groups", v4, rule("<group>x,\ny</group>"), `groups: "g,x,y"`},
	})
}

func TestRuleAttributes(t *testing.T) {
	check(t, []sentence{
		{"names fold", both, attrs("ID='5' LeVeL='3'"), "id: 5\n"},
		{"leading zeros are no part of the id", both, attrs("id='00005' level='3'"), "id: 5\n"},
		{"an id has at most 6 digits", both, attrs("id='1000000' level='3'"), "refused: more than 6 digits"},
		{"an id is a number", both, attrs("id='1a' level='3'"), "refused: must be a number"},
		{"an id is required", both, attrs("level='3'"), "refused: no id"},
		{"a level is required", both, attrs("id='1'"), "refused: no level"},
		{"a level is at most 16", both, attrs("id='1' level='17'"), "refused: from 0 to 16"},
		{"a level is at least 0", both, attrs("id='1' level='-1'"), "refused: from 0 to 16"},
		{"16 is a level", both, attrs("id='1' level='16'"), "level: 16"},
		{"a level is a number", both, attrs("id='1' level='x'"), "refused: from 0 to 16"},
		{"a frequency is at least 2", both, attrs("id='1' level='3' frequency='1'"), "refused: from 2 to 9999"},
		{"a frequency is at most 9999", both, attrs("id='1' level='3' frequency='10000'"), "refused: from 2 to 9999"},
		{"frequency 2 needs no correlation", both, attrs("id='1' level='3' frequency='2'"), "frequency: 2"},
		{"frequency 3 does", both, attrs("id='1' level='3' frequency='3'"), "refused: nothing to count"},
		{"of a timeframe 5 digits count", both, attrs("id='1' level='3' timeframe='1234567'"), "timeframe: 12345\n"},
		{"of ignore 6 digits count", both, attrs("id='1' level='3' ignore='12345678'"), "ignore: 123456\n"},
		{"of maxsize 4 digits count", both, attrs("id='1' level='3' maxsize='12345'"), "maxsize: 1234\n"},
		{"a timeframe is a number", both, attrs("id='1' level='3' timeframe='10m'"), "refused: must be a number"},
		{"noalert is 1", both, attrs("id='1' level='3' noalert='1'"), "noalert: true"},
		{"another noalert has no effect", v4, attrs("id='1' level='3' noalert='yes'"), "warned: noalert"},
		{"another noalert is 1", v39, attrs("id='1' level='3' noalert='0'"), "noalert: true"},
		{"accuracy is kept", both, attrs("id='1' level='3' accuracy='0'"), "accuracy: 0"},
		{"overwrite is yes", both, attrs("id='1' level='3' overwrite='yes'"), "overwrite: true"},
		{"or no", both, attrs("id='1' level='3' overwrite='no'"), "level: 3\n    parent"},
		{"nothing else", both, attrs("id='1' level='3' overwrite='true'"), "refused: neither yes nor no"},
		{"other attributes are refused", both, attrs("id='1' level='3' x='1'"), `refused: a rule has no attribute "x"`},
	})
}

func TestConditions(t *testing.T) {
	const f = `<field name="f"`
	check(t, []sentence{
		{"match is OS_Match on the log", both, rule("<match>a</match>"), `osmatch(log, "a")`},
		{"regex is OS_Regex on the log", both, rule("<regex>a</regex>"), `osregex(log, "a")`},
		{"field is OS_Regex on a dynamic field", both, rule(f + ">a</field>"), `osregex("f", "a")`},
		{"the type may be given", v4, rule(f + ` type="PCRE2">a</field>`), `pcre2("f", "a")`},
		{"an unknown type is warned of", v4, rule(f + ` type="x">a</field>`), `warned: it stays osregex`},
		{"3.9 has no types", v39, rule(f + ` type="pcre2">a</field>`), `warned: no effect in 3.9`},
		{"negate is yes or no", v4, rule(f + ` negate="YES">a</field>`), `osregex("f", "a", true)`},
		{"another negate is no", v4, rule(f + ` negate="1">a</field>`), `warned: negate "1" has no effect`},
		{"names of attributes do not fold", v4, rule(f + ` Negate="yes">a</field>`), `warned: attribute "Negate" of <field> has no effect`},
		{"3.9 does not negate", v39, rule(f + ` negate="yes">a</field>`), `warned: no effect in 3.9`},
		{"in 3.9 the name comes first", v39, rule(`<field x="1" name="f">a</field>`), "refused: name must be the first"},
		{"in 4.x it need not", v4, rule(`<field negate="yes" name="f">a</field>`), `osregex("f", "a", true)`},
		{"a field has a name", both, rule("<field>a</field>"), "refused: no name"},
		{"an empty name matches nothing", both, rule(`<field name="">a</field>`), `osregex("", "a")`},
		{"a field's name is no static one", both, rule(`<field name="SrcIP">a</field>`), "refused: write <srcip>"},
		{"fields are and-ed, in their order", both, rule(f + `>a</field><field name="e">b</field>` + f + ">c</field>"), "osregex(\"f\", \"a\")\n      and osregex(\"e\", \"b\")\n      and osregex(\"f\", \"c\")"},
		{"matches are strung together", both, rule("<match>a|</match><match>b</match>"), `osmatch(log, "a|b")`},
		{"type and negate are those of the last", v4, rule(`<match type="osregex" negate="yes">a</match><match>b</match>`), `osmatch(log, "ab")`},
		{"what is strung together has less than 2048 bytes", both, rule("<match>" + strings.Repeat("a", 1024) + "</match><match>" + strings.Repeat("a", 1024) + "</match>"), "refused: the limit is 2047"},
		{"2047 bytes are fine", both, rule("<match>" + strings.Repeat("a", 2047) + "</match>"), "osmatch(log"},
		{"a description has less than 2048 bytes", both, rule("<description>" + strings.Repeat("a", 2048) + "</description>"), "refused: the limit is 2047"},
		{"static values are OS_Match", both, rule("<program_name>a</program_name><id>b</id><url>c</url><location>d</location><srcport>e</srcport><dstport>f</dstport><user>g</user><srcgeoip>h</srcgeoip><dstgeoip>i</dstgeoip><extra_data>j</extra_data><hostname>k</hostname><status>l</status>"),
			strings.Join([]string{`osmatch(program_name, "a")`, `osmatch(id, "b")`, `osmatch(url, "c")`, `osmatch(location, "d")`, `osmatch(srcport, "e")`, `osmatch(dstport, "f")`, `osmatch(user, "g")`, `osmatch(srcgeoip, "h")`, `osmatch(dstgeoip, "i")`, `osmatch(extra_data, "j")`, `osmatch(hostname, "k")`, `osmatch(status, "l")`}, "\n      and ")},
		{"4.x knows data, protocol and system_name", v4, rule("<data>a</data><protocol>b</protocol><system_name>c</system_name>"), "osmatch(system_name, \"c\")\n      and osmatch(protocol, \"b\")\n      and osmatch(data, \"a\")"},
		{"3.9 does not know data", v39, rule("<data>a</data>"), "refused: <data> is not known to Wazuh 3.9"},
		{"3.9 does not know protocol", v39, rule("<protocol>a</protocol>"), "refused: not known to Wazuh 3.9"},
		{"3.9 does not know system_name", v39, rule("<system_name>a</system_name>"), "refused: not known to Wazuh 3.9"},
		{"action is an exact text", both, rule("<action>a</action><action>b</action>"), `equal(action, "ab")`},
		{"action is a pattern if it has a type", v4, rule(`<action type="osmatch" negate="yes">a</action>`), `osmatch(action, "a", true)`},
		{"addresses are or-ed", both, rule("<srcip>10.0.0.0/8</srcip><srcip>::1</srcip><dstip>any</dstip>"), "ip(srcip, \"10.0.0.0/8\", \"::1\")\n      and ip(dstip, \"any\")"},
		{"addresses may be negated", v4, rule(`<srcip negate="yes">10.0.0.0/255.0.0.0</srcip>`), `ip(srcip, "10.0.0.0/255.0.0.0", true)`},
		{"4.x loses a leading !", v4, rule("<srcip>!10.0.0.1</srcip>"), `ip(srcip, "10.0.0.1")`},
		{"3.9 negates at a leading !", v39, rule("<srcip>!10.0.0.1</srcip>"), `ip(srcip, "!10.0.0.1")`},
		{"an address must be one", both, rule("<srcip>x</srcip>"), "refused: is no address"},
		{"an empty user is any user", both, rule("<user></user>"), `osmatch(user, "")`},
		{"a bad pattern is refused", both, rule(f + ">(a|b)</field>"), "refused: osregex pattern"},
		{"the order is the original's", v4, rule(`<list field="x">l</list><hostname>h</hostname><dstip>any</dstip><srcip>any</srcip>` + f + `>f</field><url>u</url><action>a</action><regex>r</regex><match>m</match><id>i</id><program_name>p</program_name>`),
			strings.Join([]string{`osmatch(program_name, "p")`, `osmatch(id, "i")`, `osmatch(log, "m")`, `osregex(log, "r")`, `equal(action, "a")`, `osmatch(url, "u")`, `osregex("f", "f")`, `ip(srcip, "any")`, `ip(dstip, "any")`, `osmatch(hostname, "h")`, `cdb("l", "x", "match_key")`}, "\n      and ")},
	})
}

func TestLists(t *testing.T) {
	check(t, []sentence{
		{"lookup is match_key by default", both, rule(`<list field="f">etc/lists/a</list>`), `cdb("etc/lists/a", "f", "match_key")`},
		{"static names are identifiers, letters fold", both, rule(`<list field="SrcIP">a</list>`), `cdb("a", srcip, "match_key")`},
		{"check_value is the fourth", both, rule(`<list field="f" lookup="match_key_value" check_value="^x">a</list>`), `cdb("a", "f", "match_key_value", "^x")`},
		{"lists are and-ed", both, rule(`<list field="f">a</list><list field="g">b</list><list field="h">c</list>`), "cdb(\"a\", \"f\", \"match_key\")\n      and cdb(\"b\", \"g\", \"match_key\")\n      and cdb(\"c\""},
		{"a dynamic name has no leading blanks and ends at a blank", both, rule(`<list field="  f x">a</list>`), `cdb("a", "f", "match_key")`},
		{"the name is not trimmed", both, rule(`<list field="f"> a</list>`), `cdb(" a", "f", "match_key")`},
		{"a field is required", both, rule(`<list lookup="match_key">a</list>`), "refused: no field"},
		{"an unknown lookup is refused", both, rule(`<list field="f" lookup="x">a</list>`), "refused: is none of"},
		{"another attribute is refused", both, rule(`<list field="f" negate="yes">a</list>`), "refused: no attribute"},
	})
}

func TestOtherElements(t *testing.T) {
	check(t, []sentence{
		{"decoded_as is kept, the last counts", both, rule("<decoded_as>a</decoded_as><decoded_as>syscollector</decoded_as>"), "decoded_as: syscollector"},
		{"a category is known", both, rule("<category>ossec</category>"), "category: ossec"},
		{"or refused", both, rule("<category>x</category>"), "refused: is none of"},
		{"a time is kept", both, rule("<time>6 pm - 8:30 am</time>"), `time: "6 pm - 8:30 am"`},
		{"or refused", both, rule("<time>6 pm</time>"), "refused: time"},
		{"weekdays are kept", both, rule("<weekday>mon, weekends</weekday>"), "weekday: mon, weekends"},
		{"or refused", both, rule("<weekday>!monday</weekday>"), "refused: is no day"},
		{"options are exact", both, rule("<options>no_log</options><options>no_full_log</options>"), "options: [no_log, no_full_log]"},
		{"one a element", both, rule("<options>no_log,no_full_log</options>"), "refused: is no option"},
		{"descriptions are strung together", both, rule("<description>a</description>"), "description: ad"},
		{"the first newline becomes a blank", both, strings.Replace(rule(""), ">d<", ">a\nb\nc<", 1), `description: "a b\nc"`},
		{"ignore names values", both, rule("<ignore>srcip, id</ignore><check_if_ignored>port.pid</check_if_ignored>"), "ignore_fields: [srcip, id]\n    check_if_ignored: [port.pid]"},
		{"compiled_rule is kept", both, rule("<compiled_rule>x</compiled_rule>"), "compiled_rule: x"},
		{"info has a type", both, rule(`<info type="link">a</info><info>b</info><cve>C-1</cve>`), "cve: C-1\n    info:\n      - {type: link, text: a}\n      - {type: text, text: b}"},
		{"mitre ids are gathered", v4, rule("<mitre><id>T1</id><id>T2</id></mitre><mitre><id>T3</id></mitre>"), "mitre: [T1, T2, T3]"},
		{"the new form wins", v4, rule("<mitre><id>T1</id></mitre><mitre><tacticID>TA1</tacticID><techniqueID>T9</techniqueID></mitre>"), "mitre: [T9]"},
		{"a mixed block is dropped", v4, rule("<mitre><id>T1</id><techniqueID>T9</techniqueID></mitre>"), "warned: has no effect"},
		{"an incomplete block is dropped", v4, rule("<mitre><tacticID>TA1</tacticID></mitre>"), "warned: has no effect"},
		{"3.9 does not know mitre", v39, rule("<mitre><id>T1</id></mitre>"), "refused: not known to Wazuh 3.9"},
	})
}

func TestParents(t *testing.T) {
	check(t, []sentence{
		{"if_sid takes commas and blanks", both, rule("<if_sid>1, 2 3,</if_sid>"), "parent: {sid: [1, 2, 3]}"},
		{"two if_sid are strung together", both, rule("<if_sid>1</if_sid><if_sid>2</if_sid>"), "parent: {sid: [12]}"},
		{"other text skips the rule", v4, rule("<if_sid>a</if_sid>"), "skipped: the rule is not loaded"},
		{"or refuses the file", v39, rule("<if_sid>a</if_sid>"), "refused: more than numbers"},
		{"if_level", both, rule("<if_level>7</if_level>"), "parent: {level: 7}"},
		{"if_group is strung together", both, rule("<if_group>a</if_group><if_group>b|c</if_group>"), `parent: {group: "ab|c"}`},
		{"if_sid wins over if_level and if_group", both, rule("<if_group>a</if_group><if_level>7</if_level><if_sid>1</if_sid>"), "parent: {sid: [1]}"},
		{"if_level wins over if_group", both, rule("<if_group>a</if_group><if_level>7</if_level>"), "parent: {level: 7}"},
		{"if_matched_sid implies if_sid", both, rule("<if_matched_sid>5</if_matched_sid>"), "parent: {sid: [5]}"},
		{"not beside if_group", both, rule("<if_matched_sid>5</if_matched_sid><if_group>a</if_group>"), "parent: {group: a}"},
		{"not beside if_sid", both, rule("<if_matched_sid>5</if_matched_sid><if_sid>4</if_sid>"), "parent: {sid: [4]}"},
		{"if_matched_group implies if_group", both, rule("<if_matched_group>a|b</if_matched_group>"), `parent: {group: "a|b"}`},
		{"if_matched_sid is one number", v4, rule("<if_matched_sid>5,6</if_matched_sid>"), "skipped: is no rule number"},
		{"else 3.9 refuses the file", v39, rule("<if_matched_sid>5,6</if_matched_sid>"), "refused: is no rule number"},
		{"no parent is none", both, rule("<match>a</match>"), "level: 3\n    groups"},
	})
}

func TestCorrelation(t *testing.T) {
	const m = "<if_matched_sid>5</if_matched_sid>"
	check(t, []sentence{
		{"the last if_matched_sid counts", both, rule(m + "<if_matched_sid>6</if_matched_sid>"), "correlate: {sid: 6}"},
		{"group and regex", both, rule("<if_matched_group>a</if_matched_group><if_matched_regex>b</if_matched_regex>"), "correlate: {group: a, regex: b}"},
		{"a bad regex is refused", both, rule("<if_matched_regex>(</if_matched_regex>"), "refused: osregex pattern"},
		{"frequency and timeframe", both, strings.Replace(rule(m), "level", `frequency="8" timeframe="60" level`, 1), "correlate: {sid: 5, frequency: 8, timeframe: 60}"},
		{"same values under their old names", both, rule(m + "<same_source_ip/><same_src_port/><same_dst_port/><same_user/><same_location/><same_id/><same_field>f.g</same_field>"), `same: [srcip, srcport, dstport, user, location, id, "field:f.g"]`},
		{"same values under their new names", v4, rule(m + "<same_srcip/><SAME_dstip/><same_url/><same_srcuser/>"), "same: [srcip, dstip, url, srcuser]"},
		{"3.9 does not know them", v39, rule(m + "<same_srcip/>"), "refused: not known to Wazuh 3.9"},
		{"different values", both, rule(m + "<different_url/><different_srcip/><different_srcgeoip/><not_same_field>f</not_same_field>"), `different: [url, srcip, srcgeoip, "field:f"]`},
		{"different values of 4.x", v4, rule(m + "<different_field>f</different_field><not_same_source_ip/><not_same_user/><different_status/>"), `different: ["field:f", srcip, user, status]`},
		{"3.9 does not know different_field", v39, rule(m + "<different_field>f</different_field>"), "refused: not known to Wazuh 3.9"},
		{"in 3.9 not_same_id takes back same_id", v39, rule(m + "<same_id/><same_user/><not_same_id/>"), "same: [user]}"},
		{"global_frequency", v4, rule(m + "<global_frequency/>"), "correlate: {sid: 5, global: true}"},
		{"3.9 does not know global_frequency", v39, rule(m + "<global_frequency/>"), "refused: not known to Wazuh 3.9"},
		{"same_field needs a correlation", both, rule("<same_field>f</same_field>"), "refused: no earlier events"},
		{"global_frequency needs a correlation", v4, rule("<global_frequency/>"), "refused: no earlier events"},
		{"check_diff is one", both, rule("<check_diff/><same_field>f</same_field>"), `same: ["field:f"]`},
		{"same_agent has no effect", v4, rule(m + "<same_agent/>"), "warned: has no effect"},
		{"same_agent is unknown to 3.9", v39, rule(m + "<same_agent/>"), "refused: not known to Wazuh 3.9"},
	})
}

func TestPositionsAreThoseOfTheFile(t *testing.T) {
	xml := "<!-- é -->\n<var name=\"V\">x</var>\n<group name=\"g,\">\n <rule id=\"1\" level=\"3\">\n  <if_sid>5</if_sid>\n  <match>a<!-- c -->é$V b</match>\n  <field name=\"f\">y</field>\n  <description>one\ntwo</description>\n </rule>\n</group>\n"
	f, ds := wazuhxml.Read(source.File{Name: "f", Data: []byte(xml)}, v4)
	if ds.Err() != nil {
		t.Fatal(ds)
	}
	r := f.Rules[0]
	at := func(text rulefile.Text, part string) string { return text.At(strings.Index(text.Value, part)).String() }
	for about, c := range map[string][2]string{
		"the rule":            {r.Pos.String(), "f:4:2"},
		"its parent":          {r.Wazuh.At["parent"].String(), "f:5:3"},
		"a call":              {at(r.When, "osmatch"), "f:6:3"},
		"its pattern":         {at(r.When, `"a`), "f:6:10"},
		"the second call":     {at(r.When, "osregex"), "f:7:3"},
		"its pattern as well": {at(r.When, `"y"`), "f:7:19"},
		"the description":     {at(r.Description, "one"), "f:8:16"},
		"its second line":     {at(r.Description, "wo"), "f:9:2"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is at %s, want %s", about, c[0], c[1])
		}
	}
}

func TestBrokenRulesAreKeptAndMarked(t *testing.T) {
	f, _ := wazuhxml.Read(source.File{Name: "f", Data: []byte(rule("<x/>") + strings.ReplaceAll(rule(""), "100001", "100002"))}, v4)
	if len(f.Rules) != 2 || !f.Rules[0].Broken || f.Rules[1].Broken {
		t.Errorf("%+v", f.Rules)
	}
}

func FuzzXML(f *testing.F) {
	for _, s := range []string{
		rule("<match>a<!-- x -->b</match>"), rule(`<field name="f" type="pcre2" negate="yes">\<a&lt;</field>`), `<var name="X">v</var>` + rule("<match>$X|$(f)</match>"),
		rule(`<list field="srcip" lookup="match_key_value" check_value="x">a</list>`), strings.Replace(rule("<if_matched_sid>5</if_matched_sid><same_field>f</same_field>"), "level", `frequency="8" level`, 1),
		"<group name='a'>", "<a b='c>' d", "</a>", "<!", "<?xml?>", "<a/><b />", rule("<mitre><id>T1</id></mitre><info type='link'>x</info><srcip>!1.2.3.4</srcip>"),
		"<!-- a\n  b -->" + rule("<group>x\xff</group><time>1-2</time>"), "<group name=\"g\"><rule id=\"1\" level=\"3\"><if_sid>1</if_sid\n<description>a</desciption></rule>",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, old bool) {
		compat := v4
		if old {
			compat = v39
		}
		file, ds := wazuhxml.Read(source.File{Name: "f", Data: []byte(text)}, compat)
		for _, d := range ds {
			if d.Pos.Line < 1 || d.Pos.Column < 1 || d.Message == "" {
				t.Fatalf("a finding without a place or a message: %+v", d)
			}
		}
		if ds.Err() == nil {
			checkRoundTrip(t, file)
		}
	})
}
