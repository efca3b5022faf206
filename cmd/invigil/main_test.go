package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"invigil/examples"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"invigil": main})
}

// TestScripts runs every verb as a user does: testdata/script holds a file a
// verb. The examples stand in the working directory. Beside testscript's own
// commands there is "exits CODE PROGRAM ARG…".
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("TZ", "UTC")
			e.Setenv("TMPDIR", filepath.Join(e.WorkDir, "tmp"))
			if err := os.Mkdir(filepath.Join(e.WorkDir, "tmp"), 0o755); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(e.WorkDir, "examples"), examples.Files)
		},
		RequireExplicitExec: true,
	})
}

// exits runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}
