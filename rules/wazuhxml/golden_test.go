package wazuhxml_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func eachFile(t *testing.T, dir string, check func(t *testing.T, path string, src source.File)) {
	files, err := filepath.Glob("testdata/" + dir + "/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			check(t, strings.TrimSuffix(path, ".xml"), source.File{Name: filepath.Base(path), Data: data})
		})
	}
}

func render(t *testing.T, ds source.Diagnostics) string {
	var b bytes.Buffer
	if err := ds.Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBadFilesAreRefusedWithEveryProblem(t *testing.T) {
	eachFile(t, "bad", func(t *testing.T, path string, src source.File) {
		_, ds := wazuhxml.Read(src, pattern.Compat4)
		if ds.Err() == nil {
			t.Error("the file is accepted")
		}
		golden(t, path+".golden", render(t, ds))
	})
}

func TestGoodFilesAreTranslated(t *testing.T) {
	eachFile(t, "good", func(t *testing.T, path string, src source.File) {
		for version, compat := range map[string]pattern.Compat{"4.x": pattern.Compat4, "3.9": pattern.Compat39} {
			f, ds := wazuhxml.Read(src, compat)
			if compat == pattern.Compat4 && ds.Err() != nil {
				t.Error(ds)
			}
			golden(t, path+"."+version+".golden", render(t, ds))
			if ds.Err() != nil {
				continue
			}
			var b bytes.Buffer
			if err := rulefile.Write(&b, f); err != nil {
				t.Fatal(err)
			}
			golden(t, path+"."+version+".yml", b.String())
			checkRoundTrip(t, f)
		}
	})
}
