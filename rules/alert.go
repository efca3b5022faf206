package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

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

// alertHash returns the full id of an alert: the first 128 bits of SHA-256 over
// what makes the alert the same one when its event is read again.
func alertHash(o *Origin, rule, agent string, table syscollector.Table, key []byte, status string) (h [16]byte) {
	b := make([]byte, 0, 128)
	part := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	part(o.Topic)
	b = binary.BigEndian.AppendUint32(b, uint32(o.Partition))
	b = binary.BigEndian.AppendUint64(b, uint64(o.Offset))
	b = binary.BigEndian.AppendUint64(b, uint64(o.Time))
	part(rule)
	part(agent)
	b = append(b, byte(table))
	part(string(key))
	part(status)
	sum := sha256.Sum256(b)
	copy(h[:], sum[:])
	return h
}

// ID returns the alert's top-level id: <receive seconds>.<10 digits of the hash>.
func (a *Alert) ID() string {
	return fmt.Sprintf("%d.%010d", floorSeconds(a.Time), binary.BigEndian.Uint64(a.Hash[:])%1e10)
}

// FullID returns the full 128-bit id as 32 hexadecimal digits: what the outbox,
// the header invigil-id and de-duplication use.
func (a *Alert) FullID() string { return hex.EncodeToString(a.Hash[:]) }

// ShortLocation returns the location as alerts show it: what stands behind the
// first '>' of a remote agent's location, else all of it.
func (a *Alert) ShortLocation() string {
	if strings.HasPrefix(a.Location, "(") {
		if _, rest, ok := strings.Cut(a.Location, ">"); ok {
			return rest
		}
	}
	return a.Location
}

// floorSeconds returns the whole seconds of unix milliseconds.
func floorSeconds(ms int64) int64 {
	if ms < 0 {
		return -((-ms + 999) / 1000)
	}
	return ms / 1000
}
