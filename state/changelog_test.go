package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// logRecord is a record of a changelog; a nil value deletes.
type logRecord struct{ key, value []byte }

func recordsOf(log []logRecord) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, r := range log {
			if !yield(r.key, r.value) {
				return
			}
		}
	}
}

// compacted keeps the last record of each key.
func compacted(log []logRecord) (kept []logRecord) {
	last := map[string]int{}
	for i, r := range log {
		last[string(r.key)] = i
	}
	for i, r := range log {
		if last[string(r.key)] == i {
			kept = append(kept, r)
		}
	}
	return kept
}

func dump(t *testing.T, s *state.Store) (all []string) {
	t.Helper()
	r, err := s.Replica("events", 0)
	ok(t, err)
	defer r.Close()
	ok(t, r.All(func(key, value []byte) error {
		all = append(all, fmt.Sprintf("%q=%x", key, value))
		return nil
	}))
	return all
}

// worker processes events as the pipeline does: what a commit writes goes into
// the log first.
type worker struct {
	s   *state.Store
	p   *state.Partition
	rng *rand.Rand
	log []logRecord
	n   int64
}

func openStore(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.OpenMemory(state.Options{History: 1e12})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func (w *worker) event(t *testing.T) string {
	t.Helper()
	agent := fmt.Sprintf("%03d", w.rng.IntN(3))
	ev := port(agent, 1+w.n/20, int64(w.rng.IntN(9)), int64(w.rng.IntN(2)))
	if w.rng.IntN(15) == 0 {
		ev.Op, ev.Rows = syscollector.OpScanEnd, nil
	}
	ds, err := w.p.Apply(ev, 1000*w.n, w.n)
	ok(t, err)
	var told []string
	for _, d := range ds {
		told = append(told, fmt.Sprintf("%v %x", d.Change, d.Key))
	}
	ok(t, w.p.Put(ds))
	key := []byte{byte(w.rng.IntN(5))}
	if w.rng.IntN(3) == 0 {
		ok(t, w.p.Memory().Delete(key))
	} else {
		ok(t, w.p.Memory().Set(key, fmt.Append(nil, w.n)))
	}
	if w.rng.IntN(4) == 0 {
		told = append(told, fmt.Sprint("alert ", w.p.Enqueue([]byte("alert"))))
	}
	if w.rng.IntN(9) == 0 {
		w.p.DeadLetter([]byte("letter"))
	}
	if last := w.p.LastEntry(); w.rng.IntN(9) == 0 && last > 0 {
		w.p.SetCursor("main", last)
		w.p.TrimOutbox(last)
	}
	w.n++
	w.p.SetApplied(w.n, 1000*w.n)
	return strings.Join(told, " ")
}

func (w *worker) commit(t *testing.T) {
	t.Helper()
	for key, value := range w.p.Changes() {
		w.log = append(w.log, logRecord{bytes.Clone(key), bytes.Clone(value)})
	}
	w.p.SetPosition(int64(len(w.log)), w.n)
	ok(t, w.p.Commit(false))
}

func TestARestoredPartitionIsTheOriginal(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := &worker{s: openStore(t), rng: rand.New(rand.NewPCG(seed, 3))}
			var err error
			w.p, err = w.s.Partition("events", 0)
			ok(t, err)
			for range 40 {
				for range 1 + w.rng.IntN(6) {
					w.event(t)
				}
				w.commit(t)
			}
			ok(t, w.p.Close())

			log := w.log
			if seed%2 == 0 {
				log = compacted(log)
			}
			s := openStore(t)
			r, err := s.Replica("events", 0)
			ok(t, err)
			for next := 0; next < len(log); {
				n := min(len(log)-next, 1+w.rng.IntN(50))
				ok(t, r.Apply(recordsOf(log[next:next+n]), int64(next+n), 0, next+n == len(log)))
				next += n
			}
			if !r.Applied() || !r.Complete() {
				t.Errorf("applied %v, complete %v", r.Applied(), r.Complete())
			}
			ok(t, r.Close())
			if d := cmp.Diff(dump(t, w.s), dump(t, s)); d != "" {
				t.Fatal(d)
			}

			// Both go on alike.
			w.p, err = w.s.Partition("events", 0)
			ok(t, err)
			heir := &worker{s: s, n: w.n}
			heir.p, err = s.Partition("events", 0)
			ok(t, err)
			if next, at, found := heir.p.Applied(); next != w.n || at != 1000*w.n || !found {
				t.Errorf("applied %d at %d", next, at)
			}
			w.rng, heir.rng = rand.New(rand.NewPCG(seed, 4)), rand.New(rand.NewPCG(seed, 4))
			for range 60 {
				if d := cmp.Diff(w.event(t), heir.event(t)); d != "" {
					t.Fatalf("event %d: %s", w.n, d)
				}
			}
			ok(t, w.p.Commit(false))
			ok(t, heir.p.Commit(false))
			ok(t, w.p.Close())
			ok(t, heir.p.Close())
			if d := cmp.Diff(dump(t, w.s), dump(t, s)); d != "" {
				t.Fatal(d)
			}
		})
	}
}

// A crash never leaves a position that is ahead of, or behind, the rows that
// came with it.
func TestThePositionIsThatOfItsBatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	fs := vfs.NewCrashableMem()
	written, lost := int64(0), int64(0)
	for round := range 30 {
		s, err := state.Open("db", state.Options{FS: fs})
		ok(t, err)
		r, err := s.Replica("events", 0)
		ok(t, err)
		position, _, _ := r.Position()
		ok(t, r.Close())
		p, err := s.Partition("events", 0)
		ok(t, err)
		next, _, _ := p.Applied()
		if position != 2*next {
			t.Fatalf("round %d: position %d with applied offset %d", round, position, next)
		}
		lost += written - next
		for written = next; written < next+20; {
			ds, err := p.Apply(port("001", 1, written%50, written), written, written)
			ok(t, err)
			ok(t, p.Put(ds))
			written++
			p.SetApplied(written, written)
			p.SetPosition(2*written, written)
			ok(t, p.Commit(rng.IntN(20) == 0))
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
		ok(t, errors.Join(p.Close(), s.Close()))
		fs = crashed
	}
	if lost == 0 {
		t.Fatal("nothing was ever at stake")
	}
}

func TestChangesDoNotYieldThePosition(t *testing.T) {
	_, p := openMemory(t)
	p.SetApplied(1, 1)
	p.SetPosition(5, 1)
	ok(t, p.Commit(false))
	p.Enqueue([]byte("alert"))
	p.SetApplied(2, 2)
	var keys []string
	for key := range p.Changes() {
		keys = append(keys, string(key))
	}
	if d := cmp.Diff([]string{"oe\x00\x00\x00\x00\x00\x00\x00\x01", "\x00applied"}, keys); d != "" {
		t.Error(d)
	}
}

func TestDetaching(t *testing.T) {
	s := openStore(t)
	with := func(f func(r *state.Replica)) {
		t.Helper()
		r, err := s.Replica("events", 0)
		ok(t, err)
		f(r)
		ok(t, r.Close())
	}
	detach := func() error {
		t.Helper()
		p, err := s.Partition("events", 0)
		ok(t, err)
		defer p.Close()
		return errors.Join(p.Detach(), p.Commit(false))
	}
	ok(t, detach()) // nothing to detach
	with(func(r *state.Replica) { ok(t, r.Apply(recordsOf(nil), 9, 99, false)) })
	if err := detach(); !errors.Is(err, state.ErrIncomplete) {
		t.Errorf("a copy that is not whole: %v", err)
	}
	with(func(r *state.Replica) {
		if next, at, known := r.Position(); next != 9 || at != 99 || !known || r.Complete() {
			t.Errorf("position %d at %d, %v, complete %v", next, at, known, r.Complete())
		}
		ok(t, r.Apply(recordsOf(nil), 10, 100, true))
	})
	ok(t, detach())
	with(func(r *state.Replica) {
		if _, _, known := r.Position(); known || !r.Complete() {
			t.Error("the position is still there")
		}
	})
}

func TestKeysThatCannotBeInAChangelogAreRefused(t *testing.T) {
	s := openStore(t)
	r, err := s.Replica("events", 0)
	ok(t, err)
	defer r.Close()
	good := logRecord{[]byte("mkey"), []byte("v")}
	for _, key := range []string{"", "hhistory", "Zunknown", "\x00position", "\x00claim", "\x00"} {
		err := r.Apply(recordsOf([]logRecord{good, {[]byte(key), []byte("x")}}), 5, 5, true)
		if err == nil || !strings.Contains(err.Error(), "does not know") {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if _, _, known := r.Position(); known {
		t.Error("a refused batch moved the position")
	}
	ok(t, r.All(func(key, _ []byte) error { return fmt.Errorf("a refused batch left %q", key) }))
}

func TestWipingLeavesOtherPartitionsAlone(t *testing.T) {
	s := openStore(t)
	for number := range int32(3) {
		p, err := s.Partition("events", number)
		ok(t, err)
		ds, err := p.Apply(port("001", 1, 22, 0), 1, 1)
		ok(t, err)
		ok(t, p.Put(ds))
		p.SetApplied(1, 1)
		p.SetPosition(1, 1)
		ok(t, p.Commit(false))
		if _, err := s.Replica("events", number); err == nil {
			t.Error("a partition has two owners")
		}
		ok(t, p.Close())
	}
	r, err := s.Replica("events", 1)
	ok(t, err)
	if _, err := s.Partition("events", 1); err == nil {
		t.Error("a partition has two owners")
	}
	ok(t, r.Wipe())
	if _, _, known := r.Position(); known || r.Applied() {
		t.Error("something is left")
	}
	ok(t, r.All(func(key, _ []byte) error { return fmt.Errorf("left: %q", key) }))
	ok(t, r.Close())
	v := s.View()
	defer v.Close()
	var left []int32
	for a, err := range v.Agents() {
		ok(t, err)
		left = append(left, a.Partition)
	}
	if !slices.Equal(left, []int32{0, 2}) {
		t.Errorf("partitions with agents: %v", left)
	}
}
