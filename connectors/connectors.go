// Package connectors holds what the pipeline and the outside agree on: Message,
// Source and Sink, and nothing else. Implementations live in the packages
// below it; none of them is known to the pipeline.
package connectors

import "context"

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Message is one record as it came from a source. Key, Value and Headers may
// be views into a buffer of the source, valid until the next Read.
type Message struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      int64 // record time, unix milliseconds; 0 = unknown
	// Inferred says that Time is not the record's own but a guess of the
	// source (a file's modification time): the time of the message before it
	// is the better one.
	Inferred bool
	Key      []byte
	Value    []byte
	Headers  []Header
}

// Reader reads one partition that is assigned to this instance. It belongs to
// one goroutine.
type Reader interface {
	Topic() string
	Partition() int32
	// StartAt sets the next offset to read; called once before the first Read
	// when the partition's own state knows it. Without StartAt the source
	// begins where its own bookkeeping or configuration says.
	StartAt(offset int64)
	// Read returns the next messages in offset order, at least one, or an
	// error. It returns io.EOF when the input is over for good and the
	// context's error when ctx ends. Messages are valid until the next Read.
	Read(ctx context.Context) ([]Message, error)
	// Commit tells the source's bookkeeping (Kafka's committed offset, for
	// lag tools) the next offset to read. It is advisory.
	Commit(ctx context.Context, next int64) error
}

// Source hands out partitions. Run calls serve for each assigned partition on
// a goroutine of its own and returns when ctx ends, when the input is over
// (nil), or on an error that no retry mends. serve must return soon after its
// context ends, which happens when the partition is taken away.
type Source interface {
	Run(ctx context.Context, serve func(context.Context, Reader) error) error
}

// Item is what a sink gets: the alert's (or dead letter's) full id, the key to
// partition by (the agent id), the rendered bytes and headers to pass on.
type Item struct {
	ID      string
	Key     []byte
	Value   []byte
	Headers []Header
}

// RefusedError is how a Sink says that the receiver will never take the item
// with this ID: delivering it again cannot help, it is a dead letter. Items
// before it were delivered, those behind it were not.
type RefusedError struct {
	ID  string
	Err error
}

// Error implements error.
func (e *RefusedError) Error() string { return "item " + e.ID + " refused: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *RefusedError) Unwrap() error { return e.Err }

// Sink takes items in order. Deliver returns nil when all items are durable
// with the receiver; an error means that none, some or all may have arrived
// and the same items will be delivered again. Deliver may be called from
// several goroutines, one a partition.
type Sink interface {
	Deliver(ctx context.Context, items []Item) error
	Close() error
}
