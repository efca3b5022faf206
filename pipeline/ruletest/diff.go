package ruletest

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
	"invigil/rules"
)

// got is an alert that a test gave, as expectations see it.
type got struct {
	at                               time.Duration
	rule, agent, status, description string
	change, reason                   string
	level, suppressed                int
	groups                           []string
}

// gotAlert reads an alert. One of the wazuh dialect is always firing.
func gotAlert(a *rules.Alert) got {
	g := got{
		at: time.UnixMilli(a.Time).Sub(start), rule: a.Rule.ID, agent: a.Agent.ID, status: "firing", description: a.Rule.Description,
		level: a.Rule.Level, groups: a.Rule.Groups,
	}
	if x := a.Extras; x != nil {
		g.status, g.change, g.reason, g.suppressed = x.Status, x.Change, x.Reason, x.Suppressed
	}
	return g
}

// matches reports whether an alert is the wanted one.
func (w *Want) matches(g *got) bool {
	return w.Rule == g.rule &&
		agrees(w.At, g.at) && agrees(w.Level, g.level) && agrees(w.Agent, g.agent) && agrees(w.Status, g.status) &&
		agrees(w.Description, g.description) && agrees(w.Change, g.change) && agrees(w.Reason, g.reason) &&
		agrees(w.Suppressed, g.suppressed) && (w.Groups == nil || slices.Equal(w.Groups, g.groups))
}

func agrees[T comparable](want *T, got T) bool { return want == nil || *want == got }

// diffLine is one line of a comparison: ' ' both, '-' wanted only, '+' got
// only.
type diffLine struct {
	mark byte
	rule string
	text string
}

// align finds the longest common sequence of wanted and got alerts.
func align(want []*Want, alerts []got) []diffLine {
	n, m := len(want), len(alerts)
	// common[i][j] is the length of the sequence of want[i:] and alerts[j:].
	common := make([][]int, n+1)
	for i := range common {
		common[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if want[i].matches(&alerts[j]) {
				common[i][j] = 1 + common[i+1][j+1]
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []diffLine
	for i, j := 0, 0; i < n || j < m; {
		switch {
		case i < n && j < m && want[i].matches(&alerts[j]):
			out = append(out, diffLine{' ', alerts[j].rule, alerts[j].text(nil)})
			i, j = i+1, j+1
		case j == m || i < n && common[i+1][j] >= common[i][j+1]:
			out = append(out, diffLine{'-', want[i].Rule, want[i].text()})
			i++
		default:
			var w *Want
			if i > 0 && len(out) > 0 && out[len(out)-1].mark == '-' {
				w = want[i-1]
			}
			out = append(out, diffLine{'+', alerts[j].rule, alerts[j].text(w)})
			j++
		}
	}
	return out
}

func render(diff []diffLine) string {
	var b strings.Builder
	for _, d := range diff {
		b.WriteByte(d.mark)
		b.WriteByte(' ')
		b.WriteString(d.text)
		b.WriteByte('\n')
	}
	return b.String()
}

// flow builds a mapping as a test file writes it.
type flow struct{ strings.Builder }

func (f *flow) key(name, value string) {
	if f.Len() == 0 {
		f.WriteByte('{')
	} else {
		f.WriteString(", ")
	}
	f.WriteString(name + ": " + value)
}

func (f *flow) list(name string, values []string) {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	f.key(name, "["+strings.Join(quoted, ", ")+"]")
}

func (f *flow) end() string { return f.String() + "}" }

// text writes the expectation, its own keys only.
func (w *Want) text() string {
	var f flow
	if w.At != nil {
		f.key("at", offset(*w.At))
	}
	f.key("rule", w.Rule)
	if w.Level != nil {
		f.key("level", strconv.Itoa(*w.Level))
	}
	if w.Agent != nil {
		f.key("agent", strconv.Quote(*w.Agent))
	}
	for _, k := range []struct {
		name  string
		value *string
	}{{"status", w.Status}, {"change", w.Change}} {
		if k.value != nil {
			f.key(k.name, *k.value)
		}
	}
	if w.Reason != nil {
		f.key("reason", strconv.Quote(*w.Reason))
	}
	if w.Suppressed != nil {
		f.key("suppressed", strconv.Itoa(*w.Suppressed))
	}
	if w.Groups != nil {
		f.list("groups", w.Groups)
	}
	if w.Description != nil {
		f.key("description", strconv.Quote(*w.Description))
	}
	return f.end()
}

// text writes the alert so that it can be copied into a test: the usual keys,
// and those that the wanted one beside it has.
func (g *got) text(w *Want) string {
	var f flow
	f.key("at", offset(g.at))
	f.key("rule", g.rule)
	f.key("level", strconv.Itoa(g.level))
	f.key("agent", strconv.Quote(g.agent))
	f.key("status", g.status)
	if w != nil && w.Change != nil {
		f.key("change", g.change)
	}
	if g.reason != "" {
		f.key("reason", strconv.Quote(g.reason))
	}
	if g.suppressed > 0 || w != nil && w.Suppressed != nil {
		f.key("suppressed", strconv.Itoa(g.suppressed))
	}
	if w != nil && w.Groups != nil {
		f.list("groups", g.groups)
	}
	f.key("description", strconv.Quote(g.description))
	return f.end()
}

func offset(d time.Duration) string {
	if d < 0 {
		return "-" + source.FormatDuration(-d)
	}
	return source.FormatDuration(d)
}
