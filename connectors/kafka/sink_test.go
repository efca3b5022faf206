package kafka_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func sink(t *testing.T, b *broker.Broker, with func(*kafka.SinkOptions)) *kafka.Sink {
	t.Helper()
	o := kafka.SinkOptions{
		Connection: kafka.Connection{Brokers: b.Addrs(), MetadataTTL: 20 * time.Millisecond},
		Topic:      "alerts", RetryBackoff: 5 * time.Millisecond,
	}
	if with != nil {
		with(&o)
	}
	s, err := kafka.NewSink(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func items(n int) []connectors.Item {
	var all []connectors.Item
	for i := range n {
		all = append(all, connectors.Item{
			ID: fmt.Sprintf("id-%d", i), Key: fmt.Appendf(nil, "%03d", i%10), Value: fmt.Append(nil, i),
			Headers: []connectors.Header{{Key: "h", Value: []byte("v")}},
		})
	}
	return all
}

// delivered reads n records of the topic: value → record.
func delivered(t *testing.T, b *broker.Broker, n int) map[string]*kgo.Record {
	t.Helper()
	cl := client(t, b, kgo.ConsumeTopics("alerts"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	got := map[string]*kgo.Record{}
	for len(got) < n {
		fetches := cl.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { got[string(r.Value)] = r })
	}
	return got
}

func TestItemsArriveWithKeyHeadersAndIDInOrderPerKey(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"alerts": 4}})
	s := sink(t, b, func(o *kafka.SinkOptions) { o.BatchBytes = 1000 })
	all := items(200)
	if err := s.Deliver(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	got := delivered(t, b, 200)
	reference, last := kgo.StickyKeyPartitioner(nil).ForTopic("alerts"), map[string]int64{}
	for _, it := range all {
		r := got[string(it.Value)]
		if r == nil {
			t.Fatalf("item %s is missing", it.Value)
		}
		want := []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "invigil-id", Value: []byte(it.ID)}}
		if d := cmp.Diff(want, r.Headers); d != "" || string(r.Key) != string(it.Key) {
			t.Errorf("item %s has key %s, headers %s", it.Value, r.Key, d)
		}
		if p := reference.Partition(&kgo.Record{Key: it.Key}, 4); int(r.Partition) != p {
			t.Errorf("key %s went to partition %d, other producers put it into %d", it.Key, r.Partition, p)
		}
		if prev, ok := last[string(it.Key)]; ok && r.Offset <= prev {
			t.Errorf("item %s overtook one of its key", it.Value)
		}
		last[string(it.Key)] = r.Offset
	}
}

func TestAMissingTopic(t *testing.T) {
	b := start(t, broker.Options{})
	err := sink(t, b, nil).Deliver(t.Context(), items(1))
	if err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("got %v", err)
	}
	s := sink(t, b, func(o *kafka.SinkOptions) { o.Create = &kafka.TopicSpec{Partitions: 2} })
	if err := s.Deliver(t.Context(), items(20)); err != nil {
		t.Fatal(err)
	}
	delivered(t, b, 20)
}

func TestFailuresThatPassAreRetried(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"alerts": 1}})
	h := b.Cluster().Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut}, // after appending
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas},
	)
	if err := sink(t, b, nil).Deliver(t.Context(), items(3)); err != nil {
		t.Fatal(err)
	}
	if h.Hits() != 3 {
		t.Errorf("%d faults met, want 3", h.Hits())
	}
	delivered(t, b, 3)

	defer b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: -1}).Remove()
	if err := sink(t, b, nil).Deliver(t.Context(), items(3)); !errors.Is(err, kafkago.NotLeaderForPartition) {
		t.Errorf("got %v, want the error that does not pass", err)
	}
}

func TestAnItemTooLargeIsRefusedAndNamed(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"alerts": 1}, Settings: map[string]string{"message.max.bytes": "2000"}})
	all := items(3)
	for len(all[1].Value) < 5000 {
		all[1].Value = fmt.Appendf(all[1].Value, "%x", len(all[1].Value)*7919)
	}
	s := sink(t, b, func(o *kafka.SinkOptions) { o.Compression = "none" })
	err := s.Deliver(t.Context(), all)
	var refused *connectors.RefusedError
	if !errors.As(err, &refused) || refused.ID != "id-1" {
		t.Fatalf("got %v", err)
	}
	if err := s.Deliver(t.Context(), []connectors.Item{all[0], all[2]}); err != nil {
		t.Fatal(err)
	}
	delivered(t, b, 2)
}

func TestASinkWithoutItsSettingsIsRefused(t *testing.T) {
	c := kafka.Connection{Brokers: []string{"localhost:9092"}}
	for want, o := range map[string]kafka.SinkOptions{
		"no topic":    {Connection: c},
		"compression": {Connection: c, Topic: "a", Compression: "rar"},
		"no brokers":  {Topic: "a"},
	} {
		if _, err := kafka.NewSink(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
