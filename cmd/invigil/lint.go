package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/rules"
)

func (a *app) lintCommand() *cobra.Command {
	var (
		flags          ruleFlags
		format, config string
	)
	c := &cobra.Command{
		Use:     "lint PATH…",
		Short:   "Report all problems of rule files",
		Long:    "Report all problems of rule files and directories of them, each with its place.\nExit code 1 if a rule or file is refused; warnings and notes alone are 0.",
		Example: "  invigil lint rules/ local_rules.xml --lists /var/ossec --format github",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			version, err := parseCompat(flags.compat)
			if err != nil {
				return err
			}
			if err := choice("format", format, "text", "json", "github"); err != nil {
				return err
			}
			lists, err := flags.files()
			if err != nil {
				return err
			}
			if config != "" {
				cfg, err := a.loadConfig(config, nil)
				if err != nil {
					return err
				}
				for _, l := range cfg.Lists {
					lists[l.Name] = l.Path
				}
			}
			_, ds := rules.Load(args, rules.Options{Compat: version, ListNames: func(name string) bool {
				_, ok := lists[name]
				return ok
			}})
			if err := writeFindings(a.stdout, format, ds); err != nil {
				return err
			}
			if ds.Err() != nil {
				return errFinding
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, json or github")
	c.Flags().StringVarP(&config, "config", "c", "", "take the lists' names from this configuration `FILE`")
	flags.registerLists(c)
	return c
}

// writeFindings writes findings in a format.
func writeFindings(w io.Writer, format string, ds source.Diagnostics) error {
	ds = slices.Clone(ds)
	ds.Sort()
	switch format {
	case "json":
		return findingsJSON(w, ds)
	case "github":
		level := map[source.Severity]string{source.Error: "error", source.Warning: "warning", source.Info: "notice"}
		escape := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
		for _, d := range ds {
			message := d.Message
			if d.Rule != "" {
				message = "rule " + d.Rule + ": " + message
			}
			if _, err := fmt.Fprintf(w, "::%s file=%s,line=%d,col=%d::%s\n", level[d.Severity], d.Pos.File, d.Pos.Line, d.Pos.Column, escape.Replace(message)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range ds {
		if _, err := fmt.Fprintln(w, d.Error()); err != nil {
			return err
		}
	}
	return nil
}

func findingsJSON(w io.Writer, ds source.Diagnostics) error {
	type finding struct {
		File     string `json:"file"`
		Line     int    `json:"line"`
		Column   int    `json:"column"`
		Severity string `json:"severity"`
		Rule     string `json:"rule"`
		Message  string `json:"message"`
	}
	all := make([]finding, 0, len(ds))
	for _, d := range ds {
		all = append(all, finding{d.Pos.File, d.Pos.Line, d.Pos.Column, d.Severity.String(), d.Rule, d.Message})
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(all)
}
