package syscollector

import (
	"fmt"
	"time"
)

// Compat is the version of the original whose reading of messages the string
// view follows.
type Compat uint8

// The versions.
const (
	Compat4  Compat = iota // 4.14.7
	Compat39               // 3.9.5
)

// Options configure a Decoder.
type Options struct {
	Compat       Compat
	Agents       map[string]string // agent name → id, for envelopes without an id
	DefaultAgent string            // id of last resort, "" = dead letter
	Manager      string            // the manager's own name, for agent 000
	Zone         *time.Location    // zone of archives.log times; nil = UTC
	MaxBytes     int               // longer values are refused; 0 = 16 MiB
}

const defaultMaxBytes = 16 << 20

// Meta is what a record knows beside its value.
type Meta struct {
	Time    int64  // record time, unix milliseconds; 0 unknown
	Key     []byte // may give the agent id (3 to 10 digits)
	AgentID string // header agent.id, "" if none
}

// The reasons of an Error.
const (
	ReasonTooLarge   = "too-large"        // longer than MaxBytes, or too many members
	ReasonEnvelope   = "unknown-envelope" // none of the forms in which messages travel
	ReasonJSON       = "invalid-json"     // the message is no JSON object
	ReasonType       = "unknown-type"     // no type, or one that is not Syscollector's
	ReasonScanID     = "no-scan-id"       // a scan message that needs an ID has none
	ReasonBody       = "no-body"          // the row is missing: dbsync data, network iface, attributes
	ReasonOperation  = "no-operation"     // a dbsync message without an operation
	ReasonLog        = "no-full-log"      // an alert whose rule left the message out
	ReasonLocation   = "bad-location"     // the queue line's location cannot be read
	ReasonAgent      = "no-agent"         // nothing tells the agent
	ReasonFormat5    = "format-5x"        // the format of 5.x agents
	ReasonForeign    = "foreign-location" // sound, of another module
	ReasonQueue      = "foreign-queue"    // sound, on another queue
	ReasonComponent  = "foreign-component"
	maxDetail        = 120
	syscollectorName = "syscollector"
)

// Error tells why a value is no event: Reason is one of the Reason constants,
// a fixed word for counting, Detail is for people.
type Error struct {
	Reason string
	Detail string
}

// Error returns reason and detail.
func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

// Foreign reports whether the value is sound but not Syscollector's, as most
// of a manager's archives are: something to count, not a fault.
func (e *Error) Foreign() bool {
	switch e.Reason {
	case ReasonForeign, ReasonQueue, ReasonComponent:
		return true
	}
	return false
}

// fail makes an Error; the detail does not keep what it is made of.
func fail(reason, format string, args ...any) error {
	for i, a := range args {
		if t, ok := a.(string); ok && len(t) > maxDetail {
			args[i] = t[:maxDetail] + "…"
		}
	}
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Decoder decodes values into events. It belongs to one goroutine: a partition
// has its own, since a header line waits in it for the message that follows.
type Decoder struct {
	opt     Options
	index   *index
	mem     arena
	json    scanner
	ev      Event
	meta    Meta
	pending []byte // archives.log header without its message
	dropped int

	top   *keyCursor
	ip    *keyCursor
	delta [NumTables]*keyCursor
	scan  [NumTables]*keyCursor

	nodes    [numTop]int32 // positions of the members that say something, 0 = none
	longName string        // the agent's name in archives.log, where Agent.Name ends at a parenthesis
	labels   []Label
	groups   []string
	alias    []aliasCell
}

// aliasCell is a column met under another name.
type aliasCell struct {
	column uint8
	cell   cell
}

// NewDecoder returns a decoder.
func NewDecoder(o Options) *Decoder {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	d := &Decoder{opt: o, index: lookups()}
	d.json.mem = &d.mem
	d.ev.view.index = &d.index.views
	d.ev.view.mem = &d.mem
	d.ev.view.compat = o.Compat
	d.top = newCursor(&d.index.top)
	d.ip = newCursor(&d.index.ip)
	for t := range NumTables {
		d.delta[t] = newCursor(&d.index.delta[t])
		d.scan[t] = newCursor(&d.index.scan[t])
	}
	return d
}

// Decode decodes one value. The event is reused: it is valid until the next
// Decode; its strings are valid until Reset. A nil event with a nil error is a
// header line whose message follows in the next value (archives.log's two-line
// form): Pending then returns it. Every error is an *Error.
func (d *Decoder) Decode(value []byte, m Meta) (*Event, error) {
	if len(value) > d.opt.MaxBytes {
		return nil, fail(ReasonTooLarge, "%d bytes, at most %d are read", len(value), d.opt.MaxBytes)
	}
	start := d.mem.mark()
	waited := len(d.pending) > 0
	d.clear(m)
	waiting, err := d.line(d.mem.copy(value), false)
	if err == nil && !waiting {
		err = d.identify()
	}
	if err != nil {
		if waited {
			d.drop()
		}
		d.mem.release(start)
		return nil, err
	}
	if waiting {
		d.mem.release(start)
		return nil, nil
	}
	return &d.ev, nil
}

// clear makes the event empty.
func (d *Decoder) clear(m Meta) {
	d.meta, d.longName = m, ""
	e := &d.ev
	e.Agent = Agent{}
	e.Location, e.Log, e.Type, e.Operation, e.ScanTime = "", "", "", "", ""
	e.Time, e.ScanID = m.Time, 0
	e.Family, e.Op, e.Table, e.Visible = FamilyScan, OpNone, NoTable, true
	e.Rows = e.Rows[:0]
	e.view.clear()
}

// Pending returns the header kept for the next value, nil if there is none.
func (d *Decoder) Pending() []byte {
	if len(d.pending) == 0 {
		return nil
	}
	return d.pending
}

// Resume gives back, after a restart, what Pending returned.
func (d *Decoder) Resume(head []byte) { d.pending = append(d.pending[:0], head...) }

// Dropped returns how many headers were given up since the decoder was made,
// because what followed was not their message.
func (d *Decoder) Dropped() int { return d.dropped }

// Reset recycles the memory behind the strings of all events since the last
// Reset: call it when a batch is committed.
func (d *Decoder) Reset() { d.mem.reset() }
