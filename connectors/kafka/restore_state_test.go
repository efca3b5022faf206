package kafka_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

var _ kafka.Replica = (*state.Replica)(nil)

func memoryStore(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// takeOver brings a store's partition up to date and opens it.
func takeOver(t *testing.T, c *kafka.Changelog, s *state.Store) (*kafka.Writer, *state.Partition) {
	t.Helper()
	r, err := s.Replica("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Open(within(t), "a", 0, 1, r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	p, err := s.Partition("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	return w, p
}

// process applies a random event as of an offset.
func process(t *testing.T, p *state.Partition, rng *rand.Rand, offset int64) {
	t.Helper()
	row := syscollector.Row{Table: syscollector.Packages}
	for _, f := range syscollector.Fields(syscollector.Packages) {
		switch f.Column {
		case "name":
			row.Values[f.Number].Str = fmt.Sprint("package-", rng.IntN(20))
		case "version":
			row.Values[f.Number].Str = fmt.Sprint(rng.IntN(3))
		default:
			continue
		}
		row.Present |= 1 << f.Number
	}
	ev := &syscollector.Event{
		Agent: syscollector.Agent{ID: fmt.Sprintf("%03d", rng.IntN(4))},
		Table: syscollector.Packages, Op: syscollector.OpReport, ScanID: offset / 30, Rows: []syscollector.Row{row},
	}
	if rng.IntN(20) == 0 {
		ev.Op, ev.Rows = syscollector.OpScanEnd, nil
	}
	ds, err := p.Apply(ev, offset, offset)
	if err == nil {
		err = p.Put(ds)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Enqueue(fmt.Append(nil, "alert of ", offset))
	p.TrimOutbox(uint64(max(0, offset-10)))
	p.SetApplied(offset+1, offset)
}

// TestStoresThatTakeTurnsEndAsOneThatDidItAlone moves a partition between
// stores while the log is compacted: at the end each holds, byte for byte, what
// a store that never lost the partition holds.
func TestStoresThatTakeTurnsEndAsOneThatDidItAlone(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	single := memoryStore(t)
	alone, err := single.Partition("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	stores := []*state.Store{memoryStore(t), memoryStore(t), memoryStore(t)}
	offset := int64(0)
	for turn := range 12 {
		w, p := takeOver(t, c, stores[turn%len(stores)])
		if next, _, _ := p.Applied(); next != offset {
			t.Fatalf("turn %d begins at offset %d, want %d", turn, next, offset)
		}
		for range 5 {
			for range 10 {
				seed := uint64(offset)
				process(t, p, rand.New(rand.NewPCG(seed, 7)), offset)
				process(t, alone, rand.New(rand.NewPCG(seed, 7)), offset)
				offset++
			}
			next, at, err := w.Append(within(t), p.Changes())
			if err != nil {
				t.Fatal(err)
			}
			p.SetPosition(next, at)
			if err := errors.Join(p.Commit(false), alone.Commit(false)); err != nil {
				t.Fatal(err)
			}
		}
		// The turn ends with a batch that was appended and not committed: it
		// comes back from the log.
		process(t, p, rand.New(rand.NewPCG(uint64(offset), 7)), offset)
		process(t, alone, rand.New(rand.NewPCG(uint64(offset), 7)), offset)
		offset++
		if _, _, err := w.Append(within(t), p.Changes()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(alone.Commit(false), p.Close()); err != nil {
			t.Fatal(err)
		}
		if turn%3 == 2 {
			b.Cluster().Compact()
		}
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	want := contents(t, single)
	if len(want) < 30 {
		t.Fatalf("only %d records", len(want))
	}
	for _, s := range append(stores, memoryStore(t)) {
		_, p := takeOver(t, c, s)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, contents(t, s)); d != "" {
			t.Error(d)
		}
	}
}

// contents returns what a store has of the partition.
func contents(t *testing.T, s *state.Store) map[string]string {
	t.Helper()
	r, err := s.Replica("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	err = r.All(func(key, value []byte) error {
		all[fmt.Sprintf("%q", key)] = fmt.Sprintf("%x", value)
		return nil
	})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}
