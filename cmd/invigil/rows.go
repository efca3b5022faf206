package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"invigil/pipeline/query"
)

// rowWriter prints rows in one of the formats. close ends the output.
type rowWriter interface {
	write(r *query.Row) error
	close() error
}

// newRowWriter returns a writer of the columns. chosen tells that the user
// asked for just these: a table shows them even when all are empty.
func newRowWriter(w io.Writer, format string, columns []query.Column, chosen bool) rowWriter {
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
	columns []query.Column
	line    []byte
	n       int
}

func (j *jsonRows) write(r *query.Row) error {
	j.line = append(j.line[:0], [...]string{"[", ",\n"}[min(j.n, 1)]...)
	j.n++
	j.line = query.AppendJSON(j.line, j.columns, r)
	_, err := j.w.Write(j.line)
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
	columns []query.Column
	headed  bool
}

func (c *csvRows) head() error {
	if c.headed {
		return nil
	}
	c.headed = true
	names := make([]string, len(c.columns))
	for i := range c.columns {
		names[i] = c.columns[i].Name
	}
	return c.w.Write(names)
}

func (c *csvRows) write(r *query.Row) error {
	if err := c.head(); err != nil {
		return err
	}
	line := make([]string, len(c.columns))
	for i := range c.columns {
		line[i] = c.columns[i].Text(r)
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
	columns []query.Column
	chosen  bool
	used    []bool
	lines   [][]string
}

func (t *textRows) write(r *query.Row) error {
	line := make([]string, len(t.columns))
	for i := range t.columns {
		line[i] = printable(t.columns[i].Text(r))
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
		line(func(i int) string { return t.columns[i].Name })
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
