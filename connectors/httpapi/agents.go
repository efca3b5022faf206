package httpapi

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// agentItem is an agent as /v1/agents shows it, named as in rules.
type agentItem struct {
	ID        string            `json:"agent.id"`
	Name      string            `json:"agent.name,omitempty"`
	IP        string            `json:"agent.ip,omitempty"`
	Groups    []string          `json:"agent.groups,omitempty"`
	Labels    map[string]string `json:"agent.labels,omitempty"`
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	FirstSeen string            `json:"first_seen,omitempty"`
	LastSeen  string            `json:"last_seen,omitempty"`
	Known     []string          `json:"known"` // tables whose content is completely known
	Rows      map[string]int    `json:"rows,omitempty"`
}

func newAgentItem(a *state.AgentInfo) *agentItem {
	item := &agentItem{
		ID: a.ID, Name: a.Name, IP: a.IP, Groups: a.Groups, Topic: a.Topic, Partition: a.Partition,
		FirstSeen: stamp(a.FirstSeen), LastSeen: stamp(a.LastSeen), Known: []string{},
	}
	if len(a.Labels) > 0 {
		item.Labels = make(map[string]string, len(a.Labels))
		for _, l := range a.Labels {
			item.Labels[l.Key] = l.Value
		}
	}
	for _, t := range syscollector.Tables() {
		if a.Known(t) {
			item.Known = append(item.Known, t.String())
		}
	}
	return item
}

// agents answers with a page of the agents.
func (a *api) agents(r *request) error {
	g, err := r.params.page()
	if err != nil {
		return err
	}
	name, group := r.params.text("name"), r.params.text("group")
	if _, err := path.Match(name, ""); err != nil {
		return badRequest("write * and ? for any text and any letter", "name=%s: %v", name, err)
	}
	l, total := r.items(false), 0
	for info, err := range query.Agents(r.view, "", r.params.text("topic")) {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return err
		}
		if ok, _ := path.Match(name, info.Name); name != "" && !ok { // the pattern was checked
			continue
		}
		if group != "" && !slices.Contains(info.Groups, group) {
			continue
		}
		if g.holds(total) {
			if err := l.value(newAgentItem(info)); err != nil {
				return err
			}
		}
		total++
	}
	return l.end(total, &g)
}

// agent answers with an agent, once for each partition that has seen it, and
// the number of its rows.
func (a *api) agent(r *request) error {
	l := r.items(false)
	for info, err := range query.Agents(r.view, r.PathValue("id"), r.params.text("topic")) {
		if err != nil {
			return err
		}
		item := newAgentItem(info)
		item.Rows = make(map[string]int)
		for _, t := range syscollector.Tables() {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			n, err := r.view.Count(info, t)
			if err != nil {
				return err
			}
			if n > 0 {
				item.Rows[t.String()] = n
			}
		}
		if err := l.value(item); err != nil {
			return err
		}
	}
	return l.end(l.items, nil)
}

// forget removes an agent. One that several topics have must be named with its
// topic.
func (a *api) forget(r *request) error {
	id := r.PathValue("id")
	found, err := r.view.Find(id)
	if err != nil {
		return err
	}
	var topics []string
	for i := range found {
		topic := found[i].Topic
		if r.params.has("topic") && topic != r.params.text("topic") || slices.Contains(topics, topic) {
			continue
		}
		topics = append(topics, topic)
	}
	switch len(topics) {
	case 0:
		return &query.UnknownAgentError{ID: id}
	case 1:
	default:
		return &apiError{http.StatusConflict, fmt.Sprintf("agent %s is known in several topics", id), "name one: topic=" + strings.Join(topics, ", topic=")}
	}
	if err := a.Forget.Forget(r.ctx, topics[0], id); err != nil {
		return fmt.Errorf("forget agent %s: %w", id, err)
	}
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}
