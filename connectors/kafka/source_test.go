package kafka_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func TestAllPartitionsAreReadInOrderWithEverythingARecordHas(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 3, "b": 1}})
	want := map[place][]connectors.Message{}
	for p := range int32(3) {
		want[place{"a", p}] = numbered("a", p, 0, 200)
	}
	rich := numbered("b", 0, 0, 4)
	rich[0].Headers = []connectors.Header{{Key: "agent.id", Value: []byte("001")}, {Key: "empty", Value: []byte{}}}
	rich[1].Key = nil
	rich[2].Value = nil
	rich[3].Value = []byte{}
	want[place{"b", 0}] = rich
	for _, ms := range want {
		produce(t, b, ms...)
	}
	c := newCollector()
	defer run(t, source(b, "a", "b"), c)()
	c.wait(t, "all messages", func() bool { return c.count() == 604 })
	if d := cmp.Diff(want, c.got); d != "" {
		t.Error(d)
	}
}

func TestWhereAPartitionBegins(t *testing.T) {
	own := func(next int64) func(*collector) {
		return func(c *collector) { c.next[place{"a", 0}] = next }
	}
	for _, tt := range []struct {
		name      string
		committed int // messages that an earlier run read and committed; 0 = no earlier run
		state     func(*collector)
		latest    bool
		first     string // of messages 0 to 29 and, once it is running, 30
	}{
		{"at the start of the log by default", 0, nil, false, "0"},
		{"at the end if so configured", 0, nil, true, "30"},
		{"at the committed offset without own state", 20, nil, false, "20"},
		{"at the committed offset even if configured to begin at the end", 20, nil, true, "20"},
		{"at its own offset before the committed one", 20, own(5), false, "5"},
		{"at its own offset after the committed one", 20, own(25), true, "25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			if tt.committed > 0 {
				produce(t, b, numbered("a", 0, 0, tt.committed)...)
				c := newCollector()
				c.commits = true
				stop := run(t, source(b, "a"), c)
				c.wait(t, "the first run", func() bool { return c.count() == tt.committed })
				awaitCommitted(t, b, "a", 0, int64(tt.committed))
				stop()
			}
			produce(t, b, numbered("a", 0, tt.committed, 30)...)
			c := newCollector()
			if tt.state != nil {
				tt.state(c)
			}
			o := source(b, "a")
			o.StartLatest = tt.latest
			serving := make(chan connectors.Reader, 1)
			s, err := kafka.NewSource(o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- s.Run(ctx, func(ctx context.Context, r connectors.Reader) error {
					serving <- r
					return c.serve(ctx, r)
				})
			}()
			r := (<-serving).(interface{ Lag() int64 })
			poll(t, "the first answer", func() bool { return r.Lag() >= 0 })
			produce(t, b, numbered("a", 0, 30, 31)...)
			c.wait(t, "message 30", func() bool { return c.next[place{"a", 0}] == 31 })
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if got := c.values("a", 0); got[0] != tt.first {
				t.Errorf("began at %s, want %s", got[0], tt.first)
			}
		})
	}
}

// poll asks again and again until ok.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func awaitCommitted(t *testing.T, b *broker.Broker, topic string, partition int32, next int64) {
	t.Helper()
	poll(t, "the committed offset", func() bool {
		got, err := b.Committed(t.Context(), "invigil", topic, int(partition)+1)
		return err == nil && got[partition] == next
	})
}

func TestAMemberThatJoinsTakesOverWithoutLossOrRepeat(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 4}})
	for p := range int32(4) {
		produce(t, b, numbered("a", p, 0, 100)...)
	}
	c := newCollector() // both members share it, as one state: repeats would show
	c.commits = true
	stopFirst := run(t, source(b, "a"), c)
	c.wait(t, "the first member to read all", func() bool { return c.count() == 400 })

	o := source(b, "a")
	assigned := make(chan map[string][]int32, 16)
	o.Hooks.Assigned = func(_ int32, all map[string][]int32) { assigned <- all }
	stopSecond := run(t, o, c)
	for all := range assigned {
		if len(all["a"]) == 2 {
			break
		}
	}
	for p := range int32(4) {
		produce(t, b, numbered("a", p, 100, 200)...)
	}
	c.wait(t, "both members to read all", func() bool { return c.count() == 800 })
	stopFirst()
	for all := range assigned {
		if len(all["a"]) == 4 {
			break
		}
	}
	for p := range int32(4) {
		produce(t, b, numbered("a", p, 200, 300)...)
	}
	c.wait(t, "the second member to read all", func() bool { return c.count() == 1200 })
	stopSecond()
	for p := range int32(4) {
		if d := cmp.Diff(sequence(0, 300), c.values("a", p)); d != "" {
			t.Errorf("partition %d: %s", p, d)
		}
	}
}

// young has the broker's clock set the times: a compaction applies retention.
func TestASeatIsKeptOnStopIfSoConfigured(t *testing.T) {
	for _, keep := range []bool{false, true} {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		o := source(b, "a")
		o.KeepSeat = keep
		assigned := make(chan struct{}, 16)
		o.Hooks.Assigned = func(int32, map[string][]int32) { assigned <- struct{}{} }
		stop := run(t, o, newCollector())
		<-assigned
		stop()
		if got := members(t, client(t, b), "invigil"); (got == 1) != keep {
			t.Errorf("KeepSeat %v left %d members", keep, got)
		}
	}
}

func TestAReadThatIsCutShortLosesNothing(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	s, err := kafka.NewSource(source(b, "a"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	err = s.Run(ctx, func(ctx context.Context, r connectors.Reader) error {
		for n := 0; len(got) < 50; n++ {
			short, stop := context.WithCancel(ctx)
			if n%2 == 0 {
				stop() // it has ended before it began
			} else if len(got) == 10*(n/2) {
				produce(t, b, numbered("a", 0, 10*(n/2), 10*(n/2)+10)...)
			}
			ms, err := r.Read(short)
			stop()
			if err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			for _, m := range ms {
				got = append(got, string(m.Value))
			}
			if ms == nil && n%2 == 1 {
				n-- // nothing came: ask again without producing
			}
		}
		cancel()
		<-ctx.Done()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sequence(0, 50), got); d != "" {
		t.Error(d)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := kafka.SourceOptions{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Topics: []string{"a"}, Group: "g"}
	for _, tt := range []struct {
		name string
		with func(*kafka.SourceOptions)
		want string
	}{
		{"no topic", func(o *kafka.SourceOptions) { o.Topics = nil }, "no topics"},
		{"no group", func(o *kafka.SourceOptions) { o.Group = "" }, "no consumer group"},
		{"no broker", func(o *kafka.SourceOptions) { o.Brokers = nil }, "no brokers"},
		{"broker without a port", func(o *kafka.SourceOptions) { o.Brokers = []string{"kafka"} }, "want host:port"},
		{"heartbeat slower than the session", func(o *kafka.SourceOptions) { o.SessionTimeout, o.HeartbeatInterval = time.Second, time.Second }, "a third of it"},
		{"unknown mechanism", func(o *kafka.SourceOptions) { o.SASL = &kafka.SASL{Mechanism: "GSSAPI"} }, "SCRAM-SHA-512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.with(&o)
			if _, err := kafka.NewSource(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
	if _, err := kafka.NewSource(good); err != nil {
		t.Error(err)
	}
}

// certificate makes a self-signed certificate for the loopback address and
// writes it to a file.
