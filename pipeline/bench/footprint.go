package bench

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// footprint measures what the fleet's rows take: heap and disk of one store
// that has the first report of every agent.
func (o *Options) footprint(n int) (f Figures, err error) {
	set, err := o.load(n)
	if err != nil {
		return f, err
	}
	f.Rules = len(set.Rules())
	i, err := open(o.path("footprint"), o, set)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, i.close()) }()
	work := o.workload()
	said := 0
	for msgs := range work.first(1) {
		res, err := i.feed(msgs)
		if err != nil {
			return f, err
		}
		f.Events += res.Counts.Messages
		f.Alerts += res.Counts.Alerts
		if f.Events-said >= 500_000 {
			said = f.Events
			o.Progress("first reports: %d events", f.Events)
		}
	}
	if f.Rows, err = countRows(i.store); err != nil || f.Rows == 0 {
		return f, err
	}
	f.Resident, f.PeakResident = resident()
	o.Progress("compacting")
	if err := i.store.Compact(); err != nil {
		return f, err
	}
	f.DiskPerRow = float64(i.store.DiskBytes()) / float64(f.Rows)
	// What the partition held is what its release gives back.
	with := heapBytes()
	if err := i.pipe.Close(); err != nil {
		return f, err
	}
	f.HeapPerRow = float64(with-heapBytes()) / float64(f.Rows)
	runtime.KeepAlive(work)
	return f, nil
}

// heapBytes returns the bytes of live objects.
func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// resident returns how many bytes of the process are in memory, now and at the
// most; 0 where the system does not say.
func resident() (now, peak int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kilobytes, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kilobytes << 10
		case "VmHWM":
			peak = kilobytes << 10
		}
	}
	return now, peak
}
