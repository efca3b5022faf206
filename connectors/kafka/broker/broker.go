// Package broker runs a Kafka-protocol broker in this process, over real
// sockets: the demo needs no set-up with it, and tests speak the wire. It keeps
// its topics in memory, or in a directory. It is no replacement for Kafka.
package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors"
)

// Options configure a Broker; the zero value is one broker in memory on a free
// loopback port.
type Options struct {
	Brokers int            // 0 = 1
	Ports   []int          // instead of free ports, one a broker
	Topics  map[string]int // topics to begin with, and their partitions
	Dir     string         // keep everything here; "" = in memory
	Sync    bool           // with Dir: every write is durable at once
	TLS     *tls.Config    // the broker's certificate
	Login   *Login         // the only login; nil = none is asked for
	// Settings are broker configurations, such as message.max.bytes.
	Settings map[string]string
}

// Login is a user: Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
type Login struct{ Mechanism, Username, Password string }

// Broker is a running broker (or several). Its methods may be called from any
// goroutine.
type Broker struct {
	cluster *kfake.Cluster
}

// Start starts a broker and creates its topics.
func Start(o Options) (*Broker, error) {
	opts := []kfake.Opt{
		kfake.NumBrokers(max(o.Brokers, 1)),
		kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.DefaultNumPartitions(1),
	}
	if len(o.Ports) > 0 {
		opts = append(opts, kfake.Ports(o.Ports...))
	}
	for topic, n := range o.Topics {
		opts = append(opts, kfake.SeedTopics(int32(n), topic))
	}
	if o.Dir != "" {
		opts = append(opts, kfake.DataDir(o.Dir))
	}
	if o.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	if o.TLS != nil {
		opts = append(opts, kfake.TLS(o.TLS))
	}
	if o.Login != nil {
		opts = append(opts, kfake.EnableSASL(), kfake.Superuser(o.Login.Mechanism, o.Login.Username, o.Login.Password))
	}
	if len(o.Settings) > 0 {
		opts = append(opts, kfake.BrokerConfigs(o.Settings))
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("starting the in-process broker: %w", err)
	}
	return &Broker{cluster: c}, nil
}

// Addrs returns the host:port of each broker.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Cluster gives tests access to faults, leader moves and compaction.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the broker and drops its connections.
func (b *Broker) Close() { b.cluster.Close() }

// client returns a client for one call. It enters neither TLS nor a login: the
// helpers below are for brokers without.
func (b *Broker) client(opts ...kgo.Opt) (*kgo.Client, error) {
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...))...)
	if err != nil {
		return nil, fmt.Errorf("reaching the in-process broker: %w", err)
	}
	return c, nil
}

// CreateTopic creates a topic; that it exists is no error.
func (b *Broker) CreateTopic(ctx context.Context, topic string, partitions int) error {
	c, err := b.client()
	if err != nil {
		return err
	}
	defer c.Close()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, int32(partitions), -1
	req := kmsg.NewCreateTopicsRequest()
	req.Topics = append(req.Topics, t)
	res, err := req.RequestWith(ctx, c)
	if err == nil {
		for _, t := range res.Topics {
			err = kerr.ErrorForCode(t.ErrorCode)
		}
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("creating topic %s: %w", topic, err)
	}
	return nil
}

// Produce appends the messages to their topics and partitions in order, lz4
// compressed, with their keys, headers and times (0 = now).
func (b *Broker) Produce(ctx context.Context, messages ...connectors.Message) error {
	c, err := b.client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		return err
	}
	defer c.Close()
	records := make([]*kgo.Record, len(messages))
	for i, m := range messages {
		r := &kgo.Record{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Value: m.Value}
		if m.Time > 0 {
			r.Timestamp = time.UnixMilli(m.Time)
		}
		for _, h := range m.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		records[i] = r
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("producing %d records: %w", len(records), err)
	}
	return nil
}

// Committed returns the offsets that a consumer group has committed in a
// topic, by partition; partitions without one are left out.
func (b *Broker) Committed(ctx context.Context, group, topic string, partitions int) (map[int32]int64, error) {
	c, err := b.client()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic = topic
	for p := range int32(partitions) {
		t.Partitions = append(t.Partitions, p)
	}
	req := kmsg.NewOffsetFetchRequest()
	req.Group, req.Topics = group, []kmsg.OffsetFetchRequestTopic{t}
	res, err := req.RequestWith(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", group, err)
	}
	offsets := make(map[int32]int64)
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("offset of %s/%d in group %s: %w", topic, p.Partition, group, err)
			}
			if p.Offset >= 0 {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}
