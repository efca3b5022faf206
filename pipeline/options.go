package pipeline

import (
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invigil/connectors"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// Defaults of Options.
const (
	DefaultBatchEvents    = 2000
	DefaultBatchBytes     = 1 << 20
	DefaultOutbox         = 100_000
	DefaultCommitInterval = 5 * time.Second
	DefaultStopGrace      = 5 * time.Second
)

// Options configure a Pipeline. Store and Rules are required.
type Options struct {
	Store   *state.Store
	Rules   *rules.Set
	Decoder syscollector.Options

	// Sinks receive what the outbox holds; none = nothing is kept for
	// delivery and alerts are in Process' Result only.
	Sinks []Sink
	// Changelog makes each batch durable elsewhere before it is committed
	// here; nil = none.
	Changelog Changelog

	BatchEvents    int           // most messages a commit; 0 = DefaultBatchEvents
	BatchBytes     int           // most bytes of values a commit; 0 = DefaultBatchBytes
	Outbox         int           // undelivered entries a partition before reading stops; 0 = DefaultOutbox
	CommitInterval time.Duration // between syncs of the store and offset commits; 0 = DefaultCommitInterval
	StopGrace      time.Duration // for the last delivery of a stop; 0 = DefaultStopGrace

	// ForgetAfter is how long an agent may be silent, in stream time, before it
	// is forgotten: at the next full hour of stream time. 0 = for ever.
	ForgetAfter time.Duration

	// Explain, if set, is asked before each event is evaluated for what to
	// tell about it.
	Explain func(*syscollector.Event) *rules.Trace
	// Observe, if set, gets the result of each commit of Run. It is called
	// from the partitions' goroutines.
	Observe func(Result)

	Clock      func() time.Time      // paces syncs and retries, never a verdict; nil = time.Now
	Logger     *slog.Logger          // nil = discard
	Registerer prometheus.Registerer // nil = metrics are kept unregistered
}

// Sink is a destination of the outbox. Its cursor goes by Name.
type Sink struct {
	Name string
	Sink connectors.Sink
	// Format appends the rendered alert to b. nil = the sink takes dead
	// letters only.
	Format func(b []byte, a *rules.Alert) ([]byte, error)
	// DeadLetters makes it the destination of dead letters too.
	DeadLetters bool
}

func (o Options) withDefaults() Options {
	if o.BatchEvents <= 0 {
		o.BatchEvents = DefaultBatchEvents
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = DefaultBatchBytes
	}
	if o.Outbox <= 0 {
		o.Outbox = DefaultOutbox
	}
	if o.CommitInterval <= 0 {
		o.CommitInterval = DefaultCommitInterval
	}
	if o.StopGrace <= 0 {
		o.StopGrace = DefaultStopGrace
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// deadLettersToSink reports whether dead letters leave through the outbox.
func (o *Options) deadLettersToSink() bool {
	for _, s := range o.Sinks {
		if s.DeadLetters {
			return true
		}
	}
	return false
}
