package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"invigil/pipeline/syscollector"
)

// WaitingImport is what imports hold for an agent that no event has named yet.
type WaitingImport struct {
	Agent syscollector.Agent // id; name, ip and groups if an import gave them
	Known []syscollector.Table
	Rows  []syscollector.Row
}

// waiting is who has imports waiting, and which partition took them up: a
// record is for the first partition that asks.
type waiting struct {
	mu     sync.Mutex
	agents map[waitingKey]uint32 // ref of the partition that has it, 0 = none yet
}

// waitingKey is an agent of a topic, "" = of any.
type waitingKey struct{ agent, topic string }

// A waiting agent's record, format 1: name, ip, groups (as in an agent's
// record), mask of the tables that are completely known (uvarint). Its table
// byte is 0; the rows follow it, their values as in a partition.
const waitingFormat = 1

func (k waitingKey) prefix() []byte {
	return appendString(appendString(storeKey(storeWaiting), k.agent), k.topic)
}

func (k waitingKey) record() []byte { return append(k.prefix(), byte(syscollector.NoTable)) }

// loadWaiting reads who has imports waiting: one seek an agent.
func (s *Store) loadWaiting() error {
	s.waiting.agents = make(map[waitingKey]uint32)
	prefix := storeKey(storeWaiting)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok; {
		agent, rest, err := cutString(string(it.Key()[len(prefix):]))
		topic := ""
		if err == nil {
			topic, _, err = cutString(rest)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("waiting import: %w", err), it.Close())
		}
		k := waitingKey{strings.Clone(agent), strings.Clone(topic)}
		s.waiting.agents[k] = 0
		ok = it.SeekGE(upperBound(nil, k.prefix()))
	}
	return errors.Join(it.Error(), it.Close())
}

// KeepImport keeps, for an agent that no event has named yet, what an import
// has of it: rows are added to those that wait, by key. topic restricts it to
// the agent of that topic; "" takes the first that appears. Sync makes it
// durable.
func (s *Store) KeepImport(topic string, in *WaitingImport) error {
	k := waitingKey{strings.Clone(in.Agent.ID), strings.Clone(topic)}
	s.waiting.mu.Lock()
	defer s.waiting.mu.Unlock()
	had, known, err := s.waitingRecord(k)
	if err != nil {
		return err
	}
	had.take(&in.Agent)
	for _, t := range in.Known {
		known |= 1 << t
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.Set(k.record(), had.append(known), nil); err != nil {
		return err
	}
	for i := range in.Rows {
		row := &in.Rows[i]
		l := &s.layouts[row.Table]
		key := l.appendItem(append(k.prefix(), byte(row.Table)), row, false)
		h := head{time: []byte(row.ScanTime)}
		value := appendRow(nil, &h, l.appendSection(nil, row, l.fixedMask(false)), l.appendSection(nil, row, l.volatile))
		if err := b.Set(key, value, nil); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("keep import of agent %s: %w", k.agent, err)
	}
	s.waiting.agents[k] = 0
	return nil
}

// DropImport removes what waits for an agent of a topic, or of any topic for
// "", and reports whether anything did.
func (s *Store) DropImport(topic, agent string) (found bool, err error) {
	s.waiting.mu.Lock()
	defer s.waiting.mu.Unlock()
	for k := range s.waiting.agents {
		if k.agent != agent || topic != "" && k.topic != "" && k.topic != topic {
			continue
		}
		prefix := k.prefix()
		if err := s.db.DeleteRange(prefix, upperBound(nil, prefix), pebble.Sync); err != nil {
			return found, fmt.Errorf("drop import of agent %s: %w", agent, err)
		}
		delete(s.waiting.agents, k)
		found = true
	}
	return found, nil
}

// Waiting returns the agents of the partition for which imports wait that no
// other partition took, by id.
func (p *Partition) Waiting() []string {
	w := &p.store.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	var ids []string
	for k, by := range w.agents {
		if p.agents[k.agent] != nil && (k.topic == "" || k.topic == p.topic) && (by == 0 || by == p.ref) {
			ids = append(ids, k.agent)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// TakeImport returns what waits for an agent, nil if nothing does, and removes
// it with the batch. What was taken once is not given to another partition.
func (p *Partition) TakeImport(agent string) (*WaitingImport, error) {
	w := &p.store.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	var in *WaitingImport
	for _, topic := range slices.Compact([]string{"", p.topic}) {
		k := waitingKey{agent, topic}
		if by, ok := w.agents[k]; !ok || by != 0 && by != p.ref {
			continue
		}
		prefix := k.prefix()
		if slices.ContainsFunc(p.trims, func(t trim) bool { return string(t.from) == string(prefix) }) {
			continue // taken in this batch, forgotten, and here again
		}
		w.agents[waitingKey{strings.Clone(agent), topic}] = p.ref
		if in == nil {
			in = &WaitingImport{Agent: syscollector.Agent{ID: agent}}
		}
		if err := p.store.readImport(k, in); err != nil {
			return nil, fmt.Errorf("waiting import of agent %s: %w", agent, err)
		}
		p.trims = append(p.trims, trim{from: prefix, to: upperBound(nil, prefix)})
	}
	if in != nil && len(in.Known) == 0 && len(in.Rows) == 0 && in.Agent.Name == "" && in.Agent.Groups == nil {
		return nil, nil // taken by an earlier batch
	}
	return in, nil
}

// readImport adds what waits under a key.
func (s *Store) readImport(k waitingKey, in *WaitingImport) error {
	agent, known, err := s.waitingRecord(k)
	if err != nil {
		return err
	}
	had := (*waitingAgent)(&in.Agent)
	had.take((*syscollector.Agent)(agent))
	for t := syscollector.NoTable + 1; t < syscollector.NumTables; t++ {
		if known&(1<<t) != 0 {
			in.Known = append(in.Known, t)
		}
	}
	prefix := k.prefix()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return err
	}
	var bad error
	for ok := it.First(); ok && bad == nil; ok = it.Next() {
		item := string(it.Key()[len(prefix):])
		t := syscollector.Table(item[0])
		if t == syscollector.NoTable {
			continue
		}
		if t >= syscollector.NumTables {
			bad = errKey
			break
		}
		var row syscollector.Row
		var h head
		if h, bad = s.layouts[t].decodeRow(&row, item[1:], it.Value()); bad == nil {
			row.ScanTime = string(h.time)
			in.Rows = append(in.Rows, row)
		}
	}
	return errors.Join(bad, it.Error(), it.Close())
}

// waitingAgent is what an import says of an agent itself.
type waitingAgent syscollector.Agent

// take takes over what another import said.
func (a *waitingAgent) take(b *syscollector.Agent) {
	if b.Name != "" {
		a.Name = strings.Clone(b.Name)
	}
	if b.IP != "" {
		a.IP = strings.Clone(b.IP)
	}
	if b.Groups != nil {
		a.Groups = cloneStrings(b.Groups)
	}
}

func (a *waitingAgent) append(known uint64) []byte {
	b := appendText(appendText([]byte{waitingFormat}, a.Name), a.IP)
	b = binary.AppendUvarint(b, uint64(len(a.Groups)))
	for _, g := range a.Groups {
		b = appendText(b, g)
	}
	return binary.AppendUvarint(b, known)
}

// waitingRecord reads the record under a key, an empty one if there is none.
func (s *Store) waitingRecord(k waitingKey) (*waitingAgent, uint64, error) {
	a := &waitingAgent{ID: k.agent}
	value, closer, err := s.db.Get(k.record())
	if errors.Is(err, pebble.ErrNotFound) {
		return a, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer closer.Close()
	if len(value) == 0 || value[0] != waitingFormat {
		return nil, 0, errors.New("record is damaged or of another version")
	}
	c := cursor{rest: value[1:]}
	a.Name, a.IP = c.text(), c.text()
	if n := c.count(); n > 0 {
		a.Groups = make([]string, n)
		for i := range a.Groups {
			a.Groups[i] = c.text()
		}
	}
	known := c.uvarint()
	if c.bad {
		return nil, 0, errors.New("record is damaged")
	}
	return a, known, nil
}
