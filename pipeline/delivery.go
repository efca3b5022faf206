package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"invigil/connectors"
)

// Delivery's retry pause grows from firstPause to maxPause.
const (
	firstPause  = 100 * time.Millisecond
	maxPause    = 30 * time.Second
	maxDelivery = 500 // entries a call of a sink
)

// deliverer takes a partition's outbox to one sink, in order, at least once.
// It runs on a goroutine of its own beside the partition's.
type deliverer struct {
	w     *worker
	sink  *Sink
	acked atomic.Uint64 // sequence number of the last entry the sink has
	wake  chan struct{} // told of new entries, capacity 1
	idle  chan struct{} // told when entries were acknowledged, capacity 1
}

func newDeliverer(w *worker, s *Sink) *deliverer {
	d := &deliverer{w: w, sink: s, wake: make(chan struct{}, 1), idle: make(chan struct{}, 1)}
	d.acked.Store(w.state.Cursor(s.Name))
	return d
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends, retrying for ever. A failure of the store or a
// damaged entry is returned.
func (d *deliverer) run(ctx context.Context) error {
	pause := firstPause
	for {
		items, last, err := d.next()
		if err != nil {
			return fmt.Errorf("sink %s: %w", d.sink.Name, err)
		}
		if last == d.acked.Load() {
			select {
			case <-ctx.Done():
				return nil
			case <-d.wake:
				continue
			}
		}
		if len(items) > 0 {
			if err := d.sink.Sink.Deliver(ctx, values(items)); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				if past, ok := d.refused(items, err); ok {
					d.acked.Store(past)
					poke(d.idle)
					continue
				}
				d.w.p.metrics.sinkErrors.WithLabelValues(d.sink.Name).Inc()
				d.w.p.opts.Logger.Warn("sink did not take alerts, trying again",
					"sink", d.sink.Name, "topic", d.w.id.Topic, "partition", d.w.id.Number, "in", pause, "error", err)
				if !sleep(ctx, pause) {
					return nil
				}
				pause = min(2*pause, maxPause)
				continue
			}
			d.w.p.metrics.delivered.WithLabelValues(d.sink.Name).Add(float64(len(items)))
		}
		pause = firstPause
		d.acked.Store(last)
		poke(d.idle)
	}
}

// outgoing is a rendered entry.
type outgoing struct {
	connectors.Item
	seq    uint64
	offset int64 // of the message that caused it
}

func values(items []outgoing) []connectors.Item {
	out := make([]connectors.Item, len(items))
	for i := range items {
		out[i] = items[i].Item
	}
	return out
}

// refused handles a sink's word that it will never take an item: the item
// becomes a dead letter, the cursor goes past it.
func (d *deliverer) refused(items []outgoing, err error) (past uint64, ok bool) {
	var refusal *connectors.RefusedError
	if !errors.As(err, &refusal) {
		return 0, false
	}
	for i := range items {
		if items[i].ID != refusal.ID {
			continue
		}
		d.w.p.metrics.sinkErrors.WithLabelValues(d.sink.Name).Inc()
		d.w.refusals.add(DeadLetter{
			Topic: d.w.id.Topic, Partition: d.w.id.Number, Offset: items[i].offset,
			Key: items[i].Key, Value: items[i].Value, Headers: items[i].Headers,
			Reason: "refused", Error: "sink " + d.sink.Name + ": " + refusal.Err.Error(),
		})
		return items[i].seq, true
	}
	return 0, false
}

// refusals are dead letters that deliverers made, until the partition's
// goroutine puts them into a batch.
type refusals struct {
	mu      sync.Mutex
	letters []DeadLetter
}

func (r *refusals) add(d DeadLetter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters = append(r.letters, d)
}

func (r *refusals) take() []DeadLetter {
	r.mu.Lock()
	defer r.mu.Unlock()
	letters := r.letters
	r.letters = nil
	return letters
}

// next renders the entries after the cursor; last is the cursor once they are
// delivered, and equals it when there are none.
func (d *deliverer) next() (items []outgoing, last uint64, err error) {
	last = d.acked.Load()
	n := 0
	for seq, entry := range d.w.state.Outbox(last) {
		item, offset, mine, err := d.sink.render(entry)
		if err != nil {
			return nil, last, err
		}
		if mine {
			items = append(items, outgoing{item, seq, offset})
		}
		last = seq
		if n++; n == maxDelivery {
			break
		}
	}
	return items, last, nil
}

// sleep waits for d; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// saveCursors puts the sinks' cursors into the batch, with the dead letters
// that they went past, and drops what all have.
func (w *worker) saveCursors() error {
	if len(w.deliverers) == 0 {
		return nil
	}
	all := ^uint64(0)
	for _, d := range w.deliverers {
		acked := d.acked.Load()
		w.state.SetCursor(d.sink.Name, acked)
		all = min(all, acked)
	}
	w.state.TrimOutbox(all)
	// After the cursors: a refusal is added before the cursor goes past it.
	for _, letter := range w.refusals.take() {
		w.p.metrics.deadLetters.WithLabelValues(letter.Reason).Inc()
		if err := w.keep(&letter); err != nil {
			return err
		}
	}
	return nil
}

// undelivered returns how many committed entries some sink lacks.
func (w *worker) undelivered() int {
	most := 0
	for _, d := range w.deliverers {
		most = max(most, d.behind())
	}
	return most
}

// safeOffset is the next offset up to which nothing would be lost if the store
// were: all before it is in the changelog, or applied and its alerts with every
// sink.
func (w *worker) safeOffset() int64 {
	if len(w.deliverers) == 0 || w.log != nil {
		return w.applied
	}
	all := ^uint64(0)
	for _, d := range w.deliverers {
		all = min(all, d.acked.Load())
	}
	for _, entry := range w.state.Outbox(all) {
		if _, offset, _, err := splitEntry(entry); err == nil {
			return min(offset, w.applied)
		}
	}
	return w.applied
}
