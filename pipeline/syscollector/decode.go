package syscollector

import "time"

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

// Meta is what a record knows beside its value.
type Meta struct {
	Time    int64  // record time, unix milliseconds; 0 unknown
	Key     []byte // may give the agent id (3 to 10 digits)
	AgentID string // header agent.id, "" if none
}

// Decoder decodes values into events. It belongs to one goroutine.
type Decoder struct{}

// Error tells why a value is no event: Reason is a fixed word for counting
// (invalid-json, unknown-type, foreign-location, no-agent, too-large, …).
type Error struct {
	Reason string
	Detail string
}

func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

// NewDecoder returns a decoder.
func NewDecoder(o Options) *Decoder { return nil }

// Decode decodes one value. The event is reused: it is valid until the next
// Decode; its strings are valid until Reset. A nil event with a nil error is a
// header line whose message follows in the next value (archives.log's two-line
// form): Pending then returns it.
func (d *Decoder) Decode(value []byte, m Meta) (*Event, error) { return nil, nil }

// Pending returns the header kept for the next value, nil if there is none.
// Resume gives it back after a restart.
func (d *Decoder) Pending() []byte    { return nil }
func (d *Decoder) Resume(head []byte) {}

// Reset recycles the memory behind the strings of all events since the last
// Reset: call it when a batch is committed.
func (d *Decoder) Reset() {}
