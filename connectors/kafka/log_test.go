package kafka_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"invigil/connectors"
	"invigil/connectors/kafka/broker"
)

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
