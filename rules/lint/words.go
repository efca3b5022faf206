package lint

import (
	"hash/maphash"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

// typeSet is a set of message types: bit i is words.types[i].
type typeSet uint64

// messageType is a type that messages have.
type messageType struct {
	name  string
	table syscollector.Table
	delta bool // of 4.x agents' deltas
	end   bool // ends a scan: it has no field but type
}

// scanTypes are the messages of 3.9 agents, which have no other list: a test
// holds them to the decoder.
var scanTypes = [...]messageType{
	{name: "hardware", table: syscollector.Hardware}, {name: "OS", table: syscollector.OS},
	{name: "network", table: syscollector.Netiface}, {name: "network_end", table: syscollector.Netiface, end: true},
	{name: "program", table: syscollector.Packages}, {name: "program_end", table: syscollector.Packages, end: true},
	{name: "hotfix", table: syscollector.Hotfixes}, {name: "hotfix_end", table: syscollector.Hotfixes, end: true},
	{name: "port", table: syscollector.Ports}, {name: "port_end", table: syscollector.Ports, end: true},
	{name: "process", table: syscollector.Processes}, {name: "process_end", table: syscollector.Processes, end: true},
}

// vocabularies are the fields whose values come from a closed list, and the
// list: what agents send, letters as they send them.
var vocabularies = map[string][]string{
	"operation_type": {"INSERTED", "MODIFIED", "DELETED"},
	"port.protocol":  {"tcp", "udp", "tcp6", "udp6"},
	"port.state": {
		"established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait", "last_ack", "listening", "closing", "unknown",
	},
	"netinfo.iface.state":     {"up", "down", "unknown", "dormant", "testing", "lowerlayerdown", "notpresent"},
	"netinfo.iface.ipv4.dhcp": {"enabled", "disabled", "unknown", "BOOTP"},
	"netinfo.iface.ipv6.dhcp": {"enabled", "disabled", "unknown", "BOOTP"},
	"netinfo.proto.dhcp":      {"enabled", "disabled", "unknown", "BOOTP"},
	"netinfo.proto.type":      {"ipv4", "ipv6"},
	"netinfo.addr.proto":      {"ipv4", "ipv6"},
	"process.state":           {"R", "S", "D", "Z", "T", "t", "X", "x", "K", "W", "P", "I"},
	"service.service_enabled": {
		"enabled", "enabled-runtime", "disabled", "static", "masked", "masked-runtime", "linked", "linked-runtime", "indirect", "generated",
		"transient", "alias", "bad", "true", "false",
	},
}

// words is what inventory events can say: their types, the fields of each, and
// the values of some.
type words struct {
	compat   syscollector.Compat
	types    []messageType
	allTypes typeSet
	deltas   typeSet
	fields   map[syscollector.ViewID]typeSet
	// lists and reals are fields that 3.9 agents' messages show as the text
	// of an array, and with six decimals.
	lists, reals map[syscollector.ViewID]bool
	names        []string // of all fields, for suggestions
	seed         maphash.Seed
}

func newWords(compat syscollector.Compat) *words {
	w := &words{compat: compat, seed: maphash.MakeSeed(), fields: map[syscollector.ViewID]typeSet{}, lists: map[syscollector.ViewID]bool{}, reals: map[syscollector.ViewID]bool{}}
	for _, t := range scanTypes {
		if compat == syscollector.Compat4 || t.table != syscollector.Hotfixes {
			w.types = append(w.types, t)
		}
	}
	if compat == syscollector.Compat4 {
		for _, t := range syscollector.Tables() {
			w.types = append(w.types, messageType{name: "dbsync_" + t.Wire(), table: t, delta: true})
		}
	}
	for i, t := range w.types {
		w.allTypes |= 1 << i
		if t.delta {
			w.deltas |= 1 << i
		}
	}
	w.probe()
	for id := syscollector.ViewID(1); syscollector.ViewName(id) != ""; id++ {
		name := syscollector.ViewName(id)
		if syscollector.LookupView(name) != id {
			continue // a second column of that name
		}
		w.fields[id] = w.fieldTypes(id)
		w.names = append(w.names, name)
	}
	return w
}

// fieldTypes returns the types whose messages can have a field.
func (w *words) fieldTypes(id syscollector.ViewID) (set typeSet) {
	name, table := syscollector.ViewName(id), syscollector.ViewTable(id)
	if name == "type" {
		return w.allTypes
	}
	if table == syscollector.NoTable {
		return w.deltas // operation_type
	}
	f, isColumn := syscollector.ByName(name)
	for i, t := range w.types {
		switch {
		case t.table != table || t.end:
		case !isColumn: // of the addresses in a network message
			if !t.delta {
				set |= 1 << i
			}
		case t.delta && f.Column != "" && f.DeltaName == "", !t.delta && f.Scan != "" && !(f.Scan4 && w.compat == syscollector.Compat39):
			set |= 1 << i
		}
	}
	return set
}

// probe decodes messages of a 3.9 agent to see how their fields are shown.
func (w *words) probe() {
	d := syscollector.NewDecoder(syscollector.Options{Compat: w.compat, DefaultAgent: "001"})
	for _, message := range [...]string{
		`{"type":"hardware","ID":1,"timestamp":"2020/01/01 00:00:00","inventory":{"cpu_cores":1,"cpu_MHz":1,"ram_total":1,"ram_free":1,"ram_usage":1}}`,
		`{"type":"network","ID":1,"timestamp":"2020/01/01 00:00:00","iface":{"name":"x","IPv4":{"address":["x"],"netmask":["x"],"broadcast":["x"]},` +
			`"IPv6":{"address":["x"],"netmask":["x"],"broadcast":["x"]}}}`,
		`{"type":"process","ID":1,"timestamp":"2020/01/01 00:00:00","process":{"pid":1,"argvs":["x"]}}`,
	} {
		ev, err := d.Decode([]byte(message), syscollector.Meta{})
		if err != nil || ev == nil {
			continue
		}
		for name, text := range ev.Fields() {
			id := syscollector.LookupView(name)
			w.lists[id] = strings.HasPrefix(text, "[")
			w.reals[id] = strings.HasSuffix(text, ".000000")
		}
	}
}

// typesOf returns the types of messages for which a condition can hold, as far
// as that depends on the type. Fields that no message has are left to others.
func (w *words) typesOf(c *call) (set typeSet) {
	switch {
	case c.static || c.view == 0:
		return w.allTypes
	case syscollector.ViewName(c.view) != "type":
		return w.fields[c.view]
	}
	for i, t := range w.types {
		if c.accepts(t.name) {
			set |= 1 << i
		}
	}
	return set
}

// never tells whether no inventory event can satisfy a condition because of its
// field.
func (w *words) never(c *call) bool {
	if c.static {
		return !slices.Contains(realStatics[:], c.value)
	}
	return c.view == 0 || w.fields[c.view] == 0
}

// realStatics are the static values that inventory events have.
var realStatics = [...]string{"log", "location", "hostname"}

// vocabulary returns the values that a field can have, nil if any.
func (w *words) vocabulary(id syscollector.ViewID) []string {
	name := syscollector.ViewName(id)
	if name != "type" {
		return vocabularies[name]
	}
	var names []string
	for _, t := range w.types {
		names = append(names, t.name)
	}
	return names
}

// prefixes are words that people write for the first part of a field's name.
var prefixes = map[string]string{
	"package": "program", "packages": "program", "software": "program", "ports": "port", "processes": "process", "proc": "process",
	"hw": "hardware", "system": "os", "netiface": "netinfo.iface", "iface": "netinfo.iface", "interface": "netinfo.iface",
	"network.interface": "netinfo.iface", "netproto": "netinfo.proto", "protocol": "netinfo.proto", "netaddr": "netinfo.addr", "address": "netinfo.addr",
	"network": "netinfo.iface", "net": "netinfo.iface", "browser": "browser_extension", "extension": "browser_extension",
	"users": "user", "groups": "group", "services": "service", "hotfixes": "hotfix",
}

// hidden are members of messages that rules never see.
var hidden = [...]string{"id", "timestamp", "scan_time", "checksum", "item_id"}

// suggest says what a field that does not exist was most likely meant to be.
func (w *words) suggest(name string) string {
	lower := strings.ToLower(strings.TrimSpace(name))
	last := lower[strings.LastIndexByte(lower, '.')+1:]
	if slices.Contains(hidden[:], last) {
		return "rules never see " + last + " of a message"
	}
	if strings.HasPrefix(lower, "agent.") || lower == "location" {
		return "the agent's name is the static value hostname"
	}
	if i := strings.LastIndexByte(lower, '.'); i > 0 {
		for _, prefix := range []string{lower[:i], strings.SplitN(lower, ".", 2)[0]} {
			group, ok := prefixes[prefix]
			if !ok {
				continue
			}
			rest := strings.TrimPrefix(lower, prefix+".")
			if hint := source.DidYouMean(group+"."+strings.ReplaceAll(rest, ".", "_"), w.names); hint != "" {
				return hint
			}
			if hint := source.DidYouMean(group+"."+group+"_"+rest, w.names); hint != "" {
				return hint
			}
		}
	}
	if hint := source.DidYouMean(lower, w.names); hint != "" {
		return hint
	}
	for _, t := range syscollector.Tables() { // a name on the wire or of the API
		for _, f := range syscollector.Fields(t) {
			for _, alias := range []string{f.Column, f.Scan, f.API} {
				if alias != "" && strings.EqualFold(alias, lower) && !slices.Contains(generic[:], alias) {
					return `did you mean "` + f.Name + `"?`
				}
			}
		}
	}
	return "invigil fields lists those that exist"
}

// generic are wire names of too many tables to guess one.
var generic = [...]string{"name", "type", "version", "description", "size", "state", "pid", "priority", "hostname", "architecture", "source", "process_pid", "iface"}
