package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"invigil/connectors/kafka"
	"invigil/pipeline"
	"invigil/state"
)

// changelog is Kafka's changelog as the pipeline wants it.
type changelog struct{ *kafka.Changelog }

// Open implements pipeline.Changelog.
func (c changelog) Open(ctx context.Context, topic string, number, generation int32, r *state.Replica) (pipeline.Appender, error) {
	w, err := c.Changelog.Open(ctx, topic, number, generation, r)
	if err != nil {
		return nil, err
	}
	return appender{w}, nil
}

// appender says of a batch that is too large that it can be cut.
type appender struct{ *kafka.Writer }

// Append implements pipeline.Appender.
func (a appender) Append(ctx context.Context, records iter.Seq2[[]byte, []byte]) (next, at int64, err error) {
	next, at, err = a.Writer.Append(ctx, records)
	if tooLarge := (*kafka.TooLargeError)(nil); errors.As(err, &tooLarge) {
		err = fmt.Errorf("%w: %w", pipeline.ErrTooLarge, err)
	}
	return next, at, err
}
