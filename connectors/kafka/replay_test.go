package kafka_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func replay(t *testing.T, b *broker.Broker, since time.Time) *kafka.Replay {
	t.Helper()
	r, err := kafka.OpenReplay(t.Context(), kafka.ReplayOptions{
		Connection: kafka.Connection{Brokers: b.Addrs()}, Topic: "a", Since: since, RetryBackoff: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func drain(t *testing.T, r *kafka.Replay) map[int32][]string {
	t.Helper()
	got := map[int32][]string{}
	for {
		ms, err := r.Read(t.Context())
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ms {
			got[m.Partition] = append(got[m.Partition], string(m.Value))
		}
	}
}

func TestAReplayReadsFromATimeToTheEndThatWas(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 3}})
	produce(t, b, append(numbered("a", 0, 0, 100), numbered("a", 2, 0, 10)...)...)
	all, late := replay(t, b, time.Time{}), replay(t, b, time.UnixMilli(1700000000000+40))
	produce(t, b, numbered("a", 0, 100, 110)...) // too late for both
	if d := cmp.Diff(map[int32][]string{0: sequence(0, 100), 2: sequence(0, 10)}, drain(t, all)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[int32][]string{0: sequence(40, 100)}, drain(t, late)); d != "" {
		t.Error(d)
	}
}

func TestAReplayAsASourceServesEachPartitionAndCommitsNothing(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 2}})
	produce(t, b, append(numbered("a", 0, 0, 5), numbered("a", 1, 0, 5)...)...)
	c := newCollector()
	c.commits = true
	if err := replay(t, b, time.Time{}).Run(t.Context(), c.serve); err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if d := cmp.Diff(sequence(0, 5), c.values("a", p)); d != "" {
			t.Error(d)
		}
	}
	if got, err := b.Committed(t.Context(), "invigil", "a", 2); err != nil || len(got) != 0 {
		t.Errorf("committed %v, %v", got, err)
	}
	boom := errors.New("boom")
	if err := replay(t, b, time.Time{}).Run(t.Context(), func(context.Context, connectors.Reader) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("got %v, want serve's error", err)
	}
}

func TestAReplayEndsBehindAnAbortedTail(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	produce(t, b, numbered("a", 0, 0, 3)...)
	txn := client(t, b, kgo.DefaultProduceTopic("a"), kgo.TransactionalID("t"))
	if err := txn.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := txn.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := txn.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[int32][]string{0: sequence(0, 3)}, drain(t, replay(t, b, time.Time{}))); d != "" {
		t.Error(d)
	}
}

func TestAReplayThatCannotBeginSaysWhy(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	for _, tt := range []struct {
		name string
		o    kafka.ReplayOptions
		want string
	}{
		{"no such topic", kafka.ReplayOptions{Connection: kafka.Connection{Brokers: b.Addrs()}, Topic: "nope"}, "no topic nope"},
		{"nobody there", kafka.ReplayOptions{Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Topic: "a"}, "127.0.0.1:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := kafka.OpenReplay(t.Context(), tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to say %q", err, tt.want)
			}
		})
	}
}
