package pipeline

import (
	"context"
	"errors"
	"fmt"

	"invigil/connectors"
	"invigil/rules"
)

// ErrUnknownAgent says that no partition here has seen an agent.
var ErrUnknownAgent = errors.New("agent is not known here")

const hour = 60 * 60 * 1000 // milliseconds

// Forget removes an agent of a topic, or of all for "", with all that is stored
// of it; its onsets end with the reason "agent forgotten". While Run serves, the
// partition's own goroutine does it between two batches; it must not be called
// during Process. It wraps ErrUnknownAgent if there is no such agent.
func (p *Pipeline) Forget(ctx context.Context, topic, agent string) error {
	found, err := p.opts.Store.DropImport(topic, agent)
	if err != nil {
		return err
	}
	mine := func(w *worker) bool { return (topic == "" || w.id.Topic == topic) && w.state.Seen(agent) }
	servers := p.serving()
	for _, s := range servers {
		here := false
		err := s.order(ctx, func(ctx context.Context, s *server) error {
			for _, w := range s.workers {
				if !mine(w) {
					continue
				}
				here = true
				res := Result{Applied: make(map[Partition]int64)}
				if err := w.forget(ctx, agent, &res); err != nil {
					return err
				}
				s.told(res)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("forget agent %s: %w", agent, err)
		}
		found = found || here
	}
	if len(servers) == 0 {
		here, err := p.forgetStored(ctx, topic, agent)
		if err != nil {
			return fmt.Errorf("forget agent %s: %w", agent, err)
		}
		found = found || here
	}
	if !found {
		return fmt.Errorf("agent %s: %w", agent, ErrUnknownAgent)
	}
	return nil
}

// forgetStored is Forget while nothing runs.
func (p *Pipeline) forgetStored(ctx context.Context, topic, agent string) (found bool, err error) {
	v := p.opts.Store.View()
	places, err := v.Find(agent)
	if err := errors.Join(err, v.Close()); err != nil {
		return false, err
	}
	for i := range places {
		if topic != "" && places[i].Topic != topic {
			continue
		}
		w, err := p.worker(ctx, Partition{places[i].Topic, places[i].Partition}, 0)
		if err != nil {
			return found, err
		}
		if err := w.forget(ctx, agent, &Result{}); err != nil {
			return found, errors.Join(err, p.release(w.id))
		}
		found = true
	}
	return found, p.opts.Store.Sync()
}

// forget removes an agent in a commit of its own. Its alerts have the number of
// a sweep: no message caused them.
func (w *worker) forget(ctx context.Context, agent string, res *Result) error {
	had, err := readProgress(w.state)
	if err != nil {
		return err
	}
	had.Number++
	if err := had.write(w.state); err != nil {
		return err
	}
	b := batch{w: w}
	w.in.Origin.Offset, w.in.Origin.Time = had.Number, 0
	alerts, err := w.dismiss(agent, w.now)
	if err == nil {
		err = w.raise(alerts, &b)
	}
	if err == nil {
		err = w.commit(ctx, &b)
	}
	if err != nil {
		w.state.Discard()
		return err
	}
	w.p.metrics.count(&b.res)
	b.res.order = make([]int, len(b.res.Alerts))
	res.add(&b.res, 0, nil)
	return nil
}

// dismiss ends an agent's onsets at a stream time and removes what is stored of
// it. Rules do not see its rows go.
func (w *worker) dismiss(agent string, at int64) ([]rules.Alert, error) {
	w.in.Event, w.in.Deltas, w.in.StreamTime, w.in.Trace = nil, nil, at, nil
	if w.in.Lists == nil {
		w.in.Lists = w.p.opts.Store.Lists().View()
	}
	alerts, err := w.eval.Forget(&w.in, agent)
	if err != nil {
		return nil, fmt.Errorf("end the onsets of agent %s: %w", agent, err)
	}
	_, err = w.state.Forget(agent)
	return alerts, err
}

// expire forgets, before the event that takes stream time over a full hour, the
// agents that were silent for too long by then.
func (w *worker) expire(before int64, m *connectors.Message, i int, b *batch) error {
	keep := w.p.opts.ForgetAfter.Milliseconds()
	full := w.now - w.now%hour
	if keep <= 0 || before >= full {
		return nil
	}
	silent := w.state.Silent(full - keep)
	for _, agent := range silent {
		w.in.Origin.Offset, w.in.Origin.Time = m.Offset, m.Time
		if m.Inferred {
			w.in.Origin.Time = 0
		}
		alerts, err := w.dismiss(agent, full)
		if err != nil {
			return err
		}
		if err := w.enqueue(alerts, m, i, b); err != nil {
			return err
		}
	}
	if len(silent) > 0 {
		w.p.opts.Logger.Info("agents forgotten, they were silent for too long",
			"topic", w.id.Topic, "partition", w.id.Number, "agents", len(silent))
	}
	return nil
}
