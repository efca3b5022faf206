package ruletest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteText writes what people read: each failed test with its differences, a
// line a file.
func (r *Result) WriteText(w io.Writer) error {
	var b bytes.Buffer
	failed := 0
	for _, o := range r.Tests {
		if o.Passed() {
			continue
		}
		failed++
		fmt.Fprintf(&b, "FAIL  %s:%d: %s\n", r.File, o.Test.Pos.Line, o.Test.Name)
		if o.Diff != "" {
			b.WriteString("      alerts (- wanted, + got):\n")
			indent(&b, o.Diff)
		}
		for _, note := range o.Notes {
			indent(&b, note)
		}
	}
	switch {
	case r.Problems.Err() != nil:
		fmt.Fprintf(&b, "FAIL  %s: not run\n", r.File)
	case failed > 0:
		fmt.Fprintf(&b, "FAIL  %s: %d of %s failed\n", r.File, failed, tests(len(r.Tests)))
	default:
		fmt.Fprintf(&b, "ok    %s: %s\n", r.File, tests(len(r.Tests)))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func tests(n int) string {
	if n == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", n)
}

func indent(b *bytes.Buffer, text string) {
	for line := range strings.Lines(text) {
		b.WriteString("      " + strings.TrimRight(line, "\n") + "\n")
	}
}

// NotCovered returns the ids of the rules that no test of the results made
// fire, in load order. Rules that are switched off or that no inventory event
// can reach are left out.
func NotCovered(results []*Result) (ids []string) {
	seen := make(map[string]bool)
	for _, r := range results {
		for id := range r.Fired {
			seen[id] = true
		}
	}
	for _, r := range results {
		for i := range r.Rules {
			if rule := &r.Rules[i]; !seen[rule.ID] && !rule.Disabled && !rule.Unreachable {
				seen[rule.ID] = true
				ids = append(ids, rule.ID)
			}
		}
	}
	return ids
}

// A JUnit report.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure"`
		Error   *junitFailure `xml:"error"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
)

// WriteJUnit writes results as JUnit XML: a suite a file; a file that could not
// be run is a suite with one error.
func WriteJUnit(w io.Writer, results []*Result) error {
	var report junitReport
	for _, r := range results {
		s := junitSuite{Name: r.File, Tests: len(r.Tests)}
		if r.Problems.Err() != nil {
			s.Tests, s.Errors = 1, 1
			s.Cases = []junitCase{{Name: "load", Class: r.File, File: r.File, Error: &junitFailure{"the file or its rules are refused", r.Problems.Error()}}}
		}
		for _, o := range r.Tests {
			c := junitCase{Name: o.Test.Name, Class: r.File, File: r.File, Line: o.Test.Pos.Line}
			if !o.Passed() {
				s.Failures++
				text := o.Diff
				if len(o.Notes) > 0 {
					text += strings.Join(o.Notes, "\n") + "\n"
				}
				c.Failure = &junitFailure{"the alerts are not those wanted", text}
				if o.Diff == "" {
					c.Failure.Message = "an event could not be read"
				}
			}
			s.Cases = append(s.Cases, c)
		}
		report.Tests += s.Tests
		report.Failures += s.Failures
		report.Errors += s.Errors
		report.Suites = append(report.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
