package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// ErrIncomplete says that a partition's restore from the changelog was begun
// and not finished, or that it is a standby's copy: nothing may process it
// before the changelog was replayed to its end.
var ErrIncomplete = errors.New("the partition is not restored completely")

// The position in the changelog stands beside the applied offset under
//
//	0x00 "position"                          → next changelog offset, time, completeness
//
// and is the one key of a partition, but for history, that is not in the
// changelog. Its value, format 1: flags, next offset and time (varints).
const (
	positionFormat   = 1
	positionComplete = 1 << 0
)

func positionKey() []byte { return append([]byte{spaceControl}, "position"...) }

// position is how far the store has followed a partition's changelog.
type position struct {
	next     int64 // changelog offset to go on at
	at       int64 // time of the last batch applied, unix milliseconds
	complete bool  // the state is that of one source offset
}

func (p position) encode() []byte {
	flags := byte(0)
	if p.complete {
		flags |= positionComplete
	}
	b := binary.AppendVarint([]byte{positionFormat, flags}, p.next)
	return binary.AppendVarint(b, p.at)
}

func decodePosition(value []byte) (position, error) {
	if len(value) < 2 || value[0] != positionFormat {
		return position{}, errors.New("changelog position is damaged or was written by another version")
	}
	c := cursor{rest: value[2:]}
	p := position{next: c.varint(), at: c.varint(), complete: value[1]&positionComplete != 0}
	if c.bad || p.next < 0 {
		return position{}, errors.New("changelog position is damaged")
	}
	return p, nil
}

// SetPosition puts the changelog's position into the batch: where the
// changelog goes on after what Changes yielded was appended to it, and the
// time (unix milliseconds) that it was appended at. It is called between the
// two, so that Changes does not yield it.
func (p *Partition) SetPosition(next, at int64) {
	p.over.set(positionKey(), position{next, at, true}.encode())
}

// Clean reports whether the next Commit has nothing to write.
func (p *Partition) Clean() bool { return p.finished() && !p.held.due(p.now, p.interval) }

// finished reports whether there is no batch in hand.
func (p *Partition) finished() bool {
	return p.over.tree.Len() == 0 && !p.moved && len(p.marked) == 0 && len(p.dirty) == 0 && len(p.trims) == 0
}

// Detach makes the partition one without a changelog: its position goes with
// the next Commit, so that a later changelog does not take the state for one
// of its own. It is an error that wraps ErrIncomplete if the state is not
// whole.
func (p *Partition) Detach() error {
	value, ok, err := p.get(positionKey())
	if err != nil || !ok {
		return err
	}
	at, err := decodePosition(value)
	if err == nil && !at.complete {
		err = fmt.Errorf("%w: switch the changelog on, or remove the state directory", ErrIncomplete)
	}
	if err != nil {
		return fmt.Errorf("partition %s/%d: %w", p.topic, p.number, err)
	}
	p.over.delete(positionKey())
	return nil
}

// Replica is a partition as its changelog fills it, while nobody processes it.
// It belongs to one goroutine.
type Replica struct {
	store    *Store
	ref      uint32
	name     partitionName
	position position
	known    bool // position is set
	applied  bool // an applied offset is stored
}

// Replica takes ownership of a partition until its Close, as Partition does,
// to restore it. It fails if someone else in this process has it.
func (s *Store) Replica(topic string, number int32) (*Replica, error) {
	ref, err := s.claim(topic, number)
	if err != nil {
		return nil, err
	}
	r := &Replica{store: s, ref: ref, name: partitionName{topic, number}}
	if err := r.load(); err != nil {
		s.release(ref)
		return nil, r.failed(err)
	}
	return r, nil
}

// Close gives the partition up.
func (r *Replica) Close() error {
	r.store.release(r.ref)
	return nil
}

func (r *Replica) failed(err error) error {
	return fmt.Errorf("partition %s/%d: %w", r.name.topic, r.name.number, err)
}

func (r *Replica) key(rest []byte) []byte { return append(refKey(nil, r.ref), rest...) }

func (r *Replica) load() error {
	for key, take := range map[string]func(value []byte) error{
		string(appliedKey()): func([]byte) error {
			r.applied = true
			return nil
		},
		string(positionKey()): func(value []byte) (err error) {
			r.position, err = decodePosition(value)
			r.known = true
			return err
		},
	} {
		value, closer, err := r.store.db.Get(r.key([]byte(key)))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := errors.Join(take(value), closer.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Position returns the changelog offset to go on at and the time (unix
// milliseconds) of the last batch that was applied. Not ok: what the store
// holds of the partition, if anything, does not come from the changelog.
func (r *Replica) Position() (next, at int64, ok bool) {
	return r.position.next, r.position.at, r.known
}

// Applied reports whether the store holds an applied source offset of the
// partition: it is not empty.
func (r *Replica) Applied() bool { return r.applied }

// Complete reports whether a Partition may be opened.
func (r *Replica) Complete() bool { return !r.known || r.position.complete }

// Wipe removes everything of the partition from this store, its history too.
// The changelog is not touched.
func (r *Replica) Wipe() error {
	from := r.key(nil)
	if err := r.store.db.DeleteRange(from, upperBound(nil, from), pebble.NoSync); err != nil {
		return r.failed(fmt.Errorf("wipe: %w", err))
	}
	r.position, r.known, r.applied = position{}, false, false
	return nil
}

// Apply writes records of the changelog, a nil value deletes, and the position
// in one step; like every commit without sync it survives a crash of the
// process, or it and what came after it are gone together. Complete says that
// the state is that of one source offset. Keys that cannot be in a changelog
// are an error, and nothing is written.
func (r *Replica) Apply(records iter.Seq2[[]byte, []byte], next, at int64, complete bool) error {
	b := r.store.db.NewBatch()
	defer b.Close()
	applied := r.applied
	for rest, value := range records {
		if !changelogged(rest) {
			return r.failed(fmt.Errorf("the changelog has the key %q, which this version does not know: upgrade it", rest))
		}
		key := r.key(rest)
		if value == nil {
			if err := b.Delete(key, nil); err != nil {
				return r.failed(err)
			}
		} else if err := b.Set(key, value, nil); err != nil {
			return r.failed(err)
		}
		if string(rest) == string(appliedKey()) {
			applied = value != nil
		}
	}
	to := position{next, at, complete}
	if err := b.Set(r.key(positionKey()), to.encode(), nil); err != nil {
		return r.failed(err)
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return r.failed(fmt.Errorf("commit: %w", err))
	}
	r.position, r.known, r.applied = to, true, applied
	return nil
}

// changelogged reports whether a key, without its partition's ref, belongs
// into the changelog.
func changelogged(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	switch key[0] {
	case spaceRows, spaceActive, spaceMemory, spaceOutbox, spaceScan, spaceSweep, spaceDead, spaceMeta:
		return true
	}
	return string(key) == string(appliedKey())
}

// All calls yield for every record of the partition that belongs into the
// changelog, the applied offset last, until it returns an error, which All
// returns. Key and value are valid during the call.
func (r *Replica) All(yield func(key, value []byte) error) (err error) {
	from := r.key(nil)
	it, err := r.store.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: upperBound(nil, from)})
	if err != nil {
		return r.failed(fmt.Errorf("read: %w", err))
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var last []byte
	for ok := it.First(); ok; ok = it.Next() {
		key := it.Key()[refLen:]
		switch {
		case string(key) == string(appliedKey()):
			last = append(last, it.Value()...)
		case changelogged(key):
			if err := yield(key, it.Value()); err != nil {
				return err
			}
		}
	}
	if last != nil {
		return yield(appliedKey(), last)
	}
	return nil
}
