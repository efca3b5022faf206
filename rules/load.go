package rules

import (
	"time"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
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

// Load reads and compiles rule files and directories of rule files.
func Load(paths []string, o Options) (*Set, source.Diagnostics) { return LoadFiles(nil, o) }

// LoadFiles compiles rule files that were read already, in the order given.
func LoadFiles(files []*rulefile.File, o Options) (*Set, source.Diagnostics) {
	return &Set{opts: o}, nil
}
