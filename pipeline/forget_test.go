package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/state"
)

const forgetYAML = `
rules:
  - id: forbidden
    level: 7
    description: $(program.name) is installed
    when: program.name == "nmap"
    resolve: true
  - id: gone
    table: packages
    level: 3
    description: a package is gone
    when: change == "removed"
`

func agentsOf(t testing.TB, store *state.Store) string {
	t.Helper()
	v := store.View()
	defer v.Close()
	var ids []string
	for a, err := range v.Agents() {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, fmt.Sprintf("%s/%d %s", a.Topic, a.Partition, a.ID))
	}
	return strings.Join(ids, ", ")
}

func TestAForgottenAgentsOnsetsResolveAndItsRowsGoSilently(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	sink := &memorySink{}
	o := pipeline.Options{Store: store, Rules: loadRules(t, store, forgetYAML), Sinks: []pipeline.Sink{{Name: "main", Sink: sink, Format: reason}}}
	p := newPipeline(t, o)
	msgs := messages(deltaPackage("001", "INSERTED", "nmap", "7"), deltaPackage("002", "INSERTED", "nmap", "7"))
	if _, err := p.Process(msgs); err != nil {
		t.Fatal(err)
	}
	if err := p.Forget(t.Context(), "", "003"); !errors.Is(err, pipeline.ErrUnknownAgent) {
		t.Errorf("forgot nobody: %v", err)
	}
	if err := p.Forget(t.Context(), "u", "001"); !errors.Is(err, pipeline.ErrUnknownAgent) {
		t.Errorf("forgot an agent of another topic: %v", err)
	}
	if err := p.Forget(t.Context(), "t", "001"); err != nil {
		t.Fatal(err)
	}
	if got := agentsOf(t, store); got != "t/0 002" {
		t.Errorf("agents %s", got)
	}
	if rows := storedRows(t, store); len(rows) != 1 {
		t.Errorf("rows %q", rows)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	// What waits in the outbox leaves with the next run.
	p = newPipeline(t, o)
	if err := p.Run(t.Context(), &memorySource{partitions: map[int32][]connectors.Message{0: msgs}}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range sink.items {
		got = append(got, string(it.Value))
	}
	want := []string{"forbidden 001 firing ", "forbidden 002 firing ", "forbidden 001 resolved agent forgotten"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestAnAgentIsForgottenWhileItsPartitionWaitsForMessages(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	sink := &memorySink{got: make(chan struct{}, 1)}
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, forgetYAML), CommitInterval: time.Hour,
		Sinks: []pipeline.Sink{{Name: "main", Sink: sink, Format: reason}}})
	msgs := messages(deltaPackage("001", "INSERTED", "nmap", "7"))
	src := &memorySource{wait: true, partitions: map[int32][]connectors.Message{0: msgs, 1: nil}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx, src) }()
	<-sink.got // the firing alert: the partition is served and has nothing to read
	if err := p.Forget(t.Context(), "t", "001"); err != nil {
		t.Error(err)
	}
	<-sink.got
	if err := p.Forget(t.Context(), "t", "001"); !errors.Is(err, pipeline.ErrUnknownAgent) {
		t.Errorf("forgot twice: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := agentsOf(t, store); got != "" {
		t.Errorf("agents %s", got)
	}
	if n := len(sink.items); n != 2 || string(sink.items[n-1].Value) != "forbidden 001 resolved agent forgotten" {
		t.Errorf("delivered %q", sink.items)
	}
}

// TestSilentAgentsAreForgottenByStreamTimeOnly holds that agents go at the full
// hour after their time, before the event that crosses it, however the stream
// is cut and restarted.
func TestSilentAgentsAreForgottenByStreamTimeOnly(t *testing.T) {
	const minute = 60_000
	at := func(minutes int64, agent, operation, name string) connectors.Message {
		return connectors.Message{Topic: "t", Time: 1_718_366_400_000 + minutes*minute, // a full hour
			Value: []byte(deltaPackage(agent, operation, name, "7"))}
	}
	stream := []connectors.Message{
		at(5, "001", "INSERTED", "nmap"),
		at(10, "002", "INSERTED", "nmap"),
		at(119, "003", "INSERTED", "nmap"),
		at(126, "003", "INSERTED", "vi"),   // 02:00 passed: both were seen after 00:00
		at(181, "002", "INSERTED", "nmap"), // 03:00 passed: 001 and 002 go, 002 begins anew
		at(182, "002", "DELETED", "nmap"),
		at(600, "004", "INSERTED", "vi"), // all others go
	}
	for i := range stream {
		stream[i].Offset = int64(i)
	}
	run := func(t testing.TB, cut func(rest int) int) (said, ids []string, agents string) {
		fs := vfs.NewMem()
		for rest := stream; len(rest) > 0; {
			store := openStore(t, fs)
			p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, forgetYAML), ForgetAfter: 2 * time.Hour})
			n := cut(len(rest))
			res, err := p.Process(rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			for i := range res.Alerts {
				b, _ := reason(nil, &res.Alerts[i])
				said, ids = append(said, string(b)), append(ids, res.Alerts[i].FullID())
			}
			agents = agentsOf(t, store)
			if err := errors.Join(p.Close(), store.Close()); err != nil {
				t.Fatal(err)
			}
		}
		return said, ids, agents
	}
	said, wantIDs, agents := run(t, func(rest int) int { return rest })
	want := []string{
		"forbidden 001 firing ", "forbidden 002 firing ", "forbidden 003 firing ",
		"forbidden 001 resolved agent forgotten", "forbidden 002 resolved agent forgotten", "forbidden 002 firing ",
		"gone 002 firing ", "forbidden 002 resolved row removed",
		"forbidden 003 resolved agent forgotten",
	}
	if diff := cmp.Diff(sorted(want), sorted(said)); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	if agents != "t/0 004" {
		t.Errorf("agents %s", agents)
	}
	rapid.Check(t, func(r *rapid.T) {
		_, ids, _ := run(t, func(rest int) int { return rapid.IntRange(1, rest).Draw(r, "batch") })
		if diff := cmp.Diff(wantIDs, ids); diff != "" {
			r.Fatalf("ids (-whole +cut):\n%s", diff)
		}
	})
}

func TestARetriedDeadLetterIsProcessedOrKeptAnew(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	broken := true
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, forgetYAML), Explain: explainBoom(&broken)})
	defer p.Close()
	msgs := messages(deltaPackage("001", "INSERTED", "nmap", "boom"), "garbage", deltaPackage("001", "INSERTED", "vi", "1"))
	res, err := p.Process(msgs)
	if err != nil || len(res.DeadLetters) != 2 || len(res.Alerts) != 0 {
		t.Fatal(err, res.DeadLetters, lines(res.Alerts))
	}
	retry := func(want ...string) {
		t.Helper()
		var got []string
		v := store.View()
		defer v.Close()
		for kept, err := range v.DeadLetters() {
			if err != nil {
				t.Fatal(err)
			}
			again, err := p.Retry(t.Context(), kept)
			if err != nil {
				t.Fatal(err)
			}
			if again == nil {
				got = append(got, "processed")
			} else {
				got = append(got, again.Reason)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("retried (-want +got):\n%s", diff)
		}
	}
	retry("panic", res.DeadLetters[1].Reason)
	broken = false
	retry("processed", res.DeadLetters[1].Reason)
	retry(res.DeadLetters[1].Reason)
	if rows := storedRows(t, store); len(rows) != 2 {
		t.Errorf("rows %q", rows)
	}
	res, err = p.Process(append(msgs, connectors.Message{Topic: "t", Offset: 3, Time: msgs[2].Time, Value: []byte(deltaPackage("001", "DELETED", "nmap", "boom"))}))
	if err != nil || len(res.Alerts) != 2 || res.Counts.Repeats != 3 {
		t.Errorf("the onset of the retried message does not stand: %v %v", lines(res.Alerts), err)
	}
}
