package state_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// heldRun is a partition that holds back volatile changes for 30 s.
type heldRun struct {
	t      *testing.T
	fs     *vfs.MemFS
	s      *state.Store
	p      *state.Partition
	offset int64
}

func startHeld(t *testing.T, fs *vfs.MemFS) *heldRun {
	r := &heldRun{t: t, fs: fs}
	var err error
	r.s, err = state.Open("db", state.Options{FS: fs, VolatileInterval: 30 * time.Second})
	ok(t, err)
	r.p, err = r.s.Partition("events", 0)
	ok(t, err)
	r.p.ReadVolatile()
	r.offset, _, _ = r.p.Applied()
	return r
}

func (r *heldRun) stop() {
	ok(r.t, r.p.Close())
	ok(r.t, r.s.Close())
}

// report reports port 22 and commits. It returns how many rows the commit
// wrote.
func (r *heldRun) report(scan, queue int64, at time.Duration, state ...string) (written int) {
	r.t.Helper()
	ev := port("001", scan, 22, queue)
	for _, s := range state {
		ev.Rows[0].SetStr(columnOf(r.t, syscollector.Ports, "state"), s)
	}
	ds, err := r.p.Apply(ev, at.Milliseconds(), r.offset)
	ok(r.t, err)
	ok(r.t, r.p.Put(ds))
	r.offset++
	r.p.SetApplied(r.offset, at.Milliseconds())
	for key := range r.p.Changes() {
		if key[0] == 'r' {
			written++
		}
	}
	ok(r.t, r.p.Commit(true))
	return written
}

// queue returns what the partition and a view say of the port's queue.
func (r *heldRun) queue() (own, view int64) {
	r.t.Helper()
	column := columnOf(r.t, syscollector.Ports, "tx_queue")
	for _, row := range r.p.Rows("001", syscollector.Ports) {
		own = row.Int(column)
	}
	return own, viewedQueue(r.t, r.s)
}

func viewedQueue(t *testing.T, s *state.Store) (queue int64) {
	t.Helper()
	v := s.View()
	defer v.Close()
	for item, err := range v.Table(syscollector.Ports) {
		ok(t, err)
		queue = item.Row.Int(columnOf(t, syscollector.Ports, "tx_queue"))
		if one, err := v.Row(item.Agent, syscollector.Ports, item.Key); err != nil || one.Row.Int(columnOf(t, syscollector.Ports, "tx_queue")) != queue {
			t.Fatalf("the row alone is %v, %v", one, err)
		}
	}
	return queue
}

func (r *heldRun) wantQueue(want int64) {
	r.t.Helper()
	if own, view := r.queue(); own != want || view != want {
		r.t.Fatalf("the partition says %d, a view %d, want %d", own, view, want)
	}
}

func TestVolatileChangesAreWrittenOnceAnInterval(t *testing.T) {
	r := startHeld(t, vfs.NewMem())
	defer r.stop()
	if n := r.report(1, 1, 0); n != 1 {
		t.Fatalf("a new row: %d written", n)
	}
	if n := r.report(2, 2, time.Second); n != 1 {
		t.Fatalf("the first change of a row that its head says a scan reported: %d written, want 1", n)
	}
	for i := int64(3); i < 33; i++ { // 3 s to 32 s
		if n := r.report(i, i, time.Duration(i)*time.Second); n != 0 {
			t.Fatalf("%d s: %d written, want none yet", i, n)
		}
		r.wantQueue(i)
	}
	if n := r.report(33, 33, 33*time.Second); n != 1 {
		t.Fatalf("after the interval: %d written", n)
	}
	if n := r.report(34, 34, 34*time.Second); n != 0 {
		t.Fatalf("in the next interval: %d written", n)
	}
	r.wantQueue(34)
}

func TestARealChangeIsNeverHeldBack(t *testing.T) {
	r := startHeld(t, vfs.NewMem())
	defer r.stop()
	r.report(1, 1, 0)
	r.report(2, 2, 0)
	if n := r.report(3, 3, 0); n != 0 {
		t.Fatalf("%d written, want the row held", n)
	}
	if n := r.report(4, 4, 0, "listening"); n != 1 {
		t.Fatalf("a new state: %d written", n)
	}
	r.wantQueue(4)
	r.p.ReadVolatile(syscollector.Ports)
	if n := r.report(5, 5, 0, "listening"); n != 1 {
		t.Fatalf("a rule reads the columns: %d written", n)
	}
	r.wantQueue(5)
}

func TestAScanThatFoundVolatileChangesOnlyReportedTheRow(t *testing.T) {
	r := startHeld(t, vfs.NewMem())
	for scan := int64(1); scan < 4; scan++ {
		r.report(scan, scan, 0)
	}
	// Stopped in the middle of the scan: memory does not count any more.
	r.stop()
	r = startHeld(t, r.fs)
	defer r.stop()
	end := port("001", 3, 22, 0)
	end.Op, end.Rows = syscollector.OpScanEnd, nil
	ds, err := r.p.Apply(end, 0, r.offset)
	ok(t, err)
	if len(ds) != 0 {
		t.Fatalf("the scan's end removed %d rows", len(ds))
	}
}

func TestAStopAndASnapshotHaveWhatWasHeld(t *testing.T) {
	r := startHeld(t, vfs.NewCrashableMem())
	for i := int64(1); i < 5; i++ {
		r.report(i, i, 0)
	}
	_, err := r.s.Snapshot("snapshot", taken)
	ok(t, err)
	snapshot, err := state.Open("snapshot", state.Options{FS: r.fs, ReadOnly: true})
	ok(t, err)
	if got := viewedQueue(t, snapshot); got != 4 {
		t.Errorf("the snapshot has queue %d, want 4", got)
	}
	ok(t, snapshot.Close())
	crashed := r.fs.CrashClone(vfs.CrashCloneCfg{})

	r.stop()
	r = startHeld(t, r.fs)
	r.wantQueue(4)
	r.stop()

	r = startHeld(t, crashed)
	r.wantQueue(2) // as old as the last write
	r.report(9, 4, 0)
	r.wantQueue(4)
	r.stop()
}
