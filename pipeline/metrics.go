package pipeline

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the pipeline's counters, in Prometheus' conventions. Everything
// is counted once a batch, never once an event.
type metrics struct {
	messages    prometheus.Counter
	events      prometheus.Counter
	rows        prometheus.Counter
	foreign     prometheus.Counter
	repeats     prometheus.Counter
	skewed      prometheus.Counter
	alerts      *prometheus.CounterVec // by level
	deadLetters *prometheus.CounterVec // by reason
	delivered   *prometheus.CounterVec // by sink
	sinkErrors  *prometheus.CounterVec // by sink
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "invigil", Name: name, Help: help})
	}
	vec := func(name, help string, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "invigil", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		messages:    counter("messages_total", "Messages read from the source."),
		events:      counter("events_decoded_total", "Messages that were decoded as inventory events."),
		rows:        counter("deltas_total", "Inventory rows that events reported, changed or removed."),
		foreign:     counter("messages_foreign_total", "Messages of other modules than Syscollector, skipped."),
		repeats:     counter("messages_repeated_total", "Messages skipped because their offset was applied before."),
		skewed:      counter("events_skewed_total", "Events whose own time lay more than a day ahead of their record's, which was used instead."),
		alerts:      vec("alerts_total", "Alerts raised, by rule level.", "level"),
		deadLetters: vec("dead_letters_total", "Messages kept as dead letters, by reason.", "reason"),
		delivered:   vec("sink_delivered_total", "Outbox entries a sink acknowledged.", "sink"),
		sinkErrors:  vec("sink_errors_total", "Deliveries a sink refused or did not acknowledge.", "sink"),
	}
	if reg != nil {
		reg.MustRegister(m.messages, m.events, m.rows, m.foreign, m.repeats, m.skewed, m.alerts, m.deadLetters, m.delivered, m.sinkErrors)
	}
	return m
}

// count adds a committed batch.
func (m *metrics) count(r *Result) {
	m.messages.Add(float64(r.Counts.Messages))
	m.events.Add(float64(r.Counts.Events))
	m.rows.Add(float64(r.Counts.Rows))
	m.foreign.Add(float64(r.Counts.Foreign))
	m.repeats.Add(float64(r.Counts.Repeats))
	m.skewed.Add(float64(r.Counts.Skewed))
	for i := range r.Alerts {
		m.alerts.WithLabelValues(strconv.Itoa(r.Alerts[i].Rule.Level)).Inc()
	}
	for i := range r.DeadLetters {
		m.deadLetters.WithLabelValues(r.DeadLetters[i].Reason).Inc()
	}
}
