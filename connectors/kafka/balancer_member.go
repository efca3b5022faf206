package kafka

import (
	"encoding/json"
	"strconv"
)

// Member is what an instance tells the others when it joins the group, in the
// user data of its subscription: who it is and which partitions' state it has.
// DescribeGroups shows it too.
type Member struct {
	Instance string
	URL      string // where its API answers; "" = not told
	Format   int    // the newest changelog format that it reads
	// Holdings are the source partitions of which it has state.
	Holdings map[TopicPartition]Holding
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Holding is the state that a member has of a partition: the next source
// offset of that state, and whether the member was the one to process it.
type Holding struct {
	Next  int64
	Owner bool
}

// memberFormat is the version of the user data. Older versions must be able to
// read newer ones: fields are added, never changed.
const memberFormat = 1

// memberData is a Member as JSON: partitions by topic and number.
type memberData struct {
	Version  int                         `json:"v"`
	Instance string                      `json:"instance"`
	URL      string                      `json:"url,omitempty"`
	Format   int                         `json:"format"`
	Next     map[string]map[string]int64 `json:"next,omitempty"`
	Owner    map[string][]int32          `json:"owner,omitempty"`
}

// Encode returns the member as user data.
func (m *Member) Encode() ([]byte, error) {
	d := memberData{Version: memberFormat, Instance: m.Instance, URL: m.URL, Format: m.Format}
	for at, h := range m.Holdings {
		if d.Next == nil {
			d.Next, d.Owner = make(map[string]map[string]int64), make(map[string][]int32)
		}
		if d.Next[at.Topic] == nil {
			d.Next[at.Topic] = make(map[string]int64)
		}
		d.Next[at.Topic][strconv.Itoa(int(at.Partition))] = h.Next
		if h.Owner {
			d.Owner[at.Topic] = append(d.Owner[at.Topic], at.Partition)
		}
	}
	return json.Marshal(d)
}

// ParseMember reads user data. What it cannot make sense of, be it all, it
// leaves out: ok is false if that is everything, as with members that are of
// another kind.
func ParseMember(data []byte) (m Member, ok bool) {
	var d memberData
	if err := json.Unmarshal(data, &d); err != nil || d.Version < 1 {
		return Member{}, false
	}
	m = Member{Instance: d.Instance, URL: d.URL, Format: max(0, d.Format), Holdings: make(map[TopicPartition]Holding)}
	for topic, partitions := range d.Next {
		for number, next := range partitions {
			n, err := strconv.ParseInt(number, 10, 32)
			at := TopicPartition{topic, int32(n)}
			if h, twice := m.Holdings[at]; err == nil && n >= 0 && next >= h.Next && (next > 0 || !twice) {
				m.Holdings[at] = Holding{Next: next}
			}
		}
	}
	for topic, partitions := range d.Owner {
		for _, n := range partitions {
			at := TopicPartition{topic, n}
			if h, ok := m.Holdings[at]; ok {
				h.Owner = true
				m.Holdings[at] = h
			}
		}
	}
	return m, true
}
