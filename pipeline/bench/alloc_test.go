package bench_test

import (
	"testing"
	"time"

	"invigil/config/source"
	"invigil/connectors"
	"invigil/pipeline/bench"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
	"invigil/state"
)

// way is what an event goes through up to the commit.
type way struct {
	t       *testing.T
	decoder *syscollector.Decoder
	state   *state.Partition
	eval    *rules.Evaluator
	in      rules.Input
	offset  int64
}

func newWay(t *testing.T) *way {
	xml, yaml := bench.RuleFiles(1000)
	fx, ds := wazuhxml.Read(source.File{Name: "bench.xml", Data: []byte(xml)}, pattern.Compat4)
	check(t, ds.Err())
	fy, ds := rulefile.Read(source.File{Name: "bench.yml", Data: []byte(yaml)})
	check(t, ds.Err())
	set, ds := rules.LoadFiles([]*rulefile.File{fx, fy}, rules.Options{})
	check(t, ds.Err())
	store, err := state.OpenMemory(state.Options{VolatileInterval: 30 * time.Second})
	check(t, err)
	t.Cleanup(func() { check(t, store.Close()) })
	p, err := store.Partition(bench.Topic, 0)
	check(t, err)
	t.Cleanup(func() { check(t, p.Close()) })
	p.ReadVolatile()
	eval, err := set.NewEvaluator(p.Memory(), p.Active())
	check(t, err)
	return &way{t: t, decoder: syscollector.NewDecoder(syscollector.Options{}), state: p, eval: eval,
		in: rules.Input{Origin: rules.Origin{Topic: bench.Topic}, Inventory: p}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send takes a message all the way and reports whether it did no more than
// repeat what is stored: nothing changed but volatile columns, and no alert.
func (w *way) send(m *connectors.Message) (repeated bool) {
	ev, err := w.decoder.Decode(m.Value, syscollector.Meta{Time: m.Time, Key: m.Key})
	check(w.t, err)
	deltas, err := w.state.Apply(ev, m.Time, w.offset)
	check(w.t, err)
	w.in.Event, w.in.Deltas, w.in.StreamTime = ev, deltas, m.Time
	w.in.Origin.Offset, w.in.Origin.Time = w.offset, m.Time
	alerts, err := w.eval.Eval(&w.in)
	check(w.t, err)
	repeated = len(alerts) == 0
	for i := range deltas {
		repeated = repeated && deltas[i].Change == syscollector.Unchanged
	}
	check(w.t, w.state.Put(deltas))
	w.offset++
	w.state.SetApplied(w.offset, m.Time)
	return repeated
}

// TestRepeatedEventsAllocateNothing sends two reports of an agent of each
// family in turns: rows that differ in volatile columns or not at all, and the
// ends of scans.
func TestRepeatedEventsAllocateNothing(t *testing.T) {
	g := bench.NewGenerator(bench.Fleet{Agents: 2})
	w := newWay(t)
	var reports [3][]connectors.Message // of both agents
	for i := range reports {
		reports[i] = g.Scan(g.Scan(nil))
	}
	for i := range reports[0] {
		w.send(&reports[0][i])
	}
	a, b := reports[1], reports[2]
	send := func(report []connectors.Message, told func(i int, repeated bool)) {
		for i := range report {
			told(i, w.send(&report[i]))
		}
		w.decoder.Reset()
	}
	// What changes in earnest, or alerts, is not sent any more.
	for range 6 {
		plain := make([]bool, len(a))
		send(a, func(i int, repeated bool) { plain[i] = repeated })
		send(b, func(i int, repeated bool) { plain[i] = plain[i] && repeated })
		check(t, w.state.Commit(false))
		n := 0
		for i := range plain {
			if plain[i] || w.offset < 1000 { // the first turns settle the store
				a[n], b[n] = a[i], b[i]
				n++
			}
		}
		a, b = a[:n], b[:n]
	}
	none := func(int, bool) {}
	if allocs := testing.AllocsPerRun(20, func() { send(a, none); send(b, none) }); allocs != 0 {
		t.Errorf("%v allocations for %d events", allocs, 2*len(a))
	}
	families := map[syscollector.Family]int{}
	for i := range a {
		ev, err := w.decoder.Decode(a[i].Value, syscollector.Meta{})
		check(t, err)
		families[ev.Family]++
	}
	if families[syscollector.FamilyScan] < 75 || families[syscollector.FamilyDelta] < 75 {
		t.Errorf("events by family %v: too few to test anything", families)
	}
}
