package kafka

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	kafkago "github.com/segmentio/kafka-go"
)

// BalancerName is the name of the assignment strategy in the group protocol.
const BalancerName = "invigil-1"

// BalancerOptions configure a Balancer.
type BalancerOptions struct {
	// Self returns what this instance tells the others. It is called at every
	// join and must return at once.
	Self func() Member
	// Standby is how many other members follow each partition's changelog.
	Standby int
	// Changelogs maps changelog topics to their source topics. For standby
	// duties the members must subscribe to both: an assigned partition of a
	// changelog topic is a duty.
	Changelogs map[string]string
}

// Balancer assigns partitions so that each stays where its state is freshest,
// as far as the members' loads, counted in source partitions, then are within
// one of each other. Equal inputs give equal assignments. Standby duties go to
// those who have state of the partition already, then to those with the fewest.
type Balancer struct{ o BalancerOptions }

// NewBalancer returns a balancer for SourceOptions.Balancers.
func NewBalancer(o BalancerOptions) *Balancer { return &Balancer{o} }

var _ kafkago.GroupBalancer = (*Balancer)(nil)

// ProtocolName implements kafka-go's GroupBalancer.
func (b *Balancer) ProtocolName() string { return BalancerName }

// UserData implements kafka-go's GroupBalancer.
func (b *Balancer) UserData() ([]byte, error) {
	m := b.o.Self()
	return m.Encode()
}

// AssignGroups implements kafka-go's GroupBalancer. The group's leader calls
// it with the partitions of all topics that any member subscribes to.
func (b *Balancer) AssignGroups(members []kafkago.GroupMember, partitions []kafkago.Partition) kafkago.GroupMemberAssignments {
	seats := takeSeats(members)
	var sources, duties []TopicPartition
	for _, p := range partitions {
		at := TopicPartition{p.Topic, int32(p.ID)}
		if source, ok := b.o.Changelogs[p.Topic]; ok {
			duties = append(duties, TopicPartition{source, at.Partition})
		} else {
			sources = append(sources, at)
		}
	}
	owners := spread(seats, sources, func(s *seat, at TopicPartition) bool { return s.topics[at.Topic] })

	all := make(kafkago.GroupMemberAssignments, len(members))
	for _, s := range seats {
		all[s.id] = make(map[string][]int)
	}
	give := func(s *seat, topic string, partition int32) {
		all[s.id][topic] = append(all[s.id][topic], int(partition))
	}
	for at, s := range owners {
		give(s, at.Topic, at.Partition)
	}
	b.assignDuties(seats, duties, owners, give)
	for _, topics := range all {
		for _, numbers := range topics {
			slices.Sort(numbers)
		}
	}
	return all
}

// assignDuties gives each partition's changelog to members that do not own it.
func (b *Balancer) assignDuties(seats []*seat, duties []TopicPartition, owners map[TopicPartition]*seat, give func(*seat, string, int32)) {
	topicOf := make(map[string]string, len(b.o.Changelogs))
	for changelog, source := range b.o.Changelogs {
		topicOf[source] = changelog
	}
	for _, s := range seats {
		s.load = 0
	}
	taken := make(map[TopicPartition][]*seat)
	for range min(b.o.Standby, len(seats)-1) {
		for at, s := range spread(seats, duties, func(s *seat, at TopicPartition) bool {
			return s.topics[topicOf[at.Topic]] && owners[at] != s && !slices.Contains(taken[at], s)
		}) {
			taken[at] = append(taken[at], s)
			give(s, topicOf[at.Topic], at.Partition)
		}
	}
}

// seat is a member as the assignment sees it.
type seat struct {
	Member
	id     string
	topics map[string]bool
	load   int
}

// takeSeats returns the members in an order that does not depend on the ids
// that brokers give.
func takeSeats(members []kafkago.GroupMember) []*seat {
	seats := make([]*seat, 0, len(members))
	for _, m := range members {
		s := &seat{id: m.ID, topics: make(map[string]bool)}
		s.Member, _ = ParseMember(m.UserData)
		for _, t := range m.Topics {
			s.topics[t] = true
		}
		seats = append(seats, s)
	}
	slices.SortFunc(seats, func(a, b *seat) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), strings.Compare(a.id, b.id))
	})
	return seats
}

// wish is a member's state of a partition.
type wish struct {
	seat   *seat
	order  int // of the seat
	at     TopicPartition
	behind int64 // the freshest state
	Holding
	others int // members that have state of the partition too
}

// spread gives each partition to one of the seats that may have it. First come
// those with state, the freshest before others, as long as the loads stay
// within one; then the rest goes where there is least.
func spread(seats []*seat, partitions []TopicPartition, may func(*seat, TopicPartition) bool) map[TopicPartition]*seat {
	given := make(map[TopicPartition]*seat, len(partitions))
	if len(seats) == 0 {
		return given
	}
	total := len(partitions)
	for _, s := range seats {
		total += s.load
	}
	floor, extra := total/len(seats), total%len(seats)
	for _, s := range seats {
		if s.load > floor {
			extra -= s.load - floor
		}
	}
	for _, w := range wishes(seats, partitions, may) {
		s := w.seat
		switch {
		case given[w.at] != nil, s.load > floor, s.load == floor && extra <= 0:
			continue
		case s.load == floor:
			extra--
		}
		given[w.at] = s
		s.load++
	}
	for _, at := range sorted(partitions) {
		var least *seat
		for _, s := range seats {
			if given[at] == nil && may(s, at) && (least == nil || s.load < least.load) {
				least = s
			}
		}
		if least != nil {
			given[at] = least
			least.load++
		}
	}
	return given
}

// wishes lists who has state of which partition, most wanted first: no state
// is fresher than that, the owner before a copy, and what has no other copy
// before what has.
func wishes(seats []*seat, partitions []TopicPartition, may func(*seat, TopicPartition) bool) []wish {
	var all []wish
	for _, at := range partitions {
		first, freshest := len(all), int64(0)
		for i, s := range seats {
			if h, ok := s.Holdings[at]; ok && may(s, at) {
				all = append(all, wish{seat: s, order: i, at: at, Holding: h})
				freshest = max(freshest, h.Next)
			}
		}
		for i := range all[first:] {
			w := &all[first+i]
			w.behind, w.others = freshest-w.Next, len(all)-first-1
		}
	}
	slices.SortFunc(all, func(a, b wish) int {
		if c := cmp.Compare(a.behind, b.behind); c != 0 {
			return c
		}
		if a.Owner != b.Owner {
			if a.Owner {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.others, b.others), compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	return all
}

func compare(a, b TopicPartition) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

func sorted(partitions []TopicPartition) []TopicPartition {
	set := make(map[TopicPartition]struct{}, len(partitions))
	for _, at := range partitions {
		set[at] = struct{}{}
	}
	return slices.SortedFunc(maps.Keys(set), compare)
}
