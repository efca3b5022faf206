package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"invigil/state"
)

// Changelog keeps each partition's state outside this instance's store, which
// is then never ahead of it: any crash is a restore.
type Changelog interface {
	// Open takes a partition over from its former owner, brings the replica
	// up to date and returns what appends to it. generation is the consumer
	// group's, for those who read the log.
	Open(ctx context.Context, topic string, number, generation int32, r *state.Replica) (Appender, error)
}

// Appender appends to one partition's changelog as its only owner. It belongs
// to one goroutine.
type Appender interface {
	// Append appends the records, a nil value deletes, as one batch that is
	// there whole or not at all, and returns where the changelog goes on and
	// the batch's time (unix milliseconds). After an error it is of no use any
	// more, unless the error says that the batch was too large.
	Append(ctx context.Context, records iter.Seq2[[]byte, []byte]) (next, at int64, err error)
	// Renew keeps a partition without events its owner's. If renewed, next
	// and at are to be stored as those of Append.
	Renew(ctx context.Context) (next, at int64, renewed bool, err error)
}

// ErrTooLarge is wrapped by an Appender's error when the batch is more than the
// changelog takes: it can be cut in two.
var ErrTooLarge = errors.New("the batch is too large for the changelog")

// restore brings the partition's store to the changelog's end.
func (w *worker) restore(ctx context.Context) error {
	r, err := w.p.opts.Store.Replica(w.id.Topic, w.id.Number)
	if err != nil {
		return err
	}
	w.log, err = w.p.opts.Changelog.Open(ctx, w.id.Topic, w.id.Number, w.generation, r)
	return errors.Join(err, r.Close())
}

// append puts the pending batch into the changelog.
func (w *worker) append(ctx context.Context) error {
	if w.log == nil {
		return nil
	}
	if w.state.Clean() {
		return nil
	}
	w.state.SetApplied(w.applied, w.now) // last in every batch
	next, at, err := w.log.Append(ctx, w.state.Changes())
	if err != nil {
		return fmt.Errorf("append to the changelog: %w", err)
	}
	w.state.SetPosition(next, at)
	return nil
}

// renew keeps the changelog ours while no events come.
func (w *worker) renewLog(ctx context.Context) error {
	if w.log == nil {
		return nil
	}
	next, at, renewed, err := w.log.Renew(ctx)
	if err != nil {
		return fmt.Errorf("renew the claim on the changelog: %w", err)
	}
	if !renewed {
		return nil
	}
	w.state.SetPosition(next, at)
	return w.state.Commit(false)
}
