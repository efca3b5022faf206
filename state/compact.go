package state

import (
	"bytes"
	"context"
	"fmt"
)

// Compact brings the store's files into their smallest form: what is in memory
// is written, what was overwritten or deleted goes. It takes as long as reading
// and writing everything, and may be called at any time.
func (s *Store) Compact() error {
	if err := s.db.Flush(); err != nil {
		return fmt.Errorf("compact store: %w", err)
	}
	last := bytes.Repeat([]byte{0xff}, refLen+1)
	if err := s.db.Compact(context.Background(), nil, last, true); err != nil {
		return fmt.Errorf("compact store: %w", err)
	}
	return nil
}

// DiskBytes returns the size of the store's tables, without its write-ahead
// log.
func (s *Store) DiskBytes() uint64 {
	total := s.db.Metrics().Total()
	return uint64(total.AggregateSize())
}
