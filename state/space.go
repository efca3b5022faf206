package state

import "iter"

// Space is an ordered map of bytes within a partition, written with its batch.
// It sees its own writes and belongs to the partition's goroutine. It satisfies
// the rules package's Memory.
type Space struct {
	p   *Partition
	id  byte
	key []byte
}

// Memory returns the rules' memory.
func (p *Partition) Memory() *Space { return &Space{p: p, id: spaceMemory} }

// Active returns the index of active onsets.
func (p *Partition) Active() *Space { return &Space{p: p, id: spaceActive} }

// Progress returns what the pipeline remembers of sweeps: rules and lists seen
// last, sweep number and cursor.
func (p *Partition) Progress() *Space { return &Space{p: p, id: spaceSweep} }

func (s *Space) full(key []byte) []byte {
	s.key = append(append(s.key[:0], s.id), key...)
	return s.key
}

// Get returns a key's value, valid until the next call of the partition.
func (s *Space) Get(key []byte) (value []byte, ok bool, err error) {
	if err := s.p.failure(); err != nil {
		return nil, false, err
	}
	return s.p.get(s.full(key))
}

// Set puts a key into the batch.
func (s *Space) Set(key, value []byte) error {
	s.p.over.set(s.full(key), value)
	return s.p.failure()
}

// Delete removes a key with the batch.
func (s *Space) Delete(key []byte) error {
	s.p.over.delete(s.full(key))
	return s.p.failure()
}

// Scan yields the keys with a prefix in order. Key and value are valid until
// the next pair. The sequence must be drained or broken off before anything is
// written. A failure ends it early and is returned by the next Get, Set, Delete
// or Commit.
func (s *Space) Scan(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		err := s.p.scan(append([]byte{s.id}, prefix...), func(key, value []byte) bool {
			return yield(key[1:], value)
		})
		if err != nil {
			s.p.err = err
		}
	}
}
