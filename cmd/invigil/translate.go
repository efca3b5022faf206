package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/rulefile"
)

func (a *app) translateCommand() *cobra.Command {
	var dir, compat string
	c := &cobra.Command{
		Use:     "translate FILE…",
		Short:   "Print Wazuh XML rules as YAML",
		Long:    "Print Wazuh XML rules as YAML that evaluates identically, comments kept, quirks\nnoted. YAML rule files are printed unchanged. With -o each file is written to\nthe directory as .yml; several files need it.",
		Example: "  invigil translate local_rules.xml > local_rules.yml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			version, err := parseCompat(compat)
			if err != nil {
				return err
			}
			if len(args) > 1 && dir == "" {
				return usagef("several files need -o DIR to be written to")
			}
			t := translation{app: a, compat: version}
			for _, path := range args {
				if err := t.file(path, dir); err != nil {
					return err
				}
			}
			if t.refused {
				return errFinding
			}
			return nil
		},
	}
	c.Flags().StringVarP(&dir, "output", "o", "", "write to `DIR` instead of the standard output")
	compatFlag(c, &compat)
	return c
}

// translation translates files; it goes on after one that is refused.
type translation struct {
	*app
	compat  syscollector.Compat
	refused bool
}

func (t *translation) file(path, dir string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	src := source.File{Name: path, Data: data}
	var out bytes.Buffer
	f, ds := rules.ReadFile(src, t.compat)
	if t.refuse(ds) {
		return nil
	}
	if !isXML(path) {
		out.Write(data)
	} else if err := rulefile.Write(&out, f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if dir == "" {
		_, err = t.stdout.Write(out.Bytes())
		return err
	}
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".yml"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, base), out.Bytes(), 0o644)
}

// refuse prints findings and tells whether there is an error among them.
func (t *translation) refuse(ds source.Diagnostics) bool {
	bad := errors.Is(t.report(ds), errFinding)
	t.refused = t.refused || bad
	return bad
}

func isXML(path string) bool { return strings.EqualFold(filepath.Ext(path), ".xml") }
