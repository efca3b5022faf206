package rules

import (
	"iter"
	"math"
	"strings"
	"time"

	"invigil/pipeline/syscollector"
)

// whenScope is what one evaluation of a condition sees. It belongs to one
// goroutine and is filled anew for each row.
type whenScope struct {
	row, before *syscollector.Row // never nil
	change      syscollector.Change
	changed     uint64
	table       syscollector.Table
	event       *syscollector.Event // nil in filters
	agent       *syscollector.Agent
	lists       Lists     // nil = none
	inventory   Inventory // nil = none
	zone        *time.Location

	items   [maxItemDepth]*syscollector.Row // rows under predicates, by depth
	visited int                             // rows looked at in this evaluation
	// itemNames are the rows that the alert at hand shows.
	itemNames []string
	err       error // what failed inside a predicate
	runner    *whenRunner

	stored [2]storedRow // os, hardware
	words  wordCache
}

// storedRow is the agent's one row of a table, read at most once an event.
type storedRow struct {
	read bool
	row  syscollector.Row
}

// nextEvent forgets what was read for the event before.
func (s *whenScope) nextEvent() {
	s.stored[0].read, s.stored[1].read = false, false
}

// load returns a name's value, false if it is absent. Agent groups and labels
// have a presence and no Value.
func (s *whenScope) load(n *whenName) (syscollector.Value, bool) {
	switch n.view {
	case viewRow:
		return column(s.row, n.field.Number)
	case viewBefore:
		return column(s.before, n.field.Number)
	case viewItems:
		return syscollector.Value{Str: strings.Join(s.itemNames, ", ")}, len(s.itemNames) > 0
	case viewItem:
		return column(s.items[n.member], n.field.Number)
	case viewChange:
		return syscollector.Value{Str: s.change.String()}, true
	case viewOS:
		return column(s.storedRow(0, syscollector.OS), n.field.Number)
	case viewHardware:
		return column(s.storedRow(1, syscollector.Hardware), n.field.Number)
	case viewLabel:
		for i := range s.agent.Labels {
			if l := &s.agent.Labels[i]; l.Key == n.label {
				return text(l.Value)
			}
		}
		return syscollector.Value{}, false
	case viewAgent:
		return s.agentValue(n.member)
	}
	return s.eventValue(n.member)
}

func column(r *syscollector.Row, number uint8) (syscollector.Value, bool) {
	if !r.Has(number) {
		return syscollector.Value{}, false
	}
	return r.Values[number], true
}

// text is a value that is absent when it is empty or one blank.
func text(s string) (syscollector.Value, bool) {
	return syscollector.Value{Str: s}, s != "" && s != " "
}

func (s *whenScope) agentValue(member uint8) (syscollector.Value, bool) {
	switch member {
	case agentID:
		return text(s.agent.ID)
	case agentName:
		return text(s.agent.Name)
	case agentIP:
		return text(s.agent.IP)
	case agentGroups:
		return syscollector.Value{}, len(s.agent.Groups) > 0
	}
	return syscollector.Value{}, len(s.agent.Labels) > 0
}

func (s *whenScope) eventValue(member uint8) (syscollector.Value, bool) {
	if member == eventTable {
		return syscollector.Value{Str: s.table.String()}, true
	}
	if s.event == nil {
		return syscollector.Value{}, false
	}
	switch member {
	case eventOperation:
		return text(s.event.Operation)
	case eventScanTime:
		return text(s.event.ScanTime)
	case eventType:
		return text(s.event.Type)
	}
	return syscollector.Value{Int: s.event.Time}, s.event.Time != 0
}

// storedRow reads the agent's row of a one-row table. Its strings are copied:
// the inventory's are valid until its next call only.
func (s *whenScope) storedRow(i int, t syscollector.Table) *syscollector.Row {
	c := &s.stored[i]
	if c.read {
		return &c.row
	}
	c.read = true
	c.row.Table, c.row.Present = t, 0
	if s.inventory == nil {
		return &c.row
	}
	for _, r := range rowsOf(s.inventory, s.agent.ID, t) {
		c.row = *r
		for _, f := range syscollector.Fields(t) {
			if f.Type == syscollector.String && r.Has(f.Number) {
				c.row.Values[f.Number].Str = s.words.keep(r.Values[f.Number].Str)
			}
		}
		break
	}
	return &c.row
}

func rowsOf(inv Inventory, agent string, t syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	if rows := inv.Rows(agent, t); rows != nil {
		return rows
	}
	return func(func([]byte, *syscollector.Row) bool) {}
}

// box returns a name's value as the expression VM wants it: an absent one is
// the type's zero, which the rewritten condition never looks at.
func (s *whenScope) box(n *whenName) any {
	v, ok := s.load(n)
	switch n.typ {
	case typeInt:
		if !ok {
			return 0
		}
		return s.words.number(v.Int)
	case typeFloat:
		if !ok {
			return 0.0
		}
		return math.Float64frombits(uint64(v.Int))
	case typeTime:
		return time.UnixMilli(v.Int).In(s.zone)
	case typeStrings:
		return s.agent.Groups
	case typeLabels:
		labels := make(map[string]string, len(s.agent.Labels))
		for _, l := range s.agent.Labels {
			labels[l.Key] = l.Value
		}
		return labels
	}
	if !ok {
		return ""
	}
	return s.words.box(v.Str)
}

// maxWords bounds a wordCache.
const maxWords = 8192

// wordCache keeps values that come again and again, so that neither a copy nor
// the interface that the VM wants is allocated anew each time. It is emptied
// when it is full.
type wordCache struct {
	words   map[string]any // the key and the value share their bytes
	numbers map[int64]any
}

func (c *wordCache) box(s string) any {
	if v, ok := c.words[s]; ok {
		return v
	}
	if c.words == nil || len(c.words) >= maxWords {
		c.words = make(map[string]any)
	}
	s = strings.Clone(s)
	c.words[s] = s
	return c.words[s]
}

func (c *wordCache) keep(s string) string { return c.box(s).(string) }

func (c *wordCache) number(n int64) any {
	if v, ok := c.numbers[n]; ok {
		return v
	}
	if c.numbers == nil || len(c.numbers) >= maxWords {
		c.numbers = make(map[int64]any)
	}
	v := any(int(n))
	c.numbers[n] = v
	return v
}
