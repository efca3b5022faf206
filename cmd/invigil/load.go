package main

import (
	"strings"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/ruletest"
	"invigil/rules"
	"invigil/state"
)

// ruleFlags are the flags that name rules and lists.
type ruleFlags struct {
	rules    []string
	listsDir string
	lists    []string
	compat   string
}

func (f *ruleFlags) register(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.rules, "rules", nil, "rule `FILE` or directory (*.yml, *.yaml, *.xml); may be repeated")
	f.registerLists(c)
}

func (f *ruleFlags) registerLists(c *cobra.Command) {
	c.Flags().StringVar(&f.listsDir, "lists", "", "`DIR` of lists: the file DIR/etc/lists/x is the list etc/lists/x, and x")
	c.Flags().StringArrayVar(&f.lists, "list", nil, "one list: `NAME=FILE`; may be repeated")
	compatFlag(c, &f.compat)
}

// files returns the named list files as name → path.
func (f *ruleFlags) files() (map[string]string, error) {
	files := make(map[string]string)
	if f.listsDir != "" {
		var err error
		if files, err = ruletest.ListFiles(f.listsDir); err != nil {
			return nil, err
		}
	}
	for _, l := range f.lists {
		name, path, ok := strings.Cut(l, "=")
		if !ok || name == "" || path == "" {
			return nil, usagef("--list %q: write NAME=FILE", l)
		}
		files[name] = path
	}
	return files, nil
}

// loadLists puts the named list files into the store, kind cdb.
func (f *ruleFlags) loadLists(store *state.Store) error {
	files, err := f.files()
	if err != nil {
		return err
	}
	return ruletest.LoadLists(store, files)
}

// loadRules compiles rule files and directories and puts the lists that they
// declare into the store. What is wrong with them is printed.
func (a *app) loadRules(store *state.Store, paths []string, o rules.Options) (*rules.Set, error) {
	set, ds, err := ruletest.LoadRules(store, paths, o)
	if err := a.report(ds); err != nil {
		return nil, err
	}
	return set, err
}

// report prints what was found in rule files; an error among it is a finding.
func (a *app) report(ds source.Diagnostics) error {
	if err := ds.Render(a.stderr); err != nil {
		return err
	}
	if ds.Err() != nil {
		return errFinding
	}
	return nil
}
