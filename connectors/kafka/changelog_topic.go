package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

const (
	settingPolicy    = "cleanup.policy"
	settingMaxBytes  = "max.message.bytes"
	settingRetention = "delete.retention.ms"
	settingUnclean   = "unclean.leader.election.enable"
)

// tombstoneLife is how long a changelog that we create keeps deletions for
// those who have not read them yet.
const tombstoneLife = 7 * 24 * time.Hour

// changelogTopic is what is known of a changelog's topic.
type changelogTopic struct {
	name       string
	source     string
	partitions int
	limit      int           // bytes of a batch
	life       time.Duration // of tombstones
}

// ChangelogTopicError says why a topic cannot serve as a changelog and what to
// change.
type ChangelogTopicError struct {
	Topic    string
	Problems []string
}

// Error implements error.
func (e *ChangelogTopicError) Error() string {
	return fmt.Sprintf("changelog topic %s: %s", e.Topic, strings.Join(e.Problems, "; "))
}

// Prepare creates a source topic's changelog if it is missing, and verifies it
// if it is there. A topic that cannot serve is a *ChangelogTopicError. Open and
// Follow prepare by themselves; calling it before tells at the start.
func (c *Changelog) Prepare(ctx context.Context, source string) error {
	_, err := c.prepare(ctx, source)
	return err
}

func (c *Changelog) prepare(ctx context.Context, source string) (*changelogTopic, error) {
	c.mu.Lock()
	t := c.topics[source]
	c.mu.Unlock()
	if t != nil {
		return t, nil
	}
	t = &changelogTopic{name: c.Topic(source), source: source}
	if err := c.create(ctx, t); err != nil {
		return nil, err
	}
	if err := c.verify(ctx, t); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics[source] = t
	return t, nil
}

// create makes sure that the topic is there and learns its partitions.
func (c *Changelog) create(ctx context.Context, t *changelogTopic) error {
	counts, err := c.counts(ctx, t)
	if err != nil {
		return err
	}
	if counts[t.source] == 0 {
		return fmt.Errorf("changelog: no source topic %s", t.source)
	}
	if counts[t.name] == 0 {
		spec := TopicSpec{
			Name: t.name, Partitions: counts[t.source], Replication: c.o.Replication,
			Configs: map[string]string{
				settingPolicy:    "compact",
				settingMaxBytes:  strconv.Itoa(c.o.MaxBytes),
				settingRetention: strconv.FormatInt(tombstoneLife.Milliseconds(), 10),
				settingUnclean:   "false",
			},
		}
		if _, err := c.persist(ctx, t.name, -1, func(ctx context.Context) error { return c.client.createTopic(ctx, spec) }); err != nil {
			return fmt.Errorf("changelog: %w", err)
		}
		c.o.Logger.Info("changelog topic created", "topic", t.name, "partitions", spec.Partitions)
		_, err := c.persist(ctx, t.name, -1, func(ctx context.Context) error {
			if counts, err = c.client.partitions(ctx, []string{t.name, t.source}); err == nil && counts[t.name] == 0 {
				err = kafkago.UnknownTopicOrPartition // not yet in the metadata
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if t.partitions = counts[t.name]; t.partitions != counts[t.source] {
		change := fmt.Sprintf("add some with kafka-topics.sh --alter --topic %s --partitions %d", t.name, counts[t.source])
		if t.partitions > counts[t.source] {
			change = "the source was recreated with fewer; delete the changelog topic, or name another one"
		}
		return &ChangelogTopicError{t.name, []string{fmt.Sprintf("it has %d partitions, its source %s has %d: %s", t.partitions, t.source, counts[t.source], change)}}
	}
	return nil
}

func (c *Changelog) counts(ctx context.Context, t *changelogTopic) (counts map[string]int, err error) {
	_, err = c.persist(ctx, t.name, -1, func(ctx context.Context) error {
		counts, err = c.client.partitions(ctx, []string{t.name, t.source})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("changelog: asking %s for topics: %w", c.client.addr, err)
	}
	return counts, nil
}

// verify checks the topic's settings and learns those that matter.
func (c *Changelog) verify(ctx context.Context, t *changelogTopic) error {
	var settings map[string]string
	_, err := c.persist(ctx, t.name, -1, func(ctx context.Context) (err error) {
		settings, err = c.client.settings(ctx, t.name)
		return err
	})
	if err != nil {
		return fmt.Errorf("changelog topic %s: reading its settings (DescribeConfigs must be allowed): %w", t.name, err)
	}
	bad := &ChangelogTopicError{Topic: t.name}
	if policy := settings[settingPolicy]; policy != "compact" {
		bad.Problems = append(bad.Problems, fmt.Sprintf("its cleanup.policy is %q, which loses state: set it with kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config cleanup.policy=compact, or name another topic", policy, t.name))
	}
	t.limit = c.o.MaxBytes
	if n, err := strconv.Atoi(settings[settingMaxBytes]); err == nil && n < t.limit {
		c.o.Logger.Warn("the changelog topic takes smaller batches than wanted", "topic", t.name, settingMaxBytes, n, "wanted", t.limit)
		t.limit = n
	}
	t.life = 24 * time.Hour // Kafka's default
	if n, err := strconv.ParseInt(settings[settingRetention], 10, 64); err == nil {
		t.life = time.Duration(min(n, 1<<40)) * time.Millisecond
	}
	if settings[settingUnclean] == "true" {
		c.o.Logger.Warn("an unclean leader election may cut the changelog: set unclean.leader.election.enable=false", "topic", t.name)
	}
	if len(bad.Problems) > 0 {
		return bad
	}
	return nil
}

// settings returns the settings of a topic that matter to a changelog.
func (k *client) settings(ctx context.Context, topic string) (map[string]string, error) {
	res, err := k.api.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
		ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic,
		ConfigNames: []string{settingPolicy, settingMaxBytes, settingRetention, settingUnclean},
	}}})
	if err != nil {
		return nil, err
	}
	settings := make(map[string]string)
	for _, r := range res.Resources {
		if r.Error != nil {
			return nil, r.Error
		}
		for _, e := range r.ConfigEntries {
			settings[e.ConfigName] = e.ConfigValue
		}
	}
	return settings, nil
}

// prepared returns the topic, with the partition checked.
func (c *Changelog) prepared(ctx context.Context, source string, partition int32) (*changelogTopic, error) {
	t, err := c.prepare(ctx, source)
	if err == nil && int(partition) >= t.partitions {
		// The source has got partitions since: look again.
		c.mu.Lock()
		delete(c.topics, source)
		c.mu.Unlock()
		if t, err = c.prepare(ctx, source); err == nil && int(partition) >= t.partitions {
			err = fmt.Errorf("changelog topic %s has %d partitions: there is no %d", t.name, t.partitions, partition)
		}
	}
	return t, err
}
