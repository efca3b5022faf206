package rules_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"invigil/rules"
)

// BenchmarkLoadStock loads the original's own 4,512 rules, reading the files
// included. INVIGIL_CONFORMANCE names the folder beside them.
func BenchmarkLoadStock(b *testing.B) {
	dir := os.Getenv("INVIGIL_CONFORMANCE")
	if dir == "" {
		b.Skip("INVIGIL_CONFORMANCE is not set")
	}
	stock := filepath.Join(dir, "..", "wazuh-ruleset", "rules")
	load := func() {
		set, ds := rules.Load([]string{stock}, rules.Options{})
		if n := len(set.Rules()); ds.Err() != nil || n != 4512 {
			b.Fatal(n, ds)
		}
	}
	load() // warm
	before := cpuTime(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		load()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
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
