package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"invigil/rules/lint"
)

func (a *app) lintCommand() *cobra.Command {
	var (
		flags          ruleFlags
		format, config string
	)
	c := &cobra.Command{
		Use:   "lint PATH…",
		Short: "Report all problems of rule files",
		Long: "Report all problems of rule files and directories of them, taken as one rule set:\n" +
			"what is refused, and what loads and never does what was meant, each with its\n" +
			"place and with what to write instead. Rules for other decoders are counted only.\n\n" +
			"Exit code 1 if there is an error; warnings and notes alone are 0.",
		Example: "  invigil lint rules/ local_rules.xml --lists /var/ossec\n" +
			"  invigil lint rules/ -c invigil.yml --format sarif",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := choice("format", format, lint.Formats()...); err != nil {
				return err
			}
			o, err := a.lintOptions(&flags, config, cmd.Flags().Changed("compat"))
			if err != nil {
				return err
			}
			found := lint.Check(args, o)
			if err := found.Write(a.stdout, format); err != nil {
				return err
			}
			if found.Errors() > 0 {
				return errFinding
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "`FORMAT`: text, json, github or sarif")
	c.Flags().StringVarP(&config, "config", "c", "", "take lists, version and source from this configuration `FILE`")
	flags.registerLists(c)
	return c
}

// lintOptions gathers what the rules are judged for, from flags and from a
// configuration file if one is named. A flag wins.
func (a *app) lintOptions(flags *ruleFlags, config string, compatGiven bool) (lint.Options, error) {
	var o lint.Options
	var err error
	if o.Compat, err = parseCompat(flags.compat); err != nil {
		return o, err
	}
	found, err := flags.directory()
	if err != nil {
		return o, err
	}
	o.Lists = append(o.Lists, found...)
	named, err := (&ruleFlags{lists: flags.lists}).files()
	if err != nil {
		return o, err
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		o.Lists = append(o.Lists, lint.List{Names: []string{name}, Path: named[name], CDB: true, Wanted: true})
	}
	if config == "" {
		return o, nil
	}
	cfg, err := a.loadConfig(config, nil)
	if err != nil {
		return o, err
	}
	for _, l := range cfg.Lists {
		o.Lists = append(o.Lists, lint.List{Names: []string{l.Name}, Path: l.Path, CDB: l.Kind == "cdb" || l.Kind == "", Wanted: true})
	}
	if !compatGiven && cfg.Rules.Compat != "" {
		if o.Compat, err = parseCompat(cfg.Rules.Compat); err != nil {
			return o, err
		}
	}
	o.Partitioned = cfg.Source.Kafka != nil
	return o, nil
}

// directory returns the lists of --lists, each under all its names.
func (f *ruleFlags) directory() ([]lint.List, error) {
	files, err := (&ruleFlags{listsDir: f.listsDir}).files()
	if err != nil {
		return nil, err
	}
	byPath := map[string][]string{}
	for name, path := range files {
		byPath[path] = append(byPath[path], name)
	}
	var lists []lint.List
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		names := byPath[path]
		slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
		lists = append(lists, lint.List{Names: names, Path: path, CDB: true})
	}
	return lists, nil
}
