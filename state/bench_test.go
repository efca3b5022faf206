package state_test

import (
	"errors"
	"fmt"
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

const batchEvents = 2000

// BenchmarkApply measures Apply and Put with the commit of a batch of 2,000
// events, on disk, over 200 agents with 100 ports each.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name  string
		quiet bool
		next  func(ev *syscollector.Event, i int)
	}{
		{name: "unchanged", next: func(*syscollector.Event, int) {}},
		{name: "volatile", next: func(ev *syscollector.Event, i int) { ev.Rows[0].Values[5].Int = int64(i) + 1 }},
		{name: "volatile-quiet", quiet: true, next: func(ev *syscollector.Event, i int) { ev.Rows[0].Values[5].Int = int64(i) + 1 }},
		{name: "changed", next: func(ev *syscollector.Event, i int) { ev.Rows[0].Values[9].Int = int64(i); ev.Rows[0].Present |= 1 << 9 }},
		{name: "new", next: func(ev *syscollector.Event, i int) { ev.Rows[0].Values[2].Int = int64(i) + 1000 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := state.Open(b.TempDir(), state.Options{})
			ok(b, err)
			p, err := s.Partition("events", 0)
			ok(b, err)
			defer func() { ok(b, errors.Join(p.Close(), s.Close())) }()
			if c.quiet {
				p.ReadVolatile()
			}
			var events []*syscollector.Event
			for agent := range 200 {
				for n := range 100 {
					events = append(events, port(fmt.Sprintf("%03d", agent), 1, int64(n), 0))
				}
			}
			apply := func(ev *syscollector.Event, i int) {
				ds, err := p.Apply(ev, int64(i), int64(i))
				ok(b, err)
				ok(b, p.Put(ds))
				if i%batchEvents == batchEvents-1 {
					p.SetApplied(int64(i), int64(i))
					ok(b, p.Commit(false))
				}
			}
			for i, ev := range events {
				apply(ev, i)
				ev.ScanID = 2
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				ev := events[i%len(events)]
				c.next(ev, i)
				apply(ev, i)
			}
		})
	}
}

// BenchmarkTakePartition measures filling the row map at assignment.
func BenchmarkTakePartition(b *testing.B) {
	s, err := state.OpenMemory(state.Options{})
	ok(b, err)
	defer s.Close()
	p, err := s.Partition("events", 0)
	ok(b, err)
	const rows = 100_000
	for i := range rows {
		_, err := p.Apply(port(fmt.Sprintf("%03d", i/100), 1, int64(i%100), 0), 0, int64(i))
		ok(b, err)
		if i%batchEvents == 0 {
			ok(b, p.Commit(false))
		}
	}
	ok(b, errors.Join(p.Commit(false), p.Close()))
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.Partition("events", 0)
		ok(b, err)
		ok(b, p.Close())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkList(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := state.Open(b.TempDir(), state.Options{})
			ok(b, err)
			defer s.Close()
			before := heap()
			_, err = s.Lists().Load("hashes", state.ListCDB, false, bigList(n))
			ok(b, err)
			grown := heap() - before
			v := s.Lists().View()
			keys := make([]string, 4096)
			for i := range keys {
				keys[i] = bigKey(i * (n / len(keys)))
				if i%2 == 0 {
					keys[i] += "x" // not in the list
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, found := v.Get("hashes", keys[i%len(keys)]); found != (i%2 == 1) {
					b.Fatal(keys[i%len(keys)])
				}
			}
			b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
		})
	}
}
