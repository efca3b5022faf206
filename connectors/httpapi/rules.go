package httpapi

import (
	"slices"
	"strconv"

	"invigil/rules"
	"invigil/rules/rulefile"
)

// ruleItem is a rule as /v1/rules shows it, named as in alerts.
type ruleItem struct {
	ID          string           `json:"rule.id"`
	Level       int              `json:"rule.level"`
	Description string           `json:"rule.description"`
	Groups      []string         `json:"rule.groups,omitempty"`
	Dialect     rulefile.Dialect `json:"dialect"`
	Table       string           `json:"table,omitempty"`
	Position    string           `json:"position"` // file:line:column
	Unreachable bool             `json:"unreachable,omitempty"`
	Unindexed   bool             `json:"unindexed,omitempty"`
	Disabled    bool             `json:"disabled,omitempty"`
	Counters    *counterItem     `json:"counters,omitempty"`
}

type counterItem struct {
	Evaluations int64  `json:"evaluations"`
	Matches     int64  `json:"matches"`
	Alerts      int64  `json:"alerts"`
	Suppressed  int64  `json:"suppressed"`
	Errors      int64  `json:"errors"`
	LastError   string `json:"last_error,omitempty"`
}

// rules answers with a page of the loaded rules, in load order.
func (a *api) rules(r *request) error {
	ids, group := r.params.words("rule"), r.params.text("group")
	level, err := r.params.number("level", 0, 16)
	if err != nil {
		return err
	}
	g, err := r.params.page()
	if err != nil {
		return err
	}
	var counters map[string]rules.RuleCounters
	if a.Counters != nil {
		counters = a.Counters()
	}
	l, total := r.items(false), 0
	for _, info := range a.Rules().Rules() {
		if len(ids) > 0 && !slices.Contains(ids, info.ID) || info.Level < level || group != "" && !slices.Contains(info.Groups, group) {
			continue
		}
		if g.holds(total) {
			item := ruleItem{
				ID: info.ID, Level: info.Level, Description: info.Description, Groups: info.Groups, Dialect: info.Dialect, Table: info.Table,
				Position: info.Pos.String(), Unreachable: info.Unreachable, Unindexed: info.Unindexed, Disabled: info.Disabled,
			}
			if c, ok := counters[info.ID]; ok {
				item.Counters = &counterItem{c.Evaluations, c.Matches, c.Alerts, c.Suppressed, c.Errors, c.LastError}
			}
			if err := l.value(item); err != nil {
				return err
			}
		}
		total++
	}
	return l.end(total, &g)
}

// lists answers with the loaded lists, by name.
func (a *api) lists(r *request) error {
	l := r.items(false)
	for _, info := range a.Store.Lists().View().All() {
		err := l.value(struct {
			Name        string `json:"name"`
			Kind        string `json:"kind"`
			Fold        bool   `json:"fold"`
			Keys        int    `json:"keys"`
			Dropped     int    `json:"dropped"`
			Fingerprint string `json:"fingerprint"`
		}{info.Name, info.Kind.String(), info.Fold, info.Keys, info.Dropped, strconv.FormatUint(info.Fingerprint, 16)})
		if err != nil {
			return err
		}
	}
	return l.end(l.items, nil)
}
