package ruletest

import (
	"fmt"
	"strings"
	"time"
)

// DifferenceKind says what kind of difference one is.
type DifferenceKind uint8

// The kinds.
const (
	OnlyWazuh   DifferenceKind = iota // the manager alerted, Invigil did not
	OnlyInvigil                       // Invigil alerted, the manager did not
	Fields                            // both alerted, members of the alerts differ
)

// String returns the kind's name in reports.
func (k DifferenceKind) String() string {
	switch k {
	case OnlyWazuh:
		return "only Wazuh"
	case OnlyInvigil:
		return "only Invigil"
	}
	return "different"
}

// Difference is one difference between what the manager and what Invigil
// alerted.
type Difference struct {
	Kind               DifferenceKind
	Time               time.Time // receive time
	AgentID, AgentName string
	Rule               string
	Level              int
	Description        string
	Place              string   // where the alert or its event stands in the input
	Reasons            []string // why, or the members that differ, a line each
}

// Text writes the difference for people, in several lines, with times in a
// zone.
func (d *Difference) Text(zone *time.Location) string {
	var b strings.Builder
	agent := d.AgentID
	if d.AgentName != "" && d.AgentName != d.AgentID {
		agent += " (" + d.AgentName + ")"
	}
	fmt.Fprintf(&b, "%s: rule %s (level %d), agent %s, %s: %s\n", d.Kind, d.Rule, d.Level, agent, d.Time.In(zone).Format(alertTime), oneLine(d.Description))
	for _, r := range d.Reasons {
		b.WriteString("    " + oneLine(r) + "\n")
	}
	b.WriteString("    " + d.Place + "\n")
	return b.String()
}

// oneLine shows control characters as escapes.
func oneLine(s string) string {
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isControl(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
