package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/RaduBerinde/btreemap"
	"github.com/cockroachdb/pebble/v2"

	"invigil/pipeline/syscollector"
)

// Partition is the state of one partition of one topic. What is written lies in
// an overlay that reads see, until Commit makes it one Pebble batch. It belongs
// to one goroutine, but for Outbox, OldestEntry and LastEntry.
type Partition struct {
	store  *Store
	topic  string
	number int32
	ref    uint32

	over   *overlay
	rows   rowMap
	sibs   siblings
	held   *held
	agents map[string]*agentState
	dirty  []*agentState // records to write
	marked []*agentState // with marks to write
	trims  []trim        // ranges to delete first

	next, streamTime int64
	applied          bool  // next and streamTime are set
	moved            bool  // since the last commit
	now              int64 // stream time of the last event

	outbox outbox
	dead   dead

	quiet      uint32 // tables of which no rule reads a volatile column
	interval   int64  // how long rows are held, milliseconds
	flushed    bool   // what is held is in the batch
	forgetting bool   // no history is written

	deltas []syscollector.Delta
	work   work
	spare  [][]uint64 // memory for marks
	iters  []*storeIter
	dbKey  []byte
	value  []byte
	err    error // of an iteration, for the next call that can return it
	broken error // the batch could not be discarded: nothing goes any more
}

// storeIter is an iterator over the partition's committed keys, kept until the
// next commit.
type storeIter struct {
	*pebble.Iterator
	lower, upper []byte
	busy         bool
}

// Partition takes ownership of a partition until its Close and fills what is
// kept in memory by one scan of its rows. It fails if someone else in this
// process has it.
func (s *Store) Partition(topic string, number int32) (*Partition, error) {
	ref, err := s.claim(topic, number)
	if err != nil {
		return nil, err
	}
	p := &Partition{store: s, topic: topic, number: number, ref: ref, over: newOverlay(),
		interval: s.opts.VolatileInterval.Milliseconds()}
	if err := p.load(); err != nil {
		s.release(ref)
		return nil, fmt.Errorf("partition %s/%d: %w", topic, number, err)
	}
	return p, nil
}

// Close gives the partition up. What was not committed is gone. If nothing is
// lost, and no changelog would have to know, the rows that are held back are
// written.
func (p *Partition) Close() error {
	logged, err := p.Logged()
	if err == nil && !logged && p.broken == nil && p.finished() && !p.store.opts.ReadOnly {
		p.Flush()
		err = p.Commit(false)
	}
	p.closeIters()
	p.store.release(p.ref)
	return err
}

// load fills from the store what is kept in memory.
func (p *Partition) load() error {
	p.closeIters()
	p.over.reset()
	p.rows, p.sibs = newRowMap(), newSiblings()
	p.agents = make(map[string]*agentState)
	p.dirty, p.marked, p.trims = nil, nil, nil
	p.moved, p.err, p.broken = false, nil, nil
	p.renewHeld()
	defer p.closeIters()
	for _, load := range []func() error{p.loadApplied, p.loadAgents, p.loadMarks, p.loadRows, p.loadOutbox, p.loadDead} {
		if err := load(); err != nil {
			return err
		}
	}
	return nil
}

// The applied record, format 1: next source offset and stream time (varints).
const appliedFormat = 1

func appliedKey() []byte { return append([]byte{spaceControl}, "applied"...) }

func (p *Partition) loadApplied() error {
	p.next, p.streamTime, p.now = 0, 0, 0
	value, ok, err := p.get(appliedKey())
	if err != nil {
		return err
	}
	if p.applied = ok; !ok {
		return nil
	}
	if len(value) == 0 || value[0] != appliedFormat {
		return errors.New("applied offset was written by another version: use that version or a newer one")
	}
	c := cursor{rest: value[1:]}
	p.next, p.streamTime = c.varint(), c.varint()
	p.now = p.streamTime
	if c.bad {
		return errors.New("applied offset is damaged")
	}
	return nil
}

func (p *Partition) loadAgents() error {
	prefix := []byte{spaceMeta, metaAgent}
	var bad error
	err := p.scan(prefix, func(key, value []byte) bool {
		var a *agentState
		if a, bad = decodeAgent(string(key[len(prefix):]), value); bad != nil {
			return false
		}
		a.Topic, a.Partition = p.topic, p.number
		p.agents[a.ID] = a
		return true
	})
	return errors.Join(err, bad)
}

func (p *Partition) loadRows() error {
	var row syscollector.Row
	var same []byte
	var bad error
	err := p.scan([]byte{spaceRows}, func(key, value []byte) bool {
		var agent, item string
		var t syscollector.Table
		if agent, t, item, bad = cutTable(string(key[1:])); bad != nil {
			return false
		}
		var h head
		var fixed, volatile []byte
		if h, fixed, volatile, bad = splitRow(value); bad != nil {
			return false
		}
		p.rows.put(p.rows.hash(key), &h, p.rows.hash(fixed), p.rows.hash(volatile))
		if a := p.agents[agent]; a != nil {
			a.tables[t].stored++
		}
		l := &p.store.layouts[t]
		if !l.siblings || h.continued() {
			return true
		}
		if _, bad = l.decodeRow(&row, item, value); bad != nil {
			return false
		}
		same = l.appendSame(appendTable(same[:0], spaceRows, agent, t), &row)
		p.sibs.add(p.rows.hash(same), key[len(key)-len(item):], &h)
		return true
	})
	return errors.Join(err, bad)
}

// Applied returns the next source offset to process and the stream time of the
// last commit, or of the batch in hand; ok is false if nothing was ever
// applied.
func (p *Partition) Applied() (next, streamTime int64, ok bool) {
	return p.next, p.streamTime, p.applied
}

// SetApplied puts the next source offset and the stream time into the batch.
func (p *Partition) SetApplied(next, streamTime int64) {
	p.next, p.streamTime, p.applied, p.moved = next, streamTime, true, true
}

// Pending returns the header that waits for its message, nil if none does.
func (p *Partition) Pending() []byte {
	value, ok, err := p.get([]byte{spaceMeta, metaPending})
	if err != nil {
		p.err = err
	}
	if !ok || len(value) == 0 {
		return nil
	}
	return bytes.Clone(value[1:])
}

const pendingFormat = 1

// SetPending puts the header that waits for its message into the batch; nil
// removes it.
func (p *Partition) SetPending(head []byte) {
	key := []byte{spaceMeta, metaPending}
	value, ok, err := p.get(key)
	switch {
	case err != nil:
		p.err = err
	case head == nil && ok:
		p.over.delete(key)
	case head != nil && !(ok && bytes.Equal(value[1:], head)):
		p.over.set(key, append([]byte{pendingFormat}, head...))
	}
}

// get reads a key. The value is valid until the next call of anything.
func (p *Partition) get(key []byte) (value []byte, ok bool, err error) {
	if w, ok := p.over.get(key); ok {
		return w.value, w.value != nil, nil
	}
	p.dbKey = append(refKey(p.dbKey[:0], p.ref), key...)
	v, closer, err := p.store.db.Get(p.dbKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	p.value = append(p.value[:0], v...)
	return p.value, true, closer.Close()
}

// scan calls yield for the keys with a prefix, in order, the batch's own writes
// included, until it returns false. Key and value are valid during the call.
// Nothing may be written meanwhile.
func (p *Partition) scan(prefix []byte, yield func(key, value []byte) bool) error {
	return p.scanFrom(prefix, nil, yield)
}

// scanFrom is scan from the first key that is at or after prefix and from.
func (p *Partition) scanFrom(prefix, from []byte, yield func(key, value []byte) bool) error {
	it, err := p.iter(prefix)
	if err != nil {
		return err
	}
	defer func() { it.busy = false }()
	start := append(bytes.Clone(prefix), from...)
	ok, more := it.SeekGE(append(refKey(nil, p.ref), start...)), true
	p.over.tree.AscendFunc(btreemap.GE(start), btreemap.LT(it.upper[refLen:]), func(key []byte, w write) bool {
		for ok && more {
			c := bytes.Compare(it.Key()[refLen:], key)
			if c < 0 {
				more = yield(it.Key()[refLen:], it.Value())
			}
			if c > 0 || !more {
				break
			}
			ok = it.Next()
			if c == 0 {
				break
			}
		}
		if more && w.value != nil {
			more = yield(key, w.value)
		}
		return more
	})
	for ok && more {
		if more = yield(it.Key()[refLen:], it.Value()); more {
			ok = it.Next()
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// scanRows is scanFrom for rows, of which the newest are held.
func (p *Partition) scanRows(prefix, from []byte, yield func(key, value []byte) bool) error {
	if len(p.held.rows) == 0 {
		return p.scanFrom(prefix, from, yield)
	}
	return p.scanFrom(prefix, from, func(key, value []byte) bool {
		if v, ok := p.held.get(p.rows.hash(key), key); ok {
			value = v
		}
		return yield(key, value)
	})
}

// iter returns an idle iterator over the committed keys with a prefix.
func (p *Partition) iter(prefix []byte) (*storeIter, error) {
	var it *storeIter
	for _, i := range p.iters {
		if !i.busy {
			it = i
			break
		}
	}
	fresh := it == nil
	if fresh {
		it = &storeIter{}
	}
	// Pebble compares new bounds with the old ones: they must not share memory.
	lower := append(refKey(nil, p.ref), prefix...)
	it.lower, it.upper = lower, upperBound(nil, lower)
	if !fresh {
		it.SetBounds(it.lower, it.upper)
	} else {
		i, err := p.store.db.NewIter(&pebble.IterOptions{LowerBound: it.lower, UpperBound: it.upper})
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		it.Iterator = i
		p.iters = append(p.iters, it)
	}
	it.busy = true
	return it, nil
}

// closeIters drops the iterators: they show the store before a commit.
func (p *Partition) closeIters() {
	for _, it := range p.iters {
		// Their errors were returned where they were read.
		_ = it.Close()
	}
	clear(p.iters)
	p.iters = p.iters[:0]
}

// Changes yields what the next Commit will write, in key order, the applied
// offset last: the key is the store's without the partition, a nil value
// deletes. History is left out. Key and value are valid during the iteration.
func (p *Partition) Changes() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		p.seal()
		for key, w := range p.over.tree.Ascend(btreemap.Min[[]byte](), btreemap.Max[[]byte]()) {
			if key[0] != spaceHistory && !yield(key, w.value) {
				return
			}
		}
		if p.moved {
			yield(appliedKey(), p.appliedValue())
		}
	}
}

func (p *Partition) appliedValue() []byte {
	b := binary.AppendVarint([]byte{appliedFormat}, p.next)
	return binary.AppendVarint(b, p.streamTime)
}

// seal puts into the overlay what is gathered beside it.
func (p *Partition) seal() {
	if p.held.due(p.now, p.interval) {
		p.Flush()
	}
	for _, a := range p.marked {
		p.writeMarks(a)
		a.marked = false
	}
	p.marked = p.marked[:0]
	for _, a := range p.dirty {
		p.work.key = agentKey(p.work.key[:0], a.ID)
		p.work.buf = a.append(p.work.buf[:0])
		p.over.set(p.work.key, p.work.buf)
		a.dirty = false
	}
	p.dirty = p.dirty[:0]
}

// Commit writes the batch in one step; sync makes it and everything before it
// durable. After an error the batch is still there: Discard it.
func (p *Partition) Commit(sync bool) error {
	if err := p.failure(); err != nil {
		return err
	}
	p.seal()
	if p.over.tree.Len() == 0 && !p.moved && len(p.trims) == 0 {
		if sync {
			return p.store.Sync()
		}
		return nil
	}
	b := p.store.db.NewBatchWithSize(p.over.bytes + p.over.tree.Len()*16 + 64)
	defer b.Close()
	for _, t := range p.trims { // before what was written after them
		if err := b.DeleteRange(t.from, t.to, nil); err != nil {
			return err
		}
	}
	for key, w := range p.over.tree.Ascend(btreemap.Min[[]byte](), btreemap.Max[[]byte]()) {
		if w.value == nil {
			op := b.DeleteDeferred(refLen + len(key))
			copy(refKey(op.Key[:0], p.ref)[refLen:refLen+len(key)], key)
			if err := op.Finish(); err != nil {
				return err
			}
			continue
		}
		op := b.SetDeferred(refLen+len(key), len(w.value))
		copy(refKey(op.Key[:0], p.ref)[refLen:refLen+len(key)], key)
		copy(op.Value, w.value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	if p.moved {
		key := append(refKey(nil, p.ref), appliedKey()...)
		if err := b.Set(key, p.appliedValue(), nil); err != nil {
			return err
		}
	}
	p.closeIters()
	if err := b.Commit(writeOptions(sync)); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	p.over.reset()
	p.trims = p.trims[:0]
	p.moved = false
	if p.flushed {
		p.renewHeld()
	}
	p.outbox.commit()
	return nil
}

func writeOptions(sync bool) *pebble.WriteOptions {
	if sync {
		return pebble.Sync
	}
	return pebble.NoSync
}

// Discard drops the batch: everything is as after the last commit.
func (p *Partition) Discard() {
	if err := p.load(); err != nil {
		p.broken = fmt.Errorf("go back to the last commit: %w", err)
	}
}

// failure returns and forgets an error that a sequence could not return.
func (p *Partition) failure() error {
	if p.broken != nil {
		return p.broken
	}
	err := p.err
	p.err = nil
	if e := p.outbox.err.Swap(nil); e != nil {
		err = errors.Join(err, *e)
	}
	return err
}
