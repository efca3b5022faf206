package kafka_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors/kafka/broker"
)

// client is another Kafka client, to do what the package does not and to
// check it against.
func client(t *testing.T, b *broker.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func must(t *testing.T, code int16, err error) {
	t.Helper()
	if err == nil {
		err = kerr.ErrorForCode(code)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func createCompacted(t *testing.T, cl *kgo.Client, topic string) {
	t.Helper()
	policy := "compact"
	config := kmsg.NewCreateTopicsRequestTopicConfig()
	config.Name, config.Value = "cleanup.policy", &policy
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor, rt.Configs = topic, 1, 1, append(rt.Configs, config)
	req := kmsg.NewCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].ErrorCode, nil)
}

func deleteTopic(t *testing.T, cl *kgo.Client, topic string) {
	t.Helper()
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = kmsg.StringPtr(topic)
	req := kmsg.NewDeleteTopicsRequest()
	req.Topics, req.TopicNames = append(req.Topics, rt), []string{topic}
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].ErrorCode, nil)
}

func deleteRecords(t *testing.T, cl *kgo.Client, topic string, before int64) {
	t.Helper()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = before
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
	req := kmsg.NewDeleteRecordsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].Partitions[0].ErrorCode, nil)
}

func addPartitions(t *testing.T, cl *kgo.Client, topic string, count int32) {
	t.Helper()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, count
	req := kmsg.NewCreatePartitionsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].ErrorCode, nil)
}

func members(t *testing.T, cl *kgo.Client, group string) int {
	t.Helper()
	req := kmsg.NewDescribeGroupsRequest()
	req.Groups = []string{group}
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Groups[0].ErrorCode, nil)
	return len(res.Groups[0].Members)
}

// consumeAll reads a topic of one partition up to an offset.
func consumeAll(t *testing.T, cl *kgo.Client, topic string, end int64) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	var values []string
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		last := int64(-1)
		fetches.EachRecord(func(r *kgo.Record) {
			values = append(values, string(r.Value))
			last = r.Offset
		})
		if last+1 >= end {
			return values
		}
	}
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
