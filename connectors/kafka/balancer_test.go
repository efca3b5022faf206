package kafka_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kafkago "github.com/segmentio/kafka-go"
	"pgregory.net/rapid"

	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
)

// member describes a group member: the partitions of topic a of which it has
// state, as "partition:next", "*" behind those that it owned.
func member(t testing.TB, instance string, topics []string, holdings string) kafkago.GroupMember {
	t.Helper()
	m := kafka.Member{Instance: instance, URL: "http://" + instance, Format: 1, Holdings: map[kafka.TopicPartition]kafka.Holding{}}
	for _, h := range strings.Fields(holdings) {
		var p int32
		var next int64
		if _, err := fmt.Sscanf(strings.TrimSuffix(h, "*"), "%d:%d", &p, &next); err != nil {
			t.Fatal(err)
		}
		m.Holdings[kafka.TopicPartition{Topic: "a", Partition: p}] = kafka.Holding{Next: next, Owner: strings.HasSuffix(h, "*")}
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return kafkago.GroupMember{ID: instance + "-id", Topics: topics, UserData: data}
}

func partitionsOf(topic string, n int) []kafkago.Partition {
	var ps []kafkago.Partition
	for i := range n {
		ps = append(ps, kafkago.Partition{Topic: topic, ID: i})
	}
	return ps
}

func balancer(standby int) *kafka.Balancer {
	return kafka.NewBalancer(kafka.BalancerOptions{
		Self: func() kafka.Member { return kafka.Member{} }, Standby: standby,
		Changelogs: map[string]string{"a-log": "a"},
	})
}

func TestAssignments(t *testing.T) {
	a := []string{"a"}
	both := []string{"a", "a-log"}
	for _, tt := range []struct {
		name       string
		partitions int
		standby    int
		members    map[string]string
		topics     []string
		want       map[string]string
	}{
		{"nobody has anything", 5, 0, map[string]string{"x": "", "y": ""}, a,
			map[string]string{"x": "a[0 2 4]", "y": "a[1 3]"}},
		{"everything stays", 4, 0, map[string]string{"x": "1:5* 3:5*", "y": "0:7* 2:7*"}, a,
			map[string]string{"x": "a[1 3]", "y": "a[0 2]"}},
		{"everything stays where loads are uneven by one", 3, 0, map[string]string{"x": "1:5*", "y": "0:7* 2:7*"}, a,
			map[string]string{"x": "a[1]", "y": "a[0 2]"}},
		{"one joins and gets no more than its share", 4, 0, map[string]string{"x": "0:5* 1:5* 2:5* 3:5*", "y": ""}, a,
			map[string]string{"x": "a[0 1]", "y": "a[2 3]"}},
		{"what a standby has is given up first", 4, 0, map[string]string{"x": "0:5* 1:5* 2:5* 3:5*", "y": "0:4 1:4"}, a,
			map[string]string{"x": "a[2 3]", "y": "a[0 1]"}},
		{"one left and its partitions go where they are freshest", 4, 0, map[string]string{"x": "0:9* 2:50", "y": "1:9* 2:60", "z": "3:9*"}, a,
			map[string]string{"x": "a[0]", "y": "a[1 2]", "z": "a[3]"}},
		{"a former owner that is behind loses", 2, 0, map[string]string{"x": "0:90* 1:9*", "y": "0:100*"}, a,
			map[string]string{"x": "a[1]", "y": "a[0]"}},
		{"an owner goes before an equal copy", 2, 0, map[string]string{"x": "0:9 1:9", "y": "0:9* 1:9"}, a,
			map[string]string{"x": "a[1]", "y": "a[0]"}},
		{"more members than partitions", 1, 0, map[string]string{"x": "", "y": "0:1*", "z": ""}, a,
			map[string]string{"x": "", "y": "a[0]", "z": ""}},
		{"standbys are others than the owners", 4, 1, map[string]string{"x": "", "y": ""}, both,
			map[string]string{"x": "a[0 2] a-log[1 3]", "y": "a[1 3] a-log[0 2]"}},
		{"standbys stay where there is state", 3, 1, map[string]string{"x": "0:9* 1:8", "y": "1:9* 2:8", "z": "2:9* 0:8"}, both,
			map[string]string{"x": "a[0] a-log[1]", "y": "a[1] a-log[2]", "z": "a[2] a-log[0]"}},
		{"two standbys each", 3, 2, map[string]string{"x": "", "y": "", "z": ""}, both,
			map[string]string{"x": "a[0] a-log[1 2]", "y": "a[1] a-log[0 2]", "z": "a[2] a-log[0 1]"}},
		{"alone there is nobody to stand by", 2, 2, map[string]string{"x": ""}, both,
			map[string]string{"x": "a[0 1]"}},
		{"nobody stands by when none is wanted", 2, 0, map[string]string{"x": "", "y": ""}, both,
			map[string]string{"x": "a[0]", "y": "a[1]"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ms []kafkago.GroupMember
			for _, instance := range slices.Backward(slices.Sorted(maps.Keys(tt.members))) {
				ms = append(ms, member(t, instance, tt.topics, tt.members[instance]))
			}
			ps := partitionsOf("a", tt.partitions)
			if len(tt.topics) > 1 {
				ps = append(ps, partitionsOf("a-log", tt.partitions)...)
			}
			slices.Reverse(ps)
			got := map[string]string{}
			for id, topics := range balancer(tt.standby).AssignGroups(ms, ps) {
				var words []string
				for _, topic := range slices.Sorted(maps.Keys(topics)) {
					words = append(words, fmt.Sprint(topic, topics[topic]))
				}
				got[strings.TrimSuffix(id, "-id")] = strings.Join(words, " ")
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMembersOfAnotherKindGetTheirShare(t *testing.T) {
	ms := []kafkago.GroupMember{
		member(t, "x", []string{"a", "b"}, "0:9*"),
		{ID: "foreign", Topics: []string{"a"}, UserData: []byte("zone-1")},
		{ID: "silent", Topics: []string{"a"}},
	}
	got := balancer(0).AssignGroups(ms, append(partitionsOf("a", 4), partitionsOf("b", 1)...))
	if n := len(got["x-id"]["b"]); n != 1 {
		t.Errorf("topic b went to %v", got)
	}
	if len(got["foreign"]["a"]) == 0 || len(got["silent"]["a"]) == 0 || len(got["foreign"]["b"]) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestAssignmentsAreEvenAndSticky(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "partitions")
		instances := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 1, 6, rapid.ID[string]).Draw(t, "members")
		standby := rapid.IntRange(0, 2).Draw(t, "standby")
		holdings := map[string]map[kafka.TopicPartition]kafka.Holding{}
		ps := append(partitionsOf("a", n), partitionsOf("a-log", n)...)
		seated := func(instances []string) []kafkago.GroupMember {
			var ms []kafkago.GroupMember
			for _, i := range instances {
				m := kafka.Member{Instance: i, Holdings: holdings[i]}
				data, err := m.Encode()
				if err != nil {
					t.Fatal(err)
				}
				ms = append(ms, kafkago.GroupMember{ID: rapid.StringMatching(`[0-9]{3}`).Draw(t, "id") + i, Topics: []string{"a", "a-log"}, UserData: data})
			}
			return rapid.Permutation(ms).Draw(t, "order")
		}
		for _, i := range instances {
			holdings[i] = map[kafka.TopicPartition]kafka.Holding{}
			for p := range n {
				if rapid.Bool().Draw(t, "holds") {
					holdings[i][kafka.TopicPartition{Topic: "a", Partition: int32(p)}] = kafka.Holding{
						Next: rapid.Int64Range(0, 5).Draw(t, "next"), Owner: rapid.Bool().Draw(t, "owner"),
					}
				}
			}
		}
		b := balancer(standby)
		byInstance := func(got kafkago.GroupMemberAssignments) map[string]map[string][]int {
			m := map[string]map[string][]int{}
			for id, topics := range got {
				m[id[3:]] = topics
			}
			return m
		}
		check := func(got map[string]map[string][]int, instances []string) {
			t.Helper()
			owner := map[int]string{}
			low, high := n, 0
			for _, i := range instances {
				low, high = min(low, len(got[i]["a"])), max(high, len(got[i]["a"]))
				for _, p := range got[i]["a"] {
					if owner[p] != "" {
						t.Fatalf("partition %d has two owners", p)
					}
					owner[p] = i
				}
			}
			if len(owner) != n || high-low > 1 {
				t.Fatalf("%d of %d partitions given, between %d and %d a member", len(owner), n, low, high)
			}
			standbys := map[int]map[string]bool{}
			for _, i := range instances {
				for _, p := range got[i]["a-log"] {
					if standbys[p] == nil {
						standbys[p] = map[string]bool{}
					}
					if owner[p] == i || standbys[p][i] {
						t.Fatalf("%s stands by for partition %d, which it has", i, p)
					}
					standbys[p][i] = true
				}
			}
			for p := range n {
				if want := min(standby, len(instances)-1); len(standbys[p]) != want {
					t.Fatalf("partition %d has %d standbys, want %d", p, len(standbys[p]), want)
				}
			}
		}
		first := byInstance(b.AssignGroups(seated(instances), ps))
		check(first, instances)
		if d := cmp.Diff(first, byInstance(b.AssignGroups(seated(instances), ps))); d != "" {
			t.Fatalf("not deterministic: %s", d)
		}

		// Everyone has taken over what it was given: nothing moves any more.
		become := func(got map[string]map[string][]int) {
			for i, topics := range got {
				for at, h := range holdings[i] {
					h.Owner = false
					holdings[i][at] = h
				}
				for _, p := range topics["a"] {
					holdings[i][kafka.TopicPartition{Topic: "a", Partition: int32(p)}] = kafka.Holding{Next: 10, Owner: true}
				}
				for _, p := range topics["a-log"] {
					holdings[i][kafka.TopicPartition{Topic: "a", Partition: int32(p)}] = kafka.Holding{Next: 10}
				}
			}
		}
		become(first)
		second := byInstance(b.AssignGroups(seated(instances), ps))
		for _, i := range instances {
			if d := cmp.Diff(first[i]["a"], second[i]["a"]); d != "" {
				t.Fatalf("%s: partitions moved without a cause: %s", i, d)
			}
		}

		// One leaves: the others keep what they have.
		if len(instances) > 1 {
			left := instances[1:]
			third := byInstance(b.AssignGroups(seated(left), ps))
			check(third, left)
			for _, i := range left {
				for _, p := range second[i]["a"] {
					if !slices.Contains(third[i]["a"], p) {
						t.Fatalf("%s lost partition %d although its load could only grow", i, p)
					}
				}
			}
		}
	})
}

func TestAMemberIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := kafka.Member{
			Instance: rapid.String().Draw(t, "instance"), URL: rapid.String().Draw(t, "url"), Format: rapid.IntRange(0, 9).Draw(t, "format"),
			Holdings: rapid.MapOf(
				rapid.Custom(func(t *rapid.T) kafka.TopicPartition {
					return kafka.TopicPartition{Topic: rapid.StringMatching(`[a-z.]{0,9}`).Draw(t, "topic"), Partition: rapid.Int32Min(0).Draw(t, "partition")}
				}),
				rapid.Custom(func(t *rapid.T) kafka.Holding {
					return kafka.Holding{Next: rapid.Int64Min(0).Draw(t, "next"), Owner: rapid.Bool().Draw(t, "owner")}
				})).Draw(t, "holdings"),
		}
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, ok := kafka.ParseMember(data)
		if d := cmp.Diff(m, got); d != "" || !ok {
			t.Errorf("%v: %s", ok, d)
		}
	})
}

func FuzzParseMember(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("zone-1"))
	f.Add(member(f, "x", nil, "0:9* 1:8").UserData)
	f.Add([]byte(`{"v":2,"instance":"x","more":{},"next":{"a":{"0":1,"00":7,"-1":3,"x":1,"1":-5}},"owner":{"a":[0,9],"b":[1]}}`))
	f.Add([]byte(`{"v":1,"next":null,"owner":{"a":[99999999999]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, ok := kafka.ParseMember(data)
		for at, h := range m.Holdings {
			if at.Partition < 0 || h.Next < 0 {
				t.Errorf("%v at %v", h, at)
			}
		}
		if !ok && (m.Instance != "" || len(m.Holdings) > 0) {
			t.Errorf("refused, and yet %+v", m)
		}
		again, _ := kafka.ParseMember(data)
		if d := cmp.Diff(m, again); d != "" {
			t.Errorf("read differently a second time: %s", d)
		}
		balancer(1).AssignGroups([]kafkago.GroupMember{{ID: "x", Topics: []string{"a"}, UserData: data}}, partitionsOf("a", 3))
	})
}

// TestMembersOverTheWire lets two sources of one group assign by the balancer.
func TestMembersOverTheWire(t *testing.T) {
	b := start(t, broker.Options{Topics: map[string]int{"a": 4}})
	for p := range int32(4) {
		produce(t, b, numbered("a", p, 0, 5)...)
	}
	join := func(instance string, holds ...int32) (*collector, func()) {
		c := newCollector()
		o := source(b, "a")
		o.Balancers = []kafkago.GroupBalancer{kafka.NewBalancer(kafka.BalancerOptions{Self: func() kafka.Member {
			m := kafka.Member{Instance: instance, Holdings: map[kafka.TopicPartition]kafka.Holding{}}
			for _, p := range holds {
				m.Holdings[kafka.TopicPartition{Topic: "a", Partition: p}] = kafka.Holding{Next: 5}
			}
			return m
		}})}
		return c, run(t, o, c)
	}
	x, stopX := join("x", 1, 2)
	defer stopX()
	x.wait(t, "everything", func() bool { return x.count() == 20 })
	y, stopY := join("y", 0, 3)
	defer stopY()
	y.wait(t, "two partitions", func() bool { return y.count() == 10 })
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, p := range []int32{0, 3} {
		if len(y.got[place{"a", p}]) == 0 {
			t.Errorf("y was not given partition %d, whose state it has; it has %v", p, slices.Collect(maps.Keys(y.got)))
		}
	}
}
