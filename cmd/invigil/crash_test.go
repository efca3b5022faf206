package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"invigil/connectors"
	"invigil/connectors/kafka/broker"
	"invigil/pipeline/bench"
	"invigil/pipeline/syscollector"
)

// crashTopic is the topic of the crash test: 10,000 events in 3 partitions.
const (
	crashTopic      = "bench"
	crashPartitions = 3
	crashEvents     = 10_000
	crashKills      = 20
)

// TestRunSurvivesKills holds the promise of delivery against the shipped
// program: run as a child process gives exactly the alerts of eval over the
// same records, and with SIGKILL at random moments the same ids and rows; with
// the changelog on, though the disk is lost now and then, too.
func TestRunSurvivesKills(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program more than twenty times")
	}
	for _, changelog := range []string{"off", "on"} {
		t.Run("changelog "+changelog, func(t *testing.T) { surviveKills(t, changelog) })
	}
}

func surviveKills(t *testing.T, changelog string) {
	records, last := crashRecords()
	all := slices.Concat(records, last)
	c := &crashTest{t: t, dir: t.TempDir(), changelog: changelog, rng: rand.New(rand.NewPCG(uint64(os.Getpid()), 1))}
	xml, yaml := bench.RuleFiles(40)
	c.write("rules/bench.xml", xml)
	c.write("rules/bench.yml", yaml)

	want := c.eval(all)
	if len(want) < 50 {
		t.Fatalf("the records give %d alerts: too few to test anything", len(want))
	}

	calm := c.node("calm", c.broker(all))
	calm.start()
	calm.waitFor(want)
	calm.stop()
	if diff := cmp.Diff(want, calm.ids()); diff != "" {
		t.Fatalf("run without kills (-eval +run):\n%s", diff)
	}

	// The records come in slices, so that each life of the process has work.
	b := c.broker(nil)
	wild := c.node("wild", b)
	for i := range crashKills {
		from, to := len(records)*i/crashKills, len(records)*(i+1)/crashKills
		if err := b.Produce(t.Context(), records[from:to]...); err != nil {
			t.Fatal(err)
		}
		wild.start()
		wild.waitLines(len(wild.ids()) + c.rng.IntN(4))
		wild.kill()
		if changelog == "on" && i%3 == 2 {
			wild.wipe()
		}
	}
	// Its last life has something to do too, else it might end before it began.
	wild.start()
	if err := b.Produce(t.Context(), last...); err != nil {
		t.Fatal(err)
	}
	wild.waitFor(want)
	wild.stop()
	if diff := cmp.Diff(want, wild.ids()); diff != "" {
		t.Errorf("ids after %d kills (-eval +run):\n%s", crashKills, diff)
	}
	for _, table := range []string{"ports", "processes", "packages", "netiface", "os", "hardware"} {
		if diff := cmp.Diff(calm.rows(table), wild.rows(table)); diff != "" {
			t.Errorf("%s after %d kills (-calm +wild):\n%s", table, crashKills, diff)
		}
	}
}

// crashRecords are generated events, some of them garbage, and for the end of
// each partition one event that alerts, so that a reader knows it has all.
func crashRecords() (records, last []connectors.Message) {
	g := bench.NewGenerator(bench.Fleet{Agents: 30, Partitions: crashPartitions})
	for len(records) < crashEvents-2*crashPartitions {
		records = g.Scan(records)
	}
	records = records[:crashEvents-2*crashPartitions]
	next := make([]int64, crashPartitions)
	for i := range records {
		if i%500 == 123 {
			records[i].Value = []byte("\x00garbage")
		}
		next[records[i].Partition] = records[i].Offset + 1
	}
	end := records[len(records)-1].Time
	for p := range int32(crashPartitions) {
		value := fmt.Sprintf(`d:[%03d] (sentinel) any->syscollector:{"type":"port","ID":1,"timestamp":"2023/11/14 22:13:20","port":{"protocol":"tcp","local_ip":"10.9.9.9","local_port":4444,"remote_ip":"0.0.0.0","remote_port":0,"tx_queue":0,"rx_queue":0,"inode":1,"state":"listening"}}`, 900+p)
		last = append(last, connectors.Message{
			Topic: crashTopic, Partition: p, Offset: next[p], Time: end + 1000, Key: fmt.Appendf(nil, "%03d", 900+p), Value: []byte(value),
		})
	}
	return records, last
}

type crashTest struct {
	t         *testing.T
	dir       string
	changelog string
	rng       *rand.Rand
}

func (c *crashTest) write(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *crashTest) broker(records []connectors.Message) *broker.Broker {
	c.t.Helper()
	b, err := broker.Start(broker.Options{Topics: map[string]int{crashTopic: crashPartitions}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(b.Close)
	if len(records) > 0 {
		if err := b.Produce(c.t.Context(), records...); err != nil {
			c.t.Fatal(err)
		}
	}
	return b
}

// eval returns the ids that eval gives for the records as kcat -J prints them.
func (c *crashTest) eval(records []connectors.Message) []string {
	c.t.Helper()
	var lines bytes.Buffer
	for _, r := range records {
		line, err := json.Marshal(map[string]any{
			"topic": r.Topic, "partition": r.Partition, "offset": r.Offset, "tstype": "create", "ts": r.Time,
			"broker": 0, "key": string(r.Key), "payload": string(r.Value),
		})
		if err != nil {
			c.t.Fatal(err)
		}
		lines.Write(append(line, '\n'))
	}
	events := c.write("events.jsonl", lines.String())
	cmd := invigil(c.t, "eval", "--rules", filepath.Join(c.dir, "rules"), events)
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("eval: %v", err)
	}
	return alertIDs(c.t, out)
}

// node is one instance: a configuration, a state directory, an alerts file.
type node struct {
	c                     *crashTest
	config, alerts, state string
	cmd                   *exec.Cmd
	ended                 chan struct{} // closed when the process has
	err                   error         // how it ended
	log                   bytes.Buffer
}

func (c *crashTest) node(name string, b *broker.Broker) *node {
	n := &node{c: c, alerts: filepath.Join(c.dir, name, "alerts.json"), state: filepath.Join(c.dir, name, "state")}
	n.config = c.write(name+"/invigil.yml", fmt.Sprintf(`
source: {kafka: {brokers: [%q], topics: [%s], group: %s, session_timeout: 1s, rebalance_timeout: 1s, fetch: {max_bytes: 64KiB, max_wait: 50ms}}}
state: {dir: %q, changelog: %s, commit_interval: 200ms, batch: {events: 50}}
rules: {paths: [%q], reload: false}
sinks: [{name: main, file: {path: %q}}]
`, b.Addrs()[0], crashTopic, name, n.state, c.changelog, filepath.Join(c.dir, "rules"), n.alerts))
	c.write(name+"/alerts.json", "")
	return n
}

func (n *node) start() {
	n.c.t.Helper()
	n.log.Reset()
	n.cmd = invigil(n.c.t, "run", "-c", n.config)
	n.cmd.Stderr = &n.log
	if err := n.cmd.Start(); err != nil {
		n.c.t.Fatal(err)
	}
	n.ended = make(chan struct{})
	go func() {
		n.err = n.cmd.Wait()
		close(n.ended)
	}()
}

func (n *node) kill() {
	n.c.t.Helper()
	_ = n.cmd.Process.Kill()
	<-n.ended
	if n.err == nil {
		n.c.t.Fatalf("the killed process ended by itself:\n%s", n.log.String())
	}
}

// wipe loses the disk.
func (n *node) wipe() {
	n.c.t.Helper()
	if err := os.RemoveAll(n.state); err != nil {
		n.c.t.Fatal(err)
	}
}

func (n *node) stop() {
	n.c.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.c.t.Fatal(err)
	}
	<-n.ended
	if n.err != nil {
		n.c.t.Fatalf("a graceful stop: %v\n%s", n.err, n.log.String())
	}
}

// ids returns the distinct ids in the alerts file, sorted. A line cut short by
// a kill has none.
func (n *node) ids() []string {
	n.c.t.Helper()
	data, err := os.ReadFile(n.alerts)
	if err != nil {
		n.c.t.Fatal(err)
	}
	return alertIDs(n.c.t, data)
}

func alertIDs(t *testing.T, data []byte) []string {
	t.Helper()
	var ids []string
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var alert struct{ ID string }
		if json.Unmarshal(lines.Bytes(), &alert) == nil {
			ids = append(ids, alert.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// waitFor waits until the alerts file holds all the ids.
func (n *node) waitFor(ids []string) {
	n.c.t.Helper()
	n.wait(func() bool {
		have := n.ids()
		for _, id := range ids {
			if _, ok := slices.BinarySearch(have, id); !ok {
				return false
			}
		}
		return true
	})
}

// waitLines waits until the alerts file holds that many ids, or for a few
// seconds: a slice of records may bring none.
func (n *node) waitLines(count int) {
	n.c.t.Helper()
	ctx, cancel := context.WithTimeout(n.c.t.Context(), time.Duration(1000+n.c.rng.IntN(2000))*time.Millisecond)
	defer cancel()
	n.watch(ctx, func() bool { return len(n.ids()) >= count })
}

func (n *node) wait(done func() bool) {
	n.c.t.Helper()
	ctx, cancel := context.WithTimeout(n.c.t.Context(), 60*time.Second)
	defer cancel()
	if !n.watch(ctx, done) {
		_ = n.cmd.Process.Kill()
		<-n.ended
		n.c.t.Fatalf("%d alerts, not all that were expected: %v\n%s", len(n.ids()), n.err, n.log.String())
	}
}

// watch reports whether done held before ctx ended, looking at each change of
// the alerts file.
func (n *node) watch(ctx context.Context, done func() bool) bool {
	n.c.t.Helper()
	w, err := fsnotify.NewWatcher()
	if err != nil {
		n.c.t.Fatal(err)
	}
	defer w.Close()
	if err := w.Add(n.alerts); err != nil {
		n.c.t.Fatal(err)
	}
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-n.ended:
			return false
		case <-w.Events:
		case err := <-w.Errors:
			n.c.t.Fatal(err)
		}
	}
	return true
}

// rows returns a table of all agents as query prints it, without the columns
// that change all the time: a crash may lose the last values of those.
func (n *node) rows(table string) []string {
	n.c.t.Helper()
	t, ok := syscollector.TableByName(table)
	if !ok {
		n.c.t.Fatalf("no table %s", table)
	}
	columns := []string{"agent.id"}
	for _, f := range syscollector.Fields(t) {
		if !f.Volatile {
			columns = append(columns, f.Name)
		}
	}
	out, err := invigil(n.c.t, "query", "--all", table, "--state", n.state, "-o", "csv", "--select", strings.Join(columns, ",")).Output()
	if err != nil {
		n.c.t.Fatalf("query %s: %v", table, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 2 {
		n.c.t.Fatalf("query %s gave no rows", table)
	}
	return lines
}
