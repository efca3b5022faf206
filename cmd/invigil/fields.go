package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

func (a *app) fieldsCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "fields [TABLE]",
		Short:   "List the fields that rules see",
		Long:    "List the fields of all inventory tables, or of one: name in rules, type, marks,\nname in the messages of 3.9 and 4.x agents, and meaning. Marks: K part of the\nrow's key, S part of what a user calls the same thing, V volatile (changes all\nthe time, never makes a row modified).",
		Example: "  invigil fields ports",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			tables := syscollector.Tables()
			if len(args) == 1 {
				t, ok := syscollector.TableByName(args[0])
				if !ok {
					return unknownTable(args[0])
				}
				tables = []syscollector.Table{t}
			}
			switch output {
			case "json":
				return fieldsJSON(a.stdout, tables)
			case "markdown":
				return fieldsMarkdown(a.stdout, tables)
			case "table":
				return fieldsText(a.stdout, tables)
			}
			return choice("output", output, "table", "json", "markdown")
		},
		ValidArgsFunction: completeTables,
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT`: table, json or markdown")
	return c
}

func tableNames() []string {
	var names []string
	for _, t := range syscollector.Tables() {
		names = append(names, t.String())
	}
	return names
}

func completeTables(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return tableNames(), cobra.ShellCompDirectiveNoFileComp
}

func unknownTable(name string) error {
	hint := source.DidYouMean(name, tableNames())
	if hint == "" {
		hint = "use one of " + strings.Join(tableNames(), ", ")
	}
	return usagef("unknown table %q: %s", name, hint)
}

// marks abbreviates a field's marks.
func marks(f *syscollector.Field) string {
	s := ""
	for _, m := range []struct {
		set  bool
		mark string
	}{{f.Key || f.ScanKey, "K"}, {f.Same, "S"}, {f.Volatile, "V"}} {
		if m.set {
			s += m.mark
		}
	}
	return s
}

func fieldsText(w io.Writer, tables []syscollector.Table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(tw)
		}
		fmt.Fprintf(tw, "%s\tTYPE\tMARKS\t3.9\t4.x\tMEANING\n", strings.ToUpper(t.String()))
		fields := syscollector.Fields(t)
		for j := range fields {
			f := &fields[j]
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Type, dash(marks(f)), dash(f.Scan), dash(f.Column), f.Doc)
		}
	}
	return tw.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func fieldsMarkdown(w io.Writer, tables []syscollector.Table) error {
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "## %s\n\n| field | type | marks | 3.9 | 4.x | API | meaning |\n| --- | --- | --- | --- | --- | --- | --- |\n", t)
		fields := syscollector.Fields(t)
		for j := range fields {
			f := &fields[j]
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", f.Name, f.Type, marks(f), f.Scan, f.Column, f.API,
				strings.ReplaceAll(f.Doc, "|", `\|`))
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, strings.TrimSuffix(b.String(), "\n"))
	return err
}

func fieldsJSON(w io.Writer, tables []syscollector.Table) error {
	type field struct {
		Table    string `json:"table"`
		Name     string `json:"name"`
		Type     string `json:"type"`
		Key      bool   `json:"key"`
		Same     bool   `json:"same"`
		Volatile bool   `json:"volatile"`
		Scan     string `json:"scan,omitempty"`
		Column   string `json:"column,omitempty"`
		API      string `json:"api,omitempty"`
		Doc      string `json:"doc"`
	}
	all := []field{}
	for _, t := range tables {
		for _, f := range syscollector.Fields(t) {
			all = append(all, field{t.String(), f.Name, f.Type.String(), f.Key || f.ScanKey, f.Same, f.Volatile, f.Scan, f.Column, f.API, f.Doc})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}
