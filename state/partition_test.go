package state_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

func openMemory(t testing.TB) (*state.Store, *state.Partition) {
	t.Helper()
	s, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Partition("events", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, p
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// port returns a scan's report of one port.
func port(agent string, scan int64, number, queue int64) *syscollector.Event {
	r := syscollector.Row{Table: syscollector.Ports}
	for _, f := range syscollector.Fields(syscollector.Ports) {
		v := syscollector.Value{Str: "tcp"}
		switch f.Column {
		case "protocol":
		case "local_port":
			v = syscollector.Value{Int: number}
		case "tx_queue":
			v = syscollector.Value{Int: queue}
		default:
			continue
		}
		r.Values[f.Number] = v
		r.Present |= 1 << f.Number
	}
	return &syscollector.Event{
		Agent: syscollector.Agent{ID: agent, Name: "host-" + agent, IP: "10.0.0.1"},
		Table: syscollector.Ports, Op: syscollector.OpReport, ScanID: scan, Rows: []syscollector.Row{r},
		ScanTime: "2019/06/14 16:31:00",
	}
}

// After a power loss the store is as after one of its commits, offset and rows
// alike, and no older than the last one that was synced.
func TestPowerLossLeavesAPrefixOfTheCommits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fs := vfs.NewCrashableMem()
	synced, lost := int64(0), 0
	for range 40 {
		s, err := state.Open("db", state.Options{FS: fs})
		ok(t, err)
		p, err := s.Partition("events", 0)
		ok(t, err)
		next, streamTime, _ := p.Applied()
		if next < synced {
			t.Fatalf("offset %d, but %d was synced", next, synced)
		}
		// The n-th event opens port n; every third one enters the outbox.
		n := int64(0)
		for _, row := range p.Rows("001", syscollector.Ports) {
			if row.Values[2].Int != n {
				t.Fatalf("row %d is port %d", n, row.Values[2].Int)
			}
			n++
		}
		if n != next || streamTime != 1000*next || int64(p.LastEntry()) != (next+2)/3 {
			t.Fatalf("offset %d, stream time %d, %d rows, %d alerts", next, streamTime, n, p.LastEntry())
		}
		written := next
		for range rng.IntN(20) {
			for range 1 + rng.IntN(4) {
				ds, err := p.Apply(port("001", 1, written, 0), 1000*written, written)
				ok(t, err)
				ok(t, p.Put(ds))
				if written%3 == 0 {
					p.Enqueue([]byte("alert"))
				}
				written++
				p.SetApplied(written, 1000*written)
			}
			sync := rng.IntN(6) == 0
			ok(t, p.Commit(sync))
			if sync {
				synced = written
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
		if written > synced {
			lost++
		}
		ok(t, errors.Join(p.Close(), s.Close()))
		fs = crashed
	}
	if lost == 0 {
		t.Fatal("nothing was ever at stake")
	}
}

func TestOutboxIsReadInOrderAndTrimmed(t *testing.T) {
	fs := vfs.NewMem()
	s, err := state.Open("db", state.Options{FS: fs})
	ok(t, err)
	p, err := s.Partition("events", 0)
	ok(t, err)
	read := func(after uint64) (got []string) {
		for seq, entry := range p.Outbox(after) {
			got = append(got, fmt.Sprintf("%d:%s", seq, entry))
		}
		return got
	}
	for i := range 4 {
		if seq := p.Enqueue(fmt.Append(nil, "alert ", i)); seq != uint64(i+1) {
			t.Fatalf("sequence number %d", seq)
		}
	}
	if got := read(0); got != nil || p.LastEntry() != 0 {
		t.Fatalf("read before the commit: %v", got)
	}
	ok(t, p.Commit(false))
	if diff := cmp.Diff([]string{"2:alert 1", "3:alert 2", "4:alert 3"}, read(1)); diff != "" {
		t.Fatal(diff)
	}
	p.SetCursor("main", 3)
	p.SetCursor("kafka", 4)
	p.TrimOutbox(3)
	ok(t, p.Commit(false))
	if diff := cmp.Diff([]string{"4:alert 3"}, read(0)); diff != "" {
		t.Fatal(diff)
	}
	p.TrimOutbox(4)
	ok(t, p.Commit(false))
	if got := read(0); got != nil {
		t.Fatalf("left: %v", got)
	}
	ok(t, errors.Join(p.Close(), s.Close()))

	// Cursors and numbers go on where they were.
	s, err = state.Open("db", state.Options{FS: fs})
	ok(t, err)
	defer s.Close()
	p, err = s.Partition("events", 0)
	ok(t, err)
	defer p.Close()
	if p.Cursor("main") != 3 || p.Cursor("kafka") != 4 || p.Cursor("new") != 0 || p.LastEntry() != 4 {
		t.Fatalf("cursors %d, %d, %d, last entry %d", p.Cursor("main"), p.Cursor("kafka"), p.Cursor("new"), p.LastEntry())
	}
	if seq := p.Enqueue(nil); seq != 5 {
		t.Fatalf("sequence number %d after a restart", seq)
	}
	p.DropCursor("main")
	ok(t, p.Commit(false))
	if p.Cursor("main") != 0 {
		t.Fatal("cursor is still there")
	}
	if at, found, err := p.OldestEntry(4); err != nil || !found || at != 0 {
		t.Fatalf("oldest entry: %d %v %v", at, found, err)
	}
}

func TestDeadLettersKeepTheLast(t *testing.T) {
	s, p := openMemory(t)
	for i := range 10_007 {
		p.DeadLetter(fmt.Append(nil, "letter ", i))
		if i%1000 == 0 {
			ok(t, p.Commit(false))
		}
	}
	p.DropDeadLetter(10_000)
	ok(t, p.Commit(false))
	v := s.View()
	defer v.Close()
	var first, last string
	n := 0
	for d, err := range v.DeadLetters() {
		ok(t, err)
		last = fmt.Sprintf("%s/%d %d %s", d.Topic, d.Partition, d.Seq, d.Entry)
		if n == 0 {
			first = last
		}
		n++
	}
	if n != 9_999 || first != "events/0 7 letter 7" || last != "events/0 10006 letter 10006" {
		t.Fatalf("%d letters from %q to %q", n, first, last)
	}
}

func TestSpacesSeeTheirOwnWrites(t *testing.T) {
	_, p := openMemory(t)
	m, other := p.Memory(), p.Active()
	scan := func(prefix string) string {
		var got []string
		for k, v := range m.Scan([]byte(prefix)) {
			got = append(got, string(k)+"="+string(v))
		}
		return strings.Join(got, " ")
	}
	for _, k := range []string{"b", "a1", "a2", "a3"} {
		ok(t, m.Set([]byte(k), []byte("1")))
	}
	ok(t, other.Set([]byte("a1"), []byte("other")))
	ok(t, p.Commit(false))
	ok(t, m.Delete([]byte("a2")))
	ok(t, m.Set([]byte("a1"), []byte("2")))
	ok(t, m.Set([]byte("a4"), nil))
	if got := scan("a"); got != "a1=2 a3=1 a4=" {
		t.Fatalf("scan in the batch: %s", got)
	}
	if _, found, err := m.Get([]byte("a2")); found || err != nil {
		t.Fatalf("deleted key: %v %v", found, err)
	}
	if v, found, err := m.Get([]byte("a4")); !found || len(v) != 0 || err != nil {
		t.Fatalf("empty value: %q %v %v", v, found, err)
	}
	ok(t, p.Commit(false))
	if got := scan(""); got != "a1=2 a3=1 a4= b=1" {
		t.Fatalf("scan after the commit: %s", got)
	}
	ok(t, m.Set([]byte("c"), nil))
	p.Discard()
	if got := scan("c"); got != "" {
		t.Fatalf("discarded, but there: %s", got)
	}
	for k := range m.Scan(nil) {
		if string(k) != "a1" {
			t.Fatalf("first key %s", k)
		}
		break
	}
}

// What the changelog gets must be all that a commit writes, but for history.
func TestChangesAreWhatACommitWrites(t *testing.T) {
	_, p := openMemory(t)
	ds, err := p.Apply(port("001", 1, 22, 0), 5000, 7)
	ok(t, err)
	ok(t, p.Put(ds))
	ok(t, p.Memory().Set([]byte("k"), []byte("v")))
	p.Enqueue([]byte("alert"))
	p.SetPending([]byte("header"))
	p.SetApplied(8, 5000)
	ok(t, p.Commit(false))

	changes := func() (got []string) {
		for key, value := range p.Changes() {
			what := "set"
			if value == nil {
				what = "delete"
			}
			got = append(got, fmt.Sprintf("%s %q", what, key))
		}
		return got
	}
	const mark = `"s001\x00\x06\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\b"`
	_, err = p.Apply(port("001", 2, 22, 0), 6000, 8)
	ok(t, err)
	ok(t, p.Memory().Delete([]byte("k")))
	p.SetPending(nil)
	p.SetApplied(9, 6000)
	if diff := cmp.Diff([]string{`delete "ip"`, `delete "mk"`, `set ` + mark, `set "\x00applied"`}, changes()); diff != "" {
		t.Fatal(diff)
	}
	ok(t, p.Commit(false))
	if p.Pending() != nil {
		t.Fatal("header is still there")
	}
	// A scan's end takes its marks along.
	end := port("001", 2, 22, 0)
	end.Op, end.Rows = syscollector.OpScanEnd, nil
	_, err = p.Apply(end, 6000, 9)
	ok(t, err)
	if diff := cmp.Diff([]string{`set "ia001\x00"`, `delete ` + mark}, changes()); diff != "" {
		t.Fatal(diff)
	}
}

func TestAgentsAreRemembered(t *testing.T) {
	s, p := openMemory(t)
	ev := port("001", 1, 22, 0)
	ev.Agent.Groups = []string{"web", "default"}
	ev.Agent.Labels = []syscollector.Label{{Key: "env", Value: "prod"}}
	_, err := p.Apply(ev, 1000, 0)
	ok(t, err)
	// A later event that knows less takes nothing away.
	ev = port("001", 1, 23, 0)
	ev.Agent.Name, ev.Agent.IP = "", ""
	_, err = p.Apply(ev, 60_999, 1)
	ok(t, err)
	ok(t, p.Commit(false))
	v := s.View()
	got, err := v.Find("001")
	ok(t, err)
	ok(t, v.Close())
	want := state.AgentInfo{
		Topic: "events", ID: "001", Name: "host-001", IP: "10.0.0.1", Groups: []string{"web", "default"},
		Labels:    []syscollector.Label{{Key: "env", Value: "prod"}},
		FirstSeen: 1000, LastSeen: 1000,
	}
	exported := cmp.FilterPath(func(p cmp.Path) bool {
		n := p.Last().String()
		return n == ".known" || n == ".ended"
	}, cmp.Ignore())
	if diff := cmp.Diff([]state.AgentInfo{want}, got, exported); diff != "" {
		t.Fatal(diff)
	}
	// Last seen is written once a minute.
	_, err = p.Apply(port("001", 1, 23, 0), 61_000, 2)
	ok(t, err)
	if a, _ := p.Agent("001"); a.LastSeen != 61_000 {
		t.Fatalf("last seen %d", a.LastSeen)
	}
	if _, found := p.Agent("002"); found {
		t.Fatal("agent 002 was never seen")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("a directory in use", func(t *testing.T) {
		dir := t.TempDir()
		s, err := state.Open(dir, state.Options{})
		ok(t, err)
		defer s.Close()
		_, err = state.Open(dir, state.Options{ReadOnly: true})
		if !errors.Is(err, state.ErrLocked) || !strings.Contains(err.Error(), "stop it") {
			t.Fatalf("second open: %v", err)
		}
	})
	t.Run("a newer format", func(t *testing.T) {
		fs := vfs.NewMem()
		s, err := state.Open("db", state.Options{FS: fs})
		ok(t, err)
		ok(t, s.Close())
		raw(t, fs, func(db *pebble.DB) { ok(t, db.Set([]byte("\x00\x00\x00\x00f"), []byte{2}, pebble.Sync)) })
		_, err = state.Open("db", state.Options{FS: fs})
		if !errors.Is(err, state.ErrFormat) || !strings.Contains(err.Error(), "newer version (format 2, this version reads up to 1)") {
			t.Fatalf("open: %v", err)
		}
	})
	t.Run("another program's store", func(t *testing.T) {
		fs := vfs.NewMem()
		raw(t, fs, func(db *pebble.DB) { ok(t, db.Set([]byte("hello"), nil, pebble.Sync)) })
		if _, err := state.Open("db", state.Options{FS: fs}); !errors.Is(err, state.ErrFormat) {
			t.Fatalf("open: %v", err)
		}
	})
	t.Run("a directory that is not there, to read", func(t *testing.T) {
		if _, err := state.Open("db", state.Options{FS: vfs.NewMem(), ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "no state directory db") {
			t.Fatalf("open: %v", err)
		}
	})
	t.Run("a partition twice", func(t *testing.T) {
		s, p := openMemory(t)
		if _, err := s.Partition("events", 0); err == nil {
			t.Fatal("opened twice")
		}
		q, err := s.Partition("events", 1)
		ok(t, err)
		ok(t, q.Close())
		ok(t, p.Commit(true))
	})
	t.Run("damaged rows", func(t *testing.T) {
		fs := vfs.NewMem()
		s, err := state.Open("db", state.Options{FS: fs})
		ok(t, err)
		p, err := s.Partition("events", 0)
		ok(t, err)
		_, err = p.Apply(port("001", 1, 22, 0), 0, 0)
		ok(t, err)
		ok(t, errors.Join(p.Commit(true), p.Close(), s.Close()))
		raw(t, fs, func(db *pebble.DB) {
			it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte("\x00\x00\x00\x01r"), UpperBound: []byte("\x00\x00\x00\x01s")})
			ok(t, err)
			it.First()
			key := slices.Clone(it.Key())
			ok(t, it.Close())
			ok(t, db.Set(key, []byte{9, 9}, pebble.Sync))
		})
		s, err = state.Open("db", state.Options{FS: fs})
		ok(t, err)
		defer s.Close()
		if _, err := s.Partition("events", 0); err == nil || !strings.Contains(err.Error(), "row has format 9") {
			t.Fatalf("partition: %v", err)
		}
	})
}

// raw opens the directory with Pebble alone.
func raw(t *testing.T, fs vfs.FS, f func(*pebble.DB)) {
	t.Helper()
	db, err := pebble.Open("db", &pebble.Options{FS: fs, Logger: quiet{}})
	ok(t, err)
	f(db)
	ok(t, db.Close())
}

type quiet struct{}

func (quiet) Infof(string, ...any)       {}
func (quiet) Errorf(string, ...any)      {}
func (quiet) Fatalf(f string, as ...any) { panic(fmt.Sprintf(f, as...)) }

func TestReadOnlyStoreAnswers(t *testing.T) {
	fs := vfs.NewMem()
	s, err := state.Open("db", state.Options{FS: fs})
	ok(t, err)
	p, err := s.Partition("events", 0)
	ok(t, err)
	_, err = p.Apply(port("001", 1, 22, 0), 0, 0)
	ok(t, err)
	_, err = s.Lists().Load("l", state.ListCDB, false, strings.NewReader("a:1\n"))
	ok(t, err)
	ok(t, errors.Join(p.Commit(false), p.Close(), s.Close()))

	s, err = state.Open("db", state.Options{FS: fs, ReadOnly: true})
	ok(t, err)
	defer s.Close()
	v := s.View()
	defer v.Close()
	n := 0
	for item, err := range v.Table(syscollector.Ports) {
		ok(t, err)
		if item.Agent.ID != "001" || item.ScanTime != "2019/06/14 16:31:00" || item.ScanID != 1 {
			t.Fatalf("row of %s, scan %d at %s", item.Agent.ID, item.ScanID, item.ScanTime)
		}
		n++
	}
	if value, found := s.Lists().View().Get("l", "a"); n != 1 || value != "1" || !found {
		t.Fatalf("%d rows, list value %q", n, value)
	}
	if _, err := s.Lists().Load("l", state.ListCDB, false, strings.NewReader("b:1\n")); err == nil {
		t.Fatal("a list was loaded into a read-only store")
	}
}

// The path of most events must not allocate.
func TestUnchangedRowsAllocateNothing(t *testing.T) {
	_, p := openMemory(t)
	events := make([]*syscollector.Event, 50)
	for i := range events {
		events[i] = port("001", 1, int64(i), 0)
		_, err := p.Apply(events[i], 1000, int64(i))
		ok(t, err)
	}
	ok(t, p.Commit(false))
	for _, ev := range events {
		ev.ScanID = 2
	}
	apply := func() {
		for i, ev := range events {
			ds, err := p.Apply(ev, 1000, int64(i))
			if err != nil || len(ds) != 1 || ds[0].Change != syscollector.Unchanged || ds[0].Changed != 0 {
				t.Fatalf("%v %v", ds, err)
			}
			if err := p.Put(ds); err != nil {
				t.Fatal(err)
			}
		}
	}
	apply()
	// Marks grow their slice now and then: less than one allocation a round.
	if n := testing.AllocsPerRun(100, apply); n >= 1 {
		t.Fatalf("%v allocations for 50 unchanged rows", n)
	}
}

// Rows of two partitions with the same agent must not meet.
func TestPartitionsAreApart(t *testing.T) {
	s, p := openMemory(t)
	q, err := s.Partition("other", 0)
	ok(t, err)
	defer q.Close()
	_, err = p.Apply(port("001", 1, 22, 0), 0, 0)
	ok(t, err)
	_, err = q.Apply(port("001", 1, 23, 0), 0, 0)
	ok(t, err)
	ok(t, errors.Join(p.Commit(false), q.Commit(false)))
	v := s.View()
	defer v.Close()
	agents, err := v.Find("001")
	ok(t, err)
	var got []string
	for i := range agents {
		for item, err := range v.Rows(&agents[i], syscollector.Ports) {
			ok(t, err)
			got = append(got, fmt.Sprintf("%s %d", agents[i].Topic, item.Row.Values[2].Int))
		}
	}
	if diff := cmp.Diff([]string{"events 22", "other 23"}, got); diff != "" {
		t.Fatal(diff)
	}
}
