package rules

import (
	"invigil/config/source"
	"invigil/rules/rulefile"
)

// statefulRule is one compiled rule of the invigil dialect.
type statefulRule struct{}

// compileStateful compiles one rule of the invigil dialect; the diagnostics say
// why not.
func compileStateful(r *rulefile.Rule, env *loadEnv) (*statefulRule, source.Diagnostics) {
	return &statefulRule{}, nil
}

// statefulEval evaluates the invigil rules of a set.
type statefulEval struct{}

func newStatefulEval(s *Set, mem, active Memory) (*statefulEval, error) { return &statefulEval{}, nil }

func (e *statefulEval) eval(in *Input, out []Alert) ([]Alert, error) { return out, nil }

func (e *statefulEval) flush() error { return nil }

func (e *statefulEval) swap(s *Set) error { return nil }
