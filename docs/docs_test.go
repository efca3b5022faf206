// Package docs_test executes the documents: files that they show are written
// down, commands that they show are run, and what comes out is compared.
//
// A fenced block with a file name behind its language becomes that file; a
// *.test.yml is run by "invigil test" at once. In a block "console" each line
// "$ command" is run by a shell, in a directory that holds examples/ and what
// stands in testdata/; the lines up to the next command are what it prints on
// both outputs. "…" stands for the rest of a line, or alone for any number of
// lines, "exit status N" at the end for a failure.
package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
)

const migrating = "migrating-from-wazuh.md"

// block is a fenced block of a document.
type block struct {
	line     int // of its first line
	language string
	file     string // "" = none
	text     string
}

// readBlocks returns the fenced blocks of a document.
func readBlocks(t *testing.T, document string) []block {
	t.Helper()
	data, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	open := false
	for i, line := range strings.SplitAfter(string(data), "\n") {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !open:
			language, file, _ := strings.Cut(strings.TrimSpace(info), " ")
			all, open = append(all, block{line: i + 2, language: language, file: file}), true
		case fence:
			open = false
		case open:
			all[len(all)-1].text += line
		}
	}
	if open {
		t.Fatalf("%s: the last fence is not closed", document)
	}
	return all
}

// workplace is where a document's files and commands live.
type workplace struct {
	dir string
	env []string
}

// newWorkplace makes a directory with the examples and testdata, and puts the
// program in the path.
func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the documents show a Unix shell")
	}
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
	return &workplace{dir, append(os.Environ(), "PATH="+path, "TZ=UTC", "NO_COLOR=1")}
}

// run runs a shell command and returns what it prints, with its exit code as
// last line if it is not 0.
func (w *workplace) run(t *testing.T, command string) string {
	t.Helper()
	c := exec.Command("sh", "-c", command)
	c.Dir, c.Env = w.dir, w.env
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v\n", out, err)
	}
	return string(out)
}

// program is built once, by the first test that needs it, into dir.
var (
	dir   string
	build = sync.OnceValues(func() (string, error) {
		program := filepath.Join(dir, "invigil")
		if out, err := exec.Command("go", "build", "-o", program, "../cmd/invigil").CombinedOutput(); err != nil {
			return "", fmt.Errorf("build: %w\n%s", err, out)
		}
		return program, nil
	})
)

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "invigil-docs"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestDocumentsHold executes the documents block by block.
func TestDocumentsHold(t *testing.T) {
	for _, document := range []string{"rules.md", migrating} {
		t.Run(document, func(t *testing.T) {
			w := newWorkplace(t)
			executed := 0
			for _, b := range readBlocks(t, document) {
				if b.file != "" {
					path := filepath.Join(w.dir, b.file)
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				switch {
				case strings.HasSuffix(b.file, ".test.yml"):
					executed++
					if out := w.run(t, "invigil test --coverage "+b.file); !strings.HasPrefix(out, "ok ") || strings.Contains(out, "not covered") {
						t.Errorf("%s:%d: %s:\n%s", document, b.line, b.file, out)
					}
				case b.language == "console":
					executed += w.console(t, document, b)
				}
			}
			if executed < 8 {
				t.Errorf("only %d blocks and commands were executed: has their form changed?", executed)
			}
		})
	}
}

// console runs the commands of a block and returns how many there were.
func (w *workplace) console(t *testing.T, document string, b block) int {
	t.Helper()
	commands := strings.Split("\n"+b.text, "\n$ ")
	if strings.TrimSpace(commands[0]) != "" {
		t.Errorf("%s:%d: the block does not start with a command", document, b.line)
	}
	for _, c := range commands[1:] {
		command, want, _ := strings.Cut(c, "\n")
		for strings.HasSuffix(command, "\\") {
			var more string
			more, want, _ = strings.Cut(want, "\n")
			command += "\n" + more
		}
		got := w.run(t, command)
		if strings.Contains(got, "jq: not found") {
			t.Logf("%s:%d: not run, jq is not installed", document, b.line)
			continue
		}
		if !agrees(want, got) {
			t.Errorf("%s:%d: $ %s\nprints\n%swant\n%s", document, b.line, command, got, want)
		}
	}
	return len(commands) - 1
}

// agrees reports whether an output is the one shown.
func agrees(shown, got string) bool {
	var pattern strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(shown, "\n"), "\n") {
		if line == "…" {
			pattern.WriteString(`(.*\n)*`)
			continue
		}
		pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*") + `\n`)
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(strings.TrimRight(got, "\n") + "\n")
}

// TestAgrees guards the comparison itself.
func TestAgrees(t *testing.T) {
	for name, c := range map[string]struct {
		shown, got string
		want       bool
	}{
		"equal":                        {"a\nb", "a\nb\n", true},
		"another line":                 {"a\nb", "a\nc\n", false},
		"a line too many":              {"a", "a\nb\n", false},
		"a line too few":               {"a\nb", "a\n", false},
		"nothing shown, nothing got":   {"", "", true},
		"nothing shown, something got": {"", "a\n", false},
		"the rest of a line":           {"a…\nb", "axyz\nb\n", true},
		"the rest of a line only":      {"a…", "ab\nc\n", false},
		"any lines":                    {"a\n…\nb", "a\nx\ny\nb\n", true},
		"any lines, none":              {"a\n…\nb", "a\nb\n", true},
		"any lines at the end":         {"a\n…", "a\nx\n", true},
		"signs of a pattern are texts": {"a.b*", "axb\n", false},
	} {
		if got := agrees(c.shown, c.got); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
