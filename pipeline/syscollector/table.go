package syscollector

import "strings"

// Table identifies one of the thirteen inventory tables. The numbers are part
// of the stored format: never reordered or reused.
type Table uint8

// The tables, named as in the API.
const (
	NoTable Table = iota
	Hardware
	OS
	Hotfixes
	Packages
	Processes
	Ports
	Netiface
	Netproto
	Netaddr
	Users
	Groups
	Services
	BrowserExtensions
	NumTables
)

// tableNames gives each table's name in the API, on the wire of 4.x (after
// "dbsync_" or "syscollector_") and, where 3.9 scans it, the message type and
// the member that holds its row.
var tableNames = [NumTables]struct{ api, wire, scan, body string }{
	Hardware:          {"hardware", "hwinfo", "hardware", "inventory"},
	OS:                {"os", "osinfo", "OS", "inventory"},
	Hotfixes:          {"hotfixes", "hotfixes", "hotfix", "hotfix"},
	Packages:          {"packages", "packages", "program", "program"},
	Processes:         {"processes", "processes", "process", "process"},
	Ports:             {"ports", "ports", "port", "port"},
	Netiface:          {"netiface", "network_iface", "network", "iface"},
	Netproto:          {"netproto", "network_protocol", "", ""},
	Netaddr:           {"netaddr", "network_address", "", ""},
	Users:             {"users", "users", "", ""},
	Groups:            {"groups", "groups", "", ""},
	Services:          {"services", "services", "", ""},
	BrowserExtensions: {"browser_extensions", "browser_extensions", "", ""},
}

// String returns the table's name in the API, in rules and in queries: ports,
// netiface. It is "" for NoTable.
func (t Table) String() string {
	if t >= NumTables {
		return ""
	}
	return tableNames[t].api
}

// Wire returns the table's name in messages of 4.x agents, as it stands after
// "dbsync_" and "syscollector_": network_iface.
func (t Table) Wire() string {
	if t >= NumTables {
		return ""
	}
	return tableNames[t].wire
}

// Tables returns the thirteen tables in the order of their numbers.
func Tables() []Table {
	ts := make([]Table, 0, NumTables-1)
	for t := NoTable + 1; t < NumTables; t++ {
		ts = append(ts, t)
	}
	return ts
}

// TableByName returns the table of that name in the API.
func TableByName(name string) (Table, bool) {
	for t := NoTable + 1; t < NumTables; t++ {
		if tableNames[t].api == name {
			return t, true
		}
	}
	return NoTable, false
}

// TableByWire returns the table of that name in messages of 4.x agents, with
// or without its prefix: osinfo, dbsync_osinfo, syscollector_osinfo. Messages
// of the first 4.2 agents write bars for the underscores.
func TableByWire(name string) (Table, bool) {
	if rest, ok := strings.CutPrefix(name, "dbsync_"); ok {
		name = rest
	} else if len(name) > len("syscollector_") && name[:len("syscollector")] == "syscollector" &&
		(name[len("syscollector")] == '_' || name[len("syscollector")] == '-') {
		name = name[len("syscollector_"):]
	}
	for t := NoTable + 1; t < NumTables; t++ {
		if wireEqual(tableNames[t].wire, name) {
			return t, true
		}
	}
	return NoTable, false
}

// wireEqual compares a table's wire name with one whose underscores may be bars.
func wireEqual(wire, name string) bool {
	if len(wire) != len(name) {
		return false
	}
	for i := 0; i < len(wire); i++ {
		if c := name[i]; c != wire[i] && !(c == '-' && wire[i] == '_') {
			return false
		}
	}
	return true
}
