package pipeline_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

const packageYAML = `
rules:
  - id: forbidden
    level: 7
    description: $(program.name) is installed on $(agent.name)
    when: program.name == "nmap"
    resolve: true
  - id: "new"
    level: 3
    description: $(program.name) is new
    when: change == "added" and program.name != "x"
  - id: no-edr
    level: 9
    scope: agent
    description: no sensor on $(agent.name)
    when: known("packages") and "servers" in agent.groups and none(packages, .name == "sensor")
`

// answer is a page of the API with items of one or more agents.
func answer(total int, items ...string) string {
	return fmt.Sprintf(`{"data": {"affected_items": [%s], "total_affected_items": %d, "total_failed_items": 0, "failed_items": []}, "message": "All specified syscollector information was returned", "error": 0}`,
		strings.Join(items, ","), total)
}

func apiPackage(agent, name, version string) string {
	return fmt.Sprintf(`{"scan":{"id":0,"time":"2026-02-03T04:05:06+00:00"},"version":"%s","architecture":"amd64","format":"deb","location":"","name":"%s","agent_id":"%s"}`, version, name, agent)
}

func apiPort(agent string, port int) string {
	return fmt.Sprintf(`{"local":{"ip":"0.0.0.0","port":%d},"remote":{"ip":"0.0.0.0","port":0},"protocol":"tcp","inode":%d,"state":"listening","agent_id":"%s"}`, port, port, agent)
}

// importInto imports files, name and text in turns.
func importInto(t testing.TB, store *state.Store, topic string, files ...string) (pipeline.ImportCounts, []string) {
	t.Helper()
	var problems []string
	im, err := pipeline.NewImporter(pipeline.ImportOptions{Store: store, Topic: topic, Problem: func(p pipeline.ImportProblem) {
		problems = append(problems, p.Error())
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		table, _, err := pipeline.ImportTable(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Import(files[i], table, strings.NewReader(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := im.Close()
	if err != nil {
		t.Fatal(err)
	}
	return counts, problems
}

func deltaPackage(agent, operation, name, version string) string {
	return fmt.Sprintf(`d:[%s] (host-%s) any->syscollector:{"data":{"architecture":"amd64","format":"deb","name":"%s","version":"%s","scan_time":"2026/02/03 05:00:00"},"operation":"%s","type":"dbsync_packages"}`,
		agent, agent, name, version, operation)
}

func TestImportedRowsGoWhereTheAgentWasSeenAndASweepShowsThem(t *testing.T) {
	fs := vfs.NewMem()
	store := openStore(t, fs)
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
	msgs := messages(deltaPackage("001", "INSERTED", "x", "1"), deltaPackage("001", "INSERTED", "x", "2"), deltaPackage("001", "DELETED", "nmap", "7.91"))
	if res, err := p.Process(msgs[:1]); err != nil || len(res.Alerts) > 0 {
		t.Fatal(err, lines(res.Alerts))
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	counts, problems := importInto(t, store, "",
		"packages.json", answer(3, apiPackage("001", "nmap", "7.91"), apiPackage("001", "bash", "5"))+answer(3, apiPackage("001", "vim", "9")),
		"out/ports.json", answer(1, apiPort("001", 22)),
		"agents.json", answer(2, `{"id":"000","name":"manager","ip":"127.0.0.1"}`, `{"id":"001","name":"web","ip":"10.0.0.1","group":["default","servers"]}`))
	want := pipeline.ImportCounts{Files: 3, Answers: 4, Items: 6, Agents: 2, Rows: 4}
	if diff := cmp.Diff(want, counts); diff != "" || len(problems) > 0 {
		t.Errorf("counts (-want +got):\n%s%q", diff, problems)
	}
	v := store.View()
	agents, err := v.Find("001")
	if err != nil || len(agents) != 1 {
		t.Fatal(agents, err)
	}
	a := &agents[0]
	if !a.Known(syscollector.Packages) || !a.Known(syscollector.Ports) || a.Known(syscollector.Netiface) || a.Name != "web" || len(a.Groups) != 2 {
		t.Errorf("agent %+v", a)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(storedRows(t, store)); n != 5 {
		t.Errorf("%d rows, want the agent's own and four imported", n)
	}

	p = newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
	res, err := p.Process(msgs[1:])
	if err != nil {
		t.Fatal(err)
	}
	wantAlerts := []string{
		"forbidden firing web: nmap is installed on web",
		"no-edr firing web: no sensor on web",
		"forbidden resolved host-001: nmap is installed on web",
	}
	if diff := cmp.Diff(wantAlerts, lines(res.Alerts)); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAWaitingImportIsTakenUpAtTheFirstEvent holds that it is, before the
// event, with the same alerts however the stream is cut.
func TestAWaitingImportIsTakenUpAtTheFirstEvent(t *testing.T) {
	msgs := messages(
		deltaPackage("002", "INSERTED", "x", "1"),
		deltaPackage("001", "INSERTED", "sensor", "2"),
		deltaPackage("001", "DELETED", "nmap", "7.91"),
		deltaPackage("001", "INSERTED", "y", "2"),
	)
	var first []string
	for cut := range len(msgs) + 1 {
		store := openStore(t, vfs.NewMem())
		counts, problems := importInto(t, store, "",
			"packages.json", answer(1, apiPackage("001", "nmap", "7.91")),
			"agents.json", answer(1, `{"id":"001","name":"web","ip":"any","group":["servers"]}`))
		if want := (pipeline.ImportCounts{Files: 2, Answers: 2, Items: 2, Agents: 1, Waiting: 1}); counts != want || len(problems) > 0 {
			t.Fatalf("counts %+v %q", counts, problems)
		}
		p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
		var ids, said []string
		for _, part := range [][]connectors.Message{msgs[:cut], msgs[cut:]} {
			res, err := p.Process(part)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, lines(res.Alerts)...)
			for i := range res.Alerts {
				ids = append(ids, res.Alerts[i].FullID())
			}
		}
		want := []string{
			"forbidden firing host-001: nmap is installed on host-001",
			"no-edr firing host-001: no sensor on host-001",
			"new firing host-001: sensor is new",
			"forbidden resolved host-001: nmap is installed on host-001",
			"new firing host-001: y is new",
		}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("cut at %d: alerts (-want +got):\n%s", cut, diff)
		}
		if first == nil {
			first = ids
		}
		if diff := cmp.Diff(first, ids); diff != "" {
			t.Errorf("cut at %d: ids (-whole +cut):\n%s", cut, diff)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnImportIntoALoggedPartitionWaitsForItsWorker(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	msgs := messages(deltaPackage("001", "INSERTED", "x", "1"), deltaPackage("001", "INSERTED", "x", "2"))
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
	if _, err := p.Process(msgs[:1]); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := store.Partition("t", 0)
	if err != nil {
		t.Fatal(err)
	}
	st.SetPosition(7, 1000) // as one that is kept in a changelog has it
	if err := st.Commit(true); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	counts, _ := importInto(t, store, "", "packages.json", answer(1, apiPackage("001", "nmap", "7.91")))
	if counts.Rows != 0 || counts.Waiting != 1 {
		t.Errorf("counts %+v", counts)
	}
	p = newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
	defer p.Close()
	res, err := p.Process(msgs[1:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"forbidden firing host-001: nmap is installed on host-001"}, lines(res.Alerts)); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// TestAnImportMovesTheOnsetsOfRowsThatGoOn imports a newer version of a package
// on which an onset stands: its end is still reported.
func TestAnImportMovesTheOnsetsOfRowsThatGoOn(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	msgs := messages(deltaPackage("001", "INSERTED", "nmap", "7.91"), deltaPackage("001", "DELETED", "nmap", "7.91"), deltaPackage("001", "DELETED", "nmap", "7.95"))
	process := func(part []connectors.Message, want ...string) {
		t.Helper()
		p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
		res, err := p.Process(part)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
			t.Errorf("alerts (-want +got):\n%s", diff)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	process(msgs[:1], "forbidden firing host-001: nmap is installed on host-001", "new firing host-001: nmap is new")
	importInto(t, store, "t", "packages.json", answer(1, apiPackage("001", "nmap", "7.95")))
	process(msgs[1:2])
	process(msgs[2:], "forbidden resolved host-001: nmap is installed on host-001")
}

func TestWhatCannotBeImportedIsSaidWithFileAndItem(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             []string
	}{
		{"an error answer", "ports.json", `{"title":"Unauthorized","detail":"Invalid token"}`, []string{"ports.json: answer 1, at byte 49: the API refused (title: Unauthorized, detail: Invalid token)"}},
		{"another document", "ports.json", `{"hits":[]}`, []string{"ports.json: answer 1, at byte 11: it has no data.affected_items: it is no answer of the API"}},
		{"no object", "ports.json", `[1]`, []string{`ports.json: answer 1, at byte 1: an answer of the API is an object {"data":…}, this is [`}},
		{"an empty file", "ports.json", ``, []string{"ports.json: answer 1, at byte 0: it is empty"}},
		{"a torn file keeps what came", "ports.json", answer(1, apiPort("001", 22)) + `{"data":{"affected_items":[{"x"`, []string{"ports.json: answer 2, at byte 345: unexpected EOF"}},
		{"an item without an agent", "ports.json", answer(1, `{"protocol":"tcp","local":{"port":1}}`), []string{"ports.json: item 1: it has no agent_id"}},
		{"a row of another table", "packages.json", answer(2, apiPackage("001", "a", "1"), apiPort("001", 1)), []string{
			"packages.json: item 2: agent 001: it is no row of packages", "agent 001: 1 of 2 packages were given: the table does not count as known; fetch all pages (limit=100000)"}},
		{"a missing page", "ports.json", answer(3, apiPort("001", 1), apiPort("001", 2)), []string{"agent 001: 2 of 3 ports were given: the table does not count as known; fetch all pages (limit=100000)"}},
		{"a missing page of all agents", "ports.json", answer(3, apiPort("001", 1), apiPort("002", 2)), []string{"all agents: 2 of 3 ports were given: the table does not count as known; fetch all pages (limit=100000)"}},
		{"failed agents", "ports.json", `{"data":{"affected_items":[],"total_affected_items":0,"total_failed_items":1,"failed_items":[{"error":{"code":1701,"message":"Agent does not exist"},"id":["999"]}]},"error":1}`, []string{"ports.json: agent 999: Agent does not exist"}},
		{"an agent without an id", "agents.json", answer(1, `{"name":"x"}`), []string{"agents.json: item 1: it has no id"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := openStore(t, vfs.NewMem())
			defer store.Close()
			counts, problems := importInto(t, store, "", tt.file, tt.text)
			if diff := cmp.Diff(tt.want, problems); diff != "" || counts.Problems != len(tt.want) {
				t.Errorf("%d problems (-want +got):\n%s", counts.Problems, diff)
			}
		})
	}
	if _, _, err := pipeline.ImportTable("inventory.json"); err == nil {
		t.Error("a file whose name is no table's has a table")
	}
}

func TestAnAgentOfTwoTopicsNeedsTheTopic(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, packageYAML)})
	msgs := messages(deltaPackage("001", "INSERTED", "x", "1"))
	other := msgs[0]
	other.Topic = "u"
	if _, err := p.Process(append(msgs, other)); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	_, problems := importInto(t, store, "", "ports.json", answer(1, apiPort("001", 1)))
	if diff := cmp.Diff([]string{"ports.json: item 1: agent 001 is in topics t and u: name one"}, problems); diff != "" {
		t.Error(diff)
	}
	if counts, problems := importInto(t, store, "u", "ports.json", answer(1, apiPort("001", 1))); counts.Rows != 1 || len(problems) > 0 {
		t.Errorf("counts %+v, problems %q", counts, problems)
	}
}
