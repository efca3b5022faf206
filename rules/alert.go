package rules

import (
	"invigil/pipeline/syscollector"
)

// Origin is where an event came from; with the rule, the item and the status
// it makes the alert's id.
type Origin struct {
	Topic     string
	Partition int32
	Offset    int64 // or the sweep's number
	Time      int64 // record time, unix milliseconds
}

// Alert is one verdict in canonical form: what the outbox stores and every
// sink format renders. It holds no view into an event: it may be kept.
type Alert struct {
	Hash   [16]byte // the full id
	Time   int64    // receive time, unix milliseconds
	Origin Origin
	Rule   AlertRule
	Agent  syscollector.Agent

	Manager        string
	Location       string   // as stored
	FullLog        string   // the message text
	NoFullLog      bool     // the rule's option no_full_log
	Decoder        string   // syscollector
	PreviousOutput []string // newest first
	PreviousLog    string
	Data           []Datum // in decode order; names may repeat
	Extras         *Extras // invigil dialect only
}

// AlertRule is the part of the rule that an alert shows.
type AlertRule struct {
	ID          string
	Level       int
	Description string
	GroupText   string   // raw text, as the alerts.log form shows it
	Groups      []string // without compliance tokens
	Compliance  []Compliance
	Mitre       []string
	CVE, Info   string
	Frequency   int // 0 = not shown
	FiredTimes  int // 0 = not shown
	Mail        bool
}

// Compliance is one array lifted out of the groups, in order of appearance.
type Compliance struct {
	Name   string // pci_dss, gdpr …
	Values []string
}

// Datum is one field of an alert's data. Value is a string in the wazuh
// dialect; string, int64 or float64 in the invigil dialect.
type Datum struct {
	Name  string
	Value any
}

// Extras stand under "invigil" in alerts of that dialect.
type Extras struct {
	Status     string // firing, resolved
	Reason     string // why it resolved
	Change     string
	Changed    []string
	Before     []Datum
	Items      [][]Datum
	Suppressed int
}
