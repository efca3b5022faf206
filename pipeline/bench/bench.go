// Package bench measures the pipeline on a generated fleet: CPU time an event
// of each step, allocations, memory and disk, at several numbers of rules. The
// generator is deterministic, so that two runs do the same work. Times are CPU
// time of the whole process, user and system, because wall time on a shared
// machine says little; and they are medians of rounds in which all numbers of
// rules take turns, because the machine's pace changes too.
package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"invigil/connectors"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// Options say what to measure.
type Options struct {
	Events int    // measured events, after each agent's first report; 0 = memory and disk only
	Fleet  Fleet  // what is generated, of one partition
	Rules  []int  // numbers of rules to measure with
	Dir    string // state directory; "" = state in memory
	// Volatile is the interval at which rows that changed in volatile columns
	// only are written.
	Volatile time.Duration
	// Connect, if set, returns a new member of a new consumer group that reads
	// the Fleet's messages from Kafka, the first reports and then at least
	// Events. Broker and producer must be other processes.
	Connect func() (connectors.Source, error)
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
	FetchMicros     float64 `json:"fetch_us"` // reading from Kafka; 0 without
	TotalMicros     float64 `json:"total_us"`
	EventsPerSecond float64 `json:"events_per_second_core"`
	Allocs          float64 `json:"allocs_per_event"`
	HeapPerRow      float64 `json:"heap_bytes_per_row"` // of the partition, beside Pebble
	DiskPerRow      float64 `json:"disk_bytes_per_row"` // compacted
	Resident        int64   `json:"resident_bytes"`     // of the process, with one store; 0 = unknown
	PeakResident    int64   `json:"peak_resident_bytes"`
	Ratio           float64 `json:"ratio"` // TotalMicros to that of the first number of rules
}

const (
	batchEvents = 2000
	rounds      = 5
)

// Run measures and returns the figures, one for each number of rules.
func Run(ctx context.Context, o Options) ([]Figures, error) {
	o.Fleet = o.Fleet.withDefaults()
	o.Fleet.Partitions = 1
	if o.Progress == nil {
		o.Progress = func(string, ...any) {}
	}
	foot, err := o.footprint(o.Rules[0])
	if err != nil || o.Events == 0 {
		return []Figures{foot}, err
	}
	runs, err := o.speed(ctx)
	if err != nil {
		return nil, err
	}
	bare, runs := runs[0], runs[1:]
	var all []Figures
	for _, r := range runs {
		f := foot
		f.Rules, f.LoadSeconds = len(r.set.Rules()), r.load.Seconds()
		f.Events, f.Alerts, f.Rows = r.events, r.alerts, r.rows
		f.DecodeMicros, f.CommitMicros = bare.decode.median(), bare.commit.median()
		f.ApplyMicros = bare.total.median() - f.DecodeMicros - f.CommitMicros
		f.RulesMicros = r.total.less(bare.total).median()
		f.TotalMicros = r.total.median()
		if len(r.kafka) > 0 {
			f.FetchMicros = r.kafka.median() - f.TotalMicros
			f.TotalMicros = r.kafka.median()
		}
		f.EventsPerSecond = 1e6 / f.TotalMicros
		f.Allocs = r.allocs.median()
		f.Ratio = 1
		if len(all) > 0 {
			f.Ratio = f.TotalMicros / all[0].TotalMicros
		}
		all = append(all, f)
	}
	return all, nil
}

// series holds a figure of each round.
type series []float64

func (s series) median() float64 {
	t := slices.Sorted(slices.Values(s))
	if len(t) == 0 {
		return 0
	}
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}

// less returns the differences of the rounds: what was slow in a round was slow
// for both.
func (s series) less(t series) series {
	d := make(series, len(s))
	for i := range s {
		d[i] = s[i] - t[i]
	}
	return d
}

// contender is a rule set under measurement, with what its rounds gave.
type contender struct {
	*instance
	set  *rules.Set
	load time.Duration

	total, decode, commit, allocs, kafka series
	events, alerts, rows                 int
}

// speed measures without rules and with each number of rules, in turns.
func (o *Options) speed(ctx context.Context) (runs []*contender, err error) {
	defer func() {
		for _, r := range runs {
			if r.instance != nil {
				err = errors.Join(err, r.close())
			}
		}
	}()
	for i, n := range append([]int{0}, o.Rules...) {
		r := new(contender)
		began := time.Now()
		if r.set, err = o.load(n); err != nil {
			return runs, fmt.Errorf("%d rules: %w", n, err)
		}
		r.load = time.Since(began)
		o.Progress("loaded %d rules", len(r.set.Rules()))
		if r.instance, err = open(o.path(fmt.Sprintf("speed-%d", i)), o, r.set); err != nil {
			return runs, err
		}
		runs = append(runs, r)
	}
	work := o.workload()
	for msgs := range work.first(reports) {
		for _, r := range runs {
			if _, err := r.feed(msgs); err != nil {
				return runs, err
			}
		}
	}
	for i := range rounds {
		o.Progress("round %d of %d", i+1, rounds)
		msgs := work.round(i, o.Events/rounds)
		for k := range runs { // each is first now and then
			if err := runs[(i+k)%len(runs)].measure(msgs, (i+k)%len(runs) == 0); err != nil {
				return runs, err
			}
		}
	}
	for _, r := range runs {
		if r.rows, err = countRows(r.store); err != nil {
			return runs, err
		}
	}
	if o.Connect != nil {
		err = o.throughKafka(ctx, runs[1:])
	}
	return runs, err
}

// measure does one round; the one without rules measures decoding too.
func (r *contender) measure(msgs []connectors.Message, bare bool) error {
	var before, after runtime.MemStats
	runtime.GC()
	if bare {
		r.decode = append(r.decode, decodeMicros(msgs))
	}
	runtime.ReadMemStats(&before)
	began := cpu()
	res, err := r.feed(msgs)
	if err != nil {
		return err
	}
	r.total = append(r.total, micros(cpu()-began, len(msgs)))
	runtime.ReadMemStats(&after)
	r.commit = append(r.commit, micros(res.Committing, len(msgs)))
	r.allocs = append(r.allocs, float64(after.Mallocs-before.Mallocs)/float64(len(msgs)))
	r.events += res.Counts.Messages
	r.alerts += res.Counts.Alerts
	return nil
}

// decodeMicros measures decoding alone.
func decodeMicros(msgs []connectors.Message) float64 {
	d := syscollector.NewDecoder(syscollector.Options{})
	began := cpu()
	for i := range msgs {
		if i%batchEvents == 0 {
			d.Reset()
		}
		_, _ = d.Decode(msgs[i].Value, syscollector.Meta{Time: msgs[i].Time, Key: msgs[i].Key})
	}
	return micros(cpu()-began, len(msgs))
}

func (o *Options) path(name string) string {
	if o.Dir == "" {
		return ""
	}
	return filepath.Join(o.Dir, name)
}
