package pipeline

import (
	"context"
	"encoding/json"
	"fmt"

	"invigil/connectors"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// This file takes imported inventory into a partition. Rules do not see the
// rows come: a sweep shows them what is stored afterwards.

// applyImport puts what was imported of an agent into the batch.
func applyImport(p *state.Partition, in *state.WaitingImport, streamTime, offset int64) error {
	ev := syscollector.Event{Agent: in.Agent, Time: streamTime, Family: syscollector.FamilySync}
	if _, err := p.Apply(&ev, streamTime, offset); err != nil {
		return err
	}
	ev.Op = syscollector.OpState
	for i := range in.Rows {
		ev.Table, ev.ScanTime, ev.Rows = in.Rows[i].Table, in.Rows[i].ScanTime, in.Rows[i:i+1]
		deltas, err := p.Apply(&ev, streamTime, offset)
		if err != nil {
			return err
		}
		if err := rules.MoveOnsets(p.Active(), deltas); err != nil {
			return err
		}
	}
	for _, t := range in.Known {
		p.SetKnown(in.Agent.ID, t)
	}
	return nil
}

// askSweep puts into the batch that the partition's stored inventory is to be
// shown to the rules.
func askSweep(p *state.Partition) error {
	had, err := readProgress(p)
	if err != nil {
		return err
	}
	had.Number++
	had.Open, had.Cursor = true, nil
	return had.write(p)
}

func readProgress(p *state.Partition) (had progress, err error) {
	value, ok, err := p.Progress().Get(sweepKey)
	if err != nil || !ok {
		return had, err
	}
	if err := json.Unmarshal(value, &had); err != nil {
		return had, fmt.Errorf("the record of the last sweep is damaged: %w", err)
	}
	return had, nil
}

func (had progress) write(p *state.Partition) error {
	value, err := json.Marshal(had)
	if err != nil {
		return err
	}
	return p.Progress().Set(sweepKey, value)
}

// takeImport takes up what waits for the agent of an event that is its first,
// and shows it to the rules at once, before the event.
func (w *worker) takeImport(ev *syscollector.Event, m *connectors.Message, i int, b *batch) error {
	if w.state.Seen(ev.Agent.ID) {
		return nil
	}
	in, err := w.state.TakeImport(ev.Agent.ID)
	if err != nil || in == nil {
		return err
	}
	// The event knows better.
	agent := ev.Agent
	if agent.Name == "" {
		agent.Name = in.Agent.Name
	}
	if agent.IP == "" {
		agent.IP = in.Agent.IP
	}
	if agent.Groups == nil {
		agent.Groups = in.Agent.Groups
	}
	in.Agent = agent
	if err := applyImport(w.state, in, w.now, m.Offset); err != nil {
		return fmt.Errorf("take up the import of agent %s: %w", agent.ID, err)
	}
	shown := syscollector.Event{Agent: agent, Time: w.now}
	w.in.Event, w.in.StreamTime, w.in.Trace = &shown, w.now, nil
	w.from(m)
	for cursor := []byte(nil); ; {
		deltas, next, err := w.state.VisitAgent(agent.ID, cursor, sweepRows)
		if err != nil {
			return err
		}
		if len(deltas) == 0 {
			return nil
		}
		w.in.Deltas = deltas
		alerts, err := w.eval.Eval(&w.in)
		if err != nil {
			return fmt.Errorf("show the import of agent %s to the rules: %w", agent.ID, err)
		}
		if err := w.state.Put(deltas); err != nil {
			return err
		}
		if err := w.enqueue(alerts, m, i, b); err != nil {
			return err
		}
		if next == nil {
			return nil
		}
		cursor = next
	}
}

// takeWaiting takes up what waits for agents that the partition knows, and asks
// for a sweep: imports into a partition that only its own worker may write.
func (w *worker) takeWaiting(ctx context.Context, b *batch) error {
	for _, id := range w.state.Waiting() {
		in, err := w.state.TakeImport(id)
		if err != nil {
			return err
		}
		if in == nil {
			continue
		}
		if err := applyImport(w.state, in, w.now, max(w.applied-1, 0)); err != nil {
			return fmt.Errorf("take up the import of agent %s: %w", id, err)
		}
		if err := askSweep(w.state); err != nil {
			return err
		}
		if err := w.commit(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
