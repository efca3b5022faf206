package bench

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/pipeline"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
	"invigil/state"
)

// instance is a pipeline over a store of its own.
type instance struct {
	store *state.Store
	pipe  *pipeline.Pipeline
}

// open opens an empty store in dir, or in memory if that is "", and a pipeline
// over it.
func open(dir string, o *Options, set *rules.Set) (*instance, error) {
	so := state.Options{VolatileInterval: o.Volatile}
	if dir == "" {
		dir, so.FS = "state", vfs.NewMem()
	} else if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	store, err := state.Open(dir, so)
	if err != nil {
		return nil, err
	}
	// The pipeline's clock is CPU time: that is what commits are measured in.
	clock := func() time.Time { return time.Unix(0, int64(cpu())) }
	pipe, err := pipeline.New(pipeline.Options{Store: store, Rules: set, BatchEvents: batchEvents, Clock: clock})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &instance{store, pipe}, nil
}

func (i *instance) close() error { return errors.Join(i.pipe.Close(), i.store.Close()) }

// feed processes messages, a batch a call.
func (i *instance) feed(msgs []connectors.Message) (sum pipeline.Result, err error) {
	for start := 0; start < len(msgs); start += batchEvents {
		res, err := i.pipe.Process(msgs[start:min(start+batchEvents, len(msgs))])
		if err != nil {
			return sum, err
		}
		sum.Counts.Add(res.Counts)
		sum.Committing += res.Committing
	}
	return sum, nil
}

// load compiles n rules; 0 = none at all.
func (o *Options) load(n int) (*rules.Set, error) {
	if n == 0 {
		set, ds := rules.LoadFiles(nil, rules.Options{})
		return set, ds.Err()
	}
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

// countRows returns how many rows the store holds.
func countRows(store *state.Store) (n int, err error) {
	v := store.View()
	counts, err := v.Counts()
	for _, c := range counts {
		n += c
	}
	return n, errors.Join(err, v.Close())
}
