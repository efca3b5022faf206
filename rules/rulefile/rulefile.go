// Package rulefile is the leaf that knows how a rule is written down: the
// declaration of rules, lists and tunings with the positions they stand at,
// read from and written to YAML. It checks form (keys, types, required
// members), never meaning: that a field, a parent or a list exists is for
// package rules to say.
//
// A Wazuh XML file becomes the same declaration (package wazuhxml), so that
// "translate" is reading one and writing the other: what Write prints, Read
// reads as an equal declaration, and a second Write gives the same bytes.
//
// # The condition of a wazuh rule
//
// The key when of the wazuh dialects is an expr text of one form, calls joined
// by "and", evaluated from left to right:
//
//	when   = call { "and" call } .
//	call   = "osmatch"  "(" value "," text [ "," negate ] ")"
//	       | "osregex"  "(" value "," text [ "," negate ] ")"
//	       | "pcre2"    "(" value "," text [ "," negate ] ")"
//	       | "equal"    "(" "action" "," text [ "," negate ] ")"
//	       | "ip"       "(" ("srcip" | "dstip") { "," text } [ "," negate ] ")"
//	       | "cdb"      "(" text "," value "," text [ "," text ] ")" .
//	value  = text | static .
//	text   = STRING | "bytes" "(" STRING ")" .
//	negate = "true" | "false" .
//
// A value is the name of a dynamic field, as a text (letters fold), or a static
// one, as an identifier: log (the message), location, hostname, program_name,
// user, srcuser, dstuser, srcip, dstip, srcport, dstport, srcgeoip, dstgeoip,
// id, url, data, extra_data, status, protocol, system_name, action. An absent
// value makes a call false, negated or not; that is why negation is an
// argument. bytes("c3 28"), hexadecimal digits with optional blanks, is a text
// that is not UTF-8.
//
//   - osmatch, osregex and pcre2 match the pattern as package pattern says.
//   - equal compares every byte.
//   - ip is true if one of its addresses (a.b.c.d, /bits, /mask, IPv6, any)
//     holds the value; in wazuh-3.9 an address that starts with ! is a match
//     for the values that it does not hold.
//   - cdb looks the value up in a list: cdb(list, value, lookup, check_value),
//     lookup one of match_key, not_match_key, match_key_value,
//     address_match_key, not_address_match_key, address_match_key_value;
//     check_value is an OS_Match pattern.
//
// What is not a condition over values stands beside when, under its own key:
// decoded_as, category, maxsize, time, weekday, check_diff, if_fts,
// compiled_rule, check_if_ignored, correlate. The key ignore is the number of
// seconds, ignore_fields the names of XML's element <ignore>; frequency and
// timeframe stand in correlate, or in the rule if it has none. A text that is
// not UTF-8 carries the tag !!binary.
//
// # Comments
//
// Comment lines are kept: "# text" is a comment, "#! text" a note of the
// translation. A rule has those before and in it.
package rulefile

import "invigil/config/source"

// Dialect names the language that a file's rules are written in.
type Dialect string

// The dialects. A file without a dialect key is Invigil.
const (
	Invigil Dialect = "invigil"
	Wazuh4  Dialect = "wazuh-4.x"
	Wazuh39 Dialect = "wazuh-3.9"
)

// File is one rule file's declaration.
type File struct {
	Name    string
	Dialect Dialect
	Rules   []*Rule
	Lists   []*List
	Tunes   []*Tune
	Source  source.File // as read, for excerpts
	// Header and Trailer are comment lines before the first and after the
	// last rule, without their markers.
	Header, Trailer []string
}

// Text is a scalar with a position for each of its bytes.
type Text struct {
	Value string
	Map   source.Map // offset in Value → position in the file
}

// At returns the position of the byte at offset, the zero Position if unknown.
func (t *Text) At(offset int) source.Position { return t.Map.At(offset) }

// AtRune returns the position of the n-th rune, counted from 0, as expr counts.
func (t *Text) AtRune(n int) source.Position {
	for offset := range t.Value {
		if n == 0 {
			return t.Map.At(offset)
		}
		n--
	}
	return t.Map.At(len(t.Value))
}

// Rule is one rule as declared, in either dialect. Fields that the file did
// not give are zero, or -1 where a zero means something.
type Rule struct {
	Pos source.Position // of the rule
	ID  string          // wazuh dialects: a decimal number without leading zeros
	// Broken tells that an error was reported for the rule: what could be read
	// is here, so that rules that refer to it can still be judged.
	Broken  bool
	Level   int
	Comment []string // comment lines before the rule, without their markers
	Notes   []string // quirks that translation found worth a comment line

	Description Text
	When        Text     // expr source; "" = no condition
	Mitre       []string // technique ids
	Info        []Info
	CVE         string

	Wazuh   *Wazuh    // set in the wazuh dialects
	Invigil *Stateful // set in the invigil dialect
}

// Info is an <info> element.
type Info struct{ Type, Text string }

// Wazuh is what only a rule of the wazuh dialects has.
type Wazuh struct {
	Groups                                Text   // raw text, as concatenated
	Parent                                Parent // zero = below the category's root
	Overwrite                             bool
	NoAlert                               bool
	Frequency, Timeframe, Ignore, MaxSize int // -1 = absent
	Accuracy                              int // -1 = absent
	Options                               []string
	Time, Weekday                         string // as written, checked: see ParseTime, ParseWeekdays
	Category, DecodedAs                   string
	IgnoreFields, CheckIfIgnored          []string // the elements <ignore> and <check_if_ignored>
	CheckDiff, IfFTS                      bool
	CompiledRule                          string
	Correlate                             *Correlate
	// At gives the position of what became a YAML key ("parent", "time",
	// "correlate.sid" …) for diagnostics; it may lack any.
	At map[string]source.Position
}

// Parent tells where a rule hangs. At most one member is set. A parent that
// XML implies by if_matched_sid or if_matched_group is set here.
type Parent struct {
	SID   []int
	Level int    // if_level
	Group string // if_group
}

// Correlate is a correlation over earlier events (XML: if_matched_*, same_*,
// different_*, global_frequency). Frequency and Timeframe stand on the rule.
// Of SID, Group and Regex several may be set: SID wins, then Group. Same and
// Different may stand alone beside CheckDiff.
type Correlate struct {
	SID             int
	Group           string
	Regex           string
	Same, Different []string // static names bare (srcip, location …), dynamic fields as "field:NAME"
	Global          bool
}

// Stateful is what only a rule of the invigil dialect has.
type Stateful struct {
	Groups    []string
	Table     string
	Scope     string // "" or "agent"
	Items     Text   // expr source
	Alert     string // "", "onset", "every"
	Resolve   bool
	Correlate *Window
	Suppress  *Suppress
	// At gives the position of a key ("alert", "correlate.within" …).
	At map[string]source.Position
}

// Window is the correlate key of the invigil dialect.
type Window struct {
	Count    int
	Within   int64 // milliseconds
	By       []string
	Distinct string
}

// Suppress is the suppress key of the invigil dialect.
type Suppress struct {
	For int64 // milliseconds
	By  []string
}

// List is a small list declared in a rule file.
type List struct {
	Pos     source.Position
	Name    string
	Kind    string // cdb (default), cidr, prefix
	Fold    bool
	Entries []Entry
}

// Entry is one key and value of a list.
type Entry struct{ Key, Value string }

// Tune changes rules of the set without editing them. Nil members leave the
// rule's own value.
type Tune struct {
	Pos      source.Position
	Rules    []string // ids or patterns with *
	Alert    string
	Level    *int
	Disabled *bool
	Suppress *Suppress
}
