package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// errStopping is the answer to an order that came too late.
var errStopping = errors.New("the partition is being given up: try again")

// order is work that another goroutine asks a server's goroutine to do between
// two batches. do returns a failure of the store, which ends the server.
type order struct {
	do   func(ctx context.Context, s *server) error
	done chan error // capacity 1
}

// orders are a server's open orders.
type orders struct {
	mu     sync.Mutex
	open   []order
	closed bool
	cancel context.CancelFunc // of the read in hand, nil between reads
}

// post adds an order and ends the read in hand.
func (o *orders) post(x order) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		x.done <- errStopping
		return
	}
	o.open = append(o.open, x)
	if o.cancel != nil {
		o.cancel()
	}
}

// reading tells what ends the read that begins, nil when it is over.
func (o *orders) reading(cancel context.CancelFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cancel = cancel
	if cancel != nil && len(o.open) > 0 {
		cancel()
	}
}

func (o *orders) take() []order {
	o.mu.Lock()
	defer o.mu.Unlock()
	open := o.open
	o.open = nil
	return open
}

// close refuses what is open and what comes.
func (o *orders) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, x := range o.open {
		x.done <- errStopping
	}
	o.open = nil
}

// enter and leave tell who can be given orders.
func (p *Pipeline) enter(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.servers == nil {
		p.servers = make(map[*server]struct{})
	}
	p.servers[s] = struct{}{}
}

func (p *Pipeline) leave(s *server) {
	p.mu.Lock()
	delete(p.servers, s)
	p.mu.Unlock()
	s.orders.close()
}

func (p *Pipeline) serving() []*server {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.servers))
}

// obey does what was ordered.
func (s *server) obey(ctx context.Context) error {
	for _, x := range s.orders.take() {
		err := x.do(ctx, s)
		x.done <- err
		if err != nil {
			return fmt.Errorf("order: %w", err)
		}
	}
	return nil
}

// order has a server's goroutine do something and waits for it.
func (s *server) order(ctx context.Context, do func(ctx context.Context, s *server) error) error {
	x := order{do: do, done: make(chan error, 1)}
	s.orders.post(x)
	select {
	case err := <-x.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// told passes on what was done between two batches.
func (s *server) told(res Result) {
	for _, w := range s.workers {
		for _, d := range w.deliverers {
			poke(d.wake)
		}
	}
	if s.p.opts.Observe != nil {
		s.p.opts.Observe(res)
	}
}
