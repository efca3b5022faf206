package pipeline_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"invigil/pipeline"
	"invigil/state"
)

const listeningYAML = `
rules:
  - id: listening
    level: 5
    description: $(port.local_port) listens
    when: port.state == "listening"
    resolve: true
`

func TestAReloadShowsTheStoredInventoryToNewRules(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyYAML)})
	defer p.Close()
	msgs := messages(port(22, "listening", "0.0.0.0"), port(80, "listening", "0.0.0.0"), port(9, "close", "0.0.0.0"), docker("eth0", "up"), docker("eth1", "up"))
	process := func(from, to int, want ...string) {
		t.Helper()
		res, err := p.Process(msgs[from:to])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
			t.Errorf("messages %d to %d (-want +got):\n%s", from, to, diff)
		}
	}
	process(0, 3)

	p.Reload(loadRules(t, store, storyYAML, listeningYAML))
	process(3, 4, "listening firing web-01: 22 listens", "listening firing web-01: 80 listens")

	p.Reload(loadRules(t, store, storyYAML, strings.Replace(listeningYAML, `"listening"`, `"listening" and port.local_port < 50`, 1)))
	process(4, 5,
		"listening resolved web-01: 22 listens", "listening resolved web-01: 80 listens",
		"listening firing web-01: 22 listens")
}

func TestAListReloadShowsTheStoredInventoryToItsRules(t *testing.T) {
	store := openStore(t, vfs.NewMem())
	defer store.Close()
	p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, storyYAML)})
	defer p.Close()
	msgs := messages(port(1514, "established", "203.0.113.77"), docker("eth0", "up"), docker("eth1", "up"))
	process := func(i int, want ...string) {
		t.Helper()
		res, err := p.Process(msgs[i : i+1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", i, diff)
		}
	}
	const text = " web-01: An unexpected IP has been connected to the Wazuh manager"
	process(0, "unexpected-manager-peer firing"+text)
	if _, err := store.Lists().Load("allowed_ips", state.ListCIDR, false, strings.NewReader("203.0.113.0/24:\n")); err != nil {
		t.Fatal(err)
	}
	process(1, "unexpected-manager-peer resolved"+text)
	process(2)
}

func TestAStartIsAReload(t *testing.T) {
	fs := vfs.NewMem()
	msgs := messages(port(22, "listening", "0.0.0.0"), docker("eth0", "up"), docker("eth1", "up"))
	start := func(i int, texts []string, want ...string) {
		t.Helper()
		store := openStore(t, fs)
		defer store.Close()
		p := newPipeline(t, pipeline.Options{Store: store, Rules: loadRules(t, store, texts...)})
		defer p.Close()
		res, err := p.Process(msgs[i : i+1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, lines(res.Alerts)); diff != "" {
			t.Errorf("message %d (-want +got):\n%s", i, diff)
		}
	}
	start(0, []string{storyYAML})
	start(1, []string{storyYAML, listeningYAML}, "listening firing web-01: 22 listens")
	start(2, []string{storyYAML}, "listening resolved web-01: 22 listens")
}
