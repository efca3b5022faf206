package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func TestARestoreEqualsTheModelHoweverTheLogWasCompacted(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			c := openChangelog(t, b, func(o *kafka.ChangelogOptions) {
				o.FetchMaxBytes = []int{1, 1000, 1 << 20}[rng.IntN(3)] // batch by batch, some, all
				o.Compression = []string{"none", "lz4"}[rng.IntN(2)]
			})
			model := map[string]string{}
			copies := []*replica{newReplica(), newReplica(), newReplica()}
			o := open(t, c, copies[0])
			for i := range 150 {
				var changes []change
				for range rng.IntN(8) {
					ch := change{fmt.Sprint("k", rng.IntN(30)), fmt.Sprint(i)}
					if rng.IntN(3) == 0 {
						ch.value = "-"
						delete(model, ch.key)
					} else {
						model[ch.key] = ch.value
					}
					changes = append(changes, ch)
				}
				model[applied] = fmt.Sprint(i)
				o.mustWrite(t, i, changes...)
				switch rng.IntN(12) {
				case 0:
					b.Cluster().Compact()
				case 1: // another instance, with what it had when it lost the partition
					o = open(t, c, copies[rng.IntN(len(copies))])
				case 2:
					o = open(t, c, newReplica())
				default:
					continue
				}
				if d := cmp.Diff(model, o.snapshot()); d != "" {
					t.Fatalf("after batch %d: %s", i, d)
				}
			}
			b.Cluster().Compact()
			for i, r := range append(copies, newReplica()) {
				if d := cmp.Diff(model, open(t, c, r).snapshot()); d != "" {
					t.Errorf("copy %d: %s", i, d)
				}
			}
		})
	}
}

func TestALocalStoreThatTheLogDoesNotContinueIsWiped(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(t *testing.T, b *broker.Broker, r *replica, clock *clock)
		wiped  bool
		expect map[string]string
	}{
		{name: "one that the log continues is not", spoil: func(*testing.T, *broker.Broker, *replica, *clock) {}},
		{name: "records after the position were deleted", wiped: true,
			spoil: func(t *testing.T, b *broker.Broker, r *replica, _ *clock) {
				deleteRecords(t, client(t, b), logTopic, r.next+1)
			},
			expect: map[string]string{"y": "2", applied: "2", "z": "3"}},
		{name: "the position is beyond the end", wiped: true,
			spoil: func(_ *testing.T, _ *broker.Broker, r *replica, _ *clock) { r.next += 1000 }},
		{name: "the position is older than half the life of deletions", wiped: true,
			spoil: func(_ *testing.T, _ *broker.Broker, _ *replica, c *clock) { c.advance(85 * time.Hour) }},
		{name: "the position is almost that old",
			spoil: func(_ *testing.T, _ *broker.Broker, _ *replica, c *clock) { c.advance(83 * time.Hour) }},
		{name: "the position is ancient but nothing was written since",
			spoil: func(t *testing.T, b *broker.Broker, r *replica, c *clock) {
				r.next = logEnd(t, client(t, b))
				r.records = map[string]string{"y": "2", "z": "3", applied: "3"}
				c.advance(1000 * time.Hour)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			clock := newClock()
			c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Clock = clock.Now })
			o := open(t, c, newReplica())
			o.mustWrite(t, 1, change{"x", "1"}, change{"y", "1"})
			stale := &replica{records: o.snapshot(), next: o.next, at: o.at, positioned: true, changed: make(chan struct{}, 1)}
			stale.records["ghost"] = "whose deletion was compacted away"
			o.mustWrite(t, 2, change{"x", "-"}, change{"y", "2"})
			o.mustWrite(t, 3, change{"z", "3"})
			tt.spoil(t, b, stale, clock)
			want := map[string]string{"y": "2", "z": "3", applied: "3"}
			if !tt.wiped && stale.records["ghost"] != "" {
				want["ghost"] = stale.records["ghost"]
			}
			open(t, c, stale)
			if (stale.wiped > 0) != tt.wiped {
				t.Errorf("wiped %d times", stale.wiped)
			}
			if d := cmp.Diff(want, stale.snapshot()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAChangelogThatLostItsStateLeavesTheStoreAlone(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	o.mustWrite(t, 1, change{"x", "1"})
	cl := client(t, b)
	deleteTopic(t, cl, logTopic)
	createCompacted(t, cl, logTopic)
	before := o.snapshot()
	for range 10 { // repeated attempts must not come to hold the position by their claims
		if _, err := c.Open(within(t), "a", 0, 1, o.replica); !errors.Is(err, kafka.ErrGone) {
			t.Fatalf("got %v, want ErrGone", err)
		}
	}
	if d := cmp.Diff(before, o.snapshot()); d != "" || o.wiped > 1 {
		t.Errorf("wiped %d times: %s", o.wiped, d)
	}
	if err := c.Follow(within(t), "a", 0, o.replica); !errors.Is(err, kafka.ErrGone) {
		t.Errorf("Follow: %v", err)
	}
}

// local returns a replica that was filled without the changelog.
func local(records map[string]string) *replica {
	r := newReplica()
	r.records = records
	return r
}

func TestSwitchingTheChangelogOn(t *testing.T) {
	state := func() map[string]string {
		m := map[string]string{applied: "7"}
		for i := range 40 {
			m[fmt.Sprint("k", i)] = strings.Repeat("v", 900)
		}
		return m
	}
	small := func(o *kafka.ChangelogOptions) { o.MaxBytes = 4000 } // several batches
	t.Run("writes the local state to the empty topic", func(t *testing.T) {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		c := openChangelog(t, b, small)
		o := open(t, c, local(state()))
		o.mustWrite(t, 8, change{"k0", "-"}, change{"new", "8"})
		if d := cmp.Diff(o.snapshot(), open(t, c, newReplica()).snapshot()); d != "" {
			t.Error(d)
		}
	})
	t.Run("takes the topic's state where it has one", func(t *testing.T) {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		c := openChangelog(t, b, small)
		open(t, c, newReplica()).mustWrite(t, 5, change{"x", "5"})
		o := open(t, c, local(state()))
		if d := cmp.Diff(map[string]string{"x": "5", applied: "5"}, o.snapshot()); d != "" {
			t.Error(d)
		}
	})
	t.Run("leaves nothing of an attempt that was cut off", func(t *testing.T) {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		c := openChangelog(t, b, small)
		if err := c.Prepare(within(t), "a"); err != nil {
			t.Fatal(err)
		}
		cl := client(t, b, kgo.DefaultProduceTopic(logTopic))
		for _, k := range []string{"k1", "ghost"} {
			if err := cl.ProduceSync(t.Context(), kgo.KeyStringRecord(k, "half")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		// Another instance, without state, makes the changelog empty …
		if got := open(t, c, newReplica()).snapshot(); len(got) != 0 {
			t.Errorf("an unfinished state was taken: %v", got)
		}
		// … so that nothing shows up later; the one with the state writes it anew.
		o := open(t, c, local(state()))
		if d := cmp.Diff(state(), o.snapshot()); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(state(), open(t, c, newReplica()).snapshot()); d != "" {
			t.Error(d)
		}
	})
	t.Run("deletes what an attempt with other keys left", func(t *testing.T) {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		c := openChangelog(t, b, small)
		if err := c.Prepare(within(t), "a"); err != nil {
			t.Fatal(err)
		}
		cl := client(t, b, kgo.DefaultProduceTopic(logTopic))
		if err := cl.ProduceSync(t.Context(), kgo.KeyStringRecord("ghost", "half")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		open(t, c, local(state()))
		if d := cmp.Diff(state(), open(t, c, newReplica()).snapshot()); d != "" {
			t.Error(d)
		}
	})
}

func TestAStandbyHasLittleToReplay(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	var replayed, lag atomic.Int64
	two := openChangelog(t, b, func(o *kafka.ChangelogOptions) {
		o.Restored = func(_ string, _ int32, n int, remaining int64) {
			replayed.Add(int64(n))
			lag.Store(remaining)
		}
	})
	o := open(t, c, newReplica())
	standby := newReplica()
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() { done <- two.Follow(ctx, "a", 0, standby) }()
	for i := range 50 {
		o.mustWrite(t, i, change{fmt.Sprint("k", i%7), fmt.Sprint(i)})
		if i == 25 {
			b.Cluster().Compact()
		}
	}
	for {
		if next, _, _ := standby.Position(); next == o.next {
			break
		}
		<-standby.changed
	}
	if standby.complete {
		t.Error("a standby says that its state is whole")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow: %v", err)
	}
	if d := cmp.Diff(o.snapshot(), standby.snapshot()); d != "" {
		t.Error(d)
	}
	o.mustWrite(t, 50, change{"last", "50"})
	replayed.Store(0)
	heir := open(t, two, standby)
	if d := cmp.Diff(o.snapshot(), heir.snapshot()); d != "" {
		t.Error(d)
	}
	if replayed.Load() != 2 || lag.Load() != 0 {
		t.Errorf("%d records replayed, want 2; %d left", replayed.Load(), lag.Load())
	}
}

func TestAStandbyBeginsAnewWhenTheLogLeftItBehind(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	o.mustWrite(t, 1, change{"x", "1"})
	standby := &replica{records: map[string]string{"ghost": "1"}, next: 1, at: o.at, positioned: true, changed: make(chan struct{}, 1)}
	o.mustWrite(t, 2, change{"x", "2"})
	deleteRecords(t, client(t, b), logTopic, 3)
	ctx, cancel := context.WithCancel(within(t))
	done := make(chan error, 1)
	go func() { done <- c.Follow(ctx, "a", 0, standby) }()
	for {
		if next, _, _ := standby.Position(); next == o.next {
			break
		}
		<-standby.changed
	}
	cancel()
	<-done
	if d := cmp.Diff(map[string]string{"x": "2", applied: "2"}, standby.snapshot()); d != "" {
		t.Error(d)
	}
}

func TestAnInterruptedRestoreGoesOn(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.FetchMaxBytes = 1 })
	o := open(t, c, newReplica())
	for i := range 20 {
		o.mustWrite(t, i, change{fmt.Sprint("k", i), "1"})
	}
	half := newReplica()
	full := errors.New("disk full")
	n := 0
	broken := failing{half, func() error {
		if n++; n == 10 {
			return full
		}
		return nil
	}}
	if _, err := c.Open(within(t), "a", 0, 1, broken); !errors.Is(err, full) {
		t.Fatalf("got %v", err)
	}
	if _, _, ok := half.Position(); !ok || half.complete {
		t.Fatalf("position known: %v, complete: %v", ok, half.complete)
	}
	wiped := half.wiped
	open(t, c, half)
	if half.wiped != wiped {
		t.Error("what was restored already was wiped")
	}
	want := maps.Clone(o.snapshot())
	if d := cmp.Diff(want, half.snapshot()); d != "" {
		t.Error(d)
	}
}

// failing is a replica whose Apply may fail.
type failing struct {
	*replica
	fail func() error
}

func (f failing) Apply(records iter.Seq2[[]byte, []byte], next, at int64, complete bool) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.replica.Apply(records, next, at, complete)
}

func TestANewerFormatIsRefused(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	open(t, c, newReplica()).mustWrite(t, 1, change{"x", "1"})
	cl := client(t, b, kgo.DefaultProduceTopic(logTopic))
	for _, tt := range []struct{ value, want string }{
		{`{"format":2,"instance":"newer"}`, `instance "newer" writes format 2`},
		{`no JSON`, "a claim cannot be read"},
	} {
		if err := cl.ProduceSync(t.Context(), kgo.KeyStringRecord(claimed, tt.value)).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Open(within(t), "a", 0, 1, newReplica()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
		deleteRecords(t, client(t, b), logTopic, logEnd(t, client(t, b)))
	}
}
