package state_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

func openAt(t *testing.T, fs vfs.FS, o state.Options) *state.Store {
	t.Helper()
	o.FS = fs
	s, err := state.Open("db", o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func own(t *testing.T, s *state.Store, topic string, number int32) *state.Partition {
	t.Helper()
	p, err := s.Partition(topic, number)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// imported prints what was taken.
func imported(in *state.WaitingImport) string {
	if in == nil {
		return "nothing"
	}
	rows := make([]string, len(in.Rows))
	for i := range in.Rows {
		rows[i] = in.Rows[i].Table.String() + format(&in.Rows[i]) + in.Rows[i].ScanTime
	}
	return fmt.Sprintf("%s %s %s %v %s", in.Agent.ID, in.Agent.Name, in.Agent.Groups, in.Known, strings.Join(rows, " "))
}

func TestAnImportWaitsForTheFirstPartitionThatAsks(t *testing.T) {
	fs := vfs.NewMem()
	s := openAt(t, fs, state.Options{})
	ports := parseRow(t, syscollector.Ports, "protocol=tcp local_port=22 inode=7")
	ports.ScanTime = "2024/03/20 08:00:01"
	for _, in := range []state.WaitingImport{
		{Agent: syscollector.Agent{ID: "001", Name: "web", Groups: []string{"default"}}},
		{Agent: syscollector.Agent{ID: "001"}, Rows: []syscollector.Row{ports, parseRow(t, syscollector.Hardware, "cpu_cores=2")}},
		{Agent: syscollector.Agent{ID: "001"}, Rows: []syscollector.Row{parseRow(t, syscollector.Hardware, "cpu_cores=4")}, Known: []syscollector.Table{syscollector.Ports}},
	} {
		noError(t, s.KeepImport("", &in))
	}
	noError(t, s.KeepImport("b", &state.WaitingImport{Agent: syscollector.Agent{ID: "002"}, Known: []syscollector.Table{syscollector.Ports}}))
	noError(t, s.Close())

	s = openAt(t, fs, state.Options{})
	a, b := own(t, s, "a", 0), own(t, s, "b", 0)
	take := func(p *state.Partition, id, want string) {
		t.Helper()
		in, err := p.TakeImport(id)
		noError(t, err)
		if got := imported(in); got != want {
			t.Errorf("took %s, want %s", got, want)
		}
	}
	const all = "001 web [default] [ports] hardware{cpu_cores=4} ports{protocol=tcp local_port=22 inode=7}2024/03/20 08:00:01"
	take(a, "001", all)
	take(b, "001", "nothing") // it is a's now
	take(a, "001", "nothing") // once a batch
	a.Discard()
	take(a, "001", all)
	take(a, "002", "nothing") // for topic b only
	take(b, "002", "002  [] [ports] ")
	noError(t, a.Commit(false))
	take(a, "001", "nothing")
	noError(t, a.Close())
	noError(t, b.Close()) // not committed
	noError(t, s.Close())

	s = openAt(t, fs, state.Options{})
	b = own(t, s, "b", 0)
	take(b, "001", "nothing")
	take(b, "002", "002  [] [ports] ")
	noError(t, b.Close())
	found, err := s.DropImport("a", "002")
	if err != nil || found {
		t.Errorf("dropped what waits in another topic: %v, %v", found, err)
	}
	found, err = s.DropImport("", "002")
	if err != nil || !found {
		t.Errorf("dropped nothing: %v, %v", found, err)
	}
	noError(t, s.Close())
}

func TestWaitingNamesTheAgentsThatThePartitionKnows(t *testing.T) {
	s := openAt(t, vfs.NewMem(), state.Options{})
	p := own(t, s, "a", 0)
	_, err := p.Apply(&syscollector.Event{Agent: syscollector.Agent{ID: "001"}}, 1000, 0)
	noError(t, err)
	for _, id := range []string{"001", "002"} {
		noError(t, s.KeepImport("a", &state.WaitingImport{Agent: syscollector.Agent{ID: id, Name: "x"}}))
	}
	if got := p.Waiting(); !slices.Equal(got, []string{"001"}) {
		t.Errorf("waiting %v", got)
	}
	noError(t, p.Close())
	noError(t, s.Close())
}

func TestWhatAForgottenAgentSendsInTheSameBatchHasItsHistory(t *testing.T) {
	s := openAt(t, vfs.NewMem(), state.Options{History: 1 << 40})
	p := own(t, s, "a", 0)
	apply := func(at int64, op syscollector.Op, row string) {
		t.Helper()
		ev := syscollector.Event{Agent: syscollector.Agent{ID: "001"}, Family: syscollector.FamilyDelta, Op: op,
			Rows: []syscollector.Row{parseRow(t, syscollector.Packages, row)}}
		_, err := p.Apply(&ev, at, at)
		noError(t, err)
	}
	apply(1000, syscollector.OpInsert, "name=a version=1")
	noError(t, p.Commit(false))
	apply(1500, syscollector.OpInsert, "name=b version=1")
	_, err := p.Forget("001")
	noError(t, err)
	apply(2000, syscollector.OpInsert, "name=c version=1")
	noError(t, p.Commit(false))
	v := s.View()
	agents, err := v.Find("001")
	noError(t, err)
	var got []string
	for c, err := range v.Changes(&agents[0], syscollector.Packages, 0, state.Now) {
		noError(t, err)
		got = append(got, fmt.Sprintf("%d %s %s", c.Time, c.Kind, format(c.After)))
	}
	if want := []string{"2000 added {name=c version=1}"}; !slices.Equal(got, want) {
		t.Errorf("history %q, want %q", got, want)
	}
	noError(t, v.Close())
	noError(t, p.Close())
	noError(t, s.Close())
}

func TestSilentAgentsAreThoseSeenBeforeATime(t *testing.T) {
	s := openAt(t, vfs.NewMem(), state.Options{})
	p := own(t, s, "a", 0)
	for id, at := range map[string]int64{"002": 100_000, "001": 100_000, "003": 900_000} {
		_, err := p.Apply(&syscollector.Event{Agent: syscollector.Agent{ID: id}}, at, 0)
		noError(t, err)
	}
	if got := p.Silent(900_000); !slices.Equal(got, []string{"001", "002"}) {
		t.Errorf("silent %v", got)
	}
	noError(t, p.Close())
	noError(t, s.Close())
}
