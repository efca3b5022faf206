package source_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
)

var update = flag.Bool("update", false, "write the golden files anew")

type tree struct {
	Name    string            `yaml:"name"`
	Level   int8              `yaml:"level"`
	Port    uint16            `yaml:"port"`
	Ratio   float64           `yaml:"ratio"`
	On      bool              `yaml:"on"`
	Wait    time.Duration     `yaml:"wait"`
	Paths   []string          `yaml:"paths"`
	Agents  map[string]string `yaml:"agents"`
	Sub     *sub              `yaml:"sub"`
	Subs    []sub             `yaml:"subs"`
	Empty   *struct{}         `yaml:"empty"`
	shared  `yaml:",inline"`
	Ignored string
}

type shared struct {
	Shared string `yaml:"shared"`
}

type sub struct {
	Key string `yaml:"key"`
	Hex hex    `yaml:"hex"`
}

type hex int

func (h *hex) DecodeYAML(n *source.Node) {
	if s, ok := n.Text(); ok {
		*h = hex(len(s))
	}
}

func TestDecodeFillsEveryKindOfValue(t *testing.T) {
	text := `
name: 007
level: -5
port: 65535
ratio: 1e3
on: true
wait: 1h30m
paths: one
agents: {web-01: 001, "2": b}
sub: &s {key: k, hex: abc}
subs: [*s, {}]
empty: {}
shared: yes
`
	got := tree{Name: "default", Ignored: "kept"}
	if ds := source.Decode(source.File{Name: "f", Data: []byte(text)}, &got); len(ds) > 0 {
		t.Fatal(ds)
	}
	want := tree{Name: "007", Level: -5, Port: 65535, Ratio: 1000, On: true, Wait: 90 * time.Minute, Paths: []string{"one"}, Agents: map[string]string{"web-01": "001", "2": "b"},
		Sub: &sub{"k", 3}, Subs: []sub{{"k", 3}, {}}, Empty: &struct{}{}, shared: shared{"yes"}, Ignored: "kept"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tree{})); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeLeavesDefaultsOfAbsentAndEmptyKeys(t *testing.T) {
	got := tree{Name: "default", Level: 3}
	if ds := source.Decode(source.File{Name: "f", Data: []byte("name:\n")}, &got); len(ds) > 0 || got.Name != "default" || got.Level != 3 {
		t.Error(got, ds)
	}
	if ds := source.Decode(source.File{Name: "f"}, &got); len(ds) > 0 {
		t.Error(ds)
	}
}

// TestBadFiles decodes each testdata/bad/*.yml and compares all findings, as
// people see them, with the golden file beside it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			ds := source.Decode(source.File{Name: filepath.Base(name), Data: data}, new(tree))
			if ds.Err() == nil {
				t.Error("the file is accepted")
			}
			var b strings.Builder
			if err := ds.Render(&b); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".yml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExpandReplacesValuesAndTypesThemAnew(t *testing.T) {
	y := source.ParseYAML(source.File{Name: "f", Data: []byte("name: ${N}\nlevel: ${L}\npaths: ['${N}', x]\n${N}: kept\nport: ${BAD}\n")})
	y.Root().Expand(func(s string) (string, error) {
		if s == "${BAD}" {
			return "", errors.New("BAD is not set")
		}
		return strings.NewReplacer("${N}", "web", "${L}", "7").Replace(s), nil
	})
	var got tree
	y.Root().Decode(&got)
	if got.Name != "web" || got.Level != 7 || got.Paths[0] != "web" {
		t.Error(got)
	}
	ds := y.Diagnostics()
	if len(ds) != 3 || ds[0].Message != `unknown key "${N}"` || ds[1].Message != "BAD is not set" || ds[1].Pos.String() != "f:5:7" {
		t.Error(ds)
	}
}

func TestFindReturnsTheNearestNode(t *testing.T) {
	y := source.ParseYAML(source.File{Name: "f", Data: []byte("a:\n  - b: 1\n    c: 2\n")})
	for path, want := range map[string]string{"a/0/c": "f:3:8", "a/1": "f:2:3", "a/0/x": "f:2:5", "z": "f:1:1"} {
		if got := y.Root().Find(strings.Split(path, "/")...).Pos().String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}

func TestAliasesAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := range 12 {
		c := string(rune('a' + i))
		p := string(rune('a' + i - 1))
		if i == 0 {
			p = "a0"
		}
		b.WriteString(c + ": &" + c + " [" + strings.Repeat("*"+p+", ", 9) + "*" + p + "]\n")
	}
	y := source.ParseYAML(source.File{Name: "f", Data: []byte(b.String())})
	var walk func(n *source.Node)
	walk = func(n *source.Node) {
		if n.IsList() {
			items, _ := n.Items()
			for _, i := range items {
				walk(i)
			}
		}
	}
	walk(y.Root().Find("l"))
	if ds := y.Diagnostics(); len(ds) != 1 || !strings.Contains(ds[0].Message, "anchors are used more than") {
		t.Error(ds)
	}
}
