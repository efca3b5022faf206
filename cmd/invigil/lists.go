package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/ruletest"
	"invigil/rules"
	"invigil/state"
)

// listing is one use of a lists verb.
type listing struct {
	*app
	flags  ruleFlags
	dir    string // --state
	kind   string
	fold   bool
	lookup string
	check  string
}

func (a *app) listsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "lists (show | lookup | check)",
		Short: "Look into lists, look keys up, check list files",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: lists show, lists lookup or lists check")
		},
	}
	c.AddCommand(a.listsShowCommand(), a.listsLookupCommand(), a.listsCheckCommand())
	return c
}

// register adds the flags that say where lists are.
func (l *listing) register(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.dir, "state", "", "take lists from a state `DIR`")
	f.StringVar(&l.flags.listsDir, "lists", "", "`DIR` of lists: the file DIR/etc/lists/x is the list etc/lists/x, and x")
	f.StringArrayVar(&l.flags.lists, "list", nil, "one list: `NAME=FILE`; may be repeated")
	f.StringVar(&l.kind, "kind", "cdb", "`KIND` of list files: cdb, cidr or prefix")
	f.BoolVar(&l.fold, "fold", false, "ignore the case of ASCII letters in list files")
}

func (a *app) listsShowCommand() *cobra.Command {
	l := listing{app: a}
	c := &cobra.Command{
		Use:   "show [NAME|FILE]",
		Short: "Print a list's keys and values, or all lists' names",
		Long: `Print a list as it was loaded: keys and values a line, as a list file writes
them, by key; of a key that stood twice the first. Without a name, print what
lists there are: kind, number of keys, lines that are no entry, name.`,
		Example: "  invigil lists show etc/lists/allowed_ips\n  invigil lists show --state ./invigil-state",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return l.with(args, func(view *state.ListView) error {
				if len(args) == 0 {
					return l.names(view)
				}
				return l.show(view, args[0])
			})
		},
	}
	l.register(c)
	return c
}

func (a *app) listsLookupCommand() *cobra.Command {
	l := listing{app: a}
	c := &cobra.Command{
		Use:   "lookup NAME|FILE KEY…",
		Short: "Look keys up as a rule does",
		Long: `Look keys up in a list and print, a line each, the key, whether the condition
of a rule holds, and what was found. --lookup is that of a Wazuh rule; lists of
kind cidr and prefix find the longest prefix.`,
		Example: "  invigil lists lookup etc/lists/allowed_ips 10.0.0.42 --lookup not_address_match_key --lists /var/ossec\n  invigil lists lookup nets.txt 10.0.0.42 2001:db8::1 --kind cidr",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := choice("lookup", l.lookup, rules.LookupKinds()...); err != nil {
				return err
			}
			return l.with(args[:1], func(view *state.ListView) error { return l.lookUp(view, args[0], args[1:]) })
		},
	}
	l.register(c)
	c.Flags().StringVar(&l.lookup, "lookup", "match_key", "`LOOKUP` of a Wazuh rule: match_key, not_match_key, match_key_value, address_match_key, not_address_match_key, address_match_key_value")
	c.Flags().StringVar(&l.check, "check-value", "", "OS_Match `PATTERN` on the value, for the lookups that end in _value")
	return c
}

func (a *app) listsCheckCommand() *cobra.Command {
	l := listing{app: a}
	c := &cobra.Command{
		Use:   "check FILE…",
		Short: "Report lines of list files that do not do what was meant",
		Long: `Report, with file and line, what is wrong with list files: lines that are
dropped, keys that stand twice, networks, ranges and unfinished prefixes in a
list of kind cdb, IPv6 addresses without quotes, blanks that belong to a key.
With --lists all files of the directory are checked.

Exit code 1 if anything is found.`,
		Example: "  invigil lists check /var/ossec/etc/lists/*\n  invigil lists check nets.txt --kind cidr",
		RunE: func(_ *cobra.Command, args []string) error {
			return l.checkFiles(args)
		},
	}
	c.Flags().StringVar(&l.flags.listsDir, "lists", "", "check all files of this `DIR`")
	c.Flags().StringVar(&l.kind, "kind", "cdb", "`KIND` of the lists: cdb, cidr or prefix")
	return c
}

// with opens the lists that a verb is about and calls f with them.
func (l *listing) with(names []string, f func(*state.ListView) error) error {
	kind, err := state.ParseListKind(l.kind)
	if err != nil {
		return usagef("--kind: %w", err)
	}
	if l.dir != "" {
		if l.flags.listsDir != "" || len(l.flags.lists) > 0 {
			return usagef("take lists either from --state or from files")
		}
		store, err := state.Open(l.dir, state.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		return errors.Join(f(store.Lists().View()), store.Close())
	}
	files, err := l.flags.files()
	if err != nil {
		return err
	}
	if len(names) == 0 && len(files) == 0 {
		return usagef("name a list or a file, or say where lists are: --state, --lists or --list")
	}
	for _, name := range names { // only what is asked for is loaded
		path, ok := files[name]
		if !ok {
			path = name
		}
		files = map[string]string{name: path}
	}
	store, err := state.OpenMemory(state.Options{})
	if err != nil {
		return err
	}
	for name, path := range files {
		if err := l.load(store, name, path, kind); err != nil {
			return errors.Join(err, store.Close())
		}
	}
	return errors.Join(f(store.Lists().View()), store.Close())
}

func (l *listing) load(store *state.Store, name, path string, kind state.ListKind) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && name == path {
		return fmt.Errorf("no list and no file is named %s", name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = store.Lists().Load(name, kind, l.fold, f)
	return err
}

// names prints what lists there are.
func (l *listing) names(view *state.ListView) error {
	tw := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "kind\tkeys\tdropped\tname")
	for _, i := range view.All() {
		kind := i.Kind.String()
		if i.Fold {
			kind += ", fold"
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%s\n", kind, i.Keys, i.Dropped, i.Name)
	}
	return tw.Flush()
}

// show prints a list as a file that loads as the same list.
func (l *listing) show(view *state.ListView, name string) error {
	if !view.Has(name) {
		return noList(view, name)
	}
	w := bufio.NewWriter(l.stdout)
	for e, err := range view.Entries(name) {
		if err != nil {
			return err
		}
		key := e.Key
		if strings.Contains(key, ":") {
			key = `"` + key + `"`
		}
		if _, err := fmt.Fprintf(w, "%s:%s\n", key, e.Value); err != nil {
			return err
		}
	}
	return w.Flush()
}

func noList(view *state.ListView, name string) error {
	var names []string
	for _, i := range view.All() {
		names = append(names, i.Name)
	}
	hint := source.DidYouMean(name, names)
	if hint != "" {
		hint = ": " + hint
	}
	return fmt.Errorf("no list is named %s%s", name, hint)
}

func (l *listing) lookUp(view *state.ListView, name string, keys []string) error {
	if !view.Has(name) {
		return noList(view, name)
	}
	info, _ := view.Info(name)
	width := 0
	for _, key := range keys {
		width = max(width, len(key))
	}
	for _, key := range keys {
		found, err := rules.LookUp(view, name, l.lookup, l.check, key)
		if err != nil {
			return usagef("--lookup: %w", err)
		}
		what := "no key"
		switch {
		case found.Found && info.Kind == state.ListCDB:
			what = "key " + strconv.Quote(found.Key) + ", value " + strconv.Quote(found.Value)
		case found.Found: // the key is a prefix of it
			what = "value " + strconv.Quote(found.Value)
		}
		if _, err := fmt.Fprintf(l.stdout, "%-*s  %-5t  %s\n", width, key, found.Holds, what); err != nil {
			return err
		}
	}
	return nil
}

func (l *listing) checkFiles(paths []string) error {
	kind, err := state.ParseListKind(l.kind)
	if err != nil {
		return usagef("--kind: %w", err)
	}
	found, err := l.flags.directory()
	if err != nil {
		return err
	}
	for _, list := range found {
		paths = append(paths, list.Path)
	}
	if len(paths) == 0 {
		return usagef("name the files to check, or their directory with --lists")
	}
	clean := true
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, d := range ruletest.CheckList(source.File{Name: path, Data: data}, kind) {
			clean = false
			if _, err := fmt.Fprintln(l.stdout, d.Error()); err != nil {
				return err
			}
		}
	}
	if !clean {
		return errFinding
	}
	return nil
}
