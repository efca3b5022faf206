package rules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// Options configure Load.
type Options struct {
	// Compat chooses the version whose reading of XML files and whose
	// semantics of the wazuh dialect are followed.
	Compat syscollector.Compat
	// Lists, if given, tells which lists exist; ListNames replaces it when
	// names are known and contents are not. Both nil = no lists.
	Lists     Lists
	ListNames func(name string) bool
	// LogLevel is the lowest level that is written as an alert, EmailLevel
	// the lowest that sets the mail flag; 0 = 1 and 7.
	LogLevel, EmailLevel int
	Zone                 *time.Location // of time and weekday conditions; nil = UTC
	Manager              string         // the manager's name in alerts
	// OnLimit, if set, is told of each match that was cut because the pattern
	// took too long on the subject; it counts as no match. It must be safe for
	// concurrent calls.
	OnLimit func(*pattern.LimitError)
}

// patterns are the options that rules' patterns are compiled with.
func (o *Options) patterns() pattern.Options {
	return pattern.Options{Compat: pattern.Compat(o.Compat), OnLimit: o.OnLimit}
}

// loadEnv is what compiling one rule may look at beside the rule.
type loadEnv struct {
	opts  Options
	lists map[string]*rulefile.List // lists declared in rule files
}

// hasList reports whether a list of that name can be looked up.
func (env *loadEnv) hasList(name string) bool {
	if _, ok := env.lists[name]; ok {
		return true
	}
	if env.opts.ListNames != nil {
		return env.opts.ListNames(name)
	}
	return env.opts.Lists != nil && env.opts.Lists.Has(name)
}

// Load reads and compiles rule files, as ReadFiles and LoadFiles do. All
// problems are reported together, in the order of files and lines; when one is an error (Diagnostics.Err), the
// set holds the rules that loaded all the same and must not be put to use.
func Load(paths []string, o Options) (*Set, source.Diagnostics) {
	files, ds := ReadFiles(paths, o.Compat)
	set, problems := LoadFiles(files, o)
	ds = append(ds, problems...)
	ds.Sort()
	return set, ds
}

// ReadFiles reads rule files: *.yml and *.yaml as they say themselves, *.xml as
// Wazuh rules of the version. Of a directory it takes the files with these
// endings in base-name order, of sub-directories none. A file that cannot be
// read is a diagnostic.
func ReadFiles(paths []string, compat syscollector.Compat) (files []*rulefile.File, ds source.Diagnostics) {
	unread := func(path string, err error) {
		ds = append(ds, source.Diagnostic{Pos: source.Position{File: path}, Message: pathError(err)})
	}
	for _, path := range paths {
		names, err := ruleFiles(path)
		if err != nil {
			unread(path, err)
			continue
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				unread(name, err)
				continue
			}
			f, problems := ReadFile(source.File{Name: name, Data: data}, compat)
			ds = append(ds, problems...)
			files = append(files, f)
		}
	}
	return files, ds
}

// ReadFile reads one rule file by its ending: .xml as Wazuh rules of the
// version, anything else as YAML.
func ReadFile(src source.File, compat syscollector.Compat) (*rulefile.File, source.Diagnostics) {
	if strings.EqualFold(filepath.Ext(src.Name), ".xml") {
		return readXML(src, compat)
	}
	return rulefile.Read(src)
}

// pathError leaves out the path, which the diagnostic's position names.
func pathError(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return "the file cannot be read: " + pe.Err.Error()
	}
	return err.Error()
}

// ruleFiles returns the rule files of a path: the path itself unless it is a
// directory.
func ruleFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries { // sorted by name
		if strings.HasSuffix(entry.Name(), ".test.yml") || strings.HasSuffix(entry.Name(), ".test.yaml") {
			continue // tests of rules, no rules
		}
		switch filepath.Ext(entry.Name()) {
		case ".yml", ".yaml", ".xml":
			name := filepath.Join(path, entry.Name())
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// LoadFiles compiles rule files that were read already, in the order given. It
// reports as Load does.
func LoadFiles(files []*rulefile.File, o Options) (*Set, source.Diagnostics) {
	if o.LogLevel == 0 {
		o.LogLevel = 1
	}
	if o.EmailLevel == 0 {
		o.EmailLevel = 7
	}
	l := loader{set: &Set{opts: o}, env: &loadEnv{opts: o, lists: map[string]*rulefile.List{}}}
	l.declareLists(files)
	l.tunings = newTunings(files)
	l.loadWazuh(files)
	l.loadStateful(files)
	l.ds = append(l.ds, l.tunings.unused()...)
	sources := make([]source.File, len(files))
	for i, f := range files {
		sources[i] = f.Source
	}
	l.ds.Fill(sources...)
	return l.set, l.ds
}

// loader builds a Set.
type loader struct {
	set     *Set
	env     *loadEnv
	tunings *tunings
	ds      source.Diagnostics
}

// declareLists gathers the lists declared in rule files: names are unique.
func (l *loader) declareLists(files []*rulefile.File) {
	for _, f := range files {
		for _, list := range f.Lists {
			if first, ok := l.env.lists[list.Name]; ok {
				l.ds = append(l.ds, source.Diagnostic{Pos: list.Pos, Message: fmt.Sprintf("list %q is declared at %s already", list.Name, first.Pos)})
				continue
			}
			l.env.lists[list.Name] = list
			l.set.lists = append(l.set.lists, list)
		}
	}
}

// loadWazuh builds the tree from the files of the wazuh dialect.
func (l *loader) loadWazuh(files []*rulefile.File) {
	want := dialectOf(l.set.opts.Compat)
	var wazuh []*rulefile.File
	for _, f := range files {
		switch f.Dialect {
		case rulefile.Wazuh4, rulefile.Wazuh39:
			if f.Dialect != want {
				l.ds = append(l.ds, source.Diagnostic{
					Pos:     source.Position{File: f.Name, Line: 1},
					Message: fmt.Sprintf("the file's dialect is %s, the rule set's is %s: one rule set has one", f.Dialect, want),
					Hint:    "choose the version with compat, or translate the file again with that version",
				})
				continue
			}
			wazuh = append(wazuh, f)
		}
	}
	if len(wazuh) == 0 {
		return
	}
	b := newTreeBuilder(l.set.opts.Compat, l.env)
	b.addFiles(wazuh)
	for _, r := range b.set.rules {
		b.tune(r, l.tunings.of(r.name))
	}
	l.set.wazuh = b.build()
	l.ds = append(l.ds, b.ds...)
	for _, f := range wazuh {
		if n := b.notes[f.Name]; n > 0 {
			l.ds = append(l.ds, source.Diagnostic{
				Pos: source.Position{File: f.Name}, Severity: source.Info,
				Message: fmt.Sprintf("%s for other decoders: no inventory event can reach them", plural(n, "rule")),
			})
		}
	}
	l.set.infos = append(l.set.infos, wazuhInfos(l.set.wazuh)...)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// loadStateful compiles the rules of the invigil dialect.
func (l *loader) loadStateful(files []*rulefile.File) {
	first := map[string]source.Position{}
	var compiled []*statefulRule
	var infos []RuleInfo
	for _, f := range files {
		if f.Dialect != rulefile.Invigil {
			continue
		}
		for _, decl := range f.Rules {
			if pos, ok := first[decl.ID]; ok && decl.ID != "" {
				l.ds = append(l.ds, source.Diagnostic{Pos: decl.Pos, Rule: decl.ID, Message: fmt.Sprintf("id %s is taken by the rule at %s", decl.ID, pos)})
				continue
			}
			first[decl.ID] = decl.Pos
			t := l.tunings.of(decl.ID)
			tuned := t.apply(decl)
			if decl.Broken {
				continue // reported when it was read
			}
			rule, ds := compileStateful(tuned, l.env)
			l.ds = append(l.ds, ds...)
			if rule == nil || ds.Err() != nil {
				continue
			}
			info := rule.info()
			info.Disabled = t.disabled
			if !t.disabled {
				compiled = append(compiled, rule)
			}
			infos = append(infos, info)
		}
	}
	l.set.stateful = newStatefulSet(compiled, l.tunedWazuh(), l.set.opts)
	unindexed := map[string]bool{}
	for _, r := range l.set.stateful.unindexed() {
		unindexed[r.id] = true
	}
	for i := range infos {
		infos[i].Unindexed = unindexed[infos[i].ID]
	}
	l.set.infos = append(l.set.infos, infos...)
}
