package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"invigil/connectors"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// ReasonRefused marks letters that hold no message but an alert that a sink
// will never take.
const ReasonRefused = "refused"

// Retry processes a dead letter that the store keeps again, now, with the rules
// as they are, and drops it. It returns the letter that it became anew, nil if
// it was processed. It must not be called during Process and Run. A letter of
// ReasonRefused is an error: it holds no message.
func (p *Pipeline) Retry(ctx context.Context, kept *state.DeadLetter) (*DeadLetter, error) {
	letter, err := DecodeDeadLetter(kept.Entry)
	if err != nil {
		return nil, err
	}
	if letter.Reason == ReasonRefused {
		return nil, fmt.Errorf("dead letter %s is an alert that a sink refused, not a message: look at it with show", letter.ID())
	}
	w, err := p.worker(ctx, Partition{kept.Topic, kept.Partition}, 0)
	if err != nil {
		return nil, err
	}
	again, err := w.retry(ctx, kept.Seq, letter)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("retry dead letter %s: %w", letter.ID(), err), p.release(w.id))
	}
	return again, nil
}

// retry processes a letter's message in a commit of its own.
func (w *worker) retry(ctx context.Context, seq uint64, letter *DeadLetter) (*DeadLetter, error) {
	if w.in.Lists == nil {
		w.in.Lists = w.p.opts.Store.Lists().View()
	}
	m := connectors.Message{
		Topic: letter.Topic, Partition: letter.Partition, Offset: letter.Offset, Time: letter.Time,
		Key: letter.Key, Value: letter.Value, Headers: letter.Headers,
	}
	b := batch{w: w}
	panicked, err := w.again(&m, &b)
	if panicked != "" {
		if err := w.reopen(); err != nil {
			return nil, err
		}
		if err := w.deadLetter(&m, 0, &b, "panic", panicked); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	w.state.DropDeadLetter(seq)
	w.state.SetApplied(w.applied, w.now)
	if err := w.commit(ctx, &b); err != nil {
		return nil, err
	}
	w.p.metrics.count(&b.res)
	if len(b.res.DeadLetters) > 0 {
		return &b.res.DeadLetters[0], nil
	}
	return nil, nil
}

// again takes the message all the way, short of the commit, apart from the
// header that may be waiting for its message.
func (w *worker) again(m *connectors.Message, b *batch) (panicked string, err error) {
	stream := w.decoder
	w.decoder = syscollector.NewDecoder(w.p.opts.Decoder)
	defer func() {
		w.decoder = stream
		if r := recover(); r != nil {
			b.res = Result{}
			panicked = fmt.Sprintf("%v\n%s", r, firstFrames(debug.Stack()))
		}
	}()
	return "", w.event(m, 0, b)
}
