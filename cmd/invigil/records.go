package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// recordWriter prints things that are no inventory rows, in one of the three
// formats: each is a value a column, string, number, list of strings, nil if
// absent. close ends the output.
type recordWriter struct {
	w       io.Writer
	format  string
	columns []string
	csv     *csv.Writer
	lines   [][]string
	used    []bool
	n       int
}

func newRecordWriter(w io.Writer, format string, columns ...string) *recordWriter {
	return &recordWriter{w: w, format: format, columns: columns, csv: csv.NewWriter(w), used: make([]bool, len(columns))}
}

// write prints one record; json, if not nil, is its object.
func (r *recordWriter) write(object []byte, values ...any) error {
	r.n++
	switch r.format {
	case "json":
		return r.json(object, values)
	case "csv":
		if r.n == 1 {
			if err := r.csv.Write(r.columns); err != nil {
				return err
			}
		}
		return r.csv.Write(r.texts(values))
	}
	line := r.texts(values)
	for i := range line {
		line[i] = printable(line[i])
		r.used[i] = r.used[i] || line[i] != ""
	}
	r.lines = append(r.lines, line)
	return nil
}

func (r *recordWriter) json(object []byte, values []any) error {
	var b bytes.Buffer
	b.WriteString([...]string{"[", ",\n"}[min(r.n-1, 1)])
	if object == nil {
		sep := "{"
		for i, v := range values {
			if v == nil || v == "" {
				continue
			}
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s%q:%s", sep, r.columns[i], text)
			sep = ","
		}
		b.WriteByte('}')
	}
	b.Write(object)
	_, err := r.w.Write(b.Bytes())
	return err
}

func (r *recordWriter) texts(values []any) []string {
	line := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
		case []string:
			line[i] = strings.Join(v, ",")
		default:
			line[i] = fmt.Sprint(v)
		}
	}
	return line
}

func (r *recordWriter) close() error {
	switch r.format {
	case "json":
		_, err := io.WriteString(r.w, [...]string{"[]\n", "]\n"}[min(r.n, 1)])
		return err
	case "csv":
		if r.n == 0 {
			if err := r.csv.Write(r.columns); err != nil {
				return err
			}
		}
		r.csv.Flush()
		return r.csv.Error()
	}
	if r.n == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(r.w, 0, 0, 2, ' ', 0)
	for _, line := range append([][]string{r.columns}, r.lines...) {
		sep := ""
		for i, cell := range line {
			if r.used[i] {
				fmt.Fprint(tw, sep, dash(cell))
				sep = "\t"
			}
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}
