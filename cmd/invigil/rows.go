package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// rows yields what the question asks for, in key order. A row is valid until
// the next one.
func (q *query) rows(view *state.View, filter *rules.Filter) iter.Seq2[result, error] {
	return func(yield func(result, error) bool) {
		for item, err := range q.items(view) {
			if err != nil {
				yield(result{}, err)
				return
			}
			if q.topic != "" && item.Agent.Topic != q.topic {
				continue
			}
			r := result{syscollector.Agent{ID: item.Agent.ID, Name: item.Agent.Name, IP: item.Agent.IP,
				Groups: item.Agent.Groups, Labels: item.Agent.Labels}, item.Row}
			if filter != nil {
				ok, err := filter.Match(r.row, r.agent)
				if err != nil {
					yield(result{}, fmt.Errorf("--where: %w", err))
					return
				}
				if !ok {
					continue
				}
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// items yields the table's rows of the agent asked for, or of all.
func (q *query) items(view *state.View) iter.Seq2[*state.Item, error] {
	if q.all {
		return view.Table(q.table)
	}
	return func(yield func(*state.Item, error) bool) {
		agents, err := view.Find(q.agent)
		if err == nil && len(agents) == 0 {
			err = fmt.Errorf("agent %s is not known here", q.agent)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		for i := range agents {
			for item, err := range view.Rows(&agents[i], q.table) {
				if !yield(item, err) || err != nil {
					return
				}
			}
		}
	}
}

// clone returns a result that outlives the next step of its sequence.
func (r result) clone() result {
	row := *r.row
	for n := range uint8(len(row.Values)) {
		if row.Has(n) {
			row.Values[n].Str = strings.Clone(row.Values[n].Str)
		}
	}
	return result{r.agent, &row}
}

// value returns the column's value: string, int64, float64, nil if absent.
func (c column) value(r result) any {
	if c.field == nil {
		text := map[string]string{"agent.id": r.agent.ID, "agent.name": r.agent.Name, "agent.ip": r.agent.IP}[c.name]
		if text == "" {
			return nil
		}
		return text
	}
	return r.row.Any(c.field.Number)
}

// text returns the column's value for people and for CSV.
func (c column) text(r result) string {
	if c.field != nil {
		return r.row.Text(c.field.Number)
	}
	s, _ := c.value(r).(string)
	return s
}

// rowWriter prints results in one of the formats. close ends the output.
type rowWriter interface {
	write(r result) error
	close() error
}

// newRowWriter returns a writer of the columns. chosen tells that the user
// asked for just these: a table shows them even when all are empty.
func newRowWriter(w io.Writer, format string, columns []column, chosen bool) rowWriter {
	switch format {
	case "json":
		return &jsonRows{w: w, columns: columns}
	case "csv":
		return &csvRows{w: csv.NewWriter(w), columns: columns}
	}
	return &textRows{w: w, columns: columns, chosen: chosen, used: make([]bool, len(columns))}
}

// jsonRows prints one array of flat objects.
type jsonRows struct {
	w       io.Writer
	columns []column
	n       int
}

func (j *jsonRows) write(r result) error {
	var b bytes.Buffer
	b.WriteString([...]string{"[", ",\n"}[min(j.n, 1)])
	j.n++
	b.WriteByte('{')
	first := true
	for _, c := range j.columns {
		v := c.value(r)
		if v == nil {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		fmt.Fprintf(&b, "%q:", c.name)
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return err
		}
		b.Truncate(b.Len() - 1) // the encoder's newline
	}
	b.WriteByte('}')
	_, err := j.w.Write(b.Bytes())
	return err
}

func (j *jsonRows) close() error {
	end := "]\n"
	if j.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}

// csvRows prints a header and a line a row.
type csvRows struct {
	w       *csv.Writer
	columns []column
	headed  bool
}

func (c *csvRows) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	names := make([]string, len(c.columns))
	for i := range c.columns {
		names[i] = c.columns[i].name
	}
	return c.w.Write(names)
}

func (c *csvRows) write(r result) error {
	if err := c.head(); err != nil {
		return err
	}
	line := make([]string, len(c.columns))
	for i := range c.columns {
		line[i] = c.columns[i].text(r)
	}
	return c.w.Write(line)
}

func (c *csvRows) close() error {
	if err := c.head(); err != nil {
		return err
	}
	c.w.Flush()
	return c.w.Error()
}

// textRows prints an aligned table; columns that no row has are left out.
type textRows struct {
	w       io.Writer
	columns []column
	chosen  bool
	used    []bool
	lines   [][]string
}

func (t *textRows) write(r result) error {
	line := make([]string, len(t.columns))
	for i := range t.columns {
		line[i] = printable(t.columns[i].text(r))
		t.used[i] = t.used[i] || line[i] != ""
	}
	t.lines = append(t.lines, line)
	return nil
}

func (t *textRows) close() error {
	tw := tabwriter.NewWriter(t.w, 0, 0, 2, ' ', 0)
	line := func(cell func(i int) string) {
		first := true
		for i := range t.columns {
			if !t.used[i] && !t.chosen {
				continue
			}
			if !first {
				fmt.Fprint(tw, "\t")
			}
			first = false
			fmt.Fprint(tw, cell(i))
		}
		fmt.Fprintln(tw)
	}
	if len(t.lines) > 0 || t.chosen {
		line(func(i int) string { return t.columns[i].name })
	}
	for _, l := range t.lines {
		line(func(i int) string { return dash(l[i]) })
	}
	return tw.Flush()
}

// printable replaces what would break a line or drive a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, s)
}
