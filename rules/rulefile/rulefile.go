// Package rulefile is the leaf that knows how a rule is written down: the
// declaration of rules, lists and tunings with the positions they stand at,
// read from and written to YAML. It checks form (keys, types, required
// members), never meaning: that a field, a parent or a list exists is for
// package rules to say.
//
// A Wazuh XML file becomes the same declaration (package wazuhxml), so that
// "translate" is reading one and writing the other.
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
	// Header and Trailer are comment lines before the first and after the
	// last rule, without their markers.
	Header, Trailer []string
}

// Text is a scalar with a position for each of its bytes.
type Text struct {
	Value string
	Map   source.Map // offset in Value → position in the file
}

// Rule is one rule as declared, in either dialect. Fields that the file did
// not give are zero; Has tells a given zero from an absent one where it
// matters.
type Rule struct {
	Pos     source.Position // of the rule
	ID      string
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
	Time, Weekday                         string // as written, checked
	Category, DecodedAs                   string
	IgnoreFields, CheckIfIgnored          []string // the elements <ignore> and <check_if_ignored>
	CheckDiff, IfFTS                      bool
	CompiledRule                          string
	Correlate                             *Correlate
	// At gives the position of an element by its YAML key ("parent",
	// "time", "correlate.sid" …) for diagnostics.
	At map[string]source.Position
}

// Parent tells where a rule hangs. At most one member is set.
type Parent struct {
	SID   []int
	Level int    // if_level
	Group string // if_group
}

// Correlate is a correlation over earlier events (XML: if_matched_*, same_*,
// different_*, global_frequency). Frequency and Timeframe stand on the rule.
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
