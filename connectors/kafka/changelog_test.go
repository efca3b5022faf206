package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

const (
	logTopic = "invigil-a-changelog"
	applied  = "\x00applied"
	claimed  = "\x00claim"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openChangelog returns a changelog with quick retries.
func openChangelog(t *testing.T, b *broker.Broker, change func(*kafka.ChangelogOptions)) *kafka.Changelog {
	t.Helper()
	o := kafka.ChangelogOptions{
		Connection: kafka.Connection{Brokers: b.Addrs(), MetadataTTL: 50 * time.Millisecond},
		Group:      "invigil", Sources: []string{"a"}, Instance: "one", URL: "http://127.0.0.1:8480",
		RetryBackoff: time.Millisecond, FetchMaxWait: 20 * time.Millisecond,
	}
	if change != nil {
		change(&o)
	}
	c, err := kafka.NewChangelog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// replica is a store in memory.
type replica struct {
	mu         sync.Mutex
	records    map[string]string
	next, at   int64
	positioned bool
	complete   bool
	wiped      int
	changed    chan struct{}
}

func newReplica() *replica {
	return &replica{records: map[string]string{}, changed: make(chan struct{}, 1)}
}

func (r *replica) Position() (int64, int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next, r.at, r.positioned
}

func (r *replica) Applied() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.records[applied]
	return ok
}

func (r *replica) Wipe() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.records)
	r.next, r.at, r.positioned = 0, 0, false
	r.wiped++
	return nil
}

func (r *replica) Apply(records iter.Seq2[[]byte, []byte], next, at int64, complete bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, v := range records {
		if v == nil {
			delete(r.records, string(k))
		} else {
			r.records[string(k)] = string(v)
		}
	}
	r.next, r.at, r.positioned, r.complete = next, at, true, complete
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

func (r *replica) All(yield func(key, value []byte) error) error {
	keys := slices.Sorted(maps.Keys(r.records))
	for _, k := range keys {
		if k != applied {
			if err := yield([]byte(k), []byte(r.records[k])); err != nil {
				return err
			}
		}
	}
	return yield([]byte(applied), []byte(r.records[applied]))
}

func (r *replica) snapshot() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.records)
}

// batch is changes in order; "-" deletes.
type change struct{ key, value string }

func seq(changes []change) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for _, c := range changes {
			value := []byte(c.value)
			if c.value == "-" {
				value = nil
			}
			if !yield([]byte(c.key), value) {
				return
			}
		}
	}
}

// owner is an instance that has the partition: it appends first, then commits
// to its replica, as the pipeline does.
type owner struct {
	w *kafka.Writer
	*replica
}

func open(t *testing.T, c *kafka.Changelog, r *replica) *owner {
	t.Helper()
	w, err := c.Open(within(t), "a", 0, 1, r)
	if err != nil {
		t.Fatal(err)
	}
	if !r.complete {
		t.Fatal("the replica was left incomplete")
	}
	return &owner{w, r}
}

func (o *owner) write(ctx context.Context, offset int, changes ...change) error {
	changes = append(changes, change{applied, fmt.Sprint(offset)})
	next, at, err := o.w.Append(ctx, seq(changes))
	if err != nil {
		return err
	}
	return o.Apply(seq(changes), next, at, true)
}

func (o *owner) mustWrite(t *testing.T, offset int, changes ...change) {
	t.Helper()
	if err := o.write(within(t), offset, changes...); err != nil {
		t.Fatal(err)
	}
}

// logged reads the changelog as another client sees it: "key=value", claims
// left out.
func logged(t *testing.T, b *broker.Broker) []string {
	t.Helper()
	var all []string
	for _, r := range records(t, b) {
		if string(r.Key) == claimed {
			continue
		}
		value := "-"
		if r.Value != nil {
			value = string(r.Value)
		}
		all = append(all, strings.TrimPrefix(string(r.Key), "\x00")+"="+value)
	}
	return all
}

func records(t *testing.T, b *broker.Broker) []*kgo.Record {
	t.Helper()
	cl := client(t, b)
	end := logEnd(t, cl)
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{logTopic: {0: kgo.NewOffset().AtStart()}})
	var all []*kgo.Record
	for next := int64(0); next < end; {
		fetches := cl.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, r)
			next = r.Offset + 1
		})
	}
	return all
}

func logEnd(t *testing.T, cl *kgo.Client) int64 {
	t.Helper()
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic, rt.Partitions = logTopic, append(rt.Partitions, rp)
	req := kmsg.NewListOffsetsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].Partitions[0].ErrorCode, nil)
	return res.Topics[0].Partitions[0].Offset
}

func TestAPausedOwnerIsRefused(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	one := openChangelog(t, b, nil)
	two := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Instance = "two" })
	old := open(t, one, newReplica())
	old.mustWrite(t, 10, change{"x", "1"}, change{"y", "1"})
	old.mustWrite(t, 20, change{"x", "2"})

	heir := open(t, two, newReplica())
	if d := cmp.Diff(old.snapshot(), heir.snapshot()); d != "" {
		t.Errorf("state taken over: %s", d)
	}
	for range 2 {
		if err := old.write(within(t), 30, change{"x", "of the paused"}); !errors.Is(err, kafka.ErrFenced) {
			t.Fatalf("the paused owner got %v, want ErrFenced", err)
		}
	}
	heir.mustWrite(t, 30, change{"x", "3"})
	want := []string{"x=1", "y=1", "applied=10", "x=2", "applied=20", "x=3", "applied=30"}
	if d := cmp.Diff(want, logged(t, b)); d != "" {
		t.Error(d)
	}
}

func TestTheClaimSaysWho(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	clock := newClock()
	c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Clock = clock.Now })
	open(t, c, newReplica())
	rs := records(t, b)
	var got map[string]any
	if len(rs) != 1 || string(rs[0].Key) != claimed || json.Unmarshal(rs[0].Value, &got) != nil {
		t.Fatalf("%d records, the first %v", len(rs), rs)
	}
	want := map[string]any{
		"format": 1.0, "instance": "one", "url": "http://127.0.0.1:8480", "generation": 1.0,
		"time": clock.Now().UTC().Format(time.RFC3339Nano),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rs[0].ProducerID < 0 || rs[0].Attrs.IsTransactional() {
		t.Errorf("producer %d, transactional %v", rs[0].ProducerID, rs[0].Attrs.IsTransactional())
	}
}

// faultsOf lets the next produce requests fail one after the other.
func faultsOf(b *broker.Broker, errs ...*kerr.Error) *kfake.FaultHandle {
	var fs []kfake.Fault
	for _, err := range errs {
		fs = append(fs, kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err})
	}
	return b.Cluster().Fault(fs...)
}

func TestFailuresLeaveEachRecordOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		errs   []*kerr.Error
		claims int // beside the first
	}{
		{"an answer is lost", []*kerr.Error{kerr.RequestTimedOut}, 0},
		{"three answers are lost", []*kerr.Error{kerr.RequestTimedOut, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend}, 0},
		{"the broker leads no more", []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable}, 0},
		{"too few replicas", []*kerr.Error{kerr.NotEnoughReplicas}, 0},
		{"an answer is lost and the repetition called a duplicate", []*kerr.Error{kerr.RequestTimedOut, kerr.DuplicateSequenceNumber}, 0},
		{"the broker forgot the producer", []*kerr.Error{kerr.UnknownProducerID}, 1},
		{"the broker forgot the producer after a lost answer", []*kerr.Error{kerr.RequestTimedOut, kerr.UnknownProducerID}, 1},
		{"out of order", []*kerr.Error{kerr.OutOfOrderSequenceNumber}, 1},
		{"out of order after a refusal", []*kerr.Error{kerr.NotEnoughReplicas, kerr.OutOfOrderSequenceNumber}, 1},
		{"the claim's answer is lost too", []*kerr.Error{kerr.RequestTimedOut, kerr.OutOfOrderSequenceNumber, kerr.RequestTimedOut}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			c := openChangelog(t, b, nil)
			o := open(t, c, newReplica())
			o.mustWrite(t, 1, change{"x", "1"})
			f := faultsOf(b, tt.errs...)
			o.mustWrite(t, 2, change{"x", "2"}, change{"y", "2"})
			if f.Hits() != len(tt.errs) {
				t.Errorf("%d requests failed, want %d", f.Hits(), len(tt.errs))
			}
			o.mustWrite(t, 3, change{"x", "3"})
			want := []string{"x=1", "applied=1", "x=2", "y=2", "applied=2", "x=3", "applied=3"}
			if d := cmp.Diff(want, logged(t, b)); d != "" {
				t.Error(d)
			}
			if got := len(records(t, b)) - len(want); got != 1+tt.claims {
				t.Errorf("%d claims, want %d", got, 1+tt.claims)
			}
			next, _, _ := o.Position()
			if end := logEnd(t, client(t, b)); next != end {
				t.Errorf("position %d, the log ends at %d", next, end)
			}
		})
	}
}

func TestAnUncertainAppendEndsTheWriter(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	o.mustWrite(t, 1, change{"x", "1"})
	f := b.Cluster().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: -1})
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		if f.Wait(ctx, 2) == nil {
			cancel()
		}
	}()
	if err := o.write(ctx, 2, change{"x", "2"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	f.Remove()
	if err := o.write(within(t), 2, change{"x", "other"}); !errors.Is(err, context.Canceled) {
		t.Errorf("another batch under the same sequence: %v", err)
	}
	again := open(t, c, o.replica)
	if got := again.snapshot()["x"]; got != "2" {
		t.Errorf("after taking over again x is %q, want what had been appended", got)
	}
}

func TestALogThatLostRecordsIsNoticed(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	for i := range 3 {
		o.mustWrite(t, i, change{"x", fmt.Sprint(i)})
	}
	cl := client(t, b)
	deleteTopic(t, cl, logTopic)
	createCompacted(t, cl, logTopic)
	if err := o.write(within(t), 4, change{"x", "4"}); !errors.Is(err, kafka.ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
}

func TestADeletedTopicIsSaidToBeGone(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	deleteTopic(t, client(t, b), logTopic)
	if err := o.write(within(t), 4, change{"x", "4"}); err == nil || !strings.Contains(err.Error(), "was it deleted?") {
		t.Errorf("got %v", err)
	}
}

func TestRenewal(t *testing.T) {
	setup := func(t *testing.T) (*broker.Broker, *clock, *kafka.Changelog, *owner) {
		b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
		clock := newClock()
		c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Clock = clock.Now })
		o := open(t, c, newReplica())
		o.mustWrite(t, 1, change{"x", "1"})
		return b, clock, c, o
	}
	claims := func(t *testing.T, b *broker.Broker) (epochs []int16) {
		for _, r := range records(t, b) {
			if string(r.Key) == claimed {
				epochs = append(epochs, r.ProducerEpoch)
			}
		}
		return epochs
	}
	t.Run("is not due within a day", func(t *testing.T) {
		b, clock, _, o := setup(t)
		clock.advance(23 * time.Hour)
		if _, _, renewed, err := o.w.Renew(within(t)); renewed || err != nil {
			t.Errorf("renewed %v, %v", renewed, err)
		}
		if got := claims(t, b); len(got) != 1 {
			t.Errorf("claims of epochs %v", got)
		}
	})
	t.Run("takes a new epoch and claim before a write", func(t *testing.T) {
		b, clock, _, o := setup(t)
		clock.advance(25 * time.Hour)
		o.mustWrite(t, 2, change{"x", "2"})
		o.mustWrite(t, 3, change{"x", "3"})
		if got := claims(t, b); len(got) != 2 || got[1] != got[0]+1 {
			t.Errorf("claims of epochs %v", got)
		}
		if d := cmp.Diff([]string{"x=1", "applied=1", "x=2", "applied=2", "x=3", "applied=3"}, logged(t, b)); d != "" {
			t.Error(d)
		}
	})
	t.Run("keeps an idle partition's position young", func(t *testing.T) {
		b, clock, c, o := setup(t)
		for range 6 {
			clock.advance(25 * time.Hour)
			next, at, renewed, err := o.w.Renew(within(t))
			if err != nil || !renewed {
				t.Fatalf("renewed %v, %v", renewed, err)
			}
			if err := o.Apply(seq(nil), next, at, true); err != nil {
				t.Fatal(err)
			}
		}
		other := open(t, openChangelog(t, b, nil), newReplica()) // something to replay
		other.mustWrite(t, 9, change{"x", "9"})
		wiped := o.wiped
		if open(t, c, o.replica); o.wiped != wiped || o.snapshot()["x"] != "9" {
			t.Errorf("wiped %d times; state %v", o.wiped-wiped, o.snapshot())
		}
	})
	t.Run("by a former owner does not fence the new one", func(t *testing.T) {
		b, clock, _, o := setup(t)
		heir := open(t, openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Clock = clock.Now }), newReplica())
		clock.advance(25 * time.Hour)
		if _, _, _, err := o.w.Renew(within(t)); !errors.Is(err, kafka.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
		clock.advance(-24 * time.Hour)
		heir.mustWrite(t, 2, change{"x", "2"})
		if got := claims(t, b); len(got) != 2 {
			t.Errorf("claims of epochs %v", got)
		}
	})
}

func TestBatchesAreBoundedByTheTopic(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.MaxBytes = 10_000 })
	o := open(t, c, newReplica())
	var many []change
	size := kafka.ChangelogSize([]byte(applied), []byte("1"))
	for i := 0; ; i++ {
		ch := change{fmt.Sprint("k", i), strings.Repeat("v", 100)}
		n := kafka.ChangelogSize([]byte(ch.key), []byte(ch.value))
		if size+n > o.w.Limit() {
			break
		}
		size += n
		many = append(many, ch)
	}
	o.mustWrite(t, 1, many...) // what the estimate lets through fits

	var e *kafka.TooLargeError
	err := o.write(within(t), 2, append(many, many...)...)
	if !errors.As(err, &e) || e.Key != nil || e.Limit != 10_000 || e.Size < 15_000 {
		t.Errorf("twice as much: %v", err)
	}
	err = o.write(within(t), 2, change{"small", "1"}, change{"huge", strings.Repeat("x", 20_000)})
	if !errors.As(err, &e) || string(e.Key) != "huge" || e.Size < 20_000 {
		t.Errorf("one record: %v", err)
	}
	o.mustWrite(t, 2, change{"after", "1"})
	if got := logged(t, b); got[len(got)-1] != "applied=2" || got[len(got)-2] != "after=1" {
		t.Errorf("the log ends with %v", got[len(got)-2:])
	}
}

func TestEveryCodecIsWritten(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
			var bytes int
			c := openChangelog(t, b, func(o *kafka.ChangelogOptions) {
				o.Compression = codec
				o.Appended = func(_ string, _ int32, n int) { bytes += n }
			})
			o := open(t, c, newReplica())
			long := strings.Repeat("an inventory row ", 2000)
			o.mustWrite(t, 1, change{"x", long}, change{"y", "-"}, change{"z", ""})
			if d := cmp.Diff([]string{"x=" + long, "y=-", "z=", "applied=1"}, logged(t, b)); d != "" {
				t.Error(d)
			}
			if (bytes < len(long)) != (codec != "none") {
				t.Errorf("%d bytes were told", bytes)
			}
			copied := open(t, c, newReplica())
			if d := cmp.Diff(o.snapshot(), copied.snapshot()); d != "" {
				t.Error(d)
			}
		})
	}
	if _, err := kafka.NewChangelog(kafka.ChangelogOptions{
		Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Group: "g", Sources: []string{"a"}, Compression: "rar",
	}); err == nil {
		t.Error("an unknown codec was taken")
	}
}

func TestAWriterFollowsItsLeader(t *testing.T) {
	b := start(t, broker.Options{Brokers: 3, Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, nil)
	o := open(t, c, newReplica())
	var want []string
	for i := range 6 {
		if err := b.Cluster().MoveTopicPartition(logTopic, 0, int32(i%3)); err != nil {
			t.Fatal(err)
		}
		o.mustWrite(t, i, change{"x", fmt.Sprint(i)})
		want = append(want, fmt.Sprintf("x=%d", i), fmt.Sprintf("applied=%d", i))
	}
	if d := cmp.Diff(want, logged(t, b)); d != "" {
		t.Error(d)
	}
}
