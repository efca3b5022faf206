package main_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// ask runs query and returns what it prints.
func askInventory(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := invigil(t, append([]string{"query"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// startService runs a configuration until its input ends, and returns its URL.
func startService(t *testing.T, config string) (cmd *exec.Cmd, input io.WriteCloser, url string) {
	t.Helper()
	cmd = invigil(t, "run", "-c", config)
	input, err := cmd.StdinPipe()
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
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // long gone, unless the test failed
	log := bufio.NewReader(stderr)
	for listening := regexp.MustCompile(`msg=listening address=(\S+)`); url == ""; {
		line, err := log.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended before it listened: %v", err)
		}
		if m := listening.FindStringSubmatch(line); m != nil {
			url = "http://" + m[1]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()
	return cmd, input, url
}

// TestQueryAsksTheRunningInstance: while a service runs on a directory,
// questions go to it and have the same answers as afterwards; a killed one
// leaves nothing in the way.
func TestQueryAsksTheRunningInstance(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	config := filepath.Join(dir, "invigil.yml")
	rules, err := filepath.Abs("../../examples/rules/seed.yml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(source string) {
		text := "source: " + source + "\nstate: {dir: " + state + "}\nrules: {paths: [" + rules + "], reload: false}\n" +
			"http: {listen: \"127.0.0.1:0\", tokens: [{name: t, token: sesame}]}\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	events, err := filepath.Abs("../../examples/events/seed.log")
	if err != nil {
		t.Fatal(err)
	}
	write("{file: {paths: [" + events + "]}}")
	if out, err := invigil(t, "run", "-c", config).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	questions := [][]string{
		{"000", "ports"},
		{"--all", "ports", "-o", "json"},
		{"--all", "ports", "-o", "csv", "--where", `port.state == "established"`, "--select", "port.remote_ip,port.local_port"},
		{"--all", "ports", "-o", "json", "--sort", "-port.local_port,agent.name", "--select", "port.local_port"},
		{"--all", "ports", "-o", "csv", "--sort", "agent.name"},
		{"--all", "packages", "-o", "json"},
		{"--all", "ports", "-o", "json", "--at", "2001-01-01T00:00:00Z"},
		{"--all", "ports", "--where", "port.nothing == 1"},
		{"999", "ports"},
	}
	type answer struct {
		out  string
		code int
	}
	answers := func(where string, env ...string) (all []answer) {
		for _, q := range questions {
			out, stderr, code := askInventory(t, env, append([]string{"--state", where}, q...)...)
			t.Logf("%v: exit %d, %s", q, code, stderr)
			all = append(all, answer{out, code})
		}
		return all
	}
	offline := answers(state)
	if len(offline[1].out) < 100 || offline[0].code != 0 || offline[len(questions)-1].code != 1 {
		t.Fatalf("the directory answers %v", offline)
	}
	same := func(name string, got []answer) {
		t.Helper()
		for i, want := range offline {
			if strings.Contains(strings.Join(questions[i], " "), "--at") {
				continue // an instance knows how far its history reaches back
			}
			if got[i] != want {
				t.Errorf("%s, %v: %v, want %v", name, questions[i], got[i], want)
			}
		}
	}

	write("{stdin: {}}")
	service, input, url := startService(t, config)
	same("by the directory", answers(state))
	same("by the URL", answers(url, "INVIGIL_TOKEN=sesame"))
	for _, args := range [][]string{{}, {"--token", "wrong"}} {
		out, stderr, code := askInventory(t, nil, append(args, "--state", url, "--all", "ports")...)
		if out != "" || code != 1 || !strings.Contains(stderr, "give --token or INVIGIL_TOKEN") {
			t.Errorf("%v: exit %d, %q %q", args, code, out, stderr)
		}
	}
	if _, stderr, code := askInventory(t, nil, "--state", state, "000", "ports", "--at", "2001-01-01T00:00:00Z"); code != 1 || !strings.Contains(stderr, "history reaches back to") {
		t.Errorf("before its history: exit %d, %s", code, stderr)
	}
	input.Close()
	if err := service.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(state, "instance.json")); !os.IsNotExist(err) {
		t.Errorf("a service that stopped is still announced: %v", err)
	}

	service, _, url = startService(t, config)
	if err := service.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = service.Wait() // killed
	same("behind one that was killed", answers(state))
	if _, err := os.Stat(filepath.Join(state, "instance.json")); err != nil {
		t.Errorf("the killed service was not announced: %v", err)
	}
	if _, stderr, code := askInventory(t, nil, "--state", url, "000", "ports"); code != 1 || !strings.Contains(stderr, "ask the running instance") {
		t.Errorf("a URL where nobody listens: exit %d, %s", code, stderr)
	}

	service, input, url = startService(t, config)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, url+"/v1/agents/000", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sesame")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("forget an agent: %s", res.Status)
	}
	if _, stderr, code := askInventory(t, nil, "--state", state, "000", "ports"); code != 1 || !strings.Contains(stderr, "agent 000 is not known here") {
		t.Errorf("a forgotten agent: exit %d, %s", code, stderr)
	}
	input.Close()
	if err := service.Wait(); err != nil {
		t.Error(err)
	}
}
