package bench

import (
	"iter"

	"invigil/connectors"
)

// reports is how often each agent reports before anything is measured. The
// first report is all new rows, and after it rows are not yet as in a store
// that has run for a day: what wrote them last was the first scan.
const reports = 4

// workload is what the pipeline is fed with: the first reports, which fill the
// store, then rounds.
type workload struct {
	gen    *Generator // nil = file
	agents int
	file   []connectors.Message
}

// Messages yields what a run that measures that many events reads from Kafka.
func Messages(f Fleet, events int) iter.Seq[[]connectors.Message] {
	return func(yield func([]connectors.Message) bool) {
		o := Options{Fleet: f.withDefaults()}
		w := o.workload()
		for msgs := range w.first(reports) {
			if !yield(msgs) {
				return
			}
		}
		for n := 0; n < events+kafkaSlack; {
			msgs := w.round(0, 20_000)
			if n += len(msgs); !yield(msgs) {
				return
			}
		}
	}
}

func (o *Options) workload() *workload {
	if o.Messages != nil {
		return &workload{file: o.Messages}
	}
	return &workload{gen: NewGenerator(o.Fleet), agents: o.Fleet.Agents}
}

// first yields the first n reports of every agent, or the file's messages.
func (w *workload) first(n int) iter.Seq[[]connectors.Message] {
	return func(yield func([]connectors.Message) bool) {
		if w.gen == nil {
			yield(w.file)
			return
		}
		var msgs []connectors.Message
		for i := range n * w.agents {
			if msgs = w.gen.Scan(msgs); len(msgs) < batchEvents && i+1 < n*w.agents {
				continue
			}
			if !yield(msgs) {
				return
			}
			msgs = msgs[:0]
		}
	}
}

// round returns the i-th round's messages: n generated ones, or the file's
// again.
func (w *workload) round(i, n int) []connectors.Message {
	if w.gen != nil {
		return w.gen.Batch(n)
	}
	// Offsets only grow: a repeated one would be passed over.
	shift := w.file[len(w.file)-1].Offset + 1
	msgs := append([]connectors.Message(nil), w.file...)
	for k := range msgs {
		msgs[k].Offset += int64(i+1) * shift
	}
	return msgs
}
