package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"invigil/connectors"
	"invigil/rules"
)

// Pipeline turns messages into state and alerts. Process and Run must not be
// used at the same time; Reload may be called at any time.
type Pipeline struct {
	opts    Options
	metrics *metrics
	rules   atomic.Pointer[rules.Set]

	mu      sync.Mutex
	workers map[Partition]*worker
	servers map[*server]struct{} // that can be given orders
}

// New returns a pipeline over a store and a rule set.
func New(o Options) (*Pipeline, error) {
	if o.Store == nil || o.Rules == nil {
		return nil, errors.New("pipeline: Options.Store and Options.Rules are required")
	}
	names := make(map[string]bool)
	for _, s := range o.Sinks {
		if s.Name == "" || names[s.Name] {
			return nil, fmt.Errorf("sink name %q: each sink needs a name of its own, its cursor goes by it", s.Name)
		}
		names[s.Name] = true
	}
	p := &Pipeline{opts: o.withDefaults(), workers: make(map[Partition]*worker)}
	p.metrics = newMetrics(p.opts.Registerer)
	p.rules.Store(o.Rules)
	if o.Registerer != nil && len(o.Sinks) > 0 {
		o.Registerer.MustRegister(newOutboxes(p))
	}
	return p, nil
}

// Rules returns the rule set in use.
func (p *Pipeline) Rules() *rules.Set { return p.rules.Load() }

// Reload goes over to another rule set: each partition takes it before its
// next batch. Rule memory survives for rules whose declaration is unchanged.
func (p *Pipeline) Reload(set *rules.Set) { p.rules.Store(set) }

// Process evaluates messages and commits, partition by partition, in order. An
// error is a failure of store or changelog, never bad input; what was not
// committed is then as if it had not been processed.
func (p *Pipeline) Process(msgs []connectors.Message) (Result, error) {
	res := Result{Applied: make(map[Partition]int64)}
	ctx := context.Background()
	for _, group := range groupByPartition(msgs) {
		w, err := p.worker(ctx, group.partition, 0)
		if err != nil {
			return res, err
		}
		if err := w.process(ctx, group.msgs, group.index, &res); err != nil {
			// What the worker holds in memory is ahead of the store: drop it.
			err = errors.Join(err, p.release(group.partition))
			return res, fmt.Errorf("partition %s/%d: %w", group.partition.Topic, group.partition.Number, err)
		}
	}
	res.sortByInput()
	return res, nil
}

// Close releases all partitions, unless Run did. The store stays open.
func (p *Pipeline) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for id, w := range p.workers {
		errs = append(errs, w.close())
		delete(p.workers, id)
	}
	return errors.Join(errs...)
}

// worker returns the partition's worker, opening it at first use.
func (p *Pipeline) worker(ctx context.Context, id Partition, generation int32) (*worker, error) {
	p.mu.Lock()
	w := p.workers[id]
	p.mu.Unlock()
	if w != nil {
		return w, nil
	}
	// Outside the lock: a restore takes its time. The store refuses a second
	// owner of a partition.
	w, err := openWorker(ctx, p, id, generation)
	if err != nil {
		return nil, fmt.Errorf("open partition %s/%d: %w", id.Topic, id.Number, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers[id] = w
	return w, nil
}

// release closes the partition's worker.
func (p *Pipeline) release(id Partition) error {
	p.mu.Lock()
	w := p.workers[id]
	delete(p.workers, id)
	p.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.close()
}

type group struct {
	partition Partition
	msgs      []connectors.Message
	index     []int // in the input; nil = the input is this group
}

// groupByPartition splits messages by partition, keeping their order.
func groupByPartition(msgs []connectors.Message) []group {
	if len(msgs) == 0 {
		return nil
	}
	first := Partition{msgs[0].Topic, msgs[0].Partition}
	single := true
	for i := range msgs {
		if msgs[i].Partition != first.Number || msgs[i].Topic != first.Topic {
			single = false
			break
		}
	}
	if single {
		return []group{{partition: first, msgs: msgs}}
	}
	var groups []group
	at := make(map[Partition]int)
	for i := range msgs {
		id := Partition{msgs[i].Topic, msgs[i].Partition}
		g, ok := at[id]
		if !ok {
			g = len(groups)
			at[id] = g
			groups = append(groups, group{partition: id})
		}
		groups[g].msgs = append(groups[g].msgs, msgs[i])
		groups[g].index = append(groups[g].index, i)
	}
	return groups
}
