package ruletest

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"invigil/pipeline/syscollector"
)

// heldAlerts are the manager's alerts that have no event yet, in the order in
// which they were read.
type heldAlerts struct {
	byText map[uint64][]*managerAlert
	byData map[uint64][]*managerAlert
	order  []*managerAlert // some of them taken
	bytes  int
}

func newHeldAlerts() *heldAlerts {
	return &heldAlerts{byText: make(map[uint64][]*managerAlert), byData: make(map[uint64][]*managerAlert)}
}

// heldOverhead is what an alert takes beside its line, roughly, in bytes.
const heldOverhead = 300

func (h *heldAlerts) index(a *managerAlert) map[uint64][]*managerAlert {
	if a.byData {
		return h.byData
	}
	return h.byText
}

func (h *heldAlerts) add(a *managerAlert) {
	index := h.index(a)
	index[a.key] = append(index[a.key], a)
	h.order = append(h.order, a)
	h.bytes += len(a.raw) + heldOverhead
}

// oldest returns the alert that was read first, nil if none is held.
func (h *heldAlerts) oldest() *managerAlert {
	for len(h.order) > 0 {
		if a := h.order[0]; !a.taken {
			return a
		}
		h.order[0] = nil
		h.order = h.order[1:]
	}
	return nil
}

// take removes an alert; one that was never held is only marked.
func (h *heldAlerts) take(a *managerAlert) {
	a.taken = true
	index := h.index(a)
	i := slices.Index(index[a.key], a)
	if i < 0 {
		return
	}
	h.bytes -= len(a.raw) + heldOverhead
	if index[a.key] = slices.Delete(index[a.key], i, i+1); len(index[a.key]) == 0 {
		delete(index, a.key)
	}
}

// find appends the alerts that may be of the event: of its agent, its message
// or data, and its time.
func (h *heldAlerts) find(out []*managerAlert, e *sighting, ev *syscollector.Event, within int64) []*managerAlert {
	add := func(list []*managerAlert) {
		for _, a := range list {
			if a.isOf(&ev.Agent) && (!e.timed || e.gap(a) <= within) {
				out = append(out, a)
			}
		}
	}
	add(h.byText[e.key])
	if len(h.byData) > 0 {
		add(h.byData[dataKey(eventData(ev))])
	}
	return out
}

// isOf reports whether an alert is of the agent. Some envelopes tell a name
// only, which is the id then.
func (a *managerAlert) isOf(agent *syscollector.Agent) bool {
	return a.agentID == agent.ID || agent.Name != "" && agent.Name == agent.ID && a.agentName == agent.Name
}

// textKey hashes a message as JSON tells it: bytes that are no UTF-8 read as
// U+FFFD there.
func textKey(s string) uint64 {
	s = strings.TrimSpace(s)
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return xxhash.Sum64String(s)
}

// dataKey hashes flat data, whatever its order.
func dataKey(data map[string]string) (sum uint64) {
	var d xxhash.Digest
	for name, value := range data {
		d.Reset()
		_, _ = d.WriteString(name)
		_, _ = d.WriteString("\x00")
		_, _ = d.WriteString(value)
		sum += d.Sum64()
	}
	return sum
}

// eventData is the data that the manager would show of an event: of fields of
// one name, letters folded, the first that is not empty.
func eventData(ev *syscollector.Event) map[string]string {
	data := make(map[string]string)
	for name, value := range ev.Fields() {
		name = strings.ToLower(name)
		if _, ok := data[name]; !ok && value != "" {
			data[name] = compactArray(value)
		}
	}
	return data
}
