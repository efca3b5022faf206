package query_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// row is a port as the tests write it; an empty text is absent.
type row struct {
	Agent string
	Port  int64
	State string
}

func (r row) message() string {
	return fmt.Sprintf(`d:[%s] (host-%s) any->syscollector:{"data":{"protocol":"tcp","local_ip":"10.0.0.5","local_port":%d,"inode":%d,"state":%q},"operation":"INSERTED","type":"dbsync_ports"}`,
		r.Agent, r.Agent, r.Port, r.Port, r.State)
}

func (r row) json() string {
	s := fmt.Sprintf(`{"agent.id":%q,"port.local_port":%d`, r.Agent, r.Port)
	if r.State != "" {
		s += fmt.Sprintf(`,"port.state":%q`, r.State)
	}
	return s + "}"
}

// open fills a store and returns a view of it, both closed with the test.
func open(t interface {
	Fatal(...any)
	Cleanup(func())
}, messages ...string) *state.View {
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	set, ds := rules.LoadFiles(nil, rules.Options{})
	if err := ds.Err(); err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.New(pipeline.Options{Store: store, Rules: set})
	if err != nil {
		t.Fatal(err)
	}
	var msgs []connectors.Message
	for i, m := range messages {
		msgs = append(msgs, connectors.Message{Topic: "t", Offset: int64(i), Time: 1_718_380_800_000 + int64(i), Value: []byte(m)})
	}
	if _, err := p.Process(msgs); err != nil {
		t.Fatal(err)
	}
	view := store.View()
	t.Cleanup(func() {
		if err := errors.Join(view.Close(), p.Close(), store.Close()); err != nil {
			t.Fatal(err)
		}
	})
	return view
}

var shown = []string{"agent.id", "port.local_port", "port.state"}

// TestPagesAreCutFromTheWholeOrder: whatever the order and the page, it is the
// part of all rows, sorted by a stable sort, and the total is theirs.
func TestPagesAreCutFromTheWholeOrder(t *testing.T) {
	columns := map[string]func(a, b row) int{
		"agent.id":        func(a, b row) int { return cmp.Compare(a.Agent, b.Agent) },
		"port.local_port": func(a, b row) int { return cmp.Compare(a.Port, b.Port) },
		"port.state":      func(a, b row) int { return cmp.Compare(a.State, b.State) }, // absent first
	}
	var messages []string
	var stored []row
	for n := range 60 {
		r := row{fmt.Sprintf("%03d", n*7%5+1), int64(n * 13 % 17), []string{"", "listening", "closed"}[n%3]}
		messages = append(messages, r.message())
		if i := slices.IndexFunc(stored, func(s row) bool { return s.Agent == r.Agent && s.Port == r.Port }); i >= 0 {
			if r.State == "" {
				r.State = stored[i].State
			}
			stored[i] = r
			continue
		}
		stored = append(stored, r)
	}
	slices.SortFunc(stored, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.Agent, b.Agent), cmp.Compare(a.Port, b.Port))
	})
	view := open(t, messages...)
	// What is stored is read back, not computed: merging is not at stake here.
	all, err := query.Compile(query.Question{Table: syscollector.Ports, Select: shown})
	if err != nil {
		t.Fatal(err)
	}
	stored = stored[:0]
	for r, err := range all.Rows(t.Context(), view) {
		if err != nil {
			t.Fatal(err)
		}
		number, _ := all.Columns()[1].Value(r).(int64)
		stored = append(stored, row{r.Agent.ID, number, all.Columns()[2].Text(r)})
	}
	if len(stored) < 20 {
		t.Fatalf("only %d rows", len(stored))
	}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"agent.id", "port.local_port", "port.state"}), 0, 3, rapid.ID[string]).Draw(t, "sort")
		want := slices.Clone(stored)
		for i := range names {
			if rapid.Bool().Draw(t, "descending") {
				names[i] = "-" + names[i]
			}
		}
		slices.SortStableFunc(want, func(a, b row) int {
			for _, n := range names {
				bare, descending := strings.CutPrefix(n, "-")
				c := columns[bare](a, b)
				if descending {
					c = -c
				}
				if c != 0 {
					return c
				}
			}
			return 0
		})
		offset, limit := rapid.IntRange(0, len(stored)+2).Draw(t, "offset"), rapid.IntRange(0, len(stored)+2).Draw(t, "limit")
		count := rapid.Bool().Draw(t, "count")
		q, err := query.Compile(query.Question{Table: syscollector.Ports, Select: shown, Sort: names})
		if err != nil {
			t.Fatal(err)
		}
		var got, whole []string
		total, err := q.Page(context.Background(), view, offset, limit, count, func(r *query.Row) error {
			got = append(got, string(query.AppendJSON(nil, q.Columns(), r)))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range q.Rows(context.Background(), view) {
			if err != nil {
				t.Fatal(err)
			}
			whole = append(whole, string(query.AppendJSON(nil, q.Columns(), r)))
		}
		var texts []string
		for _, r := range want {
			texts = append(texts, r.json())
		}
		if diff := gocmp.Diff(texts, whole); diff != "" {
			t.Fatalf("all rows:\n%s", diff)
		}
		page := texts[min(offset, len(texts)):min(offset+limit, len(texts))]
		if !slices.Equal(page, got) {
			t.Fatalf("page %v, want %v", got, page)
		}
		if (count || len(names) > 0) && total != len(stored) || total >= 0 && total != len(stored) {
			t.Fatalf("total %d, want %d", total, len(stored))
		}
	})
}

// TestRowsAreJSON: a row reads as encoding/json writes its values, and comes
// back from it.
func TestRowsAreJSON(t *testing.T) {
	q, err := query.Compile(query.Question{Table: syscollector.Hardware, Select: allOf(syscollector.Hardware)})
	if err != nil {
		t.Fatal(err)
	}
	columns := q.Columns()
	rapid.Check(t, func(t *rapid.T) {
		r := query.Row{Agent: &state.AgentInfo{ID: rapid.String().Draw(t, "id"), Name: rapid.StringMatching(`[ -~]*`).Draw(t, "name")}, Row: new(syscollector.Row)}
		r.Row.Reset(syscollector.Hardware)
		for _, f := range syscollector.Fields(syscollector.Hardware) {
			if !rapid.Bool().Draw(t, "present") {
				continue
			}
			switch f.Type {
			case syscollector.Integer:
				r.Row.SetInt(f.Number, rapid.Int64().Draw(t, "int"))
			case syscollector.Real:
				r.Row.SetFloat(f.Number, rapid.Float64Range(-1e300, 1e300).Draw(t, "real"))
			default:
				r.Row.SetStr(f.Number, rapid.String().Draw(t, "text"))
			}
		}
		got := query.AppendJSON(nil, columns, &r)
		want := []byte{'{'}
		for _, c := range columns {
			v := c.Value(&r)
			if v == nil {
				continue
			}
			var value bytes.Buffer
			enc := json.NewEncoder(&value)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			want = fmt.Appendf(want, "%q:%s,", c.Name, bytes.TrimSpace(value.Bytes()))
		}
		want = append(bytes.TrimSuffix(want, []byte(",")), '}')
		if !bytes.Equal(got, want) {
			t.Fatalf("%s\nwant %s", got, want)
		}
		back, err := query.ParseJSON(got, columns)
		if err != nil {
			t.Fatal(err)
		}
		if again := query.AppendJSON(nil, columns, &back); !bytes.Equal(again, got) {
			t.Fatalf("%s\ncomes back as %s", got, again)
		}
	})
}

func allOf(table syscollector.Table) []string {
	names := []string{"agent.id", "agent.name", "agent.ip"}
	for _, f := range syscollector.Fields(table) {
		names = append(names, f.Name)
	}
	return names
}

func TestMistakesNameTheirPartAndWhatToWrite(t *testing.T) {
	tests := []struct {
		ask              query.Question
		part, text, hint string
	}{
		{query.Question{Select: []string{"port.locl_port"}}, "select", `table ports has no column "port.locl_port"`, `did you mean "port.local_port"?`},
		{query.Question{Select: []string{"zzz"}}, "select", `no column "zzz"`, "invigil fields ports lists them"},
		{query.Question{Select: []string{"agent.id", "agent.id"}}, "select", "stands twice", ""},
		{query.Question{Sort: []string{"--port.local_port"}}, "sort", `no column "-port.local_port"`, `did you mean "port.local_port"?`},
		{query.Question{Where: "port.locl_port == 1"}, "where", "1:6: ", `did you mean "local_port"?`},
		{query.Question{Where: "event.time > 1"}, "where", "", ""},
		{query.Question{Where: "port.local_port ==\n"}, "where", "the condition ends too early", ""},
	}
	for _, tt := range tests {
		tt.ask.Table = syscollector.Ports
		_, err := query.Compile(tt.ask)
		var e *query.Error
		if !errors.As(err, &e) || e.Part != tt.part || !strings.Contains(e.Err.Error(), tt.text) || !strings.Contains(e.Hint, tt.hint) {
			t.Errorf("%+v: %v, want %s %s %s", tt.ask, err, tt.part, tt.text, tt.hint)
		}
	}
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	view := open(t, row{"001", 1, ""}.message(), row{"001", 2, ""}.message())
	for _, ask := range []query.Question{{}, {Sort: []string{"agent.id"}}, {Where: "port.local_port == 9"}} {
		ask.Table = syscollector.Ports
		q, err := query.Compile(ask)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var got error
		for _, err := range q.Rows(ctx, view) {
			got = err
		}
		if !errors.Is(got, context.Canceled) {
			t.Errorf("%+v: %v", ask, got)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	q, err := query.Compile(query.Question{Table: syscollector.Ports})
	if err != nil {
		b.Fatal(err)
	}
	r := query.Row{Agent: &state.AgentInfo{ID: "001"}, Row: new(syscollector.Row)}
	r.Row.Reset(syscollector.Ports)
	for _, f := range syscollector.Fields(syscollector.Ports) {
		if f.Type == syscollector.Integer {
			r.Row.SetInt(f.Number, 4711)
		} else {
			r.Row.SetStr(f.Number, "listening")
		}
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = query.AppendJSON(buf[:0], q.Columns(), &r)
	}
}
