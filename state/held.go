package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// held are the rows of a partition that changed in volatile columns only and
// wait to be written: each is written at most once an interval of stream time.
// Reads of the partition and of views see them. A real change of a row is
// written at once and takes it out. After a crash the stored row is left, whose
// volatile columns are then as old as the interval at most.
//
// A row is held only if its stored head claims nothing (see head.claimed), so
// that writing it later or never changes nothing but volatile columns.
type held struct {
	seed  maphash.Seed // of the hashes
	mu    sync.Mutex   // the partition's goroutine writes, views read
	rows  map[uint64]heldRow
	bytes []byte
	since int64 // stream time of the first row
}

// heldRow is where key and value stand in the bytes.
type heldRow struct{ at, key, value uint32 }

// maxHeld is how many bytes of rows are held at most; more are written before
// the interval is over.
const maxHeld = 2 << 20

func (r heldRow) of(b []byte) (key, value []byte) {
	end := r.at + r.key + r.value
	return b[r.at : r.at+r.key : r.at+r.key], b[r.at+r.key : end : end]
}

// get returns the value of a row whose key hashes to hash.
func (h *held) get(hash uint64, key []byte) (value []byte, ok bool) {
	r, ok := h.rows[hash]
	if !ok {
		return nil, false
	}
	k, value := r.of(h.bytes)
	return value, bytes.Equal(k, key)
}

// set holds a row. It returns false if another row with the same hash is there.
func (h *held) set(hash uint64, key, value []byte, now int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.rows[hash]
	if ok {
		k, v := r.of(h.bytes)
		if !bytes.Equal(k, key) {
			return false
		}
		if len(v) == len(value) {
			copy(v, value)
			return true
		}
	}
	if len(h.rows) == 0 {
		h.since = now
	}
	h.rows[hash] = heldRow{at: uint32(len(h.bytes)), key: uint32(len(key)), value: uint32(len(value))}
	h.bytes = append(append(h.bytes, key...), value...)
	return true
}

// drop takes a row out.
func (h *held) drop(hash uint64, key []byte) {
	if _, ok := h.get(hash, key); ok {
		h.mu.Lock()
		delete(h.rows, hash)
		h.mu.Unlock()
	}
}

// due reports whether the rows must be written.
func (h *held) due(now, interval int64) bool {
	return len(h.rows) > 0 && (now-h.since >= interval || len(h.bytes) > maxHeld)
}

// any reports whether a row is held, to others than the partition.
func (h *held) any() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.rows) > 0
}

// newest returns what a view shows of a stored row: a copy of the held value if
// there is one and the row did not change otherwise between the two, else the
// stored value.
func (h *held) newest(key, stored []byte) []byte {
	hash := maphash.Bytes(h.seed, key)
	h.mu.Lock()
	defer h.mu.Unlock()
	value, ok := h.get(hash, key)
	if !ok || !bytes.Equal(fixedOf(value), fixedOf(stored)) {
		return stored
	}
	return bytes.Clone(value)
}

// Flush puts into the batch the rows that are held back because they changed in
// volatile columns only, whatever their interval: before a stop.
func (p *Partition) Flush() {
	if p.flushed {
		return
	}
	for _, r := range p.held.rows {
		p.over.set(r.of(p.held.bytes))
	}
	p.flushed = len(p.held.rows) > 0 // and readable until the commit
}

// renewHeld begins anew with no rows held. Views that are open keep the old
// ones.
func (p *Partition) renewHeld() {
	p.held = &held{seed: p.rows.seed, rows: make(map[uint64]heldRow)}
	p.flushed = false
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.holding[p.ref] = p.held
}

// settle writes the rows that partitions held into another store of theirs, a
// snapshot: those that are there and did not change otherwise.
func (s *Store) settle(holding map[uint32]*held) error {
	b := s.db.NewBatch()
	defer b.Close()
	for ref, h := range holding {
		h.mu.Lock()
		rows, all := maps.Clone(h.rows), bytes.Clone(h.bytes)
		h.mu.Unlock()
		for _, r := range rows {
			rest, value := r.of(all)
			key := append(refKey(nil, ref), rest...)
			stored, closer, err := s.db.Get(key)
			if errors.Is(err, pebble.ErrNotFound) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read: %w", err)
			}
			same := bytes.Equal(fixedOf(value), fixedOf(stored))
			if err := closer.Close(); err != nil {
				return err
			}
			if !same {
				continue
			}
			if err := b.Set(key, value, nil); err != nil {
				return err
			}
		}
	}
	if b.Empty() {
		return nil
	}
	return b.Commit(pebble.Sync)
}
