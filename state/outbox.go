package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// outbox is what a partition keeps of its outbox in memory.
type outbox struct {
	first, last uint64        // sequence numbers, the batch's included; none if last < first
	committed   atomic.Uint64 // the last committed one
	cursors     map[string]uint64
	err         atomic.Pointer[error] // of a reader, for the next commit
}

func (o *outbox) commit() { o.committed.Store(o.last) }

// An outbox entry, format 1: stream time (varint), the entry.
const outboxFormat = 1

func outboxKey(b []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceOutbox, outboxEntry), seq)
}

func (p *Partition) loadOutbox() error {
	o := &p.outbox
	o.first, o.last = 1, 0
	o.cursors = make(map[string]uint64)
	prefix := []byte{spaceOutbox, outboxEntry}
	none := true
	var bad error
	err := p.scan(prefix, func(key, _ []byte) bool {
		if len(key) != len(prefix)+8 {
			bad = fmt.Errorf("outbox %w", errKey)
			return false
		}
		o.last = binary.BigEndian.Uint64(key[len(prefix):])
		if none {
			o.first, none = o.last, false
		}
		return true
	})
	prefix = []byte{spaceOutbox, outboxCursor}
	err = errors.Join(err, bad, p.scan(prefix, func(key, value []byte) bool {
		sink, _, err := cutString(string(key[len(prefix):]))
		if err != nil || len(value) < 2 || value[0] != outboxFormat {
			bad = errors.New("cursor of a sink is damaged")
			return false
		}
		c := cursor{rest: value[1:]}
		o.cursors[sink] = c.uvarint()
		o.last = max(o.last, o.cursors[sink]) // numbers go on after trimmed entries
		return true
	}), bad)
	if none {
		o.first = o.last + 1
	}
	o.commit()
	return err
}

// Enqueue puts an entry into the batch's outbox and returns its sequence
// number, the last one plus one.
func (p *Partition) Enqueue(entry []byte) (seq uint64) {
	p.outbox.last++
	seq = p.outbox.last
	p.work.key = outboxKey(p.work.key[:0], seq)
	p.work.buf = binary.AppendVarint(append(p.work.buf[:0], outboxFormat), p.now)
	p.work.buf = append(p.work.buf, entry...)
	p.over.set(p.work.key, p.work.buf)
	return seq
}

// Outbox yields the committed entries after a sequence number, in order. An
// entry is valid until the next one. It is safe for use by other goroutines
// until Close. A failure ends the sequence early and is returned by the next
// Commit.
func (p *Partition) Outbox(after uint64) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		err := p.readOutbox(after, func(seq uint64, _ int64, entry []byte) bool { return yield(seq, entry) })
		if err != nil {
			p.outbox.err.Store(&err)
		}
	}
}

// OldestEntry returns the stream time at which the first committed entry after
// a sequence number was enqueued; ok is false if there is none. It is safe for
// use by other goroutines.
func (p *Partition) OldestEntry(after uint64) (streamTime int64, ok bool, err error) {
	err = p.readOutbox(after, func(_ uint64, t int64, _ []byte) bool {
		streamTime, ok = t, true
		return false
	})
	return streamTime, ok, err
}

func (p *Partition) readOutbox(after uint64, yield func(seq uint64, streamTime int64, entry []byte) bool) (err error) {
	last := p.outbox.committed.Load()
	if after >= last {
		return nil
	}
	it, err := p.store.db.NewIter(&pebble.IterOptions{
		LowerBound: outboxKey(refKey(nil, p.ref), after+1),
		UpperBound: outboxKey(refKey(nil, p.ref), last+1),
	})
	if err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		key, c := it.Key(), cursor{rest: it.Value()}
		if format := c.bytes(1); len(format) == 0 || format[0] != outboxFormat {
			return errors.New("outbox entry is damaged or of another version")
		}
		t := c.varint()
		if c.bad {
			return errors.New("outbox entry is damaged")
		}
		if !yield(binary.BigEndian.Uint64(key[len(key)-8:]), t, c.rest) {
			return nil
		}
	}
	return nil
}

// LastEntry returns the sequence number of the last committed entry, 0 if there
// never was one. It is safe for use by other goroutines.
func (p *Partition) LastEntry() uint64 { return p.outbox.committed.Load() }

// Cursor returns the sequence number of the last entry that the sink of that
// name has, 0 if it has none.
func (p *Partition) Cursor(sink string) uint64 { return p.outbox.cursors[sink] }

// SetCursor puts a sink's cursor into the batch.
func (p *Partition) SetCursor(sink string, acked uint64) {
	if old, ok := p.outbox.cursors[sink]; ok && old == acked {
		return
	}
	p.outbox.cursors[sink] = acked
	p.over.set(cursorKey(sink), binary.AppendUvarint([]byte{outboxFormat}, acked))
}

// DropCursor removes the cursor of a sink that is no more.
func (p *Partition) DropCursor(sink string) {
	if _, ok := p.outbox.cursors[sink]; ok {
		delete(p.outbox.cursors, sink)
		p.over.delete(cursorKey(sink))
	}
}

func cursorKey(sink string) []byte {
	return appendString([]byte{spaceOutbox, outboxCursor}, sink)
}

// TrimOutbox removes with the batch the entries up to a sequence number, that
// is, those that every sink has.
func (p *Partition) TrimOutbox(acked uint64) {
	o := &p.outbox
	for acked = min(acked, o.committed.Load()); o.first <= acked; o.first++ {
		p.work.key = outboxKey(p.work.key[:0], o.first)
		p.over.delete(p.work.key)
	}
}
