//go:build unix

package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"invigil/connectors/kafka/broker"
)

// recipes are the configurations that the document shows, by the file that
// holds them.
var recipes = map[string]string{
	"filebeat": "filebeat.yml", "logstash": "logstash.conf", "vector": "vector.yaml",
	"rsyslog": "rsyslog.conf", "fluent-bit": "fluent-bit.conf", "kcat": "ship.sh",
}

// shown returns the text of the block that is the named file.
func shown(t *testing.T, file string) string {
	t.Helper()
	for _, b := range readBlocks(t, migrating) {
		if b.file == file {
			return b.text
		}
	}
	t.Fatalf("%s shows no %s", migrating, file)
	return ""
}

// archiveLines returns the lines of the recorded archives, those of inventory
// only.
func archiveLines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, `"location":"syscollector"`) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

type archived struct {
	Timestamp string
	Rule      struct{ ID string }
	Agent     struct{ ID, Name, IP string }
}

// TestShippersRecords evaluates a record of each shipper: the same event of
// agent 001, as it stands in the topic.
func TestShippersRecords(t *testing.T) {
	w := newWorkplace(t)
	line := archiveLines(t, "../examples/chain/archives.json")[0]
	files, err := filepath.Glob("testdata/shippers/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		found[name] = true
		if name == "filebeat-root" {
			continue // the document shows what becomes of it
		}
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var record struct{ Key, Payload string }
			if err := json.Unmarshal(data, &record); err != nil {
				t.Fatal(err)
			}
			if _, ok := recipes[name]; ok && (record.Key != "001" || record.Payload != line) {
				t.Errorf("the recipe's record has key %q and value\n%s\nwant key 001 and the line", record.Key, record.Payload)
			}
			var got archived
			out := w.run(t, "invigil eval --rules examples/chain/rules.xml shippers/"+filepath.Base(path))
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v:\n%s", err, out)
			}
			want := archived{Timestamp: "2024-03-20T08:00:06.482+0000"}
			want.Rule.ID = "100311"
			want.Agent.ID, want.Agent.Name, want.Agent.IP = "001", "web-01", "10.0.0.11"
			if name == "archives-log" { // seconds only, and no id
				want.Timestamp, want.Agent.ID = "2024-03-20T08:00:06.000+0000", "web-01"
			}
			if got != want {
				t.Errorf("the alert is of\n%+v, want\n%+v", got, want)
			}
		})
	}
	for name := range recipes {
		if !found[name] {
			t.Errorf("%s has no record in testdata/shippers", name)
		}
	}
}

// TestShippersAreKeyed checks what can be checked of the configurations without
// the programs: their syntax where it is YAML, that they name the one file, the
// one topic and the agent's id as key, and Fluent Bit's patterns.
func TestShippersAreKeyed(t *testing.T) {
	keys := map[string]string{
		"filebeat.yml":    "key: '%{[wazuh.agent.id]}'",
		"logstash.conf":   `message_key => "%{[wazuh][agent][id]}"`,
		"vector.yaml":     "key_field: agent_id",
		"rsyslog.conf":    `key="wazuh_agent" dynaKey="on" partitions.auto="on"`,
		"fluent-bit.conf": "Message_Key_Field agent_id",
		"ship.sh":         `-K '\t'`,
	}
	for _, file := range recipes {
		text := shown(t, file)
		for _, part := range []string{keys[file], "/var/ossec/logs/archives/archives.json", "syscollector"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s does not say %s", file, part)
			}
		}
		if filepath.Ext(file) == ".yml" || filepath.Ext(file) == ".yaml" {
			var any map[string]any
			if err := yaml.Unmarshal([]byte(text), &any); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}

	grep := regexp.MustCompile(`(?m)^ +Regex +log (.+)$`).FindStringSubmatch(shown(t, "fluent-bit.conf"))
	parser := regexp.MustCompile(`(?m)^ +Regex +(.+)$`).FindStringSubmatch(shown(t, "parsers.conf"))
	if grep == nil || parser == nil {
		t.Fatal("Fluent Bit's patterns are gone")
	}
	inventory, agent := regexp.MustCompile(grep[1]), regexp.MustCompile(parser[1])
	data, err := os.ReadFile("testdata/wazuh/logs/archives/archives.json")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if got := inventory.MatchString(line); got != strings.Contains(line, `"full_log":"{`) {
			t.Errorf("Fluent Bit's filter takes %v for %s", got, line)
		}
		var a archived
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		if m := agent.FindStringSubmatch(line); m == nil || m[1] != a.Agent.ID {
			t.Errorf("Fluent Bit's parser takes %q of %s", m, line)
		}
	}
}

// TestShippersDeliver runs the configurations whose programs are installed
// against a broker: each line of inventory arrives once, keyed by its agent,
// in order.
func TestShippersDeliver(t *testing.T) {
	for _, c := range []struct{ name, program, file, command string }{
		{"kcat", "kcat", "ship.sh", "sh ship.sh"},
		{"rsyslog", "rsyslogd", "rsyslog.conf", "exec rsyslogd -n -f $PWD/rsyslog.conf -i $PWD/rsyslogd.pid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, program := range []string{c.program, "kcat"} { // kcat reads what came
				if _, err := exec.LookPath(program); err != nil {
					t.Skipf("%s is not installed", program)
				}
			}
			b, err := broker.Start(broker.Options{Topics: map[string]int{"syscollector": 3}})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			dir := t.TempDir()
			archives, err := filepath.Abs("testdata/wazuh/logs/archives/archives.json")
			if err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer(
				"kafka-1:9092", b.Addrs()[0], "kafka-2:9092", b.Addrs()[0],
				"/var/ossec/logs/archives/archives.json", archives, "/var/spool/rsyslog", dir,
			).Replace(shown(t, c.file))
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			stop := start(t, dir, c.command)
			want := archiveLines(t, archives)
			got := consume(ctx, t, b.Addrs(), len(want))
			if said := stop(); ctx.Err() != nil {
				t.Fatalf("the records did not all come: %v\nthe program says\n%s", got, said)
			}
			agents := map[string][]string{}
			for _, line := range want {
				var a archived
				if err := json.Unmarshal([]byte(line), &a); err != nil {
					t.Fatal(err)
				}
				agents[a.Agent.ID] = append(agents[a.Agent.ID], line)
			}
			for id, lines := range agents {
				if !slices.Equal(got[id], lines) {
					t.Errorf("key %s has the values\n%s\nwant\n%s", id, strings.Join(got[id], "\n"), strings.Join(lines, "\n"))
				}
			}
			if len(got) != len(agents) {
				t.Errorf("%d keys, want %d", len(got), len(agents))
			}
		})
	}
}

// start starts a shell command in a process group of its own. The function
// that it returns ends the group, if the test's end did not yet, and returns
// what it said.
func start(t *testing.T, dir, command string) (stop func() string) {
	t.Helper()
	var said bytes.Buffer
	c := exec.Command("sh", "-c", command)
	c.Dir, c.Stdout, c.Stderr = dir, &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceValue(func() string {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = c.Wait()
		return said.String()
	})
	t.Cleanup(func() { stop() })
	return stop
}

// consume waits until the topic holds n records and returns their values by
// key, in order.
func consume(ctx context.Context, t *testing.T, brokers []string, n int) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(ctx, "kcat", "-C", "-b", strings.Join(brokers, ","), "-t", "syscollector",
		"-o", "beginning", "-c", strconv.Itoa(n), "-J", "-q", "-u").Output()
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	values := map[string][]string{}
	for line := range bytes.Lines(out) {
		var r struct{ Key, Payload string }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		values[r.Key] = append(values[r.Key], r.Payload)
	}
	return values
}
