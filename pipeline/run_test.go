package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memorySource serves partitions from slices, in reads of a few messages, and
// remembers what was committed. With wait it does not end with its input but
// with ctx.
type memorySource struct {
	partitions map[int32][]connectors.Message
	wait       bool

	mu        sync.Mutex
	committed map[int32]int64
	read      map[int32]int64 // next offset to be read
}

func (s *memorySource) Run(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	errs := make(chan error, len(s.partitions))
	for n := range s.partitions {
		go func() { errs <- serve(ctx, &memoryReader{source: s, number: n}) }()
	}
	var all []error
	for range s.partitions {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

type memoryReader struct {
	source *memorySource
	number int32
	next   int64
}

func (r *memoryReader) Topic() string        { return "t" }
func (r *memoryReader) Partition() int32     { return r.number }
func (r *memoryReader) StartAt(offset int64) { r.next = offset }
func (r *memoryReader) Commit(_ context.Context, next int64) error {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if r.source.committed == nil {
		r.source.committed = make(map[int32]int64)
	}
	r.source.committed[r.number] = next
	return nil
}

func (r *memoryReader) Read(ctx context.Context) ([]connectors.Message, error) {
	rest := r.source.partitions[r.number][r.next:]
	if len(rest) == 0 {
		if !r.source.wait {
			return nil, io.EOF
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := min(len(rest), 3)
	r.next += int64(n)
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if r.source.read == nil {
		r.source.read = make(map[int32]int64)
	}
	r.source.read[r.number] = r.next
	return rest[:n], nil
}

// memorySink keeps what it is given; fail is asked before each delivery.
type memorySink struct {
	mu    sync.Mutex
	items []connectors.Item
	fail  func(call int) error
	calls int
	got   chan struct{} // told of each delivery, if not nil
}

func (s *memorySink) Deliver(_ context.Context, items []connectors.Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail != nil {
		if err := s.fail(s.calls); err != nil {
			return err
		}
	}
	s.items = append(s.items, items...)
	if s.got != nil {
		select {
		case s.got <- struct{}{}:
		default:
		}
	}
	return nil
}

func (s *memorySink) Close() error { return nil }

func (s *memorySink) ids() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, it := range s.items {
		ids = append(ids, it.ID)
	}
	return ids
}

// ruleID is the simplest format: the rule's id and the offset.
func ruleID(b []byte, a *rules.Alert) ([]byte, error) {
	return fmt.Appendf(b, "%s@%d", a.Rule.ID, a.Origin.Offset), nil
}

// strangers returns n events of strangers at the manager's port.
func strangers(partition int32, n int) []connectors.Message {
	var values []string
	for i := range n {
		values = append(values, port(1514, "established", fmt.Sprintf("203.0.113.%d", i)))
	}
	msgs := messages(values...)
	for i := range msgs {
		msgs[i].Partition = partition
	}
	return msgs
}

func sorted(s []string) []string {
	s = append([]string{}, s...)
	sort.Strings(s)
	return s
}

// storedRows renders every row of the store.
func storedRows(t testing.TB, store *state.Store) []string {
	t.Helper()
	v := store.View()
	defer v.Close()
	var rows []string
	for table := syscollector.NoTable + 1; table < syscollector.NumTables; table++ {
		for item, err := range v.Table(table) {
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "%s %s %x %d %x:", item.Agent.ID, table, item.Key, item.ScanID, item.Active)
			for _, f := range syscollector.Fields(table) {
				if item.Row.Has(f.Number) {
					fmt.Fprintf(&b, " %s=%s", f.Name, item.Row.Text(f.Number))
				}
			}
			rows = append(rows, b.String())
		}
	}
	return rows
}

func TestRunDeliversEverythingToEverySinkInOrder(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	good := &memorySink{}
	flaky := &memorySink{fail: func(call int) error {
		if call%2 == 1 {
			return errors.New("not now")
		}
		return nil
	}}
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML),
		Sinks: []pipeline.Sink{{Name: "good", Sink: good, Format: ruleID}, {Name: "flaky", Sink: flaky, Format: ruleID}},
	})
	src := &memorySource{partitions: map[int32][]connectors.Message{0: strangers(0, 10), 1: strangers(1, 7)}}
	if err := p.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	for name, sink := range map[string]*memorySink{"good": good, "flaky": flaky} {
		if len(sink.items) != 17 {
			t.Errorf("%s has %d items, want 17", name, len(sink.items))
		}
	}
	if diff := cmp.Diff(sorted(good.ids()), sorted(flaky.ids())); diff != "" {
		t.Errorf("the sinks differ:\n%s", diff)
	}
	if src.committed[0] != 10 || src.committed[1] != 7 {
		t.Errorf("committed %v, want the ends", src.committed)
	}
}

func TestARestartGoesOnWithWhatTheSinkLacks(t *testing.T) {
	fs := vfs.NewMem()
	msgs := strangers(0, 9)
	down := &memorySink{fail: func(int) error { return errors.New("down") }}
	run := func(sink *memorySink, src *memorySource, stop func(cancel context.CancelFunc)) {
		store := openStore(t, fs)
		defer store.Close()
		p := newPipeline(t, pipeline.Options{
			Store: store, Rules: loadRules(t, store, storyXML), StopGrace: time.Millisecond,
			Sinks: []pipeline.Sink{{Name: "main", Sink: sink, Format: ruleID}},
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go stop(cancel)
		if err := p.Run(ctx, src); err != nil {
			t.Error(err)
		}
	}
	src := &memorySource{partitions: map[int32][]connectors.Message{0: msgs}, wait: true}
	called := make(chan struct{}, 100)
	down.fail = func(int) error { called <- struct{}{}; return errors.New("down") }
	run(down, src, func(cancel context.CancelFunc) { <-called; cancel() })
	if c := src.committed[0]; c != 0 {
		t.Errorf("committed %d past an alert that the sink lacks", c)
	}

	up := &memorySink{}
	run(up, &memorySource{partitions: map[int32][]connectors.Message{0: msgs}}, func(context.CancelFunc) {})
	var got []string
	for _, it := range up.items {
		got = append(got, string(it.Value))
	}
	want := []string{"224@0", "224@1", "224@2", "224@3", "224@4", "224@5", "224@6", "224@7", "224@8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivered after the restart (-want +got):\n%s", diff)
	}
}

func TestAFullOutboxStopsReading(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	release := make(chan struct{})
	sink := &memorySink{fail: func(int) error { <-release; return nil }}
	other := &memorySink{got: make(chan struct{}, 1)}
	src := &memorySource{partitions: map[int32][]connectors.Message{0: strangers(0, 30)}}
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML), Outbox: 5,
		Sinks: []pipeline.Sink{{Name: "slow", Sink: sink, Format: ruleID}, {Name: "other", Sink: other, Format: ruleID}},
	})
	done := make(chan error)
	go func() { done <- p.Run(t.Context(), src) }()
	for len(other.ids()) < 6 { // two reads of three messages fill the outbox of five
		<-other.got
	}
	src.mu.Lock()
	if read := src.read[0]; read > 6 {
		t.Errorf("%d messages were read with a full outbox", read)
	}
	src.mu.Unlock()
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(sink.items) != 30 || len(other.items) != 30 {
		t.Errorf("delivered %d and %d, want 30", len(sink.items), len(other.items))
	}
}

func TestDeadLettersGoToTheirSink(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	alerts, letters := &memorySink{}, &memorySink{}
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML),
		Sinks: []pipeline.Sink{
			{Name: "alerts", Sink: alerts, Format: ruleID},
			{Name: "letters", Sink: letters, DeadLetters: true},
		},
	})
	msgs := messages("garbage", port(1514, "established", "203.0.113.1"))
	msgs[0].Headers = []connectors.Header{{Key: "x", Value: []byte("y")}}
	if err := p.Run(t.Context(), &memorySource{partitions: map[int32][]connectors.Message{0: msgs}}); err != nil {
		t.Fatal(err)
	}
	if len(alerts.items) != 1 || len(letters.items) != 1 {
		t.Fatalf("%d alerts, %d dead letters, want one each", len(alerts.items), len(letters.items))
	}
	letter := letters.items[0]
	if string(letter.Value) != "garbage" || letter.Headers[0].Key != "x" || letter.Headers[1].Key != "invigil-reason" {
		t.Errorf("dead letter %+v", letter)
	}
}

func TestARefusedAlertBecomesADeadLetterAndTheRestGoesOn(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	sink := &pickySink{refuse: "224@1"}
	letters := &memorySink{}
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML),
		Sinks: []pipeline.Sink{
			{Name: "picky", Sink: sink, Format: ruleID},
			{Name: "letters", Sink: letters, DeadLetters: true},
		},
	})
	src := &memorySource{partitions: map[int32][]connectors.Message{0: strangers(0, 4)}, wait: true}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	sink.last, letters.got = make(chan struct{}), make(chan struct{}, 1)
	go func() { done <- p.Run(ctx, src) }()
	<-sink.last
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"224@0", "224@2", "224@3"}, sink.values); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	// The letter left with the batch of the stop: a second run delivers it.
	again := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML),
		Sinks: []pipeline.Sink{{Name: "picky", Sink: sink, Format: ruleID}, {Name: "letters", Sink: letters, DeadLetters: true}},
	})
	src.wait = false
	if err := again.Run(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if len(letters.items) != 1 || string(letters.items[0].Value) != "224@1" {
		t.Errorf("dead letters %v", letters.items)
	}
}

// pickySink refuses one value for good and tells when it has the last.
type pickySink struct {
	refuse string
	values []string
	last   chan struct{}
}

func (s *pickySink) Deliver(_ context.Context, items []connectors.Item) error {
	for _, it := range items {
		if string(it.Value) == s.refuse {
			return &connectors.RefusedError{ID: it.ID, Err: errors.New("400 Bad Request")}
		}
		s.values = append(s.values, string(it.Value))
		if string(it.Value) == "224@3" {
			close(s.last)
		}
	}
	return nil
}

func (s *pickySink) Close() error { return nil }

func TestAGuessedTimeCountsLessThanTheStreams(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyXML)})
	defer p.Close()
	msgs := messages(docker("docker0", "up"), port(1514, "established", "203.0.113.1"))
	for i := range msgs {
		msgs[i].Time, msgs[i].Inferred = 1_900_000_000_000, true
	}
	res, err := p.Process(msgs)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Alerts) != 2 || res.Alerts[0].Time != 1_560_529_818_000 || res.Alerts[1].Time != res.Alerts[0].Time {
		t.Errorf("times of %v: %d, want the envelope's for both", lines(res.Alerts), res.Alerts[0].Time)
	}
}

func TestMetricsAndStatusSayWhatASinkLacks(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	hold := make(chan struct{})
	called := make(chan struct{}, 1)
	sink := &memorySink{fail: func(int) error { called <- struct{}{}; <-hold; return nil }}
	reg := prometheus.NewRegistry()
	p := newPipeline(t, pipeline.Options{
		Store: store, Rules: loadRules(t, store, storyXML), Registerer: reg,
		Sinks: []pipeline.Sink{{Name: "main", Sink: sink, Format: ruleID}},
	})
	done := make(chan error)
	go func() {
		done <- p.Run(t.Context(), &memorySource{partitions: map[int32][]connectors.Message{0: strangers(0, 3)}})
	}()
	<-called
	status := p.Status()
	if len(status) != 1 || status[0].Applied != 3 || status[0].Outbox["main"] != 3 {
		t.Errorf("status %+v", status)
	}
	want := "# HELP invigil_outbox_records Alerts and dead letters that the sink lacks.\n# TYPE invigil_outbox_records gauge\ninvigil_outbox_records{sink=\"main\"} 3\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "invigil_outbox_records"); err != nil {
		t.Error(err)
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
