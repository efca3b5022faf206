package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/examples"
	"invigil/examples/fleet"
)

// invoke runs a command line in this process.
func invoke(t *testing.T, stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: stdin, stdout: &out, stderr: &errs, env: func(string) (string, bool) { return "", false }}
	code = a.run(args)
	return out.String(), errs.String(), code
}

// unpack writes the examples to a directory of the test.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, examples.Files); err != nil {
		t.Fatal(err)
	}
	return dir
}

// stories are the messages of both stories: Docker down and up; peers that are
// expected, one that is not, another port, another state.
func stories(f fleet.Family, at time.Time) [][]byte {
	docker := fleet.NewHost(1).Interface(1)
	port := func(remote string, local int, state string, inode int) fleet.Port {
		return fleet.Port{Protocol: "tcp", LocalIP: "10.0.0.5", LocalPort: local, RemoteIP: remote, RemotePort: 40000 + inode, Inode: inode, State: state}
	}
	ports := []fleet.Port{
		port("10.0.0.42", 1514, "established", 1), port("192.0.2.10", 1514, "established", 2), port("203.0.113.77", 1514, "established", 3),
		port("203.0.113.77", 15140, "established", 4), port("203.0.113.78", 1514, "time_wait", 5),
	}
	var m [][]byte
	for _, state := range []string{"down", "up"} {
		docker.State = state
		if f == fleet.ScanFamily {
			m = append(m, fleet.Scan("network", 7, at, docker.Row(f)), fleet.ScanEnd("network", 7, at))
			continue
		}
		m = append(m, fleet.Delta("network_iface", fleet.Modified, at, docker.Row(f)))
	}
	for _, p := range ports {
		if f == fleet.ScanFamily {
			m = append(m, fleet.Scan("port", 8, at, p.Row(f)))
			continue
		}
		m = append(m, fleet.Delta("ports", fleet.Inserted, at, p.Row(f)))
	}
	return m
}

// records are messages as kcat -J prints their records.
func records(t *testing.T, a fleet.Agent, e fleet.Envelope, at time.Time, messages [][]byte) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for i, m := range messages {
		err := enc.Encode(map[string]any{"topic": "t", "partition": 0, "offset": i, "ts": at.UnixMilli(), "key": a.ID,
			"payload": string(e.Wrap(a, at, m))})
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// TestStoriesThroughEveryEnvelope: the right alerts, from either family, in
// whatever form the messages come, through XML, through its translation (the
// same bytes) and through the invigil dialect.
func TestStoriesThroughEveryEnvelope(t *testing.T) {
	dir := unpack(t)
	yaml, stderr, code := invoke(t, nil, "translate", filepath.Join(dir, "rules/seed.xml"))
	if code != exitDone {
		t.Fatal(stderr)
	}
	translated := filepath.Join(dir, "translated.yml")
	if err := os.WriteFile(translated, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, time.June, 14, 16, 30, 18, 0, time.UTC)
	for _, f := range []fleet.Family{fleet.ScanFamily, fleet.DeltaFamily} {
		for e := range fleet.NumEnvelopes {
			if e == fleet.Bus && f == fleet.ScanFamily {
				continue // the buses carry deltas only
			}
			for _, a := range []fleet.Agent{{ID: "001", Name: "web-01", IP: "10.1.0.1"}, fleet.Manager} {
				name := map[fleet.Family]string{fleet.ScanFamily: "scan", fleet.DeltaFamily: "delta"}[f] + "/" + e.String() + "/" + a.ID
				t.Run(name, func(t *testing.T) {
					in := records(t, a, e, at, stories(f, at))
					xml := evaluate(t, in, "--rules", filepath.Join(dir, "rules/seed.xml"), "--lists", filepath.Join(dir, "lists"))
					if diff := cmp.Diff([]string{a.ID + " 223", a.ID + " 224"}, fired(t, xml)); diff != "" {
						t.Errorf("XML (-want +got):\n%s", diff)
					}
					if again := evaluate(t, in, "--rules", translated, "--lists", filepath.Join(dir, "lists")); again != xml {
						t.Errorf("the translation prints\n%s\nthe XML\n%s", again, xml)
					}
					typed := evaluate(t, in, "--rules", filepath.Join(dir, "rules/seed.yml"))
					if diff := cmp.Diff([]string{a.ID + " docker-interface-up", a.ID + " unexpected-manager-peer"}, fired(t, typed)); diff != "" {
						t.Errorf("invigil dialect (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

func evaluate(t *testing.T, events string, args ...string) string {
	t.Helper()
	stdout, stderr, code := invoke(t, strings.NewReader(events), append([]string{"eval"}, args...)...)
	if code != exitDone || stderr != "" {
		t.Fatalf("eval %v: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

// fired returns "agent rule" of each alert.
func fired(t *testing.T, alerts string) (out []string) {
	t.Helper()
	for line := range strings.Lines(alerts) {
		var a struct {
			Agent struct{ ID string }
			Rule  struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out = append(out, a.Agent.ID+" "+a.Rule.ID)
	}
	return out
}

// TestFieldReferenceIsCurrent holds docs/fields.md to the field table; write it
// with: go run ./cmd/invigil fields -o markdown
func TestFieldReferenceIsCurrent(t *testing.T) {
	stdout, _, code := invoke(t, nil, "fields", "-o", "markdown")
	if code != exitDone {
		t.Fatal(code)
	}
	doc, err := os.ReadFile("../../docs/fields.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(doc), "\n\n## ")
	if diff := cmp.Diff(stdout, "## "+tables); diff != "" {
		t.Errorf("docs/fields.md (-want +got):\n%s", diff)
	}
}
