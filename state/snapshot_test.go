package state_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// fill commits n batches of two rows, offset i with the i-th.
func fill(t *testing.T, p *state.Partition, from, to int64) {
	t.Helper()
	for i := from; i < to; i++ {
		row := func(port int64) syscollector.Row {
			r := parseRow(t, syscollector.Ports, "protocol=tcp")
			f := r.Table.Column(columnOf(t, r.Table, "local_port"))
			r.SetInt(f.Number, port)
			return r
		}
		ev := syscollector.Event{Agent: syscollector.Agent{ID: "001"}, Family: syscollector.FamilyDelta, Op: syscollector.OpInsert,
			Rows: []syscollector.Row{row(2*i + 1), row(2*i + 2)}}
		_, err := p.Apply(&ev, 1000*i, i)
		noError(t, err)
		p.SetApplied(i+1, 1000*i)
		noError(t, p.Commit(false))
	}
}

func columnOf(t *testing.T, table syscollector.Table, column string) uint8 {
	t.Helper()
	for _, f := range syscollector.Fields(table) {
		if f.Column == column {
			return f.Number
		}
	}
	t.Fatalf("no column %s", column)
	return 0
}

var taken = time.Date(2024, 6, 14, 16, 0, 0, 0, time.UTC)

func TestASnapshotTakenUnderLoadIsOneCommit(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, state.Options{})
	p := own(t, s, "t", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fill(t, p, 0, 400)
	}()
	for _, dir := range []string{"snap1", "snap2", "snap3"} {
		m, err := s.Snapshot(dir, taken)
		noError(t, err)
		for _, part := range m.Partitions {
			if int64(part.Rows) != 2*part.Next {
				t.Errorf("%s: %d rows at offset %d", dir, part.Rows, part.Next)
			}
		}
		_, err = state.VerifySnapshot(dir, state.Options{FS: fs})
		noError(t, err)
	}
	<-done
	noError(t, p.Close())
	noError(t, s.Close())

	o, err := state.Open("snap3", state.Options{FS: fs, ReadOnly: true})
	noError(t, err)
	v := o.View()
	counts, err := v.Counts()
	noError(t, err)
	m, err := state.ReadManifest("snap3", state.Options{FS: fs})
	noError(t, err)
	if counts[syscollector.Ports] != m.Rows["ports"] {
		t.Errorf("%d rows, the manifest says %d", counts[syscollector.Ports], m.Rows["ports"])
	}
	noError(t, v.Close())
	noError(t, o.Close())
}

func TestARestoredSnapshotGoesOnAtItsOffset(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, state.Options{})
	p := own(t, s, "t", 0)
	fill(t, p, 0, 3)
	_, err := s.Snapshot("snaps/a", taken)
	noError(t, err)
	fill(t, p, 3, 5)
	noError(t, p.Close())
	noError(t, s.Close())

	noError(t, fs.MkdirAll("back", 0o755))
	m, err := state.RestoreSnapshot("snaps/a", "back", state.Options{FS: fs})
	noError(t, err)
	if !m.Time.Equal(taken) || len(m.Partitions) != 1 || m.Partitions[0].Agents != 1 {
		t.Errorf("manifest %+v", m)
	}
	s, err = state.Open("back", state.Options{FS: fs})
	noError(t, err)
	p = own(t, s, "t", 0)
	if next, at, ok := p.Applied(); next != 3 || at != 2000 || !ok {
		t.Errorf("goes on at %d, %d, %v", next, at, ok)
	}
	fill(t, p, 3, 4)
	noError(t, p.Close())
	noError(t, s.Close())
	_, err = state.VerifySnapshot("snaps/a", state.Options{FS: fs})
	noError(t, err)
}

func TestWhatIsWrongWithASnapshotIsSaid(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, state.Options{})
	p := own(t, s, "t", 0)
	fill(t, p, 0, 3)
	_, err := s.Snapshot("snap", taken)
	noError(t, err)
	o := state.Options{FS: fs}
	if _, err := s.Snapshot("snap", taken); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a second snapshot in the directory: %v", err)
	}
	noError(t, p.Close())
	noError(t, s.Close())

	wants := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	_, err = state.Open("snap", o)
	if !errors.Is(err, state.ErrSnapshot) {
		t.Errorf("a snapshot was opened for writing: %v", err)
	}
	_, err = state.RestoreSnapshot("snap", "db", o)
	wants(err, "not empty")
	_, err = state.VerifySnapshot("db", o)
	wants(err, "no snapshot")

	damage := func(change func(f vfs.File, size int64)) {
		t.Helper()
		names, err := fs.List("snap")
		noError(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, ".log") || strings.HasSuffix(name, ".sst") {
				f, err := fs.OpenReadWrite("snap/"+name, vfs.WriteCategoryUnspecified)
				noError(t, err)
				info, err := f.Stat()
				noError(t, err)
				if info.Size() > 0 {
					change(f, info.Size())
				}
				noError(t, f.Close())
				if info.Size() > 0 {
					return
				}
			}
		}
	}
	old := make([]byte, 1)
	damage(func(f vfs.File, size int64) {
		_, err := f.ReadAt(old, size/2)
		noError(t, err)
		_, err = f.WriteAt([]byte{old[0] ^ 1}, size/2)
		noError(t, err)
	})
	_, err = state.VerifySnapshot("snap", o)
	wants(err, "other content")
	_, err = state.RestoreSnapshot("snap", "new", o)
	wants(err, "other content")
	if _, err := fs.Stat("new"); err == nil {
		t.Error("a refused restore left the directory")
	}
	damage(func(f vfs.File, size int64) {
		_, err := f.WriteAt(old, size/2)
		noError(t, err)
	})
	_, err = state.VerifySnapshot("snap", o)
	noError(t, err)

	write := func(name, text string) {
		t.Helper()
		f, err := fs.Create("snap/"+name, vfs.WriteCategoryUnspecified)
		noError(t, err)
		_, err = io.WriteString(f, text)
		noError(t, err)
		noError(t, f.Close())
	}
	write("stray", "x")
	_, err = state.VerifySnapshot("snap", o)
	wants(err, "does not belong")
	noError(t, fs.Remove("snap/stray"))
	f, err := fs.Open("snap/" + state.ManifestName)
	noError(t, err)
	manifest, err := io.ReadAll(f)
	noError(t, err)
	noError(t, f.Close())
	write(state.ManifestName, strings.Replace(string(manifest), `"next_offset": 3`, `"next_offset": 4`, 1))
	_, err = state.VerifySnapshot("snap", o)
	wants(err, "the manifest says")
	write(state.ManifestName, strings.Replace(string(manifest), `"format": 1`, `"format": 9`, 1))
	_, err = state.VerifySnapshot("snap", o)
	if !errors.Is(err, state.ErrFormat) {
		t.Errorf("a newer snapshot was read: %v", err)
	}
}
