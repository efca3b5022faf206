package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"invigil/connectors"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// maxSkew is how far an event's own time may lie ahead of its record's,
// milliseconds: beyond it the record's counts.
const maxSkew = 24 * 60 * 60 * 1000

// worker owns one partition: its state, its decoder, its evaluator. It belongs
// to one goroutine, but for its outbox, which deliverers read.
type worker struct {
	p     *Pipeline
	id    Partition
	state *state.Partition
	log   Appender // nil = no changelog
	set   *rules.Set
	eval  *rules.Evaluator

	generation int32 // of the consumer group, 0 without one

	decoder *syscollector.Decoder
	in      rules.Input
	applied int64 // next offset
	now     int64 // stream time
	begun   bool  // a message was processed, now or before
	entry   []byte

	deliverers []*deliverer // while Run serves the partition
	position   atomic.Pointer[position]
	refusals   refusals
	swept      bool // rules and lists were compared with those seen last
}

func openWorker(ctx context.Context, p *Pipeline, id Partition, generation int32) (*worker, error) {
	w := &worker{p: p, id: id, generation: generation}
	if p.opts.Changelog != nil {
		if err := w.restore(ctx); err != nil {
			return nil, err
		}
	}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

// open brings the worker to the state's last commit.
func (w *worker) open() error {
	st, err := w.p.opts.Store.Partition(w.id.Topic, w.id.Number)
	if err != nil {
		return err
	}
	w.state = st
	if w.log == nil {
		if err := st.Detach(); err != nil {
			return errors.Join(err, st.Close())
		}
	}
	w.applied, w.now, w.begun = st.Applied()
	w.decoder = syscollector.NewDecoder(w.p.opts.Decoder)
	if head := st.Pending(); head != nil {
		w.decoder.Resume(head)
	}
	w.set = w.p.rules.Load()
	if w.eval, err = w.set.NewEvaluator(st.Memory(), st.Active()); err != nil {
		return errors.Join(fmt.Errorf("load rule memory: %w", err), st.Close())
	}
	w.in = rules.Input{Origin: rules.Origin{Topic: w.id.Topic, Partition: w.id.Number}, Inventory: st}
	w.swept = false
	w.readVolatile()
	w.publish()
	return nil
}

func (w *worker) close() error { return w.state.Close() }

// process runs the messages in batches, each one commit, and adds to res.
func (w *worker) process(ctx context.Context, msgs []connectors.Message, index []int, res *Result) error {
	for start := 0; start < len(msgs); {
		end, bytes := start, 0
		for end < len(msgs) && end-start < w.p.opts.BatchEvents && (end == start || bytes < w.p.opts.BatchBytes) {
			bytes += len(msgs[end].Value)
			end++
		}
		if err := w.renew(ctx, start, index, res); err != nil {
			return err
		}
		n, err := w.batches(ctx, msgs[start:end], start, index, res)
		if err != nil {
			return err
		}
		start += n
	}
	res.Applied[w.id] = w.applied
	return nil
}

// batches processes the messages as one batch, or, if the changelog does not
// take that much, the first half of them, and so on. It returns how many.
func (w *worker) batches(ctx context.Context, msgs []connectors.Message, start int, index []int, res *Result) (int, error) {
	b := batch{w: w, msgs: msgs}
	err := b.run(ctx)
	if errors.Is(err, ErrTooLarge) && len(msgs) > 1 {
		if err := w.reopen(); err != nil {
			return 0, fmt.Errorf("go back to the last commit: %w", err)
		}
		return w.batches(ctx, msgs[:len(msgs)/2], start, index, res)
	}
	if err != nil {
		return 0, err
	}
	res.add(&b.res, start, index)
	return len(msgs), nil
}

// reopen goes back to the last commit.
func (w *worker) reopen() error {
	lists, swept := w.in.Lists, w.swept
	if err := errors.Join(w.close(), w.open()); err != nil {
		return err
	}
	w.in.Lists, w.swept = lists, swept
	return nil
}

// add appends a batch's result, whose messages began at start of the group.
func (r *Result) add(b *Result, start int, index []int) {
	input := func(i int) int {
		if index == nil {
			return start + i
		}
		return index[start+i]
	}
	for _, i := range b.order {
		r.order = append(r.order, input(i))
	}
	for _, i := range b.letters {
		r.letters = append(r.letters, input(i))
	}
	r.Alerts = append(r.Alerts, b.Alerts...)
	r.DeadLetters = append(r.DeadLetters, b.DeadLetters...)
	r.Counts.Add(b.Counts)
	r.Committing += b.Committing
}

// batch is one commit in the making.
type batch struct {
	w    *worker
	msgs []connectors.Message
	res  Result
	bad  map[int]string // messages that made the code panic, by index
}

// run processes the batch and commits it. A message that makes the code panic
// becomes a dead letter: the batch starts over without it.
func (b *batch) run(ctx context.Context) error {
	w := b.w
	for {
		i, panicked, err := b.attempt(ctx)
		if err != nil {
			w.state.Discard()
			return err
		}
		if panicked == "" {
			break
		}
		if b.bad == nil {
			b.bad = make(map[int]string)
		}
		b.bad[i] = panicked
		if err := w.reopen(); err != nil {
			return fmt.Errorf("go back to the last commit after a panic: %w", err)
		}
	}
	w.p.metrics.count(&b.res)
	return nil
}

// attempt runs all messages and commits. If message i panics it returns the
// panic's text and nothing was committed.
func (b *batch) attempt(ctx context.Context) (i int, panicked string, err error) {
	defer func() {
		if r := recover(); r != nil {
			panicked = fmt.Sprintf("%v\n%s", r, firstFrames(debug.Stack()))
		}
	}()
	b.res = Result{}
	for i = range b.msgs {
		if err := b.w.message(&b.msgs[i], i, b); err != nil {
			return i, "", err
		}
	}
	return i, "", b.w.commit(ctx, b)
}

// firstFrames keeps of a stack what names the fault.
func firstFrames(stack []byte) string {
	lines := strings.SplitN(string(stack), "\n", 14)
	return strings.Join(lines[:len(lines)-1], "\n")
}

// message takes one message all the way, short of the commit.
func (w *worker) message(m *connectors.Message, i int, b *batch) error {
	b.res.Counts.Messages++
	if m.Offset < w.applied {
		b.res.Counts.Repeats++
		return nil
	}
	if err := w.event(m, i, b); err != nil {
		return err
	}
	w.applied, w.begun = m.Offset+1, true
	w.state.SetApplied(w.applied, w.now)
	return nil
}

// event decodes, applies, evaluates and enqueues.
func (w *worker) event(m *connectors.Message, i int, b *batch) error {
	if text, bad := b.bad[i]; bad {
		return w.deadLetter(m, i, b, "panic", text)
	}
	ev, err := w.decoder.Decode(m.Value, syscollector.Meta{Time: w.recordTime(m), Key: m.Key, AgentID: agentHeader(m)})
	if err != nil {
		var bad *syscollector.Error
		if !errors.As(err, &bad) {
			return err
		}
		if bad.Foreign() {
			b.res.Counts.Foreign++
			return nil
		}
		return w.deadLetter(m, i, b, bad.Reason, bad.Detail)
	}
	if ev == nil { // a header line: its message follows
		return nil
	}
	b.res.Counts.Events++
	before := w.now
	w.advance(ev, m, b)
	if err := w.expire(before, m, i, b); err != nil {
		return fmt.Errorf("forget silent agents at offset %d: %w", m.Offset, err)
	}
	if err := w.takeImport(ev, m, i, b); err != nil {
		return fmt.Errorf("offset %d: %w", m.Offset, err)
	}

	deltas, err := w.state.Apply(ev, w.now, m.Offset)
	if err != nil {
		return fmt.Errorf("apply offset %d: %w", m.Offset, err)
	}
	b.res.Counts.Rows += len(deltas)

	w.in.Event, w.in.Deltas, w.in.StreamTime = ev, deltas, w.now
	w.from(m)
	if w.p.opts.Explain != nil {
		w.in.Trace = w.p.opts.Explain(ev)
	}
	alerts, err := w.eval.Eval(&w.in)
	if err != nil {
		return fmt.Errorf("evaluate offset %d: %w", m.Offset, err)
	}
	if err := w.state.Put(deltas); err != nil {
		return fmt.Errorf("store the rows of offset %d: %w", m.Offset, err)
	}
	return w.enqueue(alerts, m, i, b)
}

// from makes a message the origin of what is evaluated next.
func (w *worker) from(m *connectors.Message) {
	w.in.Origin.Offset, w.in.Origin.Time = m.Offset, m.Time
	if m.Inferred { // a copy of a file gives the same ids
		w.in.Origin.Time = 0
	}
}

// recordTime returns when the record was made. A guess of the source counts for
// less than the stream's time so far.
func (w *worker) recordTime(m *connectors.Message) int64 {
	if m.Inferred && w.now > 0 {
		return w.now
	}
	return m.Time
}

// advance moves stream time on.
func (w *worker) advance(ev *syscollector.Event, m *connectors.Message, b *batch) {
	if m.Time > 0 && !m.Inferred && ev.Time > m.Time+maxSkew {
		ev.Time = m.Time
		b.res.Counts.Skewed++
	}
	if ev.Time > w.now {
		w.now = ev.Time
	}
}

// enqueue puts alerts into the outbox and the result.
func (w *worker) enqueue(alerts []rules.Alert, m *connectors.Message, i int, b *batch) error {
	for a := range alerts {
		b.res.Counts.Alerts++
		b.res.Alerts = append(b.res.Alerts, alerts[a])
		b.res.order = append(b.res.order, i)
		if err := w.enqueueAlert(&alerts[a], m.Offset); err != nil {
			return err
		}
	}
	return nil
}

// enqueueAlert puts an alert into the outbox, if anyone wants it.
func (w *worker) enqueueAlert(a *rules.Alert, offset int64) (err error) {
	if len(w.p.opts.Sinks) == 0 {
		return nil
	}
	w.entry = appendEntryHead(w.entry[:0], entryAlert, offset)
	if w.entry, err = a.AppendBinary(w.entry); err != nil {
		return fmt.Errorf("encode alert of rule %s: %w", a.Rule.ID, err)
	}
	w.state.Enqueue(w.entry)
	return nil
}

// deadLetter keeps the message with the reason: for the sink of dead letters
// if there is one, else in the store.
func (w *worker) deadLetter(m *connectors.Message, i int, b *batch, reason, detail string) error {
	letter := newDeadLetter(m, reason, detail)
	b.res.Counts.DeadLetters++
	b.res.DeadLetters = append(b.res.DeadLetters, letter)
	b.res.letters = append(b.res.letters, i)
	return w.keep(&letter)
}

// keep puts a dead letter where they are kept.
func (w *worker) keep(letter *DeadLetter) error {
	body, err := letter.encode()
	if err != nil {
		return err
	}
	if w.p.opts.deadLettersToSink() {
		w.state.Enqueue(append(appendEntryHead(nil, entryDeadLetter, letter.Offset), body...))
	} else {
		w.state.DeadLetter(body)
	}
	return nil
}

// commit makes the batch durable: rule memory, cursors, changelog, Pebble.
func (w *worker) commit(ctx context.Context, b *batch) error {
	w.state.SetPending(w.decoder.Pending())
	if err := w.eval.Flush(); err != nil {
		return fmt.Errorf("write rule memory: %w", err)
	}
	if err := w.saveCursors(); err != nil {
		return err
	}
	if err := w.append(ctx); err != nil {
		return err
	}
	began := w.p.opts.Clock()
	if err := w.state.Commit(false); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	b.res.Committing += w.p.opts.Clock().Sub(began)
	w.publish()
	w.decoder.Reset()
	return nil
}

// agentHeader returns the record's agent.id header.
func agentHeader(m *connectors.Message) string {
	for i := range m.Headers {
		if m.Headers[i].Key == "agent.id" {
			return string(m.Headers[i].Value)
		}
	}
	return ""
}
