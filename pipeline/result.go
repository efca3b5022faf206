package pipeline

import (
	"sort"
	"time"

	"invigil/rules"
)

// Partition names a partition of a source. Of a file source Topic is "".
type Partition struct {
	Topic  string
	Number int32
}

// Result is what processing some messages gave.
type Result struct {
	Alerts      []rules.Alert // in input order
	DeadLetters []DeadLetter  // in input order
	Counts      Counts
	// Committing is the time spent in the store's commits.
	Committing time.Duration
	// Applied is the next offset of each partition that the messages were of.
	Applied map[Partition]int64

	// order holds the input index of each alert, letters of each dead letter.
	order, letters []int
}

// Counts are totals over some messages.
type Counts struct {
	Messages    int // read, whatever became of them
	Events      int // decoded
	Rows        int // rows the events carried or removed
	Alerts      int
	DeadLetters int
	Foreign     int // sound messages of other modules than Syscollector, skipped
	Repeats     int // offsets that were applied before, skipped
	Skewed      int // events whose own time lay more than a day ahead of the record's, ignored
}

// Add adds other to c.
func (c *Counts) Add(other Counts) {
	c.Messages += other.Messages
	c.Events += other.Events
	c.Rows += other.Rows
	c.Alerts += other.Alerts
	c.DeadLetters += other.DeadLetters
	c.Foreign += other.Foreign
	c.Repeats += other.Repeats
	c.Skewed += other.Skewed
}

// sortByInput brings alerts and dead letters of several partitions back into
// the order of the messages that caused them.
func (r *Result) sortByInput() {
	sort.Stable(byInput[rules.Alert]{r.Alerts, r.order})
	sort.Stable(byInput[DeadLetter]{r.DeadLetters, r.letters})
}

type byInput[T any] struct {
	values []T
	index  []int
}

func (s byInput[T]) Len() int           { return len(s.values) }
func (s byInput[T]) Less(i, j int) bool { return s.index[i] < s.index[j] }
func (s byInput[T]) Swap(i, j int) {
	s.values[i], s.values[j] = s.values[j], s.values[i]
	s.index[i], s.index[j] = s.index[j], s.index[i]
}
