package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/rules"
	"invigil/rules/rulefile"
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
		err := filepath.WalkDir(f.listsDir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".cdb") {
				return err
			}
			rel, err := filepath.Rel(f.listsDir, path)
			if err != nil {
				return err
			}
			name := filepath.ToSlash(rel)
			files[name] = path
			if base := filepath.Base(path); files[base] == "" {
				files[base] = path
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("lists: %w", err)
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
	for name, path := range files {
		if err := loadListFile(store, name, path); err != nil {
			return err
		}
	}
	return nil
}

func loadListFile(store *state.Store, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("list %s: %w", name, err)
	}
	defer f.Close()
	if _, err := store.Lists().Load(name, state.ListCDB, false, f); err != nil {
		return fmt.Errorf("list %s: %s: %w", name, path, err)
	}
	return nil
}

// loadRules compiles rule files and directories and puts the lists that they
// declare into the store. What is wrong with them is printed.
func (a *app) loadRules(store *state.Store, paths []string, o rules.Options) (*rules.Set, error) {
	o.Lists = store.Lists().View()
	set, ds := rules.Load(paths, o)
	if err := a.report(ds); err != nil {
		return nil, err
	}
	declared, err := declaredLists(paths)
	if err != nil {
		return nil, err
	}
	for _, l := range declared {
		kind, err := state.ParseListKind(l.Kind)
		if err == nil {
			_, err = store.Lists().LoadEntries(l.Name, kind, l.Fold, func(yield func(key, value string) bool) {
				for _, e := range l.Entries {
					if !yield(e.Key, e.Value) {
						return
					}
				}
			})
		}
		if err != nil {
			return nil, fmt.Errorf("%s: list %s: %w", l.Pos, l.Name, err)
		}
	}
	return set, nil
}

// declaredLists returns the lists that rule files declare in place.
func declaredLists(paths []string) ([]*rulefile.List, error) {
	var all []*rulefile.List
	for _, path := range paths {
		names := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			yml, _ := filepath.Glob(filepath.Join(path, "*.yml"))
			yaml, _ := filepath.Glob(filepath.Join(path, "*.yaml"))
			names = append(yml, yaml...)
		}
		for _, name := range names {
			if isXML(name) {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			f, _ := rulefile.Read(source.File{Name: name, Data: data}) // problems were told
			all = append(all, f.Lists...)
		}
	}
	return all, nil
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
