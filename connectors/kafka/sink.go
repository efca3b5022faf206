package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"invigil/connectors"
)

// SinkOptions configure a Sink.
type SinkOptions struct {
	Connection
	Topic string
	// Create makes the topic if it is missing, with its Partitions,
	// Replication and Configs; nil = a missing topic is an error.
	Create *TopicSpec
	// Compression is none, gzip, snappy, lz4 or zstd; "" = lz4.
	Compression  string
	BatchBytes   int           // 512 KiB a request and partition; a larger item goes alone
	Attempts     int           // 5 before Deliver gives up
	RetryBackoff time.Duration // 100 ms, doubling
	Hooks        Hooks         // Error only
	Logger       *slog.Logger
}

// Sink produces items to a topic: key = the item's key, so that an agent's
// alerts stay in order in one partition (chosen as Java's producer does), the
// item's headers and invigil-id. Every request waits for all in-sync replicas.
type Sink struct {
	o           SinkOptions
	client      *client
	compression kafkago.Compression
	balancer    kafkago.Murmur2Balancer
	create      sync.Mutex
}

// NewSink checks the options. It does not connect.
func NewSink(o SinkOptions) (*Sink, error) {
	if o.Topic == "" {
		return nil, errors.New("kafka sink: no topic named")
	}
	if o.Compression == "" {
		o.Compression = "lz4"
	}
	if o.BatchBytes <= 0 {
		o.BatchBytes = 512 << 10
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.RetryBackoff <= 0 {
		o.RetryBackoff = 100 * time.Millisecond
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sink{balancer: kafkago.Murmur2Balancer{Consistent: true}}
	if err := s.compression.UnmarshalText([]byte(o.Compression)); err != nil {
		return nil, fmt.Errorf("kafka sink %s: %w", o.Topic, err)
	}
	k, err := o.open(o.Topic)
	if err != nil {
		return nil, fmt.Errorf("kafka sink %s: %w", o.Topic, err)
	}
	s.o, s.client = o, k
	return s, nil
}

// Close implements connectors.Sink.
func (s *Sink) Close() error {
	s.client.close()
	return nil
}

// Deliver implements connectors.Sink. Failed requests are sent again a few
// times while ctx lasts. An item that the brokers refuse for its size is
// reported as a *connectors.RefusedError.
func (s *Sink) Deliver(ctx context.Context, items []connectors.Item) error {
	if len(items) == 0 {
		return nil
	}
	n, err := s.partitionCount(ctx)
	if err != nil {
		return fmt.Errorf("kafka sink %s: %w", s.o.Topic, err)
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	groups := make(map[int][]connectors.Item, n)
	for _, item := range items {
		p := s.balancer.Balance(kafkago.Message{Key: item.Key}, all...)
		groups[p] = append(groups[p], item)
	}
	for p := range all {
		for group := groups[p]; len(group) > 0; {
			size, bytes := 0, 0
			for size < len(group) && (size == 0 || bytes+itemSize(&group[size]) <= s.o.BatchBytes) {
				bytes += itemSize(&group[size])
				size++
			}
			if err := s.produce(ctx, p, group[:size]); err != nil {
				return fmt.Errorf("kafka sink %s/%d: %w", s.o.Topic, p, err)
			}
			group = group[size:]
		}
	}
	return nil
}

func itemSize(it *connectors.Item) int {
	n := len(it.Key) + len(it.Value) + len(it.ID) + 64
	for _, h := range it.Headers {
		n += len(h.Key) + len(h.Value) + 8
	}
	return n
}

// produce appends items as one batch. A batch too large for the topic is sent
// again item by item.
func (s *Sink) produce(ctx context.Context, partition int, items []connectors.Item) error {
	err := s.retry(ctx, "produce", func() error { return s.send(ctx, partition, items) })
	if !errors.Is(err, kafkago.MessageSizeTooLarge) && !errors.Is(err, kafkago.RecordListTooLarge) {
		return err
	}
	if len(items) == 1 {
		return &connectors.RefusedError{ID: items[0].ID, Err: err}
	}
	for i := range items {
		if err := s.produce(ctx, partition, items[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sink) send(ctx context.Context, partition int, items []connectors.Item) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	records := make([]kafkago.Record, len(items))
	for i := range items {
		it := &items[i]
		headers := make([]kafkago.Header, 0, len(it.Headers)+1)
		for _, h := range it.Headers {
			headers = append(headers, kafkago.Header{Key: h.Key, Value: h.Value})
		}
		headers = append(headers, kafkago.Header{Key: "invigil-id", Value: []byte(it.ID)})
		records[i] = kafkago.Record{Key: protocol.NewBytes(it.Key), Value: protocol.NewBytes(it.Value), Headers: headers}
	}
	res, err := s.client.api.Produce(ctx, &kafkago.ProduceRequest{
		Topic: s.o.Topic, Partition: partition, RequiredAcks: kafkago.RequireAll,
		Records: kafkago.NewRecordReader(records...), Compression: s.compression,
	})
	if err != nil {
		return err
	}
	return res.Error
}

// partitionCount looks the topic up and creates it if told to.
func (s *Sink) partitionCount(ctx context.Context) (int, error) {
	s.create.Lock() // several partitions deliver at once, one creates
	defer s.create.Unlock()
	n := 0
	err := s.retry(ctx, "metadata", func() error {
		counts, err := s.client.partitions(ctx, []string{s.o.Topic})
		if err != nil {
			return err
		}
		if n = counts[s.o.Topic]; n > 0 {
			return nil
		}
		if s.o.Create == nil {
			return fmt.Errorf("%w: no such topic at %s: create it, or let the sink create it", kafkago.UnknownTopicOrPartition, s.client.addr)
		}
		spec := *s.o.Create
		spec.Name = s.o.Topic
		if err := s.client.createTopic(ctx, spec); err != nil {
			return err
		}
		if counts, err = s.client.partitions(ctx, []string{s.o.Topic}); err != nil {
			return err
		}
		if n = counts[s.o.Topic]; n == 0 {
			return kafkago.LeaderNotAvailable // created, but not everybody knows it yet
		}
		return nil
	})
	return n, err
}

// retry calls do again after failures that may pass.
func (s *Sink) retry(ctx context.Context, operation string, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil {
			return nil
		}
		s.o.Hooks.error(operation, err)
		var k kafkago.Error
		if final := errors.As(err, &k) && !k.Temporary(); final || attempt >= s.o.Attempts || ctx.Err() != nil {
			return err
		}
		s.o.Logger.Debug("sending to kafka failed, trying again", "topic", s.o.Topic, "operation", operation, "error", err)
		if !pause(ctx, s.o.RetryBackoff<<(attempt-1)) {
			return err
		}
	}
}
