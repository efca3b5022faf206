package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// Row is one row of an answer. It is valid until the next one.
type Row struct {
	Agent *state.AgentInfo
	Row   *syscollector.Row
}

// Value returns the column's value: string, int64, float64, nil if it is
// absent.
func (c Column) Value(r *Row) any {
	if c.field != nil {
		return r.Row.Any(c.field.Number)
	}
	if s := c.agent(r); s != "" {
		return s
	}
	return nil
}

// Text returns the column's value for people and for CSV, "" if it is absent.
func (c Column) Text(r *Row) string {
	if c.field != nil {
		return r.Row.Text(c.field.Number)
	}
	return c.agent(r)
}

func (c *Column) agent(r *Row) string {
	switch c.Name {
	case "agent.id":
		return r.Agent.ID
	case "agent.name":
		return r.Agent.Name
	}
	return r.Agent.IP
}

// AppendJSON appends the row as a flat object of the columns: typed values,
// absent ones left out.
func AppendJSON(b []byte, columns []Column, r *Row) []byte {
	b = append(b, '{')
	start := len(b)
	for i := range columns {
		c := &columns[i]
		if c.field != nil && !r.Row.Has(c.field.Number) || c.field == nil && c.agent(r) == "" {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(appendString(b, c.Name), ':')
		b = c.appendJSON(b, r)
	}
	return append(b, '}')
}

func (c *Column) appendJSON(b []byte, r *Row) []byte {
	switch {
	case c.field == nil:
		return appendString(b, c.agent(r))
	case c.field.Type == syscollector.Integer:
		return strconv.AppendInt(b, r.Row.Int(c.field.Number), 10)
	case c.field.Type == syscollector.Real:
		return appendJSON(b, r.Row.Float(c.field.Number))
	}
	return appendString(b, r.Row.Str(c.field.Number))
}

// ParseJSON reads what AppendJSON wrote. Members that are no column are
// ignored: a newer program may have written them.
func ParseJSON(data []byte, columns []Column) (Row, error) {
	r := Row{new(state.AgentInfo), new(syscollector.Row)}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return r, fmt.Errorf("row: %w", err)
	}
	for _, c := range columns {
		raw, ok := members[c.Name]
		if !ok {
			continue
		}
		if err := c.set(&r, raw); err != nil {
			return r, fmt.Errorf("row: %s: %w", c.Name, err)
		}
	}
	return r, nil
}

// set gives the column the value of a JSON text.
func (c Column) set(r *Row, raw []byte) error {
	if c.field == nil {
		at := map[string]*string{"agent.id": &r.Agent.ID, "agent.name": &r.Agent.Name, "agent.ip": &r.Agent.IP}[c.Name]
		return json.Unmarshal(raw, at)
	}
	r.Row.Table = c.field.Table
	n := c.field.Number
	switch c.field.Type {
	case syscollector.Integer:
		v, err := strconv.ParseInt(string(raw), 10, 64)
		r.Row.SetInt(n, v)
		return err
	case syscollector.Real:
		v, err := strconv.ParseFloat(string(raw), 64)
		r.Row.SetFloat(n, v)
		return err
	}
	var v string
	err := json.Unmarshal(raw, &v)
	r.Row.SetStr(n, v)
	return err
}

// appendString appends a JSON string; plain ASCII needs no encoder.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return appendJSON(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendJSON appends a text or a finite number as encoding/json writes it, HTML
// characters as they are.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil { // infinite or not a number
		return append(b, "null"...)
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
