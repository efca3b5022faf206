package syscollector

// Family tells which generation of agent sent a message.
type Family uint8

// The families: FamilyScan is 3.9's full scans, FamilyDelta 4.x's dbsync deltas, FamilySync the
// rsync messages (rows of state, integrity checks), which no wazuh rule sees.
const (
	FamilyScan Family = iota
	FamilyDelta
	FamilySync
)

// Op is what a message does to the inventory.
type Op uint8

// The operations.
const (
	OpNone    Op = iota // nothing: integrity checks, unknown operation strings
	OpReport            // a scan reports the rows (upsert)
	OpInsert            // INSERTED
	OpModify            // MODIFIED: merge
	OpDelete            // DELETED
	OpState             // rsync state: upsert, baseline
	OpScanEnd           // *_end: rows the scan did not report are gone
	OpClear             // integrity_clear: the table is empty
)

// Agent is the sender of an event. An empty IP means unknown ("any").
type Agent struct {
	ID     string
	Name   string
	IP     string
	Groups []string // from the envelope's agent.labels, nil if it has none
	Labels []Label
}

// Label is one agent label.
type Label struct{ Key, Value string }

// Event is one decoded message. Its strings stand in the decoder's memory: they
// live until the decoder's Reset.
type Event struct {
	Agent     Agent
	Location  string // as stored: "(web) any->syscollector", "syscollector"
	Time      int64  // receive time, unix milliseconds: envelope's, else record's; 0 unknown
	Log       string // the message's JSON text, what <match> and <regex> see
	Type      string // the message type as sent: "port", "dbsync_ports", "state"
	Family    Family
	Op        Op
	Operation string // operation_type as sent; "" in other families
	Table     Table  // table concerned; Netiface for a scan's network messages
	ScanID    int64  // scan family: ID; 0 otherwise
	ScanTime  string // timestamp (scan) or scan_time (row) as sent
	// Rows are the typed rows the message carries: one, none (ends, clears)
	// or several (network messages: interface, protocols, addresses).
	Rows []Row
	// Visible reports whether the original's rules see the message: false
	// for rsync messages, and in compat 3.9 for what 3.9 does not decode.
	Visible bool

	view view
}

// Change is what an event did to a row, as rules see it.
type Change uint8

// The changes.
const (
	Unchanged Change = iota
	Baseline
	Added
	Modified
	Removed
)

// String returns the name used in rules: unchanged, baseline, added, modified, removed.
func (c Change) String() string {
	return [...]string{"unchanged", "baseline", "added", "modified", "removed"}[c]
}

// Delta is what an event did to one row. Before and After are never nil: the
// before of an added row and the after of a removed one have every column
// absent. Both are valid until the partition's next Apply.
type Delta struct {
	Agent   string // agent id
	Table   Table
	Change  Change
	Before  *Row
	After   *Row
	Changed uint64 // bits of the columns that differ, volatile ones included
	Key     []byte // the item's key within its table
	// Active are the fingerprints of the onset rules that stand on the row:
	// as stored on the way in, as Eval left them on the way out.
	Active []uint64
	// Synthetic is set for rows removed by a scan's end or a clear: no
	// message named them.
	Synthetic bool
}
