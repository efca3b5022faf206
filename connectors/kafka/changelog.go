package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

// ChangelogFormat is the newest version of the changelog's records that this
// program writes and reads.
const ChangelogFormat = 1

// The keys of a changelog's own records; the store's begin with other bytes.
const (
	appliedKey = "\x00applied" // next source offset and stream time, last in every batch
	claimKey   = "\x00claim"   // who has taken the partition over
)

// ErrFenced says that another instance has taken the partition over: what was
// to be appended was refused, or the log holds what this writer has not
// written. The partition's batch is to be dropped.
var ErrFenced = errors.New("another instance has taken the partition over")

// ErrDiverged says that the changelog lost records that it had acknowledged.
// Taking the partition over again finds out what is left.
var ErrDiverged = errors.New("the changelog has lost acknowledged records")

// ErrGone says that the changelog holds nothing although this store was built
// from it: its topic was deleted or recreated. The store is left as it is.
var ErrGone = errors.New("the changelog is gone")

// TooLargeError says that a batch exceeds what the changelog's topic takes.
// Nothing was sent. With a Key it is this one record that is too large, else
// the records do not fit together.
type TooLargeError struct {
	Topic       string
	Partition   int32
	Key         []byte
	Size, Limit int
}

// Error implements error.
func (e *TooLargeError) Error() string {
	what := "the batch"
	if e.Key != nil {
		what = fmt.Sprintf("the record %q alone", e.Key)
	}
	return fmt.Sprintf("changelog %s/%d: %s has %d bytes, the topic takes %d: raise its max.message.bytes", e.Topic, e.Partition, what, e.Size, e.Limit)
}

// ChangelogOptions configure a Changelog. Zero values take the defaults named.
type ChangelogOptions struct {
	Connection
	Group   string
	Sources []string // the source topics

	Topic       string // of the only source's changelog; "" = <group>-<source topic>-changelog
	Replication int    // of a topic that is created; 0 = the brokers' default
	MaxBytes    int    // 8 MiB a batch; less if the topic takes less
	Compression string // of batches: none (default), gzip, snappy, lz4, zstd

	Instance string // who claims, for people who read the topic
	URL      string // where the instance answers

	RenewInterval time.Duration // 24 h: ids that are not used longer are forgotten by brokers after a week
	RetryBackoff  time.Duration // 100 ms before a failed request is sent again; grows 16-fold
	FetchMaxBytes int           // 4 MiB an answer when restoring
	FetchMaxWait  time.Duration // 500 ms: how long a broker holds a fetch without news

	// Appended is told about every batch: its size on the wire.
	Appended func(topic string, partition int32, bytes int)
	// Restored is told how a restore or a standby goes on: records since the
	// last call, and offsets that remain (an upper bound of records).
	Restored func(topic string, partition int32, records int, remaining int64)

	Clock  func() time.Time // time.Now; of record times, renewal and the age of a local store
	Hooks  Hooks
	Logger *slog.Logger // nil = none
}

func (o *ChangelogOptions) defaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.RenewInterval, 24*time.Hour)
	set(&o.RetryBackoff, 100*time.Millisecond)
	set(&o.FetchMaxWait, 500*time.Millisecond)
	if o.MaxBytes <= 0 {
		o.MaxBytes = 8 << 20
	}
	if o.FetchMaxBytes <= 0 {
		o.FetchMaxBytes = 4 << 20
	}
	if o.Appended == nil {
		o.Appended = func(string, int32, int) {}
	}
	if o.Restored == nil {
		o.Restored = func(string, int32, int, int64) {}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Changelog holds each partition's state in a compacted topic with as many
// partitions as the source, one record a key of the store. Open takes a
// partition over, Follow keeps a copy of one that another instance has. It is
// safe for concurrent use.
//
// A batch of changes is one record batch, which a broker appends whole or not
// at all; its writer is idempotent and fenced by a producer epoch, so of two
// instances that take themselves for the owner only the later one can append.
type Changelog struct {
	o       ChangelogOptions
	codec   compress.Compression
	client  *client
	reading *readerOptions

	mu     sync.Mutex
	topics map[string]*changelogTopic // verified ones, by source
}

// NewChangelog checks the options. It does not connect.
func NewChangelog(o ChangelogOptions) (*Changelog, error) {
	o.defaults()
	c := &Changelog{topics: make(map[string]*changelogTopic)}
	switch {
	case o.Group == "":
		return nil, errors.New("changelog: no consumer group named")
	case len(o.Sources) == 0:
		return nil, errors.New("changelog: no source topics named")
	case o.Topic != "" && len(o.Sources) > 1:
		return nil, fmt.Errorf("changelog: one topic %s cannot serve %d source topics: leave its name to the program", o.Topic, len(o.Sources))
	case o.Topic != "" && slices.Contains(o.Sources, o.Topic):
		return nil, fmt.Errorf("changelog: topic %s is the source itself", o.Topic)
	}
	if o.Compression != "" {
		if err := c.codec.UnmarshalText([]byte(o.Compression)); err != nil {
			return nil, fmt.Errorf("changelog: %w", err)
		}
	}
	c.o = o
	watched := slices.Clone(o.Sources)
	for _, s := range o.Sources {
		watched = append(watched, c.Topic(s))
	}
	var err error
	if c.client, err = o.open(watched...); err != nil {
		return nil, fmt.Errorf("changelog: %w", err)
	}
	c.reading = &readerOptions{
		client: c.client, maxBytes: int32(min(o.FetchMaxBytes, maxResponse)), maxWait: o.FetchMaxWait,
		onLost: Stop, onTruncated: Stop, backoff: o.RetryBackoff, hooks: &c.o.Hooks, log: o.Logger,
	}
	return c, nil
}

// Topic returns the name of a source topic's changelog.
func (c *Changelog) Topic(source string) string {
	if c.o.Topic != "" {
		return c.o.Topic
	}
	return c.o.Group + "-" + source + "-changelog"
}

// Close drops the connections. Writers must not be used any more.
func (c *Changelog) Close() error {
	c.client.close()
	return nil
}

// maxMissing is how many answers in a row may say that a topic is not there
// before it counts as gone: after a start or an election brokers say so too.
const maxMissing = 20

// persist calls f until it succeeds, its error is one that no repetition
// mends, or ctx ends. Repeated says that f had failed before.
func (c *Changelog) persist(ctx context.Context, topic string, partition int32, f func(context.Context) error) (repeated bool, err error) {
	missing, said := 0, ""
	for misses := 0; ; misses++ {
		attempt, cancel := context.WithTimeout(ctx, 15*time.Second)
		err := f(attempt)
		cancel()
		switch {
		case err == nil:
			return misses > 0, nil
		case ctx.Err() != nil:
			return misses > 0, ctx.Err()
		}
		if code(err) != int(kafkago.UnknownTopicOrPartition) {
			missing = 0
		} else if missing++; missing >= maxMissing {
			return misses > 0, fmt.Errorf("changelog topic %s: the brokers do not know it, or not the partition: was it deleted? %w", topic, err)
		}
		if !temporary(err) {
			return misses > 0, err
		}
		c.o.Hooks.error("changelog", err)
		if s := err.Error(); s != said {
			said = s
			c.o.Logger.Warn("the changelog does not answer as it should, trying again", "topic", topic, "partition", partition, "error", err)
		}
		if !pause(ctx, c.o.RetryBackoff<<min(misses, 4)) {
			return true, ctx.Err()
		}
	}
}

// temporary reports whether sending a request again may help. It may after
// everything that does not come from a broker, as broken connections.
func temporary(err error) bool {
	n := code(err)
	return n == int(kafkago.Unknown) || kafkago.Error(n).Temporary() || n == int(kafkago.ConcurrentTransactions)
}

// bounds returns where the log begins and ends.
func (c *Changelog) bounds(ctx context.Context, topic string, partition int32) (first, end int64, err error) {
	if first, err = c.offset(ctx, topic, partition, kafkago.FirstOffset); err == nil {
		end, err = c.offset(ctx, topic, partition, kafkago.LastOffset)
	}
	return first, end, err
}

func (c *Changelog) offset(ctx context.Context, topic string, partition int32, at int64) (offset int64, err error) {
	_, err = c.persist(ctx, topic, partition, func(ctx context.Context) error {
		offset, err = c.client.offsetAt(ctx, topic, partition, at, false)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("changelog %s/%d: asking for its bounds: %w", topic, partition, err)
	}
	return offset, nil
}
