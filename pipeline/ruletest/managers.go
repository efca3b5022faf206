package ruletest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"invigil/connectors"
)

// managerAlert is one alert that the manager wrote.
type managerAlert struct {
	raw                []byte // its line
	place              string
	time               int64 // unix milliseconds
	rule               string
	level              int
	description        string
	agentID, agentName string
	byData             bool   // the rule left the message out
	key                uint64 // of the message, or of the data

	taken   bool
	why     string // why the nearest event so far did not alert
	nearest int64  // how near it was, milliseconds
}

// alertReader reads the lines of alerts.json.
type alertReader struct {
	in       Input
	messages []connectors.Message // read ahead
	done     bool
	span     span // of all alerts read, whatever their decoder
	lowest   int  // lowest level read, 0 = none

	others, unreadable int
}

// read returns the next alert of Syscollector's decoder, nil at the end. It may
// be kept.
func (r *alertReader) read(ctx context.Context) (*managerAlert, error) {
	for {
		for len(r.messages) == 0 {
			if r.done {
				return nil, nil
			}
			var err error
			r.messages, err = r.in.Read(ctx)
			if errors.Is(err, io.EOF) {
				r.done = true
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("read the manager's alerts: %w", err)
			}
		}
		m := &r.messages[0]
		r.messages = r.messages[1:]
		if a := r.parse(m); a != nil {
			return a, nil
		}
	}
}

// alertLine is what is read of an alert's line.
type alertLine struct {
	Timestamp string `json:"timestamp"`
	Rule      *struct {
		ID          string `json:"id"`
		Level       int    `json:"level"`
		Description string `json:"description"`
	} `json:"rule"`
	Agent struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"agent"`
	Decoder struct {
		Name string `json:"name"`
	} `json:"decoder"`
	FullLog *string        `json:"full_log"`
	Data    map[string]any `json:"data"`
}

// parse reads a line, nil if it is none of ours.
func (r *alertReader) parse(m *connectors.Message) *managerAlert {
	if !bytes.Contains(m.Value, []byte(`"`+decoderName+`"`)) && r.foreign(m.Value) {
		return nil
	}
	var l alertLine
	if err := json.Unmarshal(m.Value, &l); err != nil || l.Rule == nil {
		r.unreadable++
		return nil
	}
	at, ok := parseAlertTime(l.Timestamp)
	if !ok {
		r.unreadable++
		return nil
	}
	r.span.add(at)
	if r.lowest == 0 || l.Rule.Level < r.lowest {
		r.lowest = l.Rule.Level
	}
	if l.Decoder.Name != decoderName {
		r.others++
		return nil
	}
	a := &managerAlert{
		raw: bytes.Clone(m.Value), place: place(m), time: at,
		rule: l.Rule.ID, level: l.Rule.Level, description: l.Rule.Description, agentID: l.Agent.ID, agentName: l.Agent.Name,
	}
	if l.FullLog != nil {
		a.key = textKey(*l.FullLog)
	} else {
		a.byData, a.key = true, dataKey(flatten(l.Data))
	}
	return a
}

// foreign counts, without reading all of it, a line as the manager writes it of
// another decoder.
func (r *alertReader) foreign(line []byte) bool {
	const head = `{"timestamp":"`
	if len(line) < len(head)+len(alertTime) || !bytes.HasPrefix(line, []byte(head)) {
		return false
	}
	at, ok := parseAlertTime(string(line[len(head) : len(head)+len(alertTime)]))
	if !ok {
		return false
	}
	r.span.add(at)
	r.others++
	return true
}

// parseAlertTime reads a timestamp as the manager or a shipper writes it.
func parseAlertTime(s string) (int64, bool) {
	for _, layout := range []string{alertTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}
