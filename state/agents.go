package state

import (
	"iter"
	"slices"
)

// Seen reports whether the partition knows an agent, the events of the batch
// included.
func (p *Partition) Seen(agent string) bool { return p.agents[agent] != nil }

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

// PartitionAgents yields the agents of one partition, by id.
func (v *View) PartitionAgents(p *PartitionInfo) iter.Seq2[*AgentInfo, error] {
	return func(yield func(*AgentInfo, error) bool) {
		err := v.agents(p, func(a *AgentInfo) error {
			if !yield(a, nil) {
				return errStop
			}
			return nil
		})
		if err != nil {
			yield(nil, err)
		}
	}
}
