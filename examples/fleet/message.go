package fleet

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"time"
)

// Operation is what a delta says happened to a row.
type Operation string

// The operations of the delta family.
const (
	Inserted Operation = "INSERTED"
	Modified Operation = "MODIFIED"
	Deleted  Operation = "DELETED"
)

const bodyTime = "2006/01/02 15:04:05"

// Row is one row of inventory: column names and values in the order in which
// a scan reports them.
type Row object

// With returns the row with a column set to another value.
func (r Row) With(column string, value any) Row {
	r = slices.Clone(r)
	for i := 0; i < len(r); i += 2 {
		if r[i] == column {
			r[i+1] = value
			return r
		}
	}
	return append(r, column, value)
}

// get returns a column's value, nil if the row has none.
func (r Row) get(column string) any {
	for i := 0; i < len(r); i += 2 {
		if r[i] == column {
			return r[i+1]
		}
	}
	return nil
}

// scanBody names the member that holds the row of a scan message.
var scanBody = map[string]string{
	"hardware": "inventory", "OS": "inventory", "network": "iface",
	"program": "program", "port": "port", "process": "process",
}

// Scan returns a message of the scan family (agents up to 4.1): kind is
// hardware, OS, network, program, port or process.
func Scan(kind string, id int, at time.Time, row Row) []byte {
	return appendJSON(nil, object{"type", kind, "ID", id, "timestamp", at.Format(bodyTime), scanBody[kind], object(row)})
}

// Hotfix returns the scan family's message for one Windows update.
func Hotfix(id int, at time.Time, kb string) []byte {
	return appendJSON(nil, object{"type", "hotfix", "ID", id, "timestamp", at.Format(bodyTime), "hotfix", kb})
}

// ScanEnd returns the message that ends a scan of network, program, port,
// process or hotfix.
func ScanEnd(kind string, id int, at time.Time) []byte {
	return appendJSON(nil, object{"type", kind + "_end", "ID", id, "timestamp", at.Format(bodyTime)})
}

// deltaRow adds what every row of the delta family carries and sorts the
// columns, as agents do.
func deltaRow(table string, at time.Time, row Row) object {
	names := make([]string, 0, len(row)/2+3)
	for i := 0; i < len(row); i += 2 {
		names = append(names, row[i].(string))
	}
	all := row
	sum := sha1.Sum(appendJSON([]byte(table), object(row)))
	all = append(slices.Clone(all), "checksum", hex.EncodeToString(sum[:]), "scan_time", at.Format(bodyTime))
	names = append(names, "checksum", "scan_time")
	if keys := itemKeys[table]; keys != nil {
		var key []byte
		for _, k := range keys {
			key = appendJSON(key, row.get(k))
		}
		sum := sha1.Sum(key)
		all = append(all, "item_id", hex.EncodeToString(sum[:]))
		names = append(names, "item_id")
	}
	slices.Sort(names)
	out := make(object, 0, len(all))
	for _, n := range names {
		out = append(out, n, all.get(n))
	}
	return out
}

// itemKeys are the key columns of the tables whose rows carry an item_id.
var itemKeys = map[string][]string{
	"packages":           {"name", "version", "architecture", "format", "location"},
	"ports":              {"inode", "protocol", "local_ip", "local_port"},
	"network_iface":      {"name", "adapter", "type"},
	"network_protocol":   {"iface", "type"},
	"network_address":    {"iface", "proto", "address"},
	"browser_extensions": {"browser_name", "user_id", "browser_profile_path", "package_name", "package_version"},
	"services":           {"service_id", "file_path"},
}

// Delta returns a message of the delta family (agents from 4.2 on) for a
// table: osinfo, hwinfo, packages, ports, processes, network_iface …
func Delta(table string, op Operation, at time.Time, row Row) []byte {
	return appendJSON(nil, object{"data", deltaRow(table, at, row), "operation", string(op), "type", "dbsync_" + table})
}

// State returns the message by which an agent synchronises one row of a table.
func State(table string, at time.Time, row Row) []byte {
	data := deltaRow(table, at, row)
	index, _ := Row(data).get("item_id").(string)
	if index == "" {
		index, _ = row[1].(string)
	}
	return appendJSON(nil, object{"component", "syscollector_" + table,
		"data", object{"attributes", data, "index", index, "timestamp", ""}, "type", "state"})
}

// Clear returns the message by which an agent says that a table has no rows.
func Clear(table string, id int) []byte {
	return appendJSON(nil, object{"component", "syscollector_" + table, "data", object{"id", id}, "type", "integrity_clear"})
}
