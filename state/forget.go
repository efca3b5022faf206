package state

import "slices"

// Silent returns the agents whose last event is older than a stream time, by
// id. When an agent was seen last is known to the minute.
func (p *Partition) Silent(before int64) []string {
	var ids []string
	for id, a := range p.agents {
		if a.LastSeen < before {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
