package rules

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// whenBudget bounds what one evaluation may allocate, in elements.
const whenBudget = 100_000

// whenRunner evaluates compiled conditions over its scope. It belongs to one
// goroutine; it keeps one VM and one environment for all conditions.
type whenRunner struct {
	scope whenScope
	vm    vm.VM
	subs  [maxItemDepth]vm.VM // of predicates over tables, by depth
	env   map[string]any
	atoms []whenAtom // of the condition that runs
}

func newWhenRunner(zone *time.Location) *whenRunner {
	if zone == nil {
		zone = time.UTC
	}
	r := &whenRunner{}
	r.scope.zone = zone
	r.scope.runner = r
	r.vm.MemoryBudget = whenBudget
	for i := range r.subs {
		r.subs[i].MemoryBudget = whenBudget
	}
	r.env = map[string]any{atomName: r.atom, tallyName: r.tally, "test": r.test, "listValue": r.listValue}
	return r
}

// run tells whether the condition holds. A failure is an error at run time of
// the condition itself.
func (r *whenRunner) run(w *when) (bool, error) {
	r.scope.err, r.scope.visited = nil, 0
	ok, err := r.runOn(&r.vm, w)
	if r.scope.err != nil {
		return false, r.scope.err
	}
	return ok, err
}

// sub runs a predicate over the row that the scope shows at a depth, while the
// condition around it runs.
func (r *whenRunner) sub(w *when, depth int) bool {
	atoms := r.atoms
	ok, err := r.runOn(&r.subs[depth], w)
	r.atoms = atoms
	if err != nil && r.scope.err == nil {
		r.scope.err = err
	}
	return ok
}

func (r *whenRunner) runOn(machine *vm.VM, w *when) (bool, error) {
	for _, k := range w.guards {
		if !w.atoms[k].eval(&r.scope) {
			return false, nil
		}
	}
	if w.decided {
		return true, nil
	}
	r.atoms = w.atoms
	for _, n := range w.slots {
		r.env[n.name] = r.scope.box(n)
	}
	v, err := machine.Run(w.program, r.env)
	if err != nil {
		var fe *file.Error
		if errors.As(err, &fe) {
			return false, fmt.Errorf("at column %d: %s", fe.Column+1, firstLine(fe.Message))
		}
		return false, err
	}
	ok, isBool := v.(bool)
	if !isBool {
		return false, fmt.Errorf("the condition gave %T, not true or false", v)
	}
	return ok, nil
}

func (r *whenRunner) atom(k int) bool { return r.atoms[k].eval(&r.scope) }

func (r *whenRunner) tally(k int) int {
	return r.atoms[k].tally(&r.scope, true, math.MaxInt)
}

func (r *whenRunner) test(v, k any) bool {
	s, ok := asText(v)
	return ok && r.atoms[k.(int)].test(s, &r.scope)
}

// asText returns a key as lists hold it.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, v != ""
	case int:
		return strconv.Itoa(v), true
	}
	return "", false
}

func (r *whenRunner) listValue(list, key any) string {
	k, ok := asText(key)
	if !ok || r.scope.lists == nil {
		return ""
	}
	name, _ := list.(string)
	v, _ := r.scope.lists.Get(name, k)
	return v
}
