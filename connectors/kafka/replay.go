package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"invigil/connectors"
)

// ReplayOptions configure a Replay.
type ReplayOptions struct {
	Connection
	Topic string
	// Since is the record time to begin at; zero = the start of the log.
	Since           time.Time
	ReadUncommitted bool
	FetchMaxBytes   int           // 1 MiB
	RetryBackoff    time.Duration // 100 ms; a request is sent ten times before the replay fails
	Logger          *slog.Logger
}

// Replay reads a topic from a point in time to the end that it has when the
// replay begins, partition after partition, in a fixed order. It joins no group
// and commits nothing. It satisfies connectors.Source; Read is for those who
// want the messages without partitions being handed out. One goroutine uses it.
type Replay struct {
	o       ReplayOptions
	client  *client
	readers []*reader
}

// OpenReplay connects and finds out where each partition begins and ends. The
// context covers the whole replay.
func OpenReplay(ctx context.Context, o ReplayOptions) (*Replay, error) {
	so := SourceOptions{
		Connection: o.Connection, ReadUncommitted: o.ReadUncommitted, FetchMaxBytes: o.FetchMaxBytes,
		RetryBackoff: o.RetryBackoff, Logger: o.Logger,
	}
	so.defaults()
	k, err := o.open(o.Topic)
	if err != nil {
		return nil, fmt.Errorf("kafka replay: %w", err)
	}
	reading := so.reading(k)
	reading.attempts = 10
	r := &Replay{o: o, client: k}
	if err := r.plan(ctx, reading); err != nil {
		k.close()
		return nil, fmt.Errorf("kafka replay: %w", err)
	}
	return r, nil
}

func (r *Replay) plan(ctx context.Context, reading *readerOptions) error {
	counts, err := r.client.partitions(ctx, []string{r.o.Topic})
	if err != nil {
		return fmt.Errorf("asking %s: %w", r.client.addr, err)
	}
	n, ok := counts[r.o.Topic]
	if !ok {
		return fmt.Errorf("no topic %s at %s", r.o.Topic, r.client.addr)
	}
	begin := kafkago.FirstOffset
	if !r.o.Since.IsZero() {
		begin = r.o.Since.UnixMilli()
	}
	for p := range int32(n) {
		end, err := r.client.offsetAt(ctx, r.o.Topic, p, kafkago.LastOffset, reading.committed)
		if err != nil {
			return fmt.Errorf("finding the end of %s/%d: %w", r.o.Topic, p, err)
		}
		start, err := r.client.offsetAt(ctx, r.o.Topic, p, begin, reading.committed)
		if err != nil {
			return fmt.Errorf("finding the start in %s/%d: %w", r.o.Topic, p, err)
		}
		if start < 0 { // nothing that young
			start = end
		}
		r.readers = append(r.readers, newReader(ctx, reading, r.o.Topic, p, start, end))
	}
	return nil
}

// Read returns the next messages of the topic, io.EOF after the last. They are
// valid until the next Read.
func (r *Replay) Read(ctx context.Context) ([]connectors.Message, error) {
	for len(r.readers) > 0 {
		ms, err := r.readers[0].Read(ctx)
		if !errors.Is(err, io.EOF) {
			return ms, err
		}
		r.readers[0].close()
		r.readers = r.readers[1:]
	}
	return nil, io.EOF
}

// Run implements connectors.Source: it calls serve for one partition after the
// other. It returns the first error of serve but io.EOF.
func (r *Replay) Run(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	for ; len(r.readers) > 0; r.readers = r.readers[1:] {
		err := serve(ctx, r.readers[0])
		r.readers[0].close()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// Close ends the replay and its connections.
func (r *Replay) Close() error {
	for _, reader := range r.readers {
		reader.close()
	}
	r.client.close()
	return nil
}
