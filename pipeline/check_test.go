package pipeline_test

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// reason renders an alert as rule, agent, status and reason.
func reason(b []byte, a *rules.Alert) ([]byte, error) {
	return append(b, a.Rule.ID+" "+a.Agent.ID+" "+a.Extras.Status+" "+a.Extras.Reason...), nil
}

// explainBoom panics on packages of the version boom while broken.
func explainBoom(broken *bool) func(*syscollector.Event) *rules.Trace {
	return func(ev *syscollector.Event) *rules.Trace {
		if *broken && slices.ContainsFunc(ev.Rows, func(r syscollector.Row) bool {
			for _, f := range syscollector.Fields(r.Table) {
				if r.Text(f.Number) == "boom" {
					return true
				}
			}
			return false
		}) {
			panic("boom")
		}
		return nil
	}
}

// TestACheckSaysWhatASweepWouldRaise compares a check with the sweep of a store
// that meets the rules anew.
func TestACheckSaysWhatASweepWouldRaise(t *testing.T) {
	const text = `
rules:
  - id: forbidden
    level: 7
    description: $(program.name) $(program.version) is installed on $(agent.name)
    when: program.name == "nmap"
  - id: every
    level: 7
    description: each time
    when: program.name == "nmap"
    alert: every
  - id: "new"
    level: 3
    table: packages
    description: $(program.name) is new
    when: change == "added"
  - id: crowd
    level: 8
    description: many packages
    when: has(program.name)
    correlate: {count: 3, within: 1h, by: [agent.id]}
  - id: missing
    level: 9
    scope: agent
    description: no sensor on $(agent.name)
    when: known("hotfixes") and none(packages, .name == "sensor")
  - id: listed
    level: 9
    description: a listed version
    when: inList("versions", program.version)
lists: [{name: versions, entries: ["7.95"]}]
`
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	msgs := messages(
		deltaPackage("001", "INSERTED", "nmap", "7.91"), deltaPackage("001", "INSERTED", "nmap", "7.95"), // goes on
		deltaPackage("001", "INSERTED", "vi", "1"), deltaPackage("001", "INSERTED", "bash", "1"),
		deltaPackage("002", "INSERTED", "nmap", "7.91"),
		`d:[002] (host-002) any->syscollector:{"type":"hotfix_end","ID":1,"timestamp":"2026/02/03 05:00:00"}`,
	)
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyYAML)})
	if _, err := p.Process(msgs); err != nil {
		t.Fatal(err)
	}
	set := loadRules(t, store, text)
	if _, err := store.Lists().LoadEntries("versions", 0, false, func(yield func(key, value string) bool) { yield("7.95", "") }); err != nil {
		t.Fatal(err)
	}
	view := store.View()
	defer view.Close()
	check := func(topic string) (got []string, rows int, done []int) {
		rows, err := pipeline.Check(t.Context(), pipeline.CheckOptions{
			View: view, Rules: set, Lists: store.Lists().View(), Topic: topic,
			Alert: func(a *rules.Alert) error {
				got = append(got, lines([]rules.Alert{*a})...)
				return nil
			},
			Progress: func(n, all int) { done = append(done, n, all) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return got, rows, done
	}
	got, rows, done := check("")
	if rows != 4 || !slices.Equal(done, []int{1, 2, 2, 2}) {
		t.Errorf("%d rows, progress %v", rows, done)
	}
	want := []string{
		"forbidden firing host-001: nmap 7.95 is installed on host-001",
		"crowd firing host-001: many packages",
		"listed firing host-001: a listed version",
		"forbidden firing host-002: nmap 7.91 is installed on host-002",
		"missing firing host-002: no sensor on host-002",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	if got, rows, _ := check("elsewhere"); rows != 0 || got != nil {
		t.Errorf("checked another topic: %q", got)
	}
	p.Reload(set)
	next := messages(docker("eth0", "up")) // changes nothing for the rules
	next[0].Offset = 6
	res, err := p.Process(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(res.Alerts), got); diff != "" {
		t.Errorf("the sweep of a reload says otherwise (-sweep +check):\n%s", diff)
	}
}
