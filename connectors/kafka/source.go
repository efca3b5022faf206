package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"invigil/connectors"
)

// SourceOptions configure a Source. Zero values take the defaults named.
type SourceOptions struct {
	Connection
	Topics []string
	Group  string

	StartLatest     bool   // where neither own state nor a committed offset exists: the end instead of the start
	ReadUncommitted bool   // also read what open and aborted transactions wrote
	OnLost          Policy // retention passed the position: Continue or Stop
	OnTruncated     Policy // the log ends before the position: Continue (restart) or Stop

	SessionTimeout    time.Duration // 45 s: a silent member loses its partitions after this
	HeartbeatInterval time.Duration // 3 s, at most a third of the session
	RebalanceTimeout  time.Duration // 60 s: how long members have to finish a batch when partitions move
	JoinBackoff       time.Duration // 500 ms between attempts to join
	WatchInterval     time.Duration // 5 s between looks for new topics and partitions
	KeepSeat          bool          // do not leave the group on stop: the partitions wait for the session timeout

	FetchMaxBytes int           // 1 MiB an answer and partition; a larger batch comes whole all the same
	FetchMaxWait  time.Duration // 500 ms: how long a broker holds a fetch without news
	RetryBackoff  time.Duration // 100 ms before a failed request is sent again; grows 16-fold

	// Balancers are the assignment strategies offered, most wanted first;
	// nil = kafka-go's range, then round robin.
	Balancers []kafkago.GroupBalancer

	Hooks  Hooks
	Logger *slog.Logger // nil = none
}

func (o *SourceOptions) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.SessionTimeout, 45*time.Second)
	set(&o.HeartbeatInterval, min(3*time.Second, o.SessionTimeout/3))
	set(&o.RebalanceTimeout, 60*time.Second)
	set(&o.JoinBackoff, 500*time.Millisecond)
	set(&o.WatchInterval, 5*time.Second)
	set(&o.FetchMaxWait, 500*time.Millisecond)
	set(&o.RetryBackoff, 100*time.Millisecond)
	if o.FetchMaxBytes <= 0 {
		o.FetchMaxBytes = 1 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func (o *SourceOptions) reading(k *client) *readerOptions {
	return &readerOptions{
		client: k, committed: !o.ReadUncommitted,
		maxBytes: int32(min(o.FetchMaxBytes, maxResponse)), maxWait: o.FetchMaxWait,
		onLost: o.OnLost, onTruncated: o.OnTruncated,
		backoff: o.RetryBackoff, hooks: &o.Hooks, log: o.Logger,
	}
}

// Source is a member of a consumer group. It satisfies connectors.Source; its
// readers have a method Lag() int64 as well.
type Source struct{ o SourceOptions }

// NewSource checks the options. It does not connect.
func NewSource(o SourceOptions) (*Source, error) {
	o.defaults()
	switch {
	case len(o.Topics) == 0:
		return nil, errors.New("kafka source: no topics to read")
	case o.Group == "":
		return nil, errors.New("kafka source: no consumer group named")
	case o.HeartbeatInterval >= o.SessionTimeout:
		return nil, fmt.Errorf("kafka source: a heartbeat every %v does not keep a session of %v alive: make it a third of it", o.HeartbeatInterval, o.SessionTimeout)
	}
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("kafka source: %w", err)
	}
	return &Source{o}, nil
}

// Run implements connectors.Source. It joins the group and calls serve for
// every assigned partition; when serve returns while the partition is still
// assigned, it is called again after a pause with a new Reader. Topics that do
// not exist (yet) are waited for; new partitions are taken up. Run returns nil
// when ctx has ended and all calls of serve have returned, or an error when the
// brokers refuse the login at the start.
func (s *Source) Run(ctx context.Context, serve func(context.Context, connectors.Reader) error) error {
	k, err := s.o.open(s.o.Topics...)
	if err != nil {
		return fmt.Errorf("kafka source: %w", err)
	}
	defer k.close()
	for ctx.Err() == nil {
		counts, err := s.awaitTopics(ctx, k)
		if err != nil {
			return fmt.Errorf("kafka source: %w", err)
		}
		if ctx.Err() != nil {
			break
		}
		if err := s.member(ctx, k, counts, serve); err != nil {
			return fmt.Errorf("kafka source: %w", err)
		}
	}
	return nil
}

// awaitTopics returns how many partitions each topic has, once one exists.
func (s *Source) awaitTopics(ctx context.Context, k *client) (map[string]int, error) {
	said := ""
	for {
		counts, err := k.partitions(ctx, s.o.Topics)
		var say string
		switch {
		case ctx.Err() != nil:
			return nil, nil
		case errors.Is(err, kafkago.SASLAuthenticationFailed), errors.Is(err, kafkago.UnsupportedSASLMechanism):
			return nil, fmt.Errorf("logging in at %s: %w", k.addr, err)
		case err != nil:
			s.o.Hooks.error("metadata", err)
			say = fmt.Sprintf("the brokers cannot be asked: %v", err)
		default:
			if names := missing(s.o.Topics, counts); names != "" {
				s.o.Hooks.error("metadata", kafkago.UnknownTopicOrPartition)
				say = "no such topic: " + names
			}
		}
		if say != "" && say != said {
			s.o.Logger.Error("waiting for the source topics; create them if they are missing", "brokers", k.addr.String(), "reason", say)
		}
		if said = say; len(counts) > 0 {
			return counts, nil
		}
		if !pause(ctx, min(s.o.WatchInterval, 10*s.o.RetryBackoff)) {
			return nil, nil
		}
	}
}

// member is a membership in the group over the topics in counts. It ends when
// ctx ends or the topics or their partitions change.
func (s *Source) member(ctx context.Context, k *client, counts map[string]int, serve func(context.Context, connectors.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, err := s.join(k, counts)
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		s.watch(ctx, k, counts)
		cancel()
	})
	reading := s.o.reading(k)
	for {
		generation, err := g.Next(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			s.o.Hooks.error("group", err)
			s.o.Logger.Warn("joining the consumer group failed, trying again", "group", s.o.Group, "error", err)
			continue
		}
		s.assign(generation, reading, serve)
	}
	g.leave(!s.o.KeepSeat)
	watching.Wait()
	return nil
}

// assign starts a goroutine for every partition of a generation.
func (s *Source) assign(generation *kafkago.Generation, reading *readerOptions, serve func(context.Context, connectors.Reader) error) {
	all := make(map[string][]int32)
	for topic, partitions := range generation.Assignments {
		for _, p := range partitions {
			all[topic] = append(all[topic], int32(p.ID))
		}
	}
	s.o.Logger.Info("partitions assigned", "group", s.o.Group, "generation", generation.ID, "partitions", all)
	s.o.Hooks.assigned(generation.ID, all)
	for topic, partitions := range generation.Assignments {
		for _, p := range partitions {
			generation.Start(func(ctx context.Context) {
				s.serve(ctx, generation, reading, topic, p, serve)
			})
		}
	}
}

// serve keeps one partition served until ctx, the generation, ends: the first
// function of a generation to return would end it for all partitions.
func (s *Source) serve(ctx context.Context, generation *kafkago.Generation, reading *readerOptions, topic string, p kafkago.PartitionAssignment, serve func(context.Context, connectors.Reader) error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start, said := p.Offset, ""
	commit := func(next int64) error {
		err := s.commit(ctx, generation, topic, p.ID, next)
		if err == nil {
			start = next
		}
		return err
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		r := newReader(ctx, reading, topic, int32(p.ID), start, -1)
		r.commit = commit
		err := serve(ctx, r)
		r.close()
		if ctx.Err() != nil {
			return
		}
		if r.after >= 0 {
			failures = 0
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		if said != err.Error() {
			said = err.Error()
			s.o.Logger.Error("serving a partition ended, starting it again", "topic", topic, "partition", p.ID, "error", err)
		}
		pause(ctx, 10*s.o.RetryBackoff<<min(failures, 4))
	}
}

// commit writes an offset to Kafka. A generation that is over no longer owns
// the partition: its new owner commits, so that is no error.
func (s *Source) commit(ctx context.Context, generation *kafkago.Generation, topic string, partition int, next int64) error {
	err := generation.CommitOffsets(map[string]map[int]int64{topic: {partition: next}})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil, errors.Is(err, kafkago.IllegalGeneration), errors.Is(err, kafkago.UnknownMemberId), errors.Is(err, kafkago.RebalanceInProgress):
		s.o.Logger.Debug("offset not committed, the generation is over", "topic", topic, "partition", partition, "next", next, "error", err)
		return nil
	}
	s.o.Hooks.error("commit", err)
	return fmt.Errorf("committing offset %d of %s/%d: %w", next, topic, partition, err)
}

// watch returns when ctx ends or the topics differ from counts: one was
// created, or deleted (seen three times: a starting broker may not know it
// yet), or has got partitions.
func (s *Source) watch(ctx context.Context, k *client, counts map[string]int) {
	misses := 0
	for pause(ctx, s.o.WatchInterval) {
		now, err := k.partitions(ctx, s.o.Topics)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.o.Hooks.error("metadata", err)
			continue
		}
		changed, gone := false, false
		for _, topic := range s.o.Topics {
			was, had := counts[topic]
			is, has := now[topic]
			gone = gone || had && !has
			changed = changed || has && was != is
		}
		if !gone {
			misses = 0
		} else if misses++; misses < 3 && !changed {
			continue
		}
		if changed || gone {
			s.o.Logger.Warn("the source topics changed, joining the group anew", "before", counts, "now", now)
			return
		}
	}
}
