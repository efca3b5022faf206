package state_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"invigil/state"
)

// BenchmarkLoadList loads a list's text into a store on disk, where no list of
// that name was before.
func BenchmarkLoadList(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, err := state.Open(b.TempDir(), state.Options{})
			ok(b, err)
			defer func() { ok(b, s.Close()) }()
			var cpu time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				before := cpuTime(b)
				info, err := s.Lists().Load("hashes", state.ListCDB, false, bigList(n))
				ok(b, err)
				cpu += cpuTime(b) - before
				if info.Keys != n {
					b.Fatal(info)
				}
				b.StopTimer()
				ok(b, s.Lists().Remove("hashes"))
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Microseconds())/1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpuTime is what the process used of the processor so far, garbage collection
// included: other processes do not disturb it.
func cpuTime(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
