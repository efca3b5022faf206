package pipeline

import (
	"encoding/json"
	"fmt"
	"strconv"

	"invigil/connectors"
)

// DeadLetter is a message that could not be processed, as it came, with the
// reason. It may be kept.
type DeadLetter struct {
	Topic     string              `json:"topic"`
	Partition int32               `json:"partition"`
	Offset    int64               `json:"offset"`
	Time      int64               `json:"timestamp"` // record time, unix milliseconds
	Key       []byte              `json:"key,omitempty"`
	Value     []byte              `json:"value"`
	Headers   []connectors.Header `json:"headers,omitempty"`
	Reason    string              `json:"reason"` // a fixed word, for counting
	Error     string              `json:"error"`  // the detail
}

// newDeadLetter copies the message: it may be a view into the source's buffer.
func newDeadLetter(m *connectors.Message, reason, detail string) DeadLetter {
	d := DeadLetter{
		Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Time: m.Time,
		Key: clone(m.Key), Value: clone(m.Value),
		Reason: reason, Error: detail,
	}
	for _, h := range m.Headers {
		d.Headers = append(d.Headers, connectors.Header{Key: h.Key, Value: clone(h.Value)})
	}
	return d
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// ID returns the letter's id: the place in the source it came from.
func (d *DeadLetter) ID() string {
	return d.Topic + "/" + strconv.Itoa(int(d.Partition)) + "/" + strconv.FormatInt(d.Offset, 10)
}

// Item renders the letter for a sink: key, value and headers as they came, plus
// headers that say what was wrong and where it stood.
func (d *DeadLetter) Item() connectors.Item {
	header := func(key, value string) connectors.Header {
		return connectors.Header{Key: "invigil-" + key, Value: []byte(value)}
	}
	return connectors.Item{
		ID: d.ID(), Key: d.Key, Value: d.Value,
		Headers: append(append([]connectors.Header{}, d.Headers...),
			header("reason", d.Reason),
			header("error", d.Error),
			header("topic", d.Topic),
			header("partition", strconv.Itoa(int(d.Partition))),
			header("offset", strconv.FormatInt(d.Offset, 10)),
			header("timestamp", strconv.FormatInt(d.Time, 10)),
			header("version", "1"),
		),
	}
}

func (d *DeadLetter) encode() ([]byte, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode dead letter %s: %w", d.ID(), err)
	}
	return b, nil
}

// DecodeDeadLetter reads a dead letter as the store keeps it.
func DecodeDeadLetter(b []byte) (*DeadLetter, error) {
	d := new(DeadLetter)
	if err := json.Unmarshal(b, d); err != nil {
		return nil, fmt.Errorf("dead letter in the store is damaged: %w", err)
	}
	return d, nil
}
