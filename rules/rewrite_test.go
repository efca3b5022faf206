package rules_test

import (
	"bytes"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// rewrite writes a rule file as YAML and reads it back.
func rewrite(t fataler, f *rulefile.File) *rulefile.File {
	t.Helper()
	var b bytes.Buffer
	if err := rulefile.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	back, ds := rulefile.Read(source.File{Name: "written.yml", Data: b.Bytes()})
	if err := ds.Err(); err != nil {
		t.Fatalf("%v\n%s", err, b.Bytes())
	}
	return back
}
