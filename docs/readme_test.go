package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeHolds holds the first page to the program: its rules are those of
// the examples, its alert is printed, its test passes, its verbs and links are
// there.
func TestReadmeHolds(t *testing.T) {
	const readme = "../README.md"
	w := newWorkplace(t)
	seen := map[string]int{}
	for _, b := range readBlocks(t, readme) {
		seen[b.language]++
		switch {
		case b.language == "xml":
			w.shows(t, "examples/rules/seed.xml", b)
		case b.language == "json":
			out := w.run(t, "invigil eval --rules examples/rules/seed.yml examples/events/seed.log")
			// The manager is named after the host.
			own := regexp.MustCompile(`"manager":\{"name":"[^"]*"\}`)
			if line := own.ReplaceAllString(b.text, ""); !strings.Contains(own.ReplaceAllString(out, ""), line) {
				t.Errorf("%s:%d: eval prints\n%swant among it\n%s", readme, b.line, out, line)
			}
		case b.language == "yaml" && strings.Contains(b.text, "\ntests:\n"):
			if err := os.WriteFile(filepath.Join(w.dir, "examples/tests/readme.test.yml"), []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
			if out := w.run(t, "invigil test examples/tests/readme.test.yml"); !strings.HasPrefix(out, "ok ") {
				t.Errorf("%s:%d: %s", readme, b.line, out)
			}
		case b.language == "yaml":
			w.shows(t, "examples/rules/seed.yml", b)
		}
		for _, verb := range regexp.MustCompile(`(?m)^invigil (\w+)`).FindAllStringSubmatch(b.text, -1) {
			seen["verbs"]++
			if out := w.run(t, "invigil "+verb[1]+" --help"); !strings.Contains(out, "invigil "+verb[1]) {
				t.Errorf("%s:%d: there is no verb %s", readme, b.line, verb[1])
			}
		}
	}
	if seen["xml"] != 1 || seen["json"] != 1 || seen["yaml"] != 2 || seen["verbs"] < 8 {
		t.Errorf("its parts have changed: %v", seen)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^):]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join("..", link[1])); err != nil {
			t.Errorf("link: %v", err)
		}
	}
}

// shows reports lines of a block that the file does not have.
func (w *workplace) shows(t *testing.T, file string, b block) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, file))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.text) {
		if !strings.Contains(string(data), strings.TrimSpace(line)) {
			t.Errorf("README.md:%d: %s has no line %q", b.line, file, strings.TrimSpace(line))
		}
	}
}
