package kafka

import "fmt"

// Hooks tell the caller what happened beside the messages, for metrics and
// readiness. Any may be nil. They are called from several goroutines and must
// return at once.
type Hooks struct {
	// Assigned gets the whole assignment of a new generation of the group.
	Assigned func(generation int32, partitions map[string][]int32)
	// Lost counts records [from, to) that Kafka deleted before they were read.
	Lost func(topic string, partition int32, from, to int64)
	// Truncated says that the partition was begun anew: the position was
	// beyond end, the log's end, as after a topic was recreated.
	Truncated func(topic string, partition int32, position, end int64)
	// Stuck says that a partition cannot be read and why; it is tried again.
	// A nil error says that it can be read (again).
	Stuck func(topic string, partition int32, err error)
	// Error counts failed operations: fetch, offsets, metadata, group,
	// commit, produce. Code is Kafka's, -1 for broken connections.
	Error func(operation string, code int, err error)
}

func (h *Hooks) assigned(generation int32, partitions map[string][]int32) {
	if h.Assigned != nil {
		h.Assigned(generation, partitions)
	}
}

func (h *Hooks) lost(topic string, partition int32, from, to int64) {
	if h.Lost != nil {
		h.Lost(topic, partition, from, to)
	}
}

func (h *Hooks) truncated(topic string, partition int32, position, end int64) {
	if h.Truncated != nil {
		h.Truncated(topic, partition, position, end)
	}
}

func (h *Hooks) stuck(topic string, partition int32, err error) {
	if h.Stuck != nil {
		h.Stuck(topic, partition, err)
	}
}

func (h *Hooks) error(operation string, err error) {
	if h.Error != nil {
		h.Error(operation, code(err), err)
	}
}

// LostError stops a partition whose next records Kafka has deleted, when
// SourceOptions.OnLost is Stop: records [From, To) are gone.
type LostError struct {
	Topic     string
	Partition int32
	From, To  int64
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s/%d: offsets %d to %d were deleted before they were read: skip the partition to %d, or set on_lost: continue", e.Topic, e.Partition, e.From, e.To-1, e.To)
}

// TruncatedError stops a partition whose log ends before the position, when
// SourceOptions.OnTruncated is Stop.
type TruncatedError struct {
	Topic         string
	Partition     int32
	Position, End int64
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s/%d: the log ends at offset %d, before the position %d: the topic was recreated or truncated; skip the partition to an offset of the new log, or set on_truncated: restart", e.Topic, e.Partition, e.End, e.Position)
}

// CorruptError says that a record batch cannot be read: its checksum is wrong,
// its codec unknown or its records malformed. Offset is where it begins.
type CorruptError struct {
	Topic     string
	Partition int32
	Offset    int64
	Err       error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%s/%d: the record batch at offset %d cannot be read: %v", e.Topic, e.Partition, e.Offset, e.Err)
}

func (e *CorruptError) Unwrap() error { return e.Err }
