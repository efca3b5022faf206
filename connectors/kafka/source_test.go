package kafka_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

func TestHolesLeftByCompactionAreCrossed(t *testing.T) {
	b := start(t, broker.Options{})
	cl := client(t, b)
	createCompacted(t, cl, "a")
	// Batches of ten; key 0 to 6 repeat, so most records go, tails included.
	for n := 0; n < 300; n += 10 {
		produce(t, b, young(numbered("a", 0, n, n+10))...)
	}
	b.Cluster().Compact()
	produce(t, b, young(numbered("a", 0, 300, 303))...)
	want := consumeAll(t, cl, "a", 303)
	if len(want) >= 303 || len(want) < 10 {
		t.Fatalf("the broker kept %d of 303 records: compaction did not do what the test needs", len(want))
	}
	c := newCollector()
	c.next[place{"a", 0}] = 0
	o := source(b, "a")
	o.FetchMaxBytes = 1 // batch by batch
	defer run(t, o, c)()
	c.wait(t, "the last record", func() bool { return c.next[place{"a", 0}] == 303 })
	if d := cmp.Diff(want, c.values("a", 0)); d != "" {
		t.Error(d)
	}
}

// young has the broker's clock set the times: a compaction applies retention.
func young(ms []connectors.Message) []connectors.Message {
	for i := range ms {
		ms[i].Time = 0
	}
	return ms
}

func TestAbortedTransactionsAreLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name        string
		uncommitted bool
		want        []string
	}{
		{"read committed", false, []string{"plain 1", "kept 1", "kept 2", "plain 2", "kept 3"}},
		{"read uncommitted", true, []string{"plain 1", "kept 1", "kept 2", "aborted 1", "plain 2", "aborted 2", "kept 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			plain := client(t, b, kgo.DefaultProduceTopic("a"))
			txn := client(t, b, kgo.DefaultProduceTopic("a"), kgo.TransactionalID("t"))
			send := func(cl *kgo.Client, values ...string) {
				t.Helper()
				for _, v := range values {
					if err := cl.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
			}
			transaction := func(end kgo.TransactionEndTry, f func()) {
				t.Helper()
				if err := txn.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				f()
				if err := txn.EndTransaction(t.Context(), end); err != nil {
					t.Fatal(err)
				}
			}
			send(plain, "plain 1")
			transaction(kgo.TryCommit, func() { send(txn, "kept 1", "kept 2") })
			transaction(kgo.TryAbort, func() { send(txn, "aborted 1"); send(plain, "plain 2"); send(txn, "aborted 2") })
			transaction(kgo.TryCommit, func() { send(txn, "kept 3") })

			c := newCollector()
			o := source(b, "a")
			o.ReadUncommitted = tt.uncommitted
			defer run(t, o, c)()
			c.wait(t, "the records", func() bool { return c.count() == len(tt.want) })
			if d := cmp.Diff(tt.want, c.values("a", 0)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestACommitCoversTheMarkersBehindTheLastRecord(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	txn := client(t, b, kgo.DefaultProduceTopic("a"), kgo.TransactionalID("t"))
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := txn.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := txn.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	c := newCollector()
	c.commits = true
	defer run(t, source(b, "a"), c)()
	awaitCommitted(t, b, "a", 0, 2) // record 0, marker 1
}

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

func TestEveryCodecIsRead(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	b := start(t, broker.Options{Topics: map[string]int{"gzip": 1, "snappy": 1, "lz4": 1, "zstd": 1, "none": 1}})
	long := strings.Repeat("what an inventory event may look like, ", 5000)
	var topics []string
	for name, codec := range codecs {
		topics = append(topics, name)
		cl := client(t, b, kgo.DefaultProduceTopic(name), kgo.ProducerBatchCompression(codec))
		for _, v := range []string{"short", long, long + long} {
			if err := cl.ProduceSync(t.Context(), kgo.StringRecord(v), kgo.StringRecord(v+"2")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := newCollector()
	defer run(t, source(b, topics...), c)()
	c.wait(t, "all topics", func() bool { return c.count() == 6*len(codecs) })
	for _, topic := range topics {
		if d := cmp.Diff([]string{"short", "short2", long, long + "2", long + long, long + long + "2"}, c.values(topic, 0)); d != "" {
			t.Errorf("%s: %s", topic, d[:min(len(d), 500)])
		}
	}
}

func TestLoginOverTLS(t *testing.T) {
	cert, ca := certificate(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			b := start(t, broker.Options{
				Topics: map[string]int{"a": 1},
				TLS:    &tls.Config{Certificates: []tls.Certificate{cert}},
				Login:  &broker.Login{Mechanism: mechanism, Username: "invigil", Password: "s3cret"},
			})
			o := source(b, "a")
			var err error
			if o.TLS, err = (kafka.TLSFiles{CAFile: ca}).Config(); err != nil {
				t.Fatal(err)
			}
			o.SASL = &kafka.SASL{Mechanism: mechanism, Username: "invigil", Password: "s3cret"}
			sink, err := kafka.NewSink(kafka.SinkOptions{Connection: o.Connection, Topic: "a"})
			if err != nil {
				t.Fatal(err)
			}
			defer sink.Close()
			if err := sink.Deliver(t.Context(), []connectors.Item{{ID: "1", Key: []byte("k"), Value: []byte("v")}}); err != nil {
				t.Fatal(err)
			}
			c := newCollector()
			c.commits = true
			defer run(t, o, c)()
			c.wait(t, "the record", func() bool { return c.count() == 1 })

			// This is how Kafka refuses a login; the broker here hangs up instead.
			b.Cluster().ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
				b.Cluster().KeepControl()
				res := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				res.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return res, nil, true
			})
			s, err := kafka.NewSource(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context(), c.serve); err == nil || !strings.Contains(err.Error(), "logging in") {
				t.Errorf("a wrong password gave %v", err)
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
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}
