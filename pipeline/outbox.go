package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"

	"invigil/connectors"
	"invigil/rules"
)

// An outbox entry is a kind byte, the source offset (uvarint) of the message
// that caused it, and the alert in canonical form or the dead letter as JSON.
const (
	entryAlert      byte = 'a'
	entryDeadLetter byte = 'd'
)

func appendEntryHead(b []byte, kind byte, offset int64) []byte {
	return binary.AppendUvarint(append(b, kind), uint64(offset))
}

// splitEntry takes an outbox entry apart.
func splitEntry(e []byte) (kind byte, offset int64, body []byte, err error) {
	if len(e) > 1 {
		if u, n := binary.Uvarint(e[1:]); n > 0 {
			return e[0], int64(u), e[1+n:], nil
		}
	}
	return 0, 0, nil, errors.New("outbox entry is damaged")
}

// render turns an outbox entry into what the sink gets, with the offset of the
// message that caused it; ok is false for an entry that is not the sink's.
func (s *Sink) render(e []byte) (item connectors.Item, offset int64, ok bool, err error) {
	kind, offset, body, err := splitEntry(e)
	if err != nil {
		return item, 0, false, err
	}
	switch kind {
	case entryAlert:
		if s.Format == nil {
			return item, offset, false, nil
		}
		a, err := rules.DecodeAlert(body)
		if err != nil {
			return item, offset, false, err
		}
		value, err := s.Format(nil, a)
		if err != nil {
			return item, offset, false, fmt.Errorf("render alert %s: %w", a.ID(), err)
		}
		return connectors.Item{ID: a.FullID(), Key: []byte(a.Agent.ID), Value: value}, offset, true, nil
	case entryDeadLetter:
		if !s.DeadLetters {
			return item, offset, false, nil
		}
		d, err := DecodeDeadLetter(body)
		if err != nil {
			return item, offset, false, err
		}
		return d.Item(), offset, true, nil
	}
	return item, offset, false, fmt.Errorf("outbox entry of unknown kind %q", kind)
}
