package rules

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"invigil/pipeline/syscollector"
)

// whenView tells which of the things a condition sees holds a name's value.
type whenView uint8

const (
	viewRow whenView = iota
	viewBefore
	viewOS       // the agent's stored row of table os
	viewHardware // the agent's stored row of table hardware
	viewAgent
	viewLabel
	viewEvent
	viewChange
	viewItems // the rows that an alert about a whole agent shows: $(items)
	viewItem  // a row of a table under a predicate; member is its depth
)

// Members of viewAgent and viewEvent.
const (
	agentID uint8 = iota
	agentName
	agentIP
	agentGroups
	agentLabels
	eventTable
	eventOperation
	eventTime
	eventScanTime
	eventType
)

// whenName is one name that a condition can read: what stands between a rule's
// text and a value.
type whenName struct {
	name   string // as written in rules: port.state, before.port.state, agent.os.platform
	view   whenView
	member uint8               // of viewAgent and viewEvent
	label  string              // of viewLabel
	field  *syscollector.Field // of the views of rows
	typ    reflect.Type
	always bool // never absent
}

// ofRow reports whether the name is read from a row that a rule stands on.
func (n *whenName) ofRow() bool { return n.view == viewRow || n.view == viewBefore }

var (
	typeString  = reflect.TypeFor[string]()
	typeInt     = reflect.TypeFor[int]()
	typeFloat   = reflect.TypeFor[float64]()
	typeBool    = reflect.TypeFor[bool]()
	typeTime    = reflect.TypeFor[time.Time]()
	typeStrings = reflect.TypeFor[[]string]()
	typeLabels  = reflect.TypeFor[map[string]string]()
)

// whenNames is the table of all names, made from the one field table.
type whenNames struct {
	byName map[string]*whenName
	// groups are the roots and other prefixes of names (port, netinfo.iface,
	// before, agent.os) with what can follow the dot.
	groups map[string][]string
	// tables are the collections: the inventory tables under their API names.
	tables map[string]syscollector.Table
}

// allWhenNames returns the table; it is built once and never changed.
var allWhenNames = sync.OnceValue(func() *whenNames {
	ns := &whenNames{
		byName: make(map[string]*whenName),
		groups: make(map[string][]string),
		tables: make(map[string]syscollector.Table),
	}
	for _, t := range syscollector.Tables() {
		if t != syscollector.OS && t != syscollector.Hardware {
			ns.tables[t.String()] = t
		}
		for i := range syscollector.Fields(t) {
			f := &syscollector.Fields(t)[i]
			typ := columnType(f.Type)
			ns.add(&whenName{name: f.Name, view: viewRow, field: f, typ: typ})
			ns.add(&whenName{name: "before." + f.Name, view: viewBefore, field: f, typ: typ})
			switch t {
			case syscollector.OS:
				ns.add(&whenName{name: "agent." + f.Name, view: viewOS, field: f, typ: typ})
			case syscollector.Hardware:
				ns.add(&whenName{name: "agent." + f.Name, view: viewHardware, field: f, typ: typ})
			}
		}
	}
	for _, n := range []whenName{
		{name: "change", view: viewChange, typ: typeString, always: true},
		{name: "agent.id", view: viewAgent, member: agentID, typ: typeString},
		{name: "agent.name", view: viewAgent, member: agentName, typ: typeString},
		{name: "agent.ip", view: viewAgent, member: agentIP, typ: typeString},
		{name: "agent.groups", view: viewAgent, member: agentGroups, typ: typeStrings},
		{name: "agent.labels", view: viewAgent, member: agentLabels, typ: typeLabels},
		{name: "event.table", view: viewEvent, member: eventTable, typ: typeString, always: true},
		{name: "event.operation", view: viewEvent, member: eventOperation, typ: typeString},
		{name: "event.time", view: viewEvent, member: eventTime, typ: typeTime},
		{name: "event.scan_time", view: viewEvent, member: eventScanTime, typ: typeString},
		{name: "event.type", view: viewEvent, member: eventType, typ: typeString},
	} {
		ns.add(&n)
	}
	return ns
})

// columnType returns the type that a column's values have in conditions.
func columnType(t syscollector.Type) reflect.Type {
	switch t {
	case syscollector.Integer:
		return typeInt
	case syscollector.Real:
		return typeFloat
	}
	return typeString
}

func (ns *whenNames) add(n *whenName) {
	if _, ok := ns.byName[n.name]; ok {
		return
	}
	ns.byName[n.name] = n
	for rest := n.name; ; {
		dot := strings.LastIndexByte(rest, '.')
		if dot < 0 {
			return
		}
		group, member := rest[:dot], rest[dot+1:]
		if !slices.Contains(ns.groups[group], member) {
			ns.groups[group] = append(ns.groups[group], member)
		}
		rest = group
	}
}

// lookup finds a name; labels of any key are names too.
func (ns *whenNames) lookup(name string) *whenName {
	if n, ok := ns.byName[name]; ok {
		return n
	}
	if label, ok := strings.CutPrefix(name, "agent.labels."); ok && label != "" {
		return &whenName{name: name, view: viewLabel, label: label, typ: typeString}
	}
	return nil
}

// roots returns what a condition can begin a name with, sorted.
func (ns *whenNames) roots() []string {
	seen := make(map[string]bool)
	for name := range ns.byName {
		root, _, _ := strings.Cut(name, ".")
		seen[root] = true
	}
	for t := range ns.tables {
		seen[t] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// isRoot reports whether a name can begin with word.
func (ns *whenNames) isRoot(word string) bool {
	_, name := ns.byName[word]
	_, group := ns.groups[word]
	_, table := ns.tables[word]
	return name || group || table
}

// changeValues returns the values of the name change.
func changeValues() []string {
	var out []string
	for c := syscollector.Unchanged; c <= syscollector.Removed; c++ {
		out = append(out, c.String())
	}
	return out
}

// operationValues returns those of event.operation.
func operationValues() []string {
	return []string{"INSERTED", "MODIFIED", "DELETED", "SELECTED", "MAX_ROWS", "DB_ERROR"}
}

// tableValues returns those of event.table and of the key table.
func tableValues() []string {
	var out []string
	for _, t := range syscollector.Tables() {
		out = append(out, t.String())
	}
	return out
}
