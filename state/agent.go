package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
)

// AgentInfo is what is known of an agent of one partition.
type AgentInfo struct {
	Topic     string
	Partition int32
	ID        string
	Name      string
	IP        string // "" = unknown
	Groups    []string
	Labels    []syscollector.Label
	FirstSeen int64 // stream time of its first event, unix milliseconds
	LastSeen  int64 // stream time, unix milliseconds; written at most once a minute
	known     uint32
	ended     uint32
}

// Known reports whether the content of the table is completely known: a scan
// of it ended, it was cleared, or it was imported.
func (a *AgentInfo) Known(t syscollector.Table) bool { return a.known&(1<<t) != 0 }

// seenInterval is how old a stored LastSeen may become, milliseconds.
const seenInterval = 60_000

// agentState is an agent's record as its partition holds it.
type agentState struct {
	AgentInfo
	tables  [syscollector.NumTables]tableState
	marks   *[syscollector.NumTables]markSet
	trimmed *[syscollector.NumTables]int64 // stream time of the last trim of history
	marked  bool                           // on the partition's list of agents with marks
	dirty   bool                           // on the partition's list of agents to write
}

// touch returns the agent of an event, its record brought up to date.
func (p *Partition) touch(e *syscollector.Agent, streamTime int64) *agentState {
	a := p.agents[e.ID]
	if a == nil {
		id := strings.Clone(e.ID)
		a = &agentState{AgentInfo: AgentInfo{
			Topic: p.topic, Partition: p.number, ID: id, FirstSeen: streamTime, LastSeen: streamTime,
		}}
		p.agents[id] = a
		p.changed(a)
	}
	if streamTime-a.LastSeen >= seenInterval {
		a.LastSeen = streamTime
		p.changed(a)
	}
	if e.Name != "" && e.Name != a.Name {
		a.Name = strings.Clone(e.Name)
		p.changed(a)
	}
	if e.IP != "" && e.IP != a.IP {
		a.IP = strings.Clone(e.IP)
		p.changed(a)
	}
	if e.Groups != nil && !slices.Equal(e.Groups, a.Groups) {
		a.Groups = cloneStrings(e.Groups)
		p.changed(a)
	}
	if e.Labels != nil && !slices.Equal(e.Labels, a.Labels) {
		a.Labels = make([]syscollector.Label, len(e.Labels))
		for i, l := range e.Labels {
			a.Labels[i] = syscollector.Label{Key: strings.Clone(l.Key), Value: strings.Clone(l.Value)}
		}
		p.changed(a)
	}
	return a
}

func cloneStrings(s []string) []string {
	c := make([]string, len(s))
	for i := range s {
		c[i] = strings.Clone(s[i])
	}
	return c
}

// changed puts the agent's record into the batch.
func (p *Partition) changed(a *agentState) {
	if !a.dirty {
		a.dirty = true
		p.dirty = append(p.dirty, a)
	}
}

// know notes that tables of an agent are completely known; ended, that a scan
// of them ended too.
func (p *Partition) know(a *agentState, tables, ended uint32) {
	if a.known&tables != tables || a.ended&ended != ended {
		a.known |= tables
		a.ended |= ended
		p.changed(a)
	}
}

// Agent returns what is known of an agent, the events of the batch included.
func (p *Partition) Agent(id string) (info AgentInfo, ok bool) {
	if a := p.agents[id]; a != nil {
		return a.AgentInfo, true
	}
	return info, false
}

// Known reports whether the content of an agent's table is completely known.
func (p *Partition) Known(agent string, table syscollector.Table) bool {
	a := p.agents[agent]
	return a != nil && a.Known(table)
}

// SetKnown notes that an agent's table is completely known, as after an import.
// An agent that was never seen is not known.
func (p *Partition) SetKnown(agent string, table syscollector.Table) {
	if a := p.agents[agent]; a != nil {
		p.know(a, 1<<table, 0)
	}
}

// An agent's record, format 1: name, ip, groups, labels (counts and lengths are
// uvarints), first and last seen (varints), masks of known and ended tables
// (uvarints), and for each ended table the id of its last scan (varint).
const agentFormat = 1

func (a *agentState) append(b []byte) []byte {
	b = append(b, agentFormat)
	b = appendText(b, a.Name)
	b = appendText(b, a.IP)
	b = binary.AppendUvarint(b, uint64(len(a.Groups)))
	for _, g := range a.Groups {
		b = appendText(b, g)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Labels)))
	for _, l := range a.Labels {
		b = appendText(appendText(b, l.Key), l.Value)
	}
	b = binary.AppendVarint(b, a.FirstSeen)
	b = binary.AppendVarint(b, a.LastSeen)
	b = binary.AppendUvarint(b, uint64(a.known))
	b = binary.AppendUvarint(b, uint64(a.ended))
	for t := range a.tables {
		if a.ended&(1<<t) != 0 {
			b = binary.AppendVarint(b, a.tables[t].lastEnd)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errAgent = errors.New("agent record is damaged")

// decodeAgent reads the record of the agent of that key, after the space and
// kind bytes.
func decodeAgent(key string, value []byte) (*agentState, error) {
	id, rest, err := cutString(key)
	if err != nil || rest != "" {
		return nil, fmt.Errorf("agent %w", errKey)
	}
	if len(value) == 0 {
		return nil, errAgent
	}
	if value[0] != agentFormat {
		return nil, fmt.Errorf("record of agent %s has format %d, this version reads %d", id, value[0], agentFormat)
	}
	c := cursor{rest: value[1:]}
	a := &agentState{AgentInfo: AgentInfo{ID: strings.Clone(id), Name: c.text(), IP: c.text()}}
	if n := c.count(); n > 0 {
		a.Groups = make([]string, n)
		for i := range a.Groups {
			a.Groups[i] = c.text()
		}
	}
	if n := c.count(); n > 0 {
		a.Labels = make([]syscollector.Label, n)
		for i := range a.Labels {
			a.Labels[i] = syscollector.Label{Key: c.text(), Value: c.text()}
		}
	}
	a.FirstSeen, a.LastSeen = c.varint(), c.varint()
	a.known, a.ended = uint32(c.uvarint()), uint32(c.uvarint())
	for t := range a.tables {
		if a.ended&(1<<t) != 0 {
			a.tables[t].lastEnd = c.varint()
		}
	}
	if c.bad || len(c.rest) > 0 {
		return nil, fmt.Errorf("agent %s: %w", id, errAgent)
	}
	return a, nil
}

// count reads a number of items of at least one byte each.
func (c *cursor) count() int {
	n := c.uvarint()
	if n > uint64(len(c.rest)) {
		c.fail()
		return 0
	}
	return int(n)
}
