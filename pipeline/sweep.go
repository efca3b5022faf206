package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// sweepRows is how many stored rows a commit of a sweep shows the rules.
const sweepRows = 2000

// sweepKey is where a partition keeps its progress.
var sweepKey = []byte("sweep")

// progress is what a partition remembers of the rules and lists that its stored
// inventory was last shown to. It is committed with the batch, so a sweep goes
// on after a restart where it was.
type progress struct {
	Number int64             `json:"number"` // of the last sweep begun
	Rules  []uint64          `json:"rules"`  // fingerprints of the onset rules, sorted
	Lists  map[string]uint64 `json:"lists"`  // fingerprints of the lists they read
	Open   bool              `json:"open"`   // the sweep is not through yet
	Cursor []byte            `json:"cursor,omitempty"`
}

// renew takes reloaded rules and lists, ends the onsets of rules that are gone,
// and shows the stored inventory to what is new. It does nothing when nothing
// changed. What it raises goes to res, before the message at index i.
func (w *worker) renew(ctx context.Context, i int, index []int, res *Result) error {
	set, lists := w.p.rules.Load(), w.p.opts.Store.Lists().View()
	if set == w.set && lists == w.in.Lists && w.swept {
		return nil
	}
	if set != w.set {
		if err := w.eval.Swap(set); err != nil {
			return fmt.Errorf("take the reloaded rules: %w", err)
		}
		w.set = set
		w.readVolatile()
	}
	w.in.Lists, w.swept = lists, true
	b := batch{w: w}
	if err := w.sweep(ctx, &b); err != nil {
		w.state.Discard()
		return fmt.Errorf("show the stored inventory to the rules: %w", err)
	}
	w.p.metrics.count(&b.res)
	b.res.order = make([]int, len(b.res.Alerts))
	res.add(&b.res, i, index)
	return nil
}

// readVolatile tells the state which tables' volatile columns rules read.
func (w *worker) readVolatile() {
	var tables []syscollector.Table
	for t := syscollector.NoTable + 1; t < syscollector.NumTables; t++ {
		if w.set.ReadsVolatile(t) {
			tables = append(tables, t)
		}
	}
	w.state.ReadVolatile(tables...)
}

// sweep compares rules and lists with those seen last and does what follows.
func (w *worker) sweep(ctx context.Context, b *batch) error {
	if err := w.takeWaiting(ctx, b); err != nil {
		return err
	}
	had, err := readProgress(w.state)
	if err != nil {
		return err
	}
	now := progress{Number: had.Number, Lists: make(map[string]uint64)}
	begin, gone := had.Open, false
	for _, o := range w.set.Onsets() {
		now.Rules = append(now.Rules, o.Fingerprint)
		if !slices.Contains(had.Rules, o.Fingerprint) {
			begin = true
		}
		for _, name := range o.Lists {
			now.Lists[name] = w.in.Lists.Fingerprint(name)
			if before, ok := had.Lists[name]; !ok || before != now.Lists[name] {
				begin = true
			}
		}
	}
	now.Rules = append(now.Rules, w.set.TunedOnsets()...)
	slices.Sort(now.Rules)
	for _, f := range had.Rules {
		if _, kept := slices.BinarySearch(now.Rules, f); !kept {
			gone = true
		}
	}
	if !begin && !gone {
		return nil
	}
	if same := slices.Equal(now.Rules, had.Rules) && maps.Equal(now.Lists, had.Lists); same && had.Open {
		now.Cursor = had.Cursor // the sweep that a stop interrupted
	} else if begin {
		now.Number++
	}
	w.in.Event, w.in.Deltas, w.in.StreamTime = nil, nil, w.now
	w.in.Origin.Offset, w.in.Origin.Time = now.Number, 0
	alerts, err := w.eval.Retire(&w.in)
	if err != nil {
		return fmt.Errorf("end the onsets of removed rules: %w", err)
	}
	if err := w.raise(alerts, b); err != nil {
		return err
	}
	for begin {
		now.Open = true
		if now.Cursor, err = w.show(now.Cursor, b); err != nil {
			return err
		}
		if now.Cursor == nil {
			break
		}
		if err := w.saveProgress(ctx, now, b); err != nil {
			return err
		}
	}
	now.Open = false
	return w.saveProgress(ctx, now, b)
}

// show evaluates the rules over some stored rows, and returns where to go on.
func (w *worker) show(cursor []byte, b *batch) (next []byte, err error) {
	deltas, next, err := w.state.Visit(cursor, sweepRows)
	if err != nil || len(deltas) == 0 {
		return nil, err
	}
	ev := syscollector.Event{Time: w.now}
	if a, ok := w.state.Agent(deltas[0].Agent); ok {
		ev.Agent = agentOf(&a)
	}
	w.in.Event, w.in.Deltas = &ev, deltas
	alerts, err := w.eval.Eval(&w.in)
	if err != nil {
		return nil, err
	}
	if err := w.state.Put(deltas); err != nil {
		return nil, err
	}
	return next, w.raise(alerts, b)
}

// raise enqueues alerts that no message caused.
func (w *worker) raise(alerts []rules.Alert, b *batch) error {
	for i := range alerts {
		b.res.Counts.Alerts++
		b.res.Alerts = append(b.res.Alerts, alerts[i])
		if err := w.enqueueAlert(&alerts[i], max(w.applied-1, 0)); err != nil {
			return err
		}
	}
	return nil
}

// saveProgress commits the sweep so far.
func (w *worker) saveProgress(ctx context.Context, p progress, b *batch) error {
	if err := p.write(w.state); err != nil {
		return err
	}
	if !w.begun { // goes with the first message: before it there is no state
		return nil
	}
	return w.commit(ctx, b)
}

// agentOf gives an agent's record the form that an event has it in.
func agentOf(a *state.AgentInfo) syscollector.Agent {
	return syscollector.Agent{ID: a.ID, Name: a.Name, IP: a.IP, Groups: a.Groups, Labels: a.Labels}
}
