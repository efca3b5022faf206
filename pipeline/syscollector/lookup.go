package syscollector

import "sync"

// index holds what is derived from the field table. It is immutable.
type index struct {
	names    map[string]*Field
	columns  [NumTables][MaxColumns]*Field
	masks    [NumTables]Masks
	api      [NumTables]map[string]*Field // by API name
	delta    [NumTables]keySet            // keys of a dbsync or rsync row: entries are columns, aliases, row members
	scan     [NumTables]keySet            // keys of a scan message's body
	ip       keySet                       // keys of an interface's IPv4 and IPv6 objects
	ipFields []*Field                     // what they hold
	top      keySet                       // keys of the message and of what wraps it
	views    viewIndex
}

// lookups returns the index, built on first use.
var lookups = sync.OnceValue(buildIndex)

func buildIndex() *index {
	x := &index{names: map[string]*Field{}}
	for t := range fields {
		x.api[t] = map[string]*Field{}
		for i := range fields[t] {
			f := &fields[t][i]
			if f.API != "" {
				x.api[t][f.API] = f
			}
			x.names[f.Name] = f
			x.columns[t][f.Number] = f
			bit := uint64(1) << f.Number
			m := &x.masks[t]
			m.All |= bit
			set := func(in bool, mask *uint64) {
				if in {
					*mask |= bit
				}
			}
			set(f.Key, &m.Key)
			set(f.ScanKey, &m.ScanKey)
			set(f.Same, &m.Same)
			set(f.Volatile, &m.Volatile)
			set(f.Type == String, &m.Text)
		}
		x.delta[t] = deltaKeys(fields[t])
		x.scan[t] = scanKeys(Table(t))
	}
	x.ipFields = ipFields()
	x.ip = ipKeys(x.ipFields)
	x.top = topKeys()
	x.views = buildViews()
	return x
}

// Entries of the key sets of rows. Below MaxColumns an entry is a column
// number; from entryAlias on it is a column number met under another name.
const (
	entryScanTime = MaxColumns + iota
	entryChecksum
	entryItemID
	entryIPv4
	entryIPv6
	entryAlias = 64
	noEntry    = 0xff
)

func deltaKeys(fs []Field) keySet {
	var b keySetBuilder
	for i := range fs {
		b.add(fs[i].Column, fs[i].Number)
		for _, a := range fs[i].Aliases {
			b.add(a, entryAlias+fs[i].Number)
		}
	}
	b.add("scan_time", entryScanTime)
	b.add("checksum", entryChecksum)
	b.add("item_id", entryItemID)
	return b.build()
}

func scanKeys(t Table) keySet {
	var b keySetBuilder
	for i := range fields[t] {
		b.add(fields[t][i].Scan, fields[t][i].Number)
	}
	if t == Netiface {
		b.add("IPv4", entryIPv4)
		b.add("IPv6", entryIPv6)
	}
	return b.build()
}

// ipFields returns the fields of protocols and addresses that a scan message
// gives inside its interface, in the order of the original's decoding.
func ipFields() []*Field {
	var fs []*Field
	for _, t := range [...]Table{Netproto, Netaddr} {
		for i := range fields[t] {
			if fields[t][i].Scan != "" {
				fs = append(fs, &fields[t][i])
			}
		}
	}
	return fs
}

func ipKeys(fs []*Field) keySet {
	var b keySetBuilder
	for i, f := range fs {
		b.add(f.Scan, uint8(i))
	}
	return b.build()
}

// Members of a message, and of what wraps it, that say something.
const (
	topType = iota
	topID
	topTimestamp
	topInventory
	topIface
	topProgram
	topHotfix
	topPort
	topProcess
	topData
	topOperation
	topComponent
	topDataType
	topAgentInfo
	topAgent
	topFullLog
	topLocation
	topDecoder
	topManager
	topRule
	topMessage
	topEvent
	topEventOriginal
	topLog
	topCollector
	topModule
	numTop
)

func topKeys() keySet {
	var b keySetBuilder
	for entry, name := range [numTop]string{
		topType: "type", topID: "ID", topTimestamp: "timestamp", topInventory: "inventory",
		topIface: "iface", topProgram: "program", topHotfix: "hotfix", topPort: "port",
		topProcess: "process", topData: "data", topOperation: "operation",
		topComponent: "component", topDataType: "data_type", topAgentInfo: "agent_info",
		topAgent: "agent", topFullLog: "full_log", topLocation: "location",
		topDecoder: "decoder", topManager: "manager", topRule: "rule",
		topMessage: "message", topEvent: "event", topEventOriginal: "event.original",
		topLog: "log", topCollector: "collector", topModule: "module",
	} {
		b.add(name, uint8(entry))
	}
	return b.build()
}
