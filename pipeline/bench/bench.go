// Package bench measures the pipeline on a generated fleet: CPU time an event
// of each step, allocations, heap and disk, at several numbers of rules. The
// generator is deterministic, so that two runs do the same work; times are CPU
// time of the whole process, because wall time on a shared machine says little.
package bench

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
	"invigil/state"
)

// Options say what to measure.
type Options struct {
	Events int    // measured events, after each agent's first report
	Agents int    // size of the fleet
	Rules  []int  // numbers of rules to measure with
	Dir    string // state directory; "" = state in memory
	// RuleFiles and Messages, if set, replace the generated ones.
	RuleFiles []string
	Messages  []connectors.Message
	// Progress, if set, is told what is being done.
	Progress func(format string, args ...any)
}

// Figures are what one number of rules gave. Micro figures are CPU
// microseconds an event.
type Figures struct {
	Rules           int     `json:"rules"`
	Events          int     `json:"events"`
	Alerts          int     `json:"alerts"`
	Rows            int     `json:"rows"`
	LoadSeconds     float64 `json:"load_seconds"` // compiling the rules
	DecodeMicros    float64 `json:"decode_us"`
	ApplyMicros     float64 `json:"apply_us"`
	RulesMicros     float64 `json:"rules_us"`
	CommitMicros    float64 `json:"commit_us"`
	TotalMicros     float64 `json:"total_us"`
	EventsPerSecond float64 `json:"events_per_second_core"`
	Allocs          float64 `json:"allocs_per_event"`
	HeapPerRow      float64 `json:"heap_bytes_per_row"`
	DiskPerRow      float64 `json:"disk_bytes_per_row"` // 0 with state in memory
	Ratio           float64 `json:"ratio"`              // TotalMicros to that of the first number of rules
}

const batchEvents = 2000

// Run measures and returns the figures, one for each number of rules.
func Run(o Options) ([]Figures, error) {
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	warm, measured := o.Messages, o.Messages
	if o.Messages == nil {
		o.Progress("generating %d events of %d agents", o.Events, o.Agents)
		g := NewGenerator(o.Agents, 1)
		warm, measured = nil, nil
		for range o.Agents {
			warm = g.Scan(warm)
		}
		for len(measured) < o.Events {
			measured = g.Scan(measured)
		}
		measured = measured[:o.Events]
	}
	decode := decodeMicros(measured)
	var all []Figures
	for _, n := range o.Rules {
		f, err := o.measure(n, warm, measured, decode)
		if err != nil {
			return nil, fmt.Errorf("%d rules: %w", n, err)
		}
		f.Ratio = 1
		if len(all) > 0 {
			f.Ratio = f.TotalMicros / all[0].TotalMicros
		}
		all = append(all, f)
	}
	return all, nil
}

// decodeMicros measures decoding alone.
func decodeMicros(msgs []connectors.Message) float64 {
	d := syscollector.NewDecoder(syscollector.Options{})
	began := cpu()
	for i := range msgs {
		_, _ = d.Decode(msgs[i].Value, syscollector.Meta{Time: msgs[i].Time, Key: msgs[i].Key})
		if i%batchEvents == 0 {
			d.Reset()
		}
	}
	return micros(cpu()-began, len(msgs))
}

// measure runs the whole way once with n rules, and once without rules.
func (o *Options) measure(n int, warm, measured []connectors.Message, decode float64) (Figures, error) {
	f := Figures{Rules: n, Events: len(measured), DecodeMicros: decode}
	o.Progress("loading %d rules", n)
	began := time.Now()
	set, err := o.load(n)
	if err != nil {
		return f, err
	}
	f.LoadSeconds = time.Since(began).Seconds()
	f.Rules = len(set.Rules())
	empty, ds := rules.LoadFiles(nil, rules.Options{})
	if err := ds.Err(); err != nil {
		return f, err
	}
	o.Progress("measuring without rules")
	bare, err := o.run("bare", empty, warm, measured)
	if err != nil {
		return f, err
	}
	o.Progress("measuring with %d rules", f.Rules)
	full, err := o.run("full", set, warm, measured)
	if err != nil {
		return f, err
	}
	f.CommitMicros = bare.commit
	f.ApplyMicros = bare.total - decode - bare.commit
	f.RulesMicros = full.total - bare.total
	f.TotalMicros = full.total
	f.EventsPerSecond = 1e6 / full.total
	f.Allocs, f.Alerts, f.Rows = full.allocs, full.alerts, full.rows
	f.HeapPerRow, f.DiskPerRow = full.heap, full.disk
	return f, nil
}

func (o *Options) load(n int) (*rules.Set, error) {
	if o.RuleFiles != nil {
		set, ds := rules.Load(o.RuleFiles, rules.Options{})
		return set, ds.Err()
	}
	xml, yaml := RuleFiles(n)
	fx, ds := wazuhxml.Read(source.File{Name: "bench.xml", Data: []byte(xml)}, pattern.Compat4)
	if err := ds.Err(); err != nil {
		return nil, err
	}
	files := []*rulefile.File{fx}
	if yaml != "" {
		fy, ds := rulefile.Read(source.File{Name: "bench.yml", Data: []byte(yaml)})
		if err := ds.Err(); err != nil {
			return nil, err
		}
		files = append(files, fy)
	}
	set, ds := rules.LoadFiles(files, rules.Options{})
	return set, ds.Err()
}

// passage is what one run over the events gave.
type passage struct {
	total, commit, allocs, heap, disk float64
	alerts, rows                      int
}

func (o *Options) run(name string, set *rules.Set, warm, measured []connectors.Message) (p passage, err error) {
	dir, so := "state", state.Options{FS: vfs.NewMem()}
	if o.Dir != "" {
		dir, so = filepath.Join(o.Dir, name), state.Options{}
		if err := os.RemoveAll(dir); err != nil {
			return p, err
		}
	}
	var before, after runtime.MemStats
	heap := heapBytes()
	store, err := state.Open(dir, so)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	pipe, err := pipeline.New(pipeline.Options{Store: store, Rules: set, BatchEvents: batchEvents})
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, pipe.Close()) }()
	if _, _, err := feed(pipe, warm); err != nil {
		return p, err
	}
	p.heap = float64(heapBytes() - heap)
	runtime.ReadMemStats(&before)
	began := cpu()
	counts, committing, err := feed(pipe, measured)
	if err != nil {
		return p, err
	}
	p.total = micros(cpu()-began, len(measured))
	runtime.ReadMemStats(&after)
	p.allocs = float64(after.Mallocs-before.Mallocs) / float64(len(measured))
	p.commit = micros(committing, len(measured))
	p.alerts = counts.Alerts
	p.rows, err = countRows(store)
	if err != nil || p.rows == 0 {
		return p, err
	}
	p.heap /= float64(p.rows)
	if o.Dir != "" {
		size, err := diskUsage(dir)
		if err != nil {
			return p, err
		}
		p.disk = float64(size) / float64(p.rows)
	}
	return p, nil
}

func feed(pipe *pipeline.Pipeline, msgs []connectors.Message) (c pipeline.Counts, committing time.Duration, err error) {
	for start := 0; start < len(msgs); start += batchEvents {
		res, err := pipe.Process(msgs[start:min(start+batchEvents, len(msgs))])
		if err != nil {
			return c, committing, err
		}
		c.Add(res.Counts)
		committing += res.Committing
	}
	return c, committing, nil
}

// cpu returns the CPU time of the process so far, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func micros(d time.Duration, n int) float64 {
	if n == 0 {
		return 0
	}
	return float64(d) / 1e3 / float64(n)
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// countRows returns how many rows the store holds.
func countRows(store *state.Store) (n int, err error) {
	v := store.View()
	counts, err := v.Counts()
	for _, c := range counts {
		n += c
	}
	return n, errors.Join(err, v.Close())
}

// diskUsage returns the bytes of all files in a directory.
func diskUsage(dir string) (size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // compacted away meanwhile
			return nil
		}
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
