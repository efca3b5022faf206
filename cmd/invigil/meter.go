package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/pipeline"
	"invigil/rules/pattern"
)

// meter keeps what a service shows of its source and of itself: metrics and
// readiness. The pipeline has metrics of its own. It is safe for concurrent
// use.
type meter struct {
	rebalances prometheus.Counter
	lost       *prometheus.CounterVec // by reason
	errors     *prometheus.CounterVec // by operation and code
	stuck      *prometheus.GaugeVec   // by topic and partition
	cuts       prometheus.Counter     // matches cut at the patterns' limit
	appends    prometheus.Counter     // bytes to the changelog
	replayed   *prometheus.CounterVec // records from the changelog, by topic and partition
	remaining  *prometheus.GaugeVec   // by topic and partition
	applied    *prometheus.GaugeVec   // by topic and partition
	lag        *prometheus.Desc
	reloadOK   prometheus.Gauge
	reloadTime prometheus.Gauge

	mu      sync.Mutex
	serving map[partition]connectors.Reader
	why     map[partition]error // stuck partitions
	started bool                // a partition was served
}

type partition struct {
	topic  string
	number int32
}

func newMeter(reg prometheus.Registerer) *meter {
	const ns = "invigil"
	place := []string{"topic", "partition"}
	m := &meter{
		rebalances: prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "rebalances_total", Help: "Assignments of partitions received."}),
		lost:       prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "events_lost_total", Help: "Records that Kafka deleted before they were read."}, []string{"reason"}),
		errors:     prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "kafka_errors_total", Help: "Failed Kafka operations, by operation and Kafka's error code."}, []string{"operation", "code"}),
		stuck:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Name: "partition_stuck", Help: "1 for a partition that cannot be read."}, place),
		applied:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Name: "applied_offset", Help: "Next offset to process, by partition."}, place),
		lag:        prometheus.NewDesc(prometheus.BuildFQName(ns, "", "consumer_lag"), "Records between the next one to read and the partition's end.", place, nil),
		cuts:       prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "pattern_limits_total", Help: "Matches that were cut because the pattern took too long; they count as no match."}),
		appends:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: ns, Name: "changelog_bytes_total", Help: "Bytes appended to the changelog."}),
		replayed:   prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Name: "restore_records_total", Help: "Records replayed from the changelog."}, place),
		remaining:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: ns, Name: "restore_remaining_records", Help: "Changelog offsets that a restore has before it."}, place),
		reloadOK:   prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Name: "config_last_reload_successful", Help: "1 if the last load of rules and lists succeeded."}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Name: "config_last_reload_success_timestamp_seconds", Help: "When rules and lists were last loaded."}),
		serving:    make(map[partition]connectors.Reader),
		why:        make(map[partition]error),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Name: "build_info", Help: "What the binary was built from.",
		ConstLabels: prometheus.Labels{"version": version(), "goversion": runtime.Version()}})
	build.Set(1)
	reg.MustRegister(m, build, m.rebalances, m.lost, m.errors, m.stuck, m.applied, m.cuts, m.appends, m.replayed, m.remaining, m.reloadOK, m.reloadTime,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Describe and Collect make the lag of the partitions served a metric.
func (m *meter) Describe(ch chan<- *prometheus.Desc) { ch <- m.lag }

// Collect asks the readers.
func (m *meter) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for p, r := range m.serving {
		if l, ok := r.(interface{ Lag() int64 }); ok {
			ch <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, float64(l.Lag()), p.topic, strconv.Itoa(int(p.number)))
		}
	}
}

// hooks are what a Kafka connection reports.
func (m *meter) hooks() kafka.Hooks {
	return kafka.Hooks{
		Assigned: func(int32, map[string][]int32) { m.rebalances.Inc() },
		Lost: func(_ string, _ int32, from, to int64) {
			m.lost.WithLabelValues("retention").Add(float64(to - from))
		},
		Error: func(operation string, code int, _ error) {
			m.errors.WithLabelValues(operation, strconv.Itoa(code)).Inc()
		},
		Stuck: m.setStuck,
	}
}

// cut is told of a match that was cut.
func (m *meter) cut(*pattern.LimitError) { m.cuts.Inc() }

// appended is told of every batch that the changelog has.
func (m *meter) appended(_ string, _ int32, bytes int) { m.appends.Add(float64(bytes)) }

// restored is told how a replay of the changelog goes on.
func (m *meter) restored(topic string, number int32, records int, remaining int64) {
	at := strconv.Itoa(int(number))
	m.replayed.WithLabelValues(topic, at).Add(float64(records))
	m.remaining.WithLabelValues(topic, at).Set(float64(remaining))
}

func (m *meter) setStuck(topic string, number int32, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gauge := m.stuck.WithLabelValues(topic, strconv.Itoa(int(number)))
	if err == nil {
		delete(m.why, partition{topic, number})
		gauge.Set(0)
		return
	}
	m.why[partition{topic, number}] = err
	gauge.Set(1)
}

// observe takes a committed batch.
func (m *meter) observe(r pipeline.Result) {
	for p, next := range r.Applied {
		m.applied.WithLabelValues(p.Topic, strconv.Itoa(int(p.Number))).Set(float64(next))
	}
}

func (m *meter) reloaded(ok bool, at time.Time) {
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.Set(float64(at.Unix()))
}

// ready returns nil when partitions are served and none is stuck.
func (m *meter) ready() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.started {
		return errors.New("no partition is served yet")
	}
	var errs []error
	for p, err := range m.why {
		errs = append(errs, fmt.Errorf("partition %s/%d is stuck: %w", p.topic, p.number, err))
	}
	return errors.Join(errs...)
}

// source watches which partitions a source hands out.
func (m *meter) source(s connectors.Source) connectors.Source { return meteredSource{s, m} }

type meteredSource struct {
	connectors.Source
	meter *meter
}

// Run implements connectors.Source.
func (s meteredSource) Run(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	return s.Source.Run(ctx, func(ctx context.Context, r connectors.Reader) error {
		p := partition{r.Topic(), r.Partition()}
		s.meter.mu.Lock()
		s.meter.serving[p], s.meter.started = r, true
		s.meter.mu.Unlock()
		defer func() {
			s.meter.mu.Lock()
			delete(s.meter.serving, p)
			delete(s.meter.why, p)
			s.meter.mu.Unlock()
		}()
		return serve(ctx, r)
	})
}
