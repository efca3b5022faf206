// Package source is the leaf that knows files as people wrote them: positions,
// diagnostics that point into a file (file:line:col, the offending line, a
// caret, "did you mean"), text scalars whose every byte can be traced back to
// the file, and strict YAML decoding.
//
// Parsers return Diagnostics, all problems of a file together; nothing in this
// package logs. All types are plain values and safe to share once built.
package source

import (
	"fmt"
	"sort"
	"strings"
)

// File is one file as read: its name for messages and its bytes.
type File struct {
	Name string
	Data []byte
}

// Position is a place in a file. Line and Column count from 1, columns in
// runes; 0 means unknown.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns file:line:col, leaving out what is unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Severity orders diagnostics: an Error refuses the file, a Warning tells of
// something that loads and does not do what was meant, an Info is a note.
type Severity uint8

// The severities, worst first.
const (
	Error Severity = iota
	Warning
	Info
)

// String returns error, warning or info.
func (s Severity) String() string { return [...]string{"error", "warning", "info"}[s] }

// Diagnostic is one finding about a file.
type Diagnostic struct {
	Pos      Position
	Severity Severity
	Rule     string // id of the rule concerned, "" if none
	Message  string // one line, lower case, says what is wrong
	Hint     string // one line, says what to write instead; may be ""
	Line     string // the offending source line, without its newline; may be ""
	Width    int    // runes under the caret, 0 = 1
	// Construct names a construct that is not evaluated ("" otherwise); such
	// a diagnostic's message says "not supported yet".
	Construct string
}

// Error returns the diagnostic on one line: file:line:col: severity: rule ID: message (hint).
func (d Diagnostic) Error() string {
	var b strings.Builder
	if s := d.Pos.String(); s != "" {
		b.WriteString(s)
		b.WriteString(": ")
	}
	b.WriteString(d.Severity.String())
	b.WriteString(": ")
	if d.Rule != "" {
		b.WriteString("rule ")
		b.WriteString(d.Rule)
		b.WriteString(": ")
	}
	b.WriteString(d.Message)
	if d.Hint != "" {
		b.WriteString(" (")
		b.WriteString(d.Hint)
		b.WriteString(")")
	}
	return b.String()
}

// Diagnostics is a list of findings. It is an error when it holds one of
// severity Error: use Err to turn it into one.
type Diagnostics []Diagnostic

// Error returns all findings, a line each.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns the errors among ds as one error, nil if there is none.
func (ds Diagnostics) Err() error {
	var errs Diagnostics
	for _, d := range ds {
		if d.Severity == Error {
			errs = append(errs, d)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// Sort orders ds by file, line and column, keeping the order of equals.
func (ds Diagnostics) Sort() {
	sort.SliceStable(ds, func(i, j int) bool {
		a, b := ds[i].Pos, ds[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
}
