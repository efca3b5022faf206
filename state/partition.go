package state

import (
	"iter"

	"invigil/pipeline/syscollector"
)

// Partition is the state of one partition of one topic. It belongs to one
// goroutine, but for Outbox and LastEntry.
type Partition struct{}

// Partition takes ownership of a partition until its Close.
func (s *Store) Partition(topic string, number int32) (*Partition, error) { return &Partition{}, nil }

func (p *Partition) Close() error { return nil }
func (p *Partition) Applied() (next, streamTime int64, ok bool) {
	return 0, 0, false
}
func (p *Partition) Apply(ev *syscollector.Event, streamTime, offset int64) ([]syscollector.Delta, error) {
	return nil, nil
}
func (p *Partition) Put(ds []syscollector.Delta) error { return nil }
func (p *Partition) Memory() *Space                    { return nil }
func (p *Partition) Active() *Space                    { return nil }
func (p *Partition) Sweep() *Space                     { return nil }
func (p *Partition) Enqueue(entry []byte) (seq uint64) { return 0 }
func (p *Partition) Outbox(after uint64) iter.Seq2[uint64, []byte] {
	return func(func(uint64, []byte) bool) {}
}
func (p *Partition) LastEntry() uint64                   { return 0 }
func (p *Partition) Cursor(sink string) uint64           { return 0 }
func (p *Partition) SetCursor(sink string, acked uint64) {}
func (p *Partition) TrimOutbox(acked uint64)             {}
func (p *Partition) DeadLetter(entry []byte)             {}
func (p *Partition) Pending() []byte                     { return nil }
func (p *Partition) SetPending(head []byte)              {}
func (p *Partition) SetApplied(next, streamTime int64)   {}
func (p *Partition) Commit(sync bool) error              { return nil }
func (p *Partition) Discard()                            {}
func (p *Partition) Known(agent string, table syscollector.Table) bool {
	return false
}
func (p *Partition) Rows(agent string, table syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	return func(func([]byte, *syscollector.Row) bool) {}
}

// Space is an ordered map of bytes within a partition.
type Space struct{}

func (s *Space) Get(key []byte) (value []byte, ok bool, err error) { return nil, false, nil }
func (s *Space) Set(key, value []byte) error                       { return nil }
func (s *Space) Delete(key []byte) error                           { return nil }
func (s *Space) Scan(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(func([]byte, []byte) bool) {}
}
