package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"invigil/pipeline"
	"invigil/state"
)

const (
	kafkaRounds = 3 // each number of rules reads the topic that often
	// kafkaSlack is how many more messages the topic has than are measured:
	// measuring begins and ends between two fetches.
	kafkaSlack = 40_000
)

// throughKafka measures the whole way from a topic, with each number of rules
// in turns.
func (o *Options) throughKafka(ctx context.Context, runs []*contender) error {
	first := 0
	for msgs := range o.workload().first(reports) {
		first += len(msgs)
	}
	for i := range kafkaRounds {
		for k := range runs {
			r := runs[(i+k)%len(runs)]
			o.Progress("Kafka, round %d of %d: %d rules", i+1, kafkaRounds, len(r.set.Rules()))
			micros, err := o.consume(ctx, r, first)
			if err != nil {
				return fmt.Errorf("from Kafka: %w", err)
			}
			r.kafka = append(r.kafka, micros)
		}
	}
	return nil
}

// consume runs a new pipeline on the topic and returns the CPU time of an event
// after the first ones.
func (o *Options) consume(ctx context.Context, r *contender, first int) (perEvent float64, err error) {
	store, err := state.OpenMemory(state.Options{VolatileInterval: o.Volatile})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var began, took time.Duration
	seen, from := 0, 0
	pipe, err := pipeline.New(pipeline.Options{
		Store: store, Rules: r.set, BatchEvents: batchEvents,
		Observe: func(res pipeline.Result) { // one partition: one goroutine
			seen += res.Counts.Messages
			switch {
			case from == 0 && seen >= first:
				began, from = cpu(), seen
			case from > 0 && took == 0 && seen-from >= o.Events:
				took = cpu() - began
				perEvent = micros(took, seen-from)
				stop()
			}
		},
	})
	if err != nil {
		return 0, err
	}
	src, err := o.Connect()
	if err != nil {
		return 0, err
	}
	if err := pipe.Run(ctx, src); err != nil {
		return 0, err
	}
	if took == 0 {
		return 0, errors.New("the topic ended early")
	}
	return perEvent, nil
}
