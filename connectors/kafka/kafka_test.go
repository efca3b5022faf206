package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// start runs a broker for the test.
func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// source returns options with quick retries.
func source(b *broker.Broker, topics ...string) kafka.SourceOptions {
	return kafka.SourceOptions{
		Connection: kafka.Connection{Brokers: b.Addrs(), MetadataTTL: 50 * time.Millisecond},
		Topics:     topics, Group: "invigil",
		SessionTimeout: 5 * time.Second, HeartbeatInterval: 50 * time.Millisecond, RebalanceTimeout: 5 * time.Second,
		JoinBackoff: 10 * time.Millisecond, WatchInterval: 50 * time.Millisecond,
		FetchMaxWait: 20 * time.Millisecond, RetryBackoff: 5 * time.Millisecond,
	}
}

type place struct {
	topic     string
	partition int32
}

// collector serves partitions by writing down what it reads. It keeps the
// next offset of each as the pipeline's state does.
type collector struct {
	mu        sync.Mutex
	changed   chan struct{} // closed and replaced at every change
	got       map[place][]connectors.Message
	next      map[place]int64
	errs      []error
	stateless bool // do not say where: leave it to the group's offsets
	commits   bool
}

func newCollector() *collector {
	return &collector{changed: make(chan struct{}), got: map[place][]connectors.Message{}, next: map[place]int64{}}
}

func (c *collector) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *collector) serve(ctx context.Context, r connectors.Reader) error {
	at := place{r.Topic(), r.Partition()}
	c.mu.Lock()
	next, known := c.next[at]
	c.mu.Unlock()
	if known && !c.stateless {
		r.StartAt(next)
	}
	for {
		ms, err := r.Read(ctx)
		if err != nil {
			c.change(func() { c.errs = append(c.errs, err) })
			return err
		}
		c.change(func() {
			for _, m := range ms {
				m.Key, m.Value, m.Headers = slices.Clone(m.Key), slices.Clone(m.Value), slices.Clone(m.Headers)
				c.got[at] = append(c.got[at], m)
				c.next[at] = m.Offset + 1
			}
		})
		if c.commits {
			if err := r.Commit(ctx, ms[len(ms)-1].Offset+1); err != nil {
				return err
			}
		}
	}
}

// wait blocks until ok, called under the lock, is true.
func (c *collector) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		done, changed := ok(), c.changed
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			c.mu.Lock()
			defer c.mu.Unlock()
			counts := map[place]int{}
			for at, ms := range c.got {
				counts[at] = len(ms)
			}
			t.Fatalf("waited in vain for %s; read %v, errors %v", what, counts, c.errs)
		}
	}
}

func (c *collector) count() int {
	n := 0
	for _, ms := range c.got {
		n += len(ms)
	}
	return n
}

// run starts the source; the function returned stops it and waits.
func run(t *testing.T, o kafka.SourceOptions, c *collector) func() {
	t.Helper()
	s, err := kafka.NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, c.serve) }()
	return sync.OnceFunc(func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

func produce(t *testing.T, b *broker.Broker, ms ...connectors.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Produce(ctx, ms...); err != nil {
		t.Fatal(err)
	}
}

// numbered makes messages n to m-1 of a partition; the value is the number.
func numbered(topic string, partition int32, n, m int) []connectors.Message {
	var ms []connectors.Message
	for i := n; i < m; i++ {
		ms = append(ms, connectors.Message{
			Topic: topic, Partition: partition, Offset: int64(i), Time: 1700000000000 + int64(i),
			Key: []byte(fmt.Sprint(i % 7)), Value: []byte(fmt.Sprint(i)),
		})
	}
	return ms
}

// values returns what was read of a partition.
func (c *collector) values(topic string, partition int32) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var vs []string
	for _, m := range c.got[place{topic, partition}] {
		vs = append(vs, string(m.Value))
	}
	return vs
}

func sequence(n, m int) []string {
	var vs []string
	for i := n; i < m; i++ {
		vs = append(vs, fmt.Sprint(i))
	}
	return vs
}
