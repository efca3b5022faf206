package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestRunReloadsRules: new rules count from the next event on, by SIGHUP and by
// a change of the file; broken ones are told and the old stay.
func TestRunReloadsRules(t *testing.T) {
	for name, watched := range map[string]bool{"on SIGHUP": false, "when a file changes": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
				t.Fatal(err)
			}
			rule := func(id string) string {
				return "rules:\n  - {id: " + id + ", level: 3, when: port.local_port > 0, alert: every, description: x}\n"
			}
			event := func(port int) string {
				return fmt.Sprintf(`d:[001] (a) any->syscollector:{"type":"port","ID":1,"timestamp":"t","port":{"protocol":"tcp","local_ip":"0.0.0.0","local_port":%d,"inode":%d}}`+"\n", port, port)
			}
			write("rules/r.yml", rule("first"))
			write("events.log", event(1))
			write("c.yml", fmt.Sprintf("source: {file: {paths: [%[1]s/events.log], follow: true}}\nstate: {dir: %[1]s/state}\nrules: {paths: [%[1]s/rules], reload: %[2]t}\nlog: {level: info}\n", dir, watched))

			cmd := invigil(t, "run", "-c", filepath.Join(dir, "c.yml"))
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cmd.Process.Kill() }()
			alerts, log := bufio.NewScanner(stdout), bufio.NewScanner(stderr)
			await := func(in *bufio.Scanner, text string) {
				t.Helper()
				for in.Scan() {
					if strings.Contains(in.Text(), text) {
						return
					}
				}
				t.Fatalf("it ended before it said %q", text)
			}
			change := func(text string) {
				t.Helper()
				write("rules/r.new", text)
				if err := os.Rename(filepath.Join(dir, "rules/r.new"), filepath.Join(dir, "rules/r.yml")); err != nil {
					t.Fatal(err)
				}
				if !watched {
					if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
						t.Fatal(err)
					}
				}
			}
			await(alerts, `"id":"first"`)
			change(rule("second"))
			await(log, "msg=reloaded")
			appendTo(t, filepath.Join(dir, "events.log"), event(2))
			await(alerts, `"id":"second"`)
			change("rules: [{id: broken, level: 3, when: port.locl_port > 0}]\n")
			await(log, "the old rules stay")
			appendTo(t, filepath.Join(dir, "events.log"), event(3))
			await(alerts, `"id":"second"`)
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, stderr); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("after SIGTERM: %v", err)
			}
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRunPostsToAWebhook: each alert is one request, with the token.
func TestRunPostsToAWebhook(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		bodies = append(bodies, r.Header.Get("Authorization")+" "+string(body))
	}))
	defer server.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`
source: {file: {paths: [../../examples/events/seed.log]}}
state: {dir: %s/state}
rules: {paths: [../../examples/rules/seed.yml], reload: false}
sinks: [{webhook: {url: "%s/hook", token: sesame, format: native}}]
`, dir, server.URL)
	path := filepath.Join(dir, "c.yml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := invigil(t, "run", "-c", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(bodies) != 2 || !strings.HasPrefix(bodies[0], "Bearer sesame {") || !strings.Contains(bodies[0], "docker-interface-up") || !strings.Contains(bodies[1], "unexpected-manager-peer") {
		t.Errorf("posted:\n%s", strings.Join(bodies, "\n"))
	}
}
