package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"invigil/pipeline/query"
)

// remote is the API of a running instance.
type remote struct {
	url    string
	token  string
	client *http.Client
}

func newRemote(url, token string) *remote {
	return &remote{url: strings.TrimRight(url, "/"), token: token, client: &http.Client{Transport: http.DefaultTransport}}
}

// localRemote returns the API of the instance that runs on a state directory.
func localRemote(dir string) (*remote, error) {
	i, err := readInstance(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("it does not say where it listens")
	case err != nil:
		return nil, err
	case i.URL == "":
		return nil, fmt.Errorf("process %d runs on it and has no HTTP listener: add http: to its configuration", i.PID)
	}
	r := newRemote(i.URL, i.Token)
	if i.Certificate != "" {
		t := http.DefaultTransport.(*http.Transport).Clone()
		// The certificate was made for a public name: it is known by its sum.
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, VerifyConnection: pinned(i.Certificate)}
		r.client.Transport = t
	}
	return r, nil
}

// pinned accepts the one certificate of a SHA-256.
func pinned(want string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		sum := sha256.Sum256(s.PeerCertificates[0].Raw)
		if hex.EncodeToString(sum[:]) != want {
			return errors.New("the listener has another certificate than the instance said")
		}
		return nil
	}
}

// rows asks for the rows of a question and streams them. The order is made
// here: an instance does not hold tables in memory for its clients.
func (r *remote) rows(ctx context.Context, ask query.Question, q *query.Query) iter.Seq2[*query.Row, error] {
	v := url.Values{}
	for name, value := range map[string]string{"agent": ask.Agent, "topic": ask.Topic, "where": ask.Where} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if ask.At != 0 {
		v.Set("at", time.UnixMilli(ask.At).UTC().Format(time.RFC3339Nano))
	}
	// What is sorted by must come, chosen or not.
	all := ask
	for _, name := range ask.Sort {
		name = strings.TrimPrefix(name, "-")
		if len(all.Select) > 0 && !slices.Contains(all.Select, name) || len(all.Select) == 0 && strings.HasPrefix(name, "agent.") && name != "agent.id" {
			all.Select = withColumn(q, all.Select, name)
		}
	}
	if len(all.Select) > 0 {
		v.Set("select", strings.Join(all.Select, ","))
	}
	return func(yield func(*query.Row, error) bool) {
		sent, err := query.Compile(query.Question{Table: ask.Table, Select: all.Select})
		if err != nil {
			yield(nil, err)
			return
		}
		rows := r.stream(ctx, "/v1/inventory/"+ask.Table.String()+"?"+v.Encode(), sent.Columns())
		if len(ask.Sort) > 0 {
			rows = query.Sorted(rows, q)
		}
		for row, err := range rows {
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// withColumn adds a column to those chosen, which are all if none is.
func withColumn(q *query.Query, chosen []string, name string) []string {
	if len(chosen) > 0 {
		return append(slices.Clone(chosen), name)
	}
	for _, c := range q.Columns() {
		chosen = append(chosen, c.Name)
	}
	return append(chosen, name)
}

// stream reads a list answer row by row.
func (r *remote) stream(ctx context.Context, path string, columns []query.Column) iter.Seq2[*query.Row, error] {
	return func(yield func(*query.Row, error) bool) {
		body, err := r.get(ctx, path)
		if err != nil {
			yield(nil, err)
			return
		}
		defer body.Close()
		failed := func(err error) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			yield(nil, fmt.Errorf("the answer of %s broke off: %w", r.url, err))
		}
		d := json.NewDecoder(body)
		for _, want := range []json.Token{json.Delim('{'), "items", json.Delim('[')} {
			if t, err := d.Token(); err != nil || t != want {
				failed(errors.Join(err, fmt.Errorf("want %v", want)))
				return
			}
		}
		for d.More() {
			var raw json.RawMessage
			if err := d.Decode(&raw); err != nil {
				failed(err)
				return
			}
			row, err := query.ParseJSON(raw, columns)
			if err != nil {
				failed(err)
				return
			}
			if !yield(&row, nil) {
				return
			}
		}
		if err := endOfList(d); err != nil {
			failed(err)
		}
	}
}

// endOfList reads what stands behind the items: an error, if the instance had
// to stop.
func endOfList(d *json.Decoder) error {
	if _, err := d.Token(); err != nil { // ]
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return err
		}
		if name == "error" {
			return fmt.Errorf("%v", value)
		}
	}
	_, err := d.Token() // }
	return err
}

// get asks and returns the body of a good answer.
func (r *remote) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return nil, usagef("--state: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the running instance: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	var said struct{ Error, Hint string }
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // the status says enough
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		return nil, fmt.Errorf("%s answers %s", r.url, res.Status)
	}
	if said.Hint != "" {
		said.Error += ": " + said.Hint
	}
	if res.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%s: %s: give --token or INVIGIL_TOKEN", r.url, said.Error)
	}
	return nil, fmt.Errorf("%s: %s", r.url, said.Error)
}
