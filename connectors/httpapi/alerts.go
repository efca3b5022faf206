package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// alertFilter is what both lists of alerts can be narrowed by.
type alertFilter struct {
	rules []string // ids; none = all
	agent string   // id; "" = all
	level int      // at least
}

func (p params) alertFilter() (f alertFilter, err error) {
	f.rules, f.agent = p.words("rule"), p.text("agent")
	f.level, err = p.number("level", 0, 16)
	return f, err
}

func (f *alertFilter) takes(rule, agent string, level int) bool {
	return level >= f.level && (f.agent == "" || agent == f.agent) && (len(f.rules) == 0 || slices.Contains(f.rules, rule))
}

// recentAlerts answers with a page of the alerts raised last, newest first, as
// the native format renders them.
func (a *api) recentAlerts(r *request) error {
	f, err := r.params.alertFilter()
	if err != nil {
		return err
	}
	g, err := r.params.page()
	if err != nil {
		return err
	}
	l, total := r.items(false), 0
	all := a.Recent.newest()
	for i := range all {
		if !f.takes(all[i].Rule.ID, all[i].Agent.ID, all[i].Rule.Level) {
			continue
		}
		if g.holds(total) {
			if err := l.item(func(b []byte) ([]byte, error) { return a.oneLine(b, &all[i]) }); err != nil {
				return err
			}
		}
		total++
	}
	return l.end(total, &g)
}

// oneLine renders an alert without the newline that ends a line of a file.
func (a *api) oneLine(b []byte, alert *rules.Alert) ([]byte, error) {
	b, err := a.Recent.Format(b, alert)
	return bytes.TrimRight(b, "\n"), err
}

// active is an onset with its partition.
type active struct {
	rules.ActiveOnset
	topic     string
	partition int32
}

// worse orders onsets: the highest level first, of a level the newest.
func worse(a, b active) int {
	return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(b.Began, a.Began),
		cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.topic, b.topic), cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Item, b.Item))
}

// activeAlerts answers with a page of the conditions that hold now, the worst
// first, each with its row as it is now.
func (a *api) activeAlerts(r *request) error {
	f, err := r.params.alertFilter()
	if err != nil {
		return err
	}
	g, err := r.params.page()
	if err != nil {
		return err
	}
	if g.offset+g.limit > maxSorted {
		return badRequest("narrow it by rule, agent or level", "offset: only the first %d can be asked for", maxSorted)
	}
	total := 0
	top := query.Top[active]{Most: g.offset + g.limit, Compare: worse}
	for o, err := range onsets(r.view) {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return err
		}
		if topic := r.params.text("topic"); topic != "" && o.topic != topic || !f.takes(o.Rule, o.Agent, o.Level) {
			continue
		}
		total++
		top.Add(o)
	}
	l := r.items(false)
	first := top.Sorted()
	for _, o := range first[min(g.offset, len(first)):] {
		if err := l.item(func(b []byte) ([]byte, error) { return o.append(b, r.view) }); err != nil {
			return err
		}
	}
	return l.end(total, &g)
}

// onsets yields the onsets that stand for an alert: not those of rules that
// never alert, nor those that are only counted.
func onsets(view *state.View) func(func(active, error) bool) {
	return func(yield func(active, error) bool) {
		for o, err := range view.Onsets() {
			if err != nil {
				yield(active{}, err)
				return
			}
			onset, err := rules.DecodeActive(o.Key, o.Value)
			if err != nil {
				yield(active{}, fmt.Errorf("partition %s/%d: %w", o.Topic, o.Partition, err))
				return
			}
			if onset.Level == 0 || onset.Description == "" {
				continue
			}
			if !yield(active{onset, o.Topic, o.Partition}, nil) {
				return
			}
		}
	}
}

// append appends the onset: names as in rules, its row as it is now.
func (o *active) append(b []byte, view *state.View) ([]byte, error) {
	row, err := o.row(view)
	if err != nil {
		return b, err
	}
	return appendValue(b, struct {
		Rule        string          `json:"rule.id"`
		Level       int             `json:"rule.level"`
		Description string          `json:"rule.description"`
		Agent       string          `json:"agent.id"`
		Name        string          `json:"agent.name,omitempty"`
		IP          string          `json:"agent.ip,omitempty"`
		Topic       string          `json:"topic"`
		Partition   int32           `json:"partition"`
		Since       string          `json:"since,omitempty"`
		Resolve     bool            `json:"resolve"` // its end is reported
		Table       string          `json:"table,omitempty"`
		Row         json.RawMessage `json:"row,omitempty"`
	}{o.Rule, o.Level, o.Description, o.Agent, o.AgentName, o.AgentIP, o.topic, o.partition, stamp(o.Began), o.Resolve, o.Table.String(), row})
}

// row renders the row that the condition holds for, nil if it is about the
// whole agent.
func (o *active) row(view *state.View) ([]byte, error) {
	if o.Table == syscollector.NoTable {
		return nil, nil
	}
	item, err := view.Row(&state.AgentInfo{Topic: o.topic, Partition: o.partition, ID: o.Agent}, o.Table, o.Key)
	if err != nil || item == nil {
		return nil, err
	}
	q, err := query.Compile(query.Question{Table: o.Table})
	if err != nil {
		return nil, err
	}
	return query.AppendJSON(nil, q.Columns()[1:], &query.Row{Agent: item.Agent, Row: item.Row}), nil
}
