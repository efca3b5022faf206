package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"

	kafkago "github.com/segmentio/kafka-go"

	"invigil/connectors"
)

// Replica is a partition's state in the local store, as the changelog writes
// it while nobody processes the partition. It belongs to one goroutine.
type Replica interface {
	// Position returns the changelog offset to go on at and the time (unix
	// milliseconds) of the last batch applied. Not ok: what the store holds of
	// the partition, if anything, does not come from the changelog.
	Position() (next, at int64, ok bool)
	// Applied reports whether the store holds an applied source offset: it is
	// not empty.
	Applied() bool
	// Wipe removes everything of the partition, the position too.
	Wipe() error
	// Apply writes records (a nil value deletes) and the position in one step.
	// Key and value are valid during the iteration. Complete says whether the
	// state is whole with it; until then nobody may process the partition.
	Apply(records iter.Seq2[[]byte, []byte], next, at int64, complete bool) error
	// All calls yield for every record of the partition that belongs into the
	// changelog, the applied offset last, and returns the first error.
	All(yield func(key, value []byte) error) error
}

// Open takes a partition over and brings the replica to the former owner's
// last batch: a new epoch, a claim at whose offset the former owner ends, a
// replay from the replica's position to there. Afterwards the store holds the
// position; the partition goes on at its applied source offset.
//
// A replica whose position the log does not cover, or that may have missed
// deletions because its position is older than half the time for which they
// are kept, is wiped and restored from the start of the log. One that was
// built without the changelog is written to it, if the changelog is empty, and
// is wiped and restored otherwise. If the changelog is empty although the
// replica was built from it, Open wraps ErrGone and leaves the replica alone.
func (c *Changelog) Open(ctx context.Context, source string, partition, generation int32, r Replica) (*Writer, error) {
	p, err := c.restoring(ctx, source, partition, r)
	if err != nil {
		return nil, err
	}
	from, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	w, err := c.takeOver(ctx, p.topic, partition, generation)
	if err != nil {
		return nil, err
	}
	if err := p.open(ctx, w, from); err != nil {
		return nil, err
	}
	return w, nil
}

// Follow keeps the replica close to the end of a changelog that another
// instance writes, until ctx ends, so that a takeover has little to replay. It
// returns ctx's error, or another one that no repetition mends.
func (c *Changelog) Follow(ctx context.Context, source string, partition int32, r Replica) error {
	p, err := c.restoring(ctx, source, partition, r)
	if err != nil {
		return err
	}
	for {
		from, err := p.start(ctx)
		if err != nil {
			return err
		}
		if _, _, positioned := r.Position(); !positioned && r.Applied() {
			// The owner may be about to write it, or another store's.
			if applied, _, err := p.survey(ctx); err != nil {
				return err
			} else if !applied {
				return p.failed(fmt.Errorf("%w: there is nothing to follow, the local state is kept", ErrGone))
			}
		}
		if err := p.restore(ctx, from, endless); !stale(err) {
			return err
		}
	}
}

const (
	unknown = -1 // start of a replica without a position
	endless = -1 // end of a replica that follows
)

// restoring is a replica being brought up to date.
type restoring struct {
	c         *Changelog
	topic     *changelogTopic
	partition int32
	replica   Replica
}

func (c *Changelog) restoring(ctx context.Context, source string, partition int32, r Replica) (*restoring, error) {
	t, err := c.prepared(ctx, source, partition)
	if err != nil {
		return nil, err
	}
	return &restoring{c: c, topic: t, partition: partition, replica: r}, nil
}

func (p *restoring) failed(err error) error {
	return fmt.Errorf("changelog %s/%d: %w", p.topic.name, p.partition, err)
}

// start returns where to go on: the replica's position if the log continues
// it, else unknown: from the start of the log. It changes nothing.
func (p *restoring) start(ctx context.Context) (int64, error) {
	next, at, ok := p.replica.Position()
	if !ok {
		return unknown, nil
	}
	first, end, err := p.c.bounds(ctx, p.topic.name, p.partition)
	if err != nil {
		return 0, err
	}
	age := p.c.o.Clock().UnixMilli() - at
	log := p.c.o.Logger.With("topic", p.topic.name, "partition", p.partition, "position", next, "log_start", first, "log_end", end)
	switch {
	case next == end:
		return next, nil
	case next > end:
		log.Warn("the log ends before the local state: it is restored from the start")
	case next < first:
		log.Warn("the log begins after the local state: it is restored from the start")
	case age > p.topic.life.Milliseconds()/2:
		log.Warn("the local state is too old to have seen all deletions: it is restored from the start", "age_ms", age)
	default:
		return next, nil
	}
	if p.replica.Applied() {
		if applied, _, err := p.survey(ctx); err != nil {
			return 0, err
		} else if !applied {
			return 0, p.failed(fmt.Errorf("%w: the local state was built from it up to offset %d, but it holds no state: if it was deleted on purpose, run once with changelog: off, then on again, which writes the local state to it", ErrGone, next))
		}
	}
	return unknown, nil
}

// open replays up to the claim and, where the changelog holds no state, makes
// it and the replica agree.
func (p *restoring) open(ctx context.Context, w *Writer, from int64) error {
	if _, _, positioned := p.replica.Position(); !positioned && p.replica.Applied() {
		applied, left, err := p.survey(ctx)
		if err != nil {
			return err
		}
		if !applied {
			return p.seed(ctx, w, left)
		}
		p.c.o.Logger.Warn("the local state was changed without the changelog, which has its own: that one is taken", "topic", p.topic.name, "partition", p.partition)
	}
	claim := w.next - 1
	for {
		err := p.restore(ctx, from, claim)
		if err == nil {
			break
		}
		if !stale(err) {
			return err
		}
		from = unknown
	}
	if !p.replica.Applied() {
		// What a former owner did not finish to write is nobody's state.
		_, left, err := p.survey(ctx)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return p.seed(ctx, w, left)
		}
	}
	return p.replica.Apply(nothing, w.next, w.claimed.UnixMilli(), true)
}

func nothing(func(key, value []byte) bool) {}

// restore applies the log from an offset, or from its start after a wipe, up
// to the end given. An error may be stale: the log does not reach back so far.
func (p *restoring) restore(ctx context.Context, from, until int64) error {
	if from == unknown {
		if err := p.replica.Wipe(); err != nil {
			return p.failed(err)
		}
		var err error
		if from, err = p.c.offset(ctx, p.topic.name, p.partition, kafkago.FirstOffset); err != nil {
			return err
		}
	}
	return p.read(ctx, from, until, func(ms []connectors.Message, next, remaining int64) error {
		n := 0
		for i := range ms {
			if string(ms[i].Key) != claimKey {
				n++
			} else if err := parseClaim(ms[i].Value); err != nil {
				return p.failed(err)
			}
		}
		records := func(yield func(key, value []byte) bool) {
			for i := range ms {
				if string(ms[i].Key) != claimKey && !yield(ms[i].Key, ms[i].Value) {
					return
				}
			}
		}
		if err := p.replica.Apply(records, next, ms[len(ms)-1].Time, false); err != nil {
			return p.failed(err)
		}
		p.c.o.Restored(p.topic.source, p.partition, n, remaining)
		return nil
	})
}

// errFound ends a survey.
var errFound = errors.New("found")

// survey reads the log until it meets an applied offset. If there is none, left
// holds the keys that the log has nonetheless.
func (p *restoring) survey(ctx context.Context) (applied bool, left map[string]struct{}, err error) {
	const tail = 10_000 // the last batch has one, and is there even after a compaction
	for {
		first, end, err := p.c.bounds(ctx, p.topic.name, p.partition)
		if err != nil {
			return false, nil, err
		}
		if from := end - tail; from > first {
			if _, err = p.look(ctx, from, end); err == nil {
				left, err = p.look(ctx, first, end)
			}
		} else {
			left, err = p.look(ctx, first, end)
		}
		switch {
		case errors.Is(err, errFound):
			return true, nil, nil
		case !stale(err):
			return false, left, err
		}
	}
}

// look reads a part of the log and returns the keys that it leaves, or
// errFound at an applied offset.
func (p *restoring) look(ctx context.Context, from, until int64) (left map[string]struct{}, err error) {
	left = make(map[string]struct{})
	return left, p.read(ctx, from, until, func(ms []connectors.Message, _, _ int64) error {
		for _, m := range ms {
			switch {
			case m.Value == nil:
				delete(left, string(m.Key))
			case string(m.Key) == appliedKey:
				return errFound
			case string(m.Key) != claimKey:
				left[string(m.Key)] = struct{}{}
			}
		}
		return nil
	})
}

// seed writes the replica to a changelog that holds no state: first deletions
// of the keys that it has all the same, then all records, the applied offset
// last. Until that one is there, the changelog counts as empty.
func (p *restoring) seed(ctx context.Context, w *Writer, left map[string]struct{}) error {
	s := seeding{w: w, at: w.claimed.UnixMilli()}
	p.c.o.Logger.Info("writing the local state to the empty changelog", "topic", p.topic.name, "partition", p.partition)
	for key := range maps.Keys(left) {
		if err := s.add(ctx, []byte(key), nil); err != nil {
			return err
		}
	}
	if !p.replica.Applied() {
		if err := p.replica.Wipe(); err != nil {
			return p.failed(err)
		}
	} else if err := p.replica.All(func(key, value []byte) error { return s.add(ctx, key, value) }); err != nil {
		return p.failed(err)
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	return p.replica.Apply(nothing, w.next, s.at, true)
}

// seeding gathers records into batches.
type seeding struct {
	w       *Writer
	records []connectors.Message
	size    int
	at      int64
}

func (s *seeding) add(ctx context.Context, key, value []byte) error {
	const batch = 1 << 20
	size := ChangelogSize(key, value)
	if len(s.records) > 0 && s.size+size > min(batch, s.w.Limit()) {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	s.size += size
	m := connectors.Message{Key: append([]byte(nil), key...)}
	if value != nil {
		m.Value = append([]byte{}, value...)
	}
	s.records = append(s.records, m)
	return nil
}

func (s *seeding) flush(ctx context.Context) error {
	if len(s.records) == 0 {
		return nil
	}
	_, at, err := s.w.Append(ctx, func(yield func(key, value []byte) bool) {
		for _, m := range s.records {
			if !yield(m.Key, m.Value) {
				return
			}
		}
	})
	s.records, s.size, s.at = s.records[:0], 0, at
	return err
}

// read calls take for the records of [from, until) in parts that end where
// batches end; until below 0 is never reached. Next is the offset after the
// part, remaining how many lie behind it.
func (p *restoring) read(ctx context.Context, from, until int64, take func(ms []connectors.Message, next, remaining int64) error) error {
	for {
		r := newReader(ctx, p.c.reading, p.topic.name, p.partition, from, until)
		err := p.drain(ctx, r, take)
		r.close()
		if !errors.Is(err, io.EOF) {
			return err
		}
		from = max(from, r.next.Load())
		if from >= until || r.end.Load() >= until {
			return nil
		}
		// A new leader may not show yet what the former one had committed.
		if !pause(ctx, p.c.o.RetryBackoff) {
			return ctx.Err()
		}
	}
}

// drain takes what a reader reads until it ends.
func (p *restoring) drain(ctx context.Context, r *reader, take func(ms []connectors.Message, next, remaining int64) error) error {
	for {
		ms, err := r.Read(ctx)
		if err != nil {
			return err
		}
		next, remaining := r.next.Load(), r.Lag()
		if r.until >= 0 {
			remaining = max(0, r.until-next)
		}
		if err := take(ms, next, remaining); err != nil {
			return err
		}
	}
}

// stale reports whether the log does not continue where reading began.
func stale(err error) bool {
	var lost *LostError
	var cut *TruncatedError
	return errors.As(err, &lost) || errors.As(err, &cut)
}
