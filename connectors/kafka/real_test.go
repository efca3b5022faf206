package kafka_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"invigil/connectors"
	"invigil/connectors/kafka"
)

// TestAgainstABroker runs the whole way against the brokers that
// INVIGIL_TEST_KAFKA names (host:port, comma separated).
func TestAgainstABroker(t *testing.T) {
	brokers := os.Getenv("INVIGIL_TEST_KAFKA")
	if brokers == "" {
		t.Skip("INVIGIL_TEST_KAFKA names no broker")
	}
	conn := kafka.Connection{Brokers: strings.Split(brokers, ",")}
	topic := fmt.Sprintf("invigil-test-%d", time.Now().UnixNano())
	cl, err := kgo.NewClient(kgo.SeedBrokers(conn.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	options := func() kafka.SourceOptions {
		return kafka.SourceOptions{
			Connection: conn, Topics: []string{topic}, Group: topic, SessionTimeout: 10 * time.Second,
			JoinBackoff: 50 * time.Millisecond, WatchInterval: 100 * time.Millisecond, FetchMaxWait: 50 * time.Millisecond,
		}
	}
	if err := kafka.CreateTopic(t.Context(), conn, kafka.TopicSpec{Name: topic, Partitions: 2, Configs: map[string]string{
		"cleanup.policy": "compact", "segment.ms": "2000", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0", "max.compaction.lag.ms": "2000",
	}}); err != nil {
		t.Fatal(err)
	}
	defer deleteTopic(t, cl, topic)

	sink, err := kafka.NewSink(kafka.SinkOptions{Connection: conn, Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	send := func(from, to int) {
		t.Helper()
		for ; from < to; from += 20 {
			var items []connectors.Item
			for i := from; i < min(from+20, to); i++ {
				items = append(items, connectors.Item{ID: fmt.Sprint(i), Key: fmt.Appendf(nil, "%03d", i%100), Value: fmt.Append(nil, i)})
			}
			if err := sink.Deliver(t.Context(), items); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(0, 400)
	c := newCollector()
	c.commits = true
	stop := run(t, options(), c)
	c.wait(t, "the first records", func() bool { return c.count() == 400 })

	second := newCollector() // joins: the two share the partitions
	second.stateless, second.commits = true, true
	o := options()
	shared := make(chan bool, 64)
	o.Hooks.Assigned = func(_ int32, all map[string][]int32) { shared <- len(all[topic]) == 1 }
	stopSecond := run(t, o, second)
	for !<-shared {
	}
	send(400, 600)
	poll(t, "both members to read the rest", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		second.mu.Lock()
		defer second.mu.Unlock()
		return c.count()+second.count() >= 600 && second.count() > 0
	})
	stop()
	stopSecond()

	// The cleaner leaves holes and, of a transaction, its markers.
	txn, err := kgo.NewClient(kgo.SeedBrokers(conn.Brokers...), kgo.DefaultProduceTopic(topic), kgo.TransactionalID(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer txn.Close()
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := txn.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := txn.ProduceSync(t.Context(), &kgo.Record{Key: []byte("t"), Value: fmt.Appendf(nil, "transaction, commit %v", bool(end))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := txn.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	read := func() map[string]int {
		r, err := kafka.OpenReplay(t.Context(), kafka.ReplayOptions{Connection: conn, Topic: topic})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		values := map[string]int{}
		for _, vs := range drain(t, r) {
			for _, v := range vs {
				values[v]++
			}
		}
		return values
	}
	all := read()
	if all["599"] != 1 || all["transaction, commit true"] != 1 || all["transaction, commit false"] != 0 {
		t.Errorf("the replay read %d values, 599 %d times", len(all), all["599"])
	}
	if os.Getenv("INVIGIL_TEST_KAFKA_CLEANER") == "" {
		return // takes as long as the broker's cleaner
	}
	deadline := time.After(2 * time.Minute)
	for n := 600; ; n++ { // new segments make the old ones cleanable
		send(n, n+1)
		if left := read(); len(left) < 300 {
			for i := n - 99; i <= n; i++ {
				if left[fmt.Sprint(i)] != 1 {
					t.Errorf("value %d, the last of its key, was read %d times", i, left[fmt.Sprint(i)])
				}
			}
			break
		}
		select {
		case <-time.After(time.Second):
		case <-deadline:
			t.Fatal("the cleaner did not run")
		}
	}
	if d := cmp.Diff(1, read()["transaction, commit true"]); d != "" {
		t.Error(d)
	}
}
