package pipeline

import (
	"context"
	"errors"
	"iter"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// CheckOptions configure Check. All but Topic and Progress are required.
type CheckOptions struct {
	View  *state.View
	Rules *rules.Set
	Lists rules.Lists
	Topic string // "" = all
	// Alert takes each alert. It may be kept.
	Alert func(*rules.Alert) error
	// Progress, if set, is told how many agents of how many are done.
	Progress func(done, all int)
}

// checkRows is how many rows are shown to the rules at once.
const checkRows = 500

// Check shows the stored inventory to rules as a sweep after a reload does, as
// if all of them were new, and writes nothing. Rules of the wazuh dialect and
// those with alert: every look at events only. It returns how many rows it
// showed.
func Check(ctx context.Context, o CheckOptions) (rows int, err error) {
	// Memory of rules is as long as the check: in a store that is never
	// committed to.
	scratch, err := state.OpenMemory(state.Options{CacheBytes: 1 << 20})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, scratch.Close()) }()
	partitions, err := o.View.Partitions()
	if err != nil {
		return 0, err
	}
	all := 0
	for a, err := range o.View.Agents() {
		if err != nil {
			return 0, err
		}
		if o.Topic == "" || a.Topic == o.Topic {
			all++
		}
	}
	done := 0
	for i := range partitions {
		p := &partitions[i]
		if o.Topic != "" && p.Topic != o.Topic {
			continue
		}
		memory, err := scratch.Partition(p.Topic, p.Number)
		if err != nil {
			return rows, err
		}
		c := checker{o: &o}
		c.in = rules.Input{
			Origin: rules.Origin{Topic: p.Topic, Partition: p.Number}, StreamTime: p.StreamTime,
			Lists: o.Lists, Inventory: &c,
		}
		if c.eval, err = o.Rules.NewEvaluator(memory.Memory(), noMemory{}); err != nil {
			return rows, errors.Join(err, memory.Close())
		}
		for a, err := range o.View.PartitionAgents(p) {
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				err = c.check(a)
			}
			if err != nil {
				return rows + c.rows, errors.Join(err, memory.Close())
			}
			if done++; o.Progress != nil {
				o.Progress(done, all)
			}
		}
		rows += c.rows
		if err := memory.Close(); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// checker shows one partition's agents to the rules.
type checker struct {
	o     *CheckOptions
	eval  *rules.Evaluator
	in    rules.Input
	agent *state.AgentInfo
	batch []syscollector.Delta
	kept  []syscollector.Row
	keys  [][]byte
	rows  int
	err   error // of an inventory that a rule read
}

// check shows an agent's rows.
func (c *checker) check(a *state.AgentInfo) error {
	c.agent = a
	if c.kept == nil {
		c.kept, c.keys = make([]syscollector.Row, checkRows), make([][]byte, checkRows)
	}
	for _, t := range syscollector.Tables() {
		for item, err := range c.o.View.Rows(a, t) {
			if err != nil {
				return err
			}
			if item.Continued {
				continue
			}
			n := len(c.batch)
			c.kept[n] = *item.Row
			c.keys[n] = append(c.keys[n][:0], item.Key...)
			row := &c.kept[n]
			c.batch = append(c.batch, syscollector.Delta{Agent: a.ID, Table: t, Before: row, After: row, Key: c.keys[n]})
			if len(c.batch) == checkRows {
				if err := c.show(); err != nil {
					return err
				}
			}
		}
	}
	return c.show()
}

// show evaluates the rules over the rows in hand.
func (c *checker) show() error {
	if len(c.batch) == 0 {
		return nil
	}
	ev := syscollector.Event{Agent: agentOf(c.agent), Time: c.in.StreamTime}
	c.in.Event, c.in.Deltas = &ev, c.batch
	alerts, err := c.eval.Eval(&c.in)
	if err := errors.Join(err, c.err); err != nil {
		return err
	}
	c.rows += len(c.batch)
	c.batch = c.batch[:0]
	for i := range alerts {
		if err := c.o.Alert(&alerts[i]); err != nil {
			return err
		}
	}
	return nil
}

// Rows implements rules.Inventory over the view.
func (c *checker) Rows(_ string, t syscollector.Table) iter.Seq2[[]byte, *syscollector.Row] {
	return func(yield func([]byte, *syscollector.Row) bool) {
		for item, err := range c.o.View.Rows(c.agent, t) {
			if err != nil {
				c.err = err
				return
			}
			if !yield(item.Key, item.Row) {
				return
			}
		}
	}
}

// Known implements rules.Inventory.
func (c *checker) Known(_ string, t syscollector.Table) bool { return c.agent.Known(t) }

// noMemory is an index of active onsets of a check, which meets each item once.
type noMemory struct{}

func (noMemory) Get([]byte) ([]byte, bool, error) { return nil, false, nil }
func (noMemory) Set(_, _ []byte) error            { return nil }
func (noMemory) Delete([]byte) error              { return nil }
func (noMemory) Scan([]byte) iter.Seq2[[]byte, []byte] {
	return func(func(key, value []byte) bool) {}
}
