package pipeline

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PartitionStatus is how far a served partition is.
type PartitionStatus struct {
	Partition
	Applied    int64 // next offset to process
	StreamTime int64 // unix milliseconds
	// Outbox holds, by sink, how many alerts and dead letters it lacks.
	Outbox map[string]int
}

// position is what a worker publishes after each commit for other goroutines.
type position struct {
	applied, streamTime int64
	deliverers          []*deliverer
}

func (w *worker) publish() {
	w.position.Store(&position{w.applied, w.now, w.deliverers})
}

// Status returns the partitions being served, by topic and number. It may be
// called at any time.
func (p *Pipeline) Status() []PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []PartitionStatus
	for id, w := range p.workers {
		at := w.position.Load()
		s := PartitionStatus{Partition: id, Applied: at.applied, StreamTime: at.streamTime}
		for _, d := range at.deliverers {
			if s.Outbox == nil {
				s.Outbox = make(map[string]int)
			}
			s.Outbox[d.sink.Name] = d.behind()
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b PartitionStatus) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Number) - int(b.Number)
	})
	return all
}

// behind returns how many committed entries the sink lacks.
func (d *deliverer) behind() int {
	last := d.w.state.LastEntry()
	return int(last - min(last, d.acked.Load()))
}

// outboxes makes the sinks' backlog a metric.
type outboxes struct {
	p               *Pipeline
	records, oldest *prometheus.Desc
}

func newOutboxes(p *Pipeline) *outboxes {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("invigil", "", name), help, []string{"sink"}, nil)
	}
	return &outboxes{
		p:       p,
		records: desc("outbox_records", "Alerts and dead letters that the sink lacks."),
		oldest:  desc("outbox_oldest_seconds", "Stream time since the oldest entry that the sink lacks."),
	}
}

// Describe implements prometheus.Collector.
func (o *outboxes) Describe(ch chan<- *prometheus.Desc) { ch <- o.records; ch <- o.oldest }

// Collect implements prometheus.Collector. It reads the outbox of partitions
// that a sink is behind in.
func (o *outboxes) Collect(ch chan<- prometheus.Metric) {
	o.p.mu.Lock()
	defer o.p.mu.Unlock()
	for i := range o.p.opts.Sinks {
		name := o.p.opts.Sinks[i].Name
		records, oldest := 0, time.Duration(0)
		for _, w := range o.p.workers {
			at := w.position.Load()
			for _, d := range at.deliverers {
				if d.sink.Name != name || d.behind() == 0 {
					continue
				}
				records += d.behind()
				// A failure shows at the partition's next commit.
				if t, ok, _ := w.state.OldestEntry(d.acked.Load()); ok {
					oldest = max(oldest, time.Duration(at.streamTime-t)*time.Millisecond)
				}
			}
		}
		ch <- prometheus.MustNewConstMetric(o.records, prometheus.GaugeValue, float64(records), name)
		ch <- prometheus.MustNewConstMetric(o.oldest, prometheus.GaugeValue, oldest.Seconds(), name)
	}
}
