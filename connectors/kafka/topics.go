package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
)

// TopicSpec describes a topic to create. Replication 0 takes the brokers'
// default; Configs are topic settings such as cleanup.policy.
type TopicSpec struct {
	Name        string
	Partitions  int
	Replication int
	Configs     map[string]string
}

// CreateTopic creates a topic. That it exists already is no error.
func CreateTopic(ctx context.Context, c Connection, spec TopicSpec) error {
	k, err := c.open(spec.Name)
	if err != nil {
		return err
	}
	defer k.close()
	return k.createTopic(ctx, spec)
}

func (k *client) createTopic(ctx context.Context, spec TopicSpec) error {
	replication := spec.Replication
	if replication == 0 {
		replication = -1
	}
	topic := kafkago.TopicConfig{Topic: spec.Name, NumPartitions: max(spec.Partitions, 1), ReplicationFactor: replication}
	for _, name := range slices.Sorted(maps.Keys(spec.Configs)) {
		topic.ConfigEntries = append(topic.ConfigEntries, kafkago.ConfigEntry{ConfigName: name, ConfigValue: spec.Configs[name]})
	}
	res, err := k.api.CreateTopics(ctx, &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{topic}})
	if err == nil {
		err = res.Errors[spec.Name]
	}
	if err != nil && !errors.Is(err, kafkago.TopicAlreadyExists) {
		return fmt.Errorf("creating topic %s: %w", spec.Name, err)
	}
	return nil
}

// partitions returns how many partitions the topics have; those that do not
// exist are left out. It never creates one.
func (k *client) partitions(ctx context.Context, topics []string) (map[string]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := k.transport.RoundTrip(ctx, k.addr, &metadata.Request{TopicNames: topics})
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int, len(topics))
	for _, t := range m.(*metadata.Response).Topics {
		switch {
		case t.ErrorCode == int16(kafkago.UnknownTopicOrPartition):
		case t.ErrorCode != 0:
			return nil, fmt.Errorf("looking up topic %s: %w", t.Name, kafkago.Error(t.ErrorCode))
		default:
			counts[t.Name] = len(t.Partitions)
		}
	}
	return counts, nil
}

// missing returns those of the topics that are not in counts, for a message.
func missing(topics []string, counts map[string]int) string {
	var names []string
	for _, t := range topics {
		if _, ok := counts[t]; !ok {
			names = append(names, t)
		}
	}
	return strings.Join(names, ", ")
}
