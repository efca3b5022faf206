package kafka_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func TestAMovedLeaderIsFollowed(t *testing.T) {
	b := start(t, broker.Options{Brokers: 3, Topics: map[string]int{"a": 1}})
	c := newCollector()
	defer run(t, source(b, "a"), c)()
	for i := range 6 {
		if err := b.Cluster().MoveTopicPartition("a", 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
		produce(t, b, numbered("a", 0, 10*i, 10*i+10)...)
		c.wait(t, "the records of the new leader", func() bool { return c.count() == 10*i+10 })
	}
	if d := cmp.Diff(sequence(0, 60), c.values("a", 0)); d != "" {
		t.Error(d)
	}
}

func TestARestartedBrokerIsFoundAgain(t *testing.T) {
	o := broker.Options{Topics: map[string]int{"a": 1}, Dir: t.TempDir(), Sync: true}
	b := start(t, o)
	_, port, _ := net.SplitHostPort(b.Addrs()[0])
	o.Ports = []int{atoi(t, port)}
	produce(t, b, numbered("a", 0, 0, 50)...)
	c := newCollector()
	c.commits = true
	so := source(b, "a")
	var failures atomic.Int64
	so.Hooks.Error = func(string, int, error) { failures.Add(1) }
	defer run(t, so, c)()
	c.wait(t, "the records before", func() bool { return c.count() == 50 })
	b.Close()
	poll(t, "the source to notice", func() bool { return failures.Load() > 0 })
	b = start(t, o)
	produce(t, b, numbered("a", 0, 50, 80)...)
	c.wait(t, "the records after", func() bool { return c.count() == 80 })
	if d := cmp.Diff(sequence(0, 80), c.values("a", 0)); d != "" {
		t.Error(d)
	}
}

func TestRecordsDeletedBeforeTheyWereRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy kafka.Policy
	}{{"are counted and the rest is read", kafka.Continue}, {"stop the partition", kafka.Stop}} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			produce(t, b, numbered("a", 0, 0, 40)...)
			deleteRecords(t, client(t, b), "a", 30)
			c := newCollector()
			c.next[place{"a", 0}] = 10
			o := source(b, "a")
			o.OnLost = tt.policy
			lost := make(chan [2]int64, 16)
			o.Hooks.Lost = func(_ string, _ int32, from, to int64) { lost <- [2]int64{from, to} }
			stuck := make(chan error, 1024)
			o.Hooks.Stuck = func(_ string, _ int32, err error) { stuck <- err }
			defer run(t, o, c)()
			if tt.policy == kafka.Continue {
				c.wait(t, "what is left", func() bool { return c.count() == 10 })
				if got := <-lost; got != [2]int64{10, 30} {
					t.Errorf("lost %v, want [10 30)", got)
				}
				if d := cmp.Diff(sequence(30, 40), c.values("a", 0)); d != "" {
					t.Error(d)
				}
				return
			}
			var e *kafka.LostError
			c.wait(t, "two attempts", func() bool { return len(c.errs) == 2 })
			if !errors.As(c.errs[0], &e) || e.From != 10 || e.To != 30 || c.count() != 0 || len(lost) != 0 {
				t.Errorf("error %v, %d messages, %d losses counted", c.errs[0], c.count(), len(lost))
			}
			if err := <-stuck; !errors.As(err, &e) {
				t.Errorf("stuck: %v", err)
			}
			c.change(func() { c.next[place{"a", 0}] = 30 }) // an operator's decision
			c.wait(t, "the rest", func() bool { return c.count() == 10 })
			poll(t, "readiness", func() bool { return <-stuck == nil })
		})
	}
}

func TestARecreatedTopic(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy kafka.Policy
	}{{"is read from its start", kafka.Continue}, {"stops the partition", kafka.Stop}} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			produce(t, b, numbered("a", 0, 0, 40)...)
			c := newCollector()
			o := source(b, "a")
			o.OnTruncated = tt.policy
			truncated := make(chan [2]int64, 16)
			o.Hooks.Truncated = func(_ string, _ int32, position, end int64) { truncated <- [2]int64{position, end} }
			defer run(t, o, c)()
			c.wait(t, "the first topic", func() bool { return c.count() == 40 })
			cl := client(t, b)
			deleteTopic(t, cl, "a")
			if err := b.CreateTopic(t.Context(), "a", 1); err != nil {
				t.Fatal(err)
			}
			produce(t, b, numbered("a", 0, 40, 45)...)
			if tt.policy == kafka.Continue {
				c.wait(t, "the second topic", func() bool { return c.count() == 45 })
				if got := <-truncated; got != [2]int64{40, 5} && got != [2]int64{40, 0} {
					t.Errorf("truncated at %v", got)
				}
				if d := cmp.Diff(sequence(0, 45), c.values("a", 0)); d != "" {
					t.Error(d)
				}
				return
			}
			var e *kafka.TruncatedError
			c.wait(t, "the stop", func() bool {
				return slices.ContainsFunc(c.errs, func(err error) bool { return errors.As(err, &e) })
			})
			if e.Position != 40 || e.End > 5 || c.count() != 40 {
				t.Errorf("%v after %d messages", e, c.count())
			}
		})
	}
}

func TestAnUnreadableBatchStopsThePartitionUntilItCanBeRead(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	produce(t, b, numbered("a", 0, 0, 10)...)
	var broken atomic.Bool
	broken.Store(true)
	b.Cluster().ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.Cluster().KeepControl()
		if !broken.Load() {
			return nil, nil, false
		}
		f := req.(*kmsg.FetchRequest)
		res := f.ResponseKind().(*kmsg.FetchResponse)
		part := kmsg.NewFetchResponseTopicPartition()
		part.HighWatermark, part.LastStableOffset = 10, 10
		part.RecordBatches = append(make([]byte, 8), 0, 0, 0, 60)
		part.RecordBatches = append(part.RecordBatches, make([]byte, 60)...)
		part.RecordBatches[16] = 2
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.Partitions = f.Topics[0].Topic, append(topic.Partitions, part)
		res.Topics = append(res.Topics, topic)
		return res, nil, true
	})
	c := newCollector()
	o := source(b, "a")
	stuck := make(chan error, 1024)
	o.Hooks.Stuck = func(_ string, _ int32, err error) { stuck <- err }
	defer run(t, o, c)()
	for range 3 {
		var e *kafka.CorruptError
		if err := <-stuck; !errors.As(err, &e) || e.Offset != 0 {
			t.Fatalf("stuck: %v", err)
		}
	}
	broken.Store(false)
	c.wait(t, "the records", func() bool { return c.count() == 10 })
	poll(t, "readiness", func() bool { return <-stuck == nil })
}

func TestTopicsAndPartitionsThatAppearAreTakenUp(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := newCollector()
	defer run(t, source(b, "a", "later"), c)()
	produce(t, b, numbered("a", 0, 0, 5)...)
	c.wait(t, "the topic that exists", func() bool { return c.count() == 5 })
	if err := b.CreateTopic(t.Context(), "later", 1); err != nil {
		t.Fatal(err)
	}
	produce(t, b, numbered("later", 0, 0, 5)...)
	c.wait(t, "the new topic", func() bool { return len(c.got[place{"later", 0}]) == 5 })
	addPartitions(t, client(t, b), "a", 2)
	produce(t, b, numbered("a", 1, 0, 5)...)
	c.wait(t, "the new partition", func() bool { return len(c.got[place{"a", 1}]) == 5 })
}

func TestAServeThatFailsIsCalledAgain(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 2}})
	produce(t, b, append(numbered("a", 0, 0, 5), numbered("a", 1, 0, 5)...)...)
	s, err := kafka.NewSource(source(b, "a"))
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector()
	var failures, generations atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Run(ctx, func(ctx context.Context, r connectors.Reader) error {
			generations.Add(1)
			if r.Partition() == 0 && failures.Add(1) < 3 {
				return errors.New("the store is busy")
			}
			return c.serve(ctx, r)
		})
	}()
	c.wait(t, "both partitions", func() bool { return c.count() == 10 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := generations.Load(); got != 4 {
		t.Errorf("serve was called %d times, want 3 for partition 0 and 1 for partition 1, undisturbed", got)
	}
}
