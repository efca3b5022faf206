package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"invigil/connectors"
)

// Run processes a source until ctx ends or the input is over, and delivers the
// outbox to the sinks. It returns nil after a graceful stop: the batch in hand
// is finished, the store synced, offsets committed. At the end of an input it
// waits until every sink has everything.
func (p *Pipeline) Run(ctx context.Context, src connectors.Source) error {
	return src.Run(ctx, p.serve)
}

// serve runs the partitions that one reader brings: one for Kafka; for files as
// many as their records name.
func (p *Pipeline) serve(ctx context.Context, r connectors.Reader) (err error) {
	s := &server{p: p, r: r, last: p.opts.Clock()}
	s.deliverCtx, s.stopDelivery = context.WithCancel(context.WithoutCancel(ctx))
	defer func() { err = errors.Join(err, s.stop()) }()
	p.enter(s)
	defer p.leave(s)

	w, err := s.open(ctx, Partition{r.Topic(), r.Partition()})
	if err != nil {
		return err
	}
	if next, _, ok := w.state.Applied(); ok {
		r.StartAt(next)
	}
	for {
		if err := s.room(ctx); err != nil {
			return stopped(ctx, err)
		}
		msgs, err := s.read(ctx)
		switch {
		case errors.Is(err, io.EOF):
			if err := s.process(ctx, nil); err != nil { // rules may be new though no message is
				s.broken = true
				return stopped(ctx, err)
			}
			return s.drain(ctx)
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read %s/%d: %w", r.Topic(), r.Partition(), err)
		}
		if err := s.process(ctx, msgs); err != nil {
			s.broken = true
			return stopped(ctx, err)
		}
		if err := s.obey(ctx); err != nil {
			s.broken = true
			return stopped(ctx, err)
		}
		if err := s.checkpoint(ctx, false); err != nil {
			s.broken = true
			return stopped(ctx, err)
		}
	}
}

// stopped turns an error that only says that ctx ended into nil.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// server is the state of one serve call. It belongs to its goroutine.
type server struct {
	p       *Pipeline
	r       connectors.Reader
	workers []*worker
	last    time.Time // of the last checkpoint
	broken  bool      // what workers hold in memory is ahead of the store
	orders  orders

	deliverCtx   context.Context
	stopDelivery context.CancelFunc
	delivering   sync.WaitGroup
	failed       chan error
}

// open opens a partition and starts delivering what its outbox still holds.
func (s *server) open(ctx context.Context, id Partition) (*worker, error) {
	generation := int32(0)
	if g, ok := s.r.(interface{ Generation() int32 }); ok {
		generation = g.Generation()
	}
	w, err := s.p.worker(ctx, id, generation)
	if err != nil {
		return nil, err
	}
	if s.failed == nil {
		s.failed = make(chan error, 1)
	}
	s.workers = append(s.workers, w)
	for i := range s.p.opts.Sinks {
		d := newDeliverer(w, &s.p.opts.Sinks[i])
		w.deliverers = append(w.deliverers, d)
		s.delivering.Go(func() {
			if err := d.run(s.deliverCtx); err != nil {
				select {
				case s.failed <- err:
				default:
				}
			}
		})
	}
	w.publish()
	return w, nil
}

// read reads, but no longer than to the next checkpoint or order. A nil slice
// with a nil error means that one is due.
func (s *server) read(ctx context.Context) ([]connectors.Message, error) {
	wait := s.p.opts.CommitInterval - s.p.opts.Clock().Sub(s.last)
	readCtx, cancel := context.WithTimeout(ctx, max(wait, time.Millisecond))
	defer cancel()
	s.orders.reading(cancel)
	defer s.orders.reading(nil)
	msgs, err := s.r.Read(readCtx)
	if err != nil && ctx.Err() == nil && readCtx.Err() != nil {
		return nil, nil
	}
	return msgs, err
}

// process runs the messages and wakes the deliverers.
func (s *server) process(ctx context.Context, msgs []connectors.Message) error {
	res := Result{Applied: make(map[Partition]int64)}
	if len(msgs) == 0 { // a reload needs no message to take effect
		for _, w := range s.workers {
			if err := w.renew(ctx, 0, nil, &res); err != nil {
				return fmt.Errorf("partition %s/%d: %w", w.id.Topic, w.id.Number, err)
			}
		}
	}
	for _, g := range groupByPartition(msgs) {
		w, err := s.workerOf(ctx, g.partition)
		if err != nil {
			return err
		}
		if err := w.process(ctx, g.msgs, g.index, &res); err != nil {
			return fmt.Errorf("partition %s/%d: %w", g.partition.Topic, g.partition.Number, err)
		}
	}
	res.sortByInput()
	s.told(res)
	return nil
}

func (s *server) workerOf(ctx context.Context, id Partition) (*worker, error) {
	for _, w := range s.workers {
		if w.id == id {
			return w, nil
		}
	}
	return s.open(ctx, id)
}

// room waits until no outbox is full: back-pressure.
func (s *server) room(ctx context.Context) error {
	for _, w := range s.workers {
		for w.undelivered() >= s.p.opts.Outbox {
			if err := s.delivered(ctx, w); err != nil {
				return err
			}
		}
	}
	select {
	case err := <-s.failed:
		return err
	default:
		return nil
	}
}

// delivered waits until one of the worker's sinks that lacks entries took some.
func (s *server) delivered(ctx context.Context, w *worker) error {
	for _, d := range w.deliverers {
		if d.acked.Load() >= w.state.LastEntry() {
			continue
		}
		select {
		case <-d.idle:
			return nil
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drain waits until every sink has everything.
func (s *server) drain(ctx context.Context) error {
	for _, w := range s.workers {
		for w.undelivered() > 0 {
			if err := s.delivered(ctx, w); err != nil {
				return stopped(ctx, err)
			}
		}
	}
	return nil
}

// checkpoint syncs the store and commits offsets, when it is due or forced.
func (s *server) checkpoint(ctx context.Context, force bool) error {
	now := s.p.opts.Clock()
	if !force && now.Sub(s.last) < s.p.opts.CommitInterval {
		return nil
	}
	s.last = now
	for _, w := range s.workers {
		if err := w.sync(ctx); err != nil {
			return fmt.Errorf("partition %s/%d: %w", w.id.Topic, w.id.Number, err)
		}
		if w.id.Topic != s.r.Topic() || w.id.Number != s.r.Partition() {
			continue
		}
		if err := s.r.Commit(ctx, w.safeOffset()); err != nil && ctx.Err() == nil {
			s.p.opts.Logger.Warn("offset was not committed, trying again at the next interval",
				"topic", w.id.Topic, "partition", w.id.Number, "error", err)
		}
	}
	return nil
}

// stop ends the serve call: a last chance for delivery, a sync, the offsets.
func (s *server) stop() error {
	grace, cancel := context.WithTimeout(context.WithoutCancel(s.deliverCtx), s.p.opts.StopGrace)
	defer cancel()
	var errs []error
	if !s.broken {
		errs = append(errs, stopped(grace, s.drain(grace)))
	}
	s.stopDelivery()
	s.delivering.Wait()
	if !s.broken {
		for _, w := range s.workers {
			w.state.Flush()
		}
		errs = append(errs, s.checkpoint(grace, true))
	}
	for _, w := range s.workers {
		w.deliverers = nil
		errs = append(errs, s.p.release(w.id))
	}
	return errors.Join(errs...)
}

// sync commits the sinks' cursors and makes all commits so far durable.
func (w *worker) sync(ctx context.Context) error {
	if err := w.saveCursors(); err != nil {
		return err
	}
	if err := w.append(ctx); err != nil {
		return err
	}
	if err := w.state.Commit(true); err != nil {
		return err
	}
	return w.renewLog(ctx)
}
