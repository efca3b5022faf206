package rules

import (
	"iter"

	"invigil/pipeline/syscollector"
)

// Memory is an ordered map of bytes that belongs to one partition and is
// committed in the same batch as its rows and offset. It sees its own writes.
// It is used by one goroutine. Values returned are valid until the next call.
type Memory interface {
	Get(key []byte) (value []byte, ok bool, err error)
	Set(key, value []byte) error
	Delete(key []byte) error
	// Scan yields keys with the prefix in order; the sequence must be
	// drained or broken off before the next call. A failure ends it early
	// and is returned by the next Get, Set, Delete or by the commit.
	Scan(prefix []byte) iter.Seq2[[]byte, []byte]
}

// Lists looks keys up in named lists. Implementations are safe for concurrent
// use; a list's content does not change under a batch.
type Lists interface {
	// Has reports whether a list of that name is loaded.
	Has(list string) bool
	// Get returns the value stored under the key exactly as given (kind
	// cdb), or under the longest matching prefix (kinds cidr and prefix).
	Get(list, key string) (value string, ok bool)
	// Fingerprint identifies the list's content.
	Fingerprint(list string) uint64
}

// Inventory gives a rule the agent's stored tables as they are after the
// event's own rows were applied.
type Inventory interface {
	// Rows yields the stored rows of a table of an agent; a row is valid
	// until the next one.
	Rows(agent string, table syscollector.Table) iter.Seq2[[]byte, *syscollector.Row]
	// Known reports whether the table's content is completely known.
	Known(agent string, table syscollector.Table) bool
}
