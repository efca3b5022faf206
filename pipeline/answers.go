package pipeline

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// importFile is a file while it is read.
type importFile struct {
	im    *Importer
	name  string
	table syscollector.Table
	item  int

	got    map[importAgent]int // of the answer at hand
	want   int
	failed []string
}

func (f *importFile) problem(item int, err error) {
	f.im.problem(ImportProblem{File: f.name, Item: item, Err: err})
}

// read takes the answers, one JSON value after the other.
func (f *importFile) read(r io.Reader) error {
	d := json.NewDecoder(r)
	for n := 0; ; n++ {
		f.got, f.want, f.failed = make(map[importAgent]int), -1, nil
		err := f.answer(d)
		var store *storeError
		switch {
		case errors.As(err, &store):
			return store.err
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF):
			err = errors.New("it is empty")
			fallthrough
		case err != nil:
			f.problem(0, fmt.Errorf("answer %d, at byte %d: %w", n+1, d.InputOffset(), err))
			return nil
		}
		f.im.counts.Answers++
		f.total()
		for _, text := range f.failed {
			f.problem(0, errors.New(text))
		}
	}
}

// storeError is a failure that ends the import.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }

// answer reads one answer, its items as they come.
func (f *importFile) answer(d *json.Decoder) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('{') {
		return fmt.Errorf("an answer of the API is an object {\"data\":…}, this is %v", t)
	}
	data := false
	err = members(d, func(name string) error {
		switch name {
		case "data":
			data = true
			return f.data(d)
		case "title", "detail":
			var text string
			if err := d.Decode(&text); err != nil {
				return err
			}
			f.failed = append(f.failed, name+": "+text)
			return nil
		}
		return skip(d)
	})
	if err != nil {
		return noEOF(err)
	}
	if !data {
		if len(f.failed) == 0 {
			return errors.New("it has no data.affected_items: it is no answer of the API")
		}
		return fmt.Errorf("the API refused (%s)", strings.Join(f.failed, ", "))
	}
	return nil
}

func (f *importFile) data(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return cmp.Or(err, errors.New("data is no object"))
	}
	return members(d, func(name string) error {
		switch name {
		case "affected_items":
			return f.items(d)
		case "total_affected_items":
			return d.Decode(&f.want)
		case "failed_items":
			var failed []struct {
				Error struct{ Message string }
				ID    []string
			}
			err := d.Decode(&failed)
			for _, x := range failed {
				f.failed = append(f.failed, fmt.Sprintf("agent %s: %s", strings.Join(x.ID, ", "), x.Error.Message))
			}
			return err
		}
		return skip(d)
	})
}

func (f *importFile) items(d *json.Decoder) error {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return cmp.Or(err, errors.New("affected_items is no array"))
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		f.item++
		f.im.counts.Items++
		take := f.row
		if f.table == syscollector.NoTable {
			take = f.agent
		}
		if err := take(raw); err != nil {
			var store *storeError
			if errors.As(err, &store) {
				return err
			}
			f.problem(f.item, err)
		}
	}
	_, err := d.Token()
	return err
}

// row imports an item of a table.
func (f *importFile) row(raw []byte) error {
	id, row, err := f.im.decoder.Item(f.table, raw)
	if err != nil {
		return err
	}
	if id == "" {
		return errors.New("it has no agent_id")
	}
	masks := f.table.Masks()
	if row.Present == 0 || masks.Key != 0 && row.Present&masks.Key == 0 {
		return fmt.Errorf("agent %s: it is no row of %s", id, f.table)
	}
	a, err := f.im.agent(strings.Clone(id))
	if err != nil {
		return err
	}
	f.got[a]++
	if err := f.im.put(a, &state.WaitingImport{Agent: syscollector.Agent{ID: a.id}, Rows: []syscollector.Row{*row}}); err != nil {
		return &storeError{err}
	}
	return nil
}

// agent imports an item of GET /agents.
func (f *importFile) agent(raw []byte) error {
	var item struct {
		ID, Name, IP string
		Group        []string
	}
	if err := json.Unmarshal(raw, &item); err != nil {
		return err
	}
	if item.ID == "" {
		return errors.New("it has no id")
	}
	a, err := f.im.agent(item.ID)
	if err != nil {
		return err
	}
	in := state.WaitingImport{Agent: syscollector.Agent{ID: item.ID, Name: item.Name, IP: item.IP, Groups: item.Group}}
	if in.Agent.IP == "any" {
		in.Agent.IP = ""
	}
	if err := f.im.put(a, &in); err != nil {
		return &storeError{err}
	}
	return nil
}

// total notes how much of its tables an answer had.
func (f *importFile) total() {
	if f.table == syscollector.NoTable {
		return
	}
	shared := &f.im.shared[f.table]
	for a, n := range f.got {
		total := shared
		if len(f.got) == 1 {
			if f.im.answers[a] == nil {
				f.im.answers[a] = make(map[syscollector.Table]*importTotal)
			}
			if total = f.im.answers[a][f.table]; total == nil {
				total = new(importTotal)
				f.im.answers[a][f.table] = total
			}
		} else {
			if total.agents == nil {
				total.agents = make(map[importAgent]bool)
			}
			total.agents[a] = true
		}
		total.got += n
		total.want = max(total.want, f.want)
	}
}

// members calls f at the value of each member of an object.
func members(d *json.Decoder, f func(name string) error) error {
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if err := f(name); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func skip(d *json.Decoder) error {
	var raw json.RawMessage
	return d.Decode(&raw)
}

// noEOF makes an end in the middle what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
