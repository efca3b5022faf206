package ruletest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/rules"
	"invigil/state"
)

// ListFiles returns the lists of a directory as name → path: the file
// DIR/etc/lists/x is the list etc/lists/x, and x. Compiled lists (.cdb) are no
// text and left out.
func ListFiles(dir string) (map[string]string, error) {
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".cdb") {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)] = path
		if base := filepath.Base(path); files[base] == "" {
			files[base] = path
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lists: %w", err)
	}
	return files, nil
}

// LoadLists puts list files, name → path, into a store, kind cdb.
func LoadLists(store *state.Store, files map[string]string) error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := loadList(store, name, files[name]); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func loadList(store *state.Store, name, path string) error {
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

// LoadRules compiles rule files and directories for a store and puts the lists
// that they declare into it. A set is returned unless a finding is an error.
func LoadRules(store *state.Store, paths []string, o rules.Options) (*rules.Set, source.Diagnostics, error) {
	o.Lists = store.Lists().View()
	set, ds := rules.Load(paths, o)
	if ds.Err() != nil {
		return nil, ds, nil
	}
	for _, l := range set.Lists() {
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
			return nil, ds, fmt.Errorf("%s: list %s: %w", l.Pos, l.Name, err)
		}
	}
	return set, ds, nil
}
