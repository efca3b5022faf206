package kafka_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

func createTopic(t *testing.T, cl *kgo.Client, topic string, partitions int32, settings map[string]string) {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, partitions, 1
	for k, v := range settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = k, kmsg.StringPtr(v)
		rt.Configs = append(rt.Configs, c)
	}
	req := kmsg.NewCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	must(t, res.Topics[0].ErrorCode, nil)
}

func TestAMissingChangelogIsCreated(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 5}})
	c := openChangelog(t, b, nil)
	for range 2 {
		if err := c.Prepare(within(t), "a"); err != nil {
			t.Fatal(err)
		}
	}
	cl := client(t, b)
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, logTopic
	r.ConfigNames = []string{"cleanup.policy", "max.message.bytes", "delete.retention.ms", "unclean.leader.election.enable"}
	req := kmsg.NewDescribeConfigsRequest()
	req.Resources = append(req.Resources, r)
	res, err := req.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range res.Resources[0].Configs {
		got[e.Name] = *e.Value
	}
	want := map[string]string{
		"cleanup.policy": "compact", "max.message.bytes": "8388608",
		"delete.retention.ms": "604800000", "unclean.leader.election.enable": "false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	meta := kmsg.NewMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = kmsg.StringPtr(logTopic)
	meta.Topics = append(meta.Topics, mt)
	m, err := meta.RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.Topics[0].Partitions); n != 5 {
		t.Errorf("%d partitions, want the source's 5", n)
	}
}

func TestATopicThatCannotServeIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name       string
		partitions int32
		settings   map[string]string
		want       []string // in the error; none = it is accepted
	}{
		{"as created by hand", 2, map[string]string{"cleanup.policy": "compact"}, nil},
		{"deleting", 2, nil, []string{`cleanup.policy is "delete"`, "--add-config cleanup.policy=compact", logTopic}},
		{"compacting and deleting", 2, map[string]string{"cleanup.policy": "compact,delete"}, []string{`cleanup.policy is "compact,delete"`}},
		{"too few partitions", 1, map[string]string{"cleanup.policy": "compact"}, []string{"it has 1 partitions, its source a has 2", "--partitions 2"}},
		{"too many partitions", 3, map[string]string{"cleanup.policy": "compact"}, []string{"it has 3 partitions, its source a has 2", "delete the changelog topic"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, broker.Options{Topics: map[string]int{"a": 2}})
			createTopic(t, client(t, b), logTopic, tt.partitions, tt.settings)
			c := openChangelog(t, b, nil)
			err := c.Prepare(within(t), "a")
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *kafka.ChangelogTopicError
			if !errors.As(err, &e) || e.Topic != logTopic {
				t.Fatalf("got %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v: want %q in it", err, w)
				}
			}
			if _, err := c.Open(within(t), "a", 0, 1, newReplica()); !errors.As(err, &e) {
				t.Errorf("Open: %v", err)
			}
		})
	}
}

func TestPartitionsAndTopicsThatAreNotThere(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 1}})
	c := openChangelog(t, b, func(o *kafka.ChangelogOptions) { o.Sources = []string{"a", "b"} })
	if err := c.Prepare(within(t), "b"); err == nil || !strings.Contains(err.Error(), "no source topic b") {
		t.Errorf("missing source: %v", err)
	}
	if _, err := c.Open(within(t), "a", 3, 1, newReplica()); err == nil || !strings.Contains(err.Error(), "there is no 3") {
		t.Errorf("missing partition: %v", err)
	}
}

func TestOptionsOfAChangelog(t *testing.T) {
	valid := kafka.ChangelogOptions{Connection: kafka.Connection{Brokers: []string{"127.0.0.1:1"}}, Group: "g", Sources: []string{"a"}}
	for _, tt := range []struct {
		name   string
		change func(*kafka.ChangelogOptions)
		topic  string // of source a; "" = refused
	}{
		{"as they are", func(*kafka.ChangelogOptions) {}, "g-a-changelog"},
		{"a name given", func(o *kafka.ChangelogOptions) { o.Topic = "mine" }, "mine"},
		{"a name given for two sources", func(o *kafka.ChangelogOptions) { o.Topic, o.Sources = "mine", []string{"a", "b"} }, ""},
		{"the source's name", func(o *kafka.ChangelogOptions) { o.Topic = "a" }, ""},
		{"no group", func(o *kafka.ChangelogOptions) { o.Group = "" }, ""},
		{"no sources", func(o *kafka.ChangelogOptions) { o.Sources = nil }, ""},
		{"no brokers", func(o *kafka.ChangelogOptions) { o.Brokers = nil }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := valid
			tt.change(&o)
			c, err := kafka.NewChangelog(o)
			if (err == nil) != (tt.topic != "") {
				t.Fatalf("got %v", err)
			}
			if c != nil {
				defer c.Close()
				if got := c.Topic("a"); got != tt.topic {
					t.Errorf("topic %q, want %q", got, tt.topic)
				}
			}
		})
	}
}
