package main_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// invigil returns the command that runs the program as a process of its own:
// TestMain put this binary into PATH under its name.
func invigil(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("invigil", args...)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	return cmd
}

// TestDemoServesUntilInterrupted: --serve goes on after the sample, answers
// over HTTP, and Ctrl-C ends it with 0 and the summary.
func TestDemoServesUntilInterrupted(t *testing.T) {
	cmd := invigil(t, "demo", "--serve", "--listen", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }() // long gone, unless the test failed
	url := ""
	out := bufio.NewReader(stdout)
	for serving := regexp.MustCompile(`serving: (http://\S+)/metrics`); url == ""; {
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatalf("it ended before it served: %v\n%s", err, stderr.String())
		}
		if m := serving.FindStringSubmatch(line); m != nil {
			url = m[1]
		}
	}
	for path, want := range map[string]string{"/livez": "ok", "/readyz": "ok", "/metrics": "invigil_messages_total 487"} {
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %v, want %q in\n%s", path, res.StatusCode, err, want, body)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, stderr.String())
	}
	if want := "syscollector/0: 163, syscollector/1: 167, syscollector/2: 157"; !strings.Contains(string(rest), want) {
		t.Errorf("want %q in\n%s", want, rest)
	}
}
