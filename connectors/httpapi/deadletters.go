package httpapi

import (
	"unicode/utf8"

	"invigil/pipeline"
)

// letterItem is a dead letter as /v1/dead-letters shows it. Bytes that are no
// text are in base64.
type letterItem struct {
	Topic     string            `json:"topic"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Time      string            `json:"time,omitempty"` // of the record
	Reason    string            `json:"reason"`
	Error     string            `json:"error"`
	Key       string            `json:"key,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Value     *string           `json:"value,omitempty"`
	Bytes     []byte            `json:"value_base64,omitempty"`
}

// deadLetters answers with a page of the dead letters that the store keeps, by
// partition, oldest first.
func (a *api) deadLetters(r *request) error {
	g, err := r.params.page()
	if err != nil {
		return err
	}
	l, total := r.items(false), 0
	for kept, err := range r.view.DeadLetters() {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return err
		}
		d, err := pipeline.DecodeDeadLetter(kept.Entry)
		if err != nil {
			return err
		}
		if reason := r.params.text("reason"); reason != "" && d.Reason != reason {
			continue
		}
		if g.holds(total) {
			if err := l.value(newLetterItem(d)); err != nil {
				return err
			}
		}
		total++
	}
	return l.end(total, &g)
}

func newLetterItem(d *pipeline.DeadLetter) *letterItem {
	item := &letterItem{Topic: d.Topic, Partition: d.Partition, Offset: d.Offset, Time: stamp(d.Time), Reason: d.Reason, Error: d.Error, Key: string(d.Key)}
	for _, h := range d.Headers {
		if item.Headers == nil {
			item.Headers = make(map[string]string)
		}
		item.Headers[h.Key] = string(h.Value)
	}
	if utf8.Valid(d.Value) {
		text := string(d.Value)
		item.Value = &text
	} else {
		item.Bytes = d.Value
	}
	return item
}
