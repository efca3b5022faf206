package rules

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"invigil/rules/rulefile"
)

// trace tells the input's trace about one rule that was tried.
func (e *statefulEval) trace(r *statefulRule, ok bool, err error) {
	switch {
	case ok:
		e.in.Trace.Rule(r.id, "")
	case err != nil:
		e.in.Trace.Rule(r.id, "failed: "+err.Error())
	default:
		e.in.Trace.Rule(r.id, e.run.why(r.when))
	}
}

// why returns the first of the conditions joined by and that does not hold,
// with the values that it saw. It compiles each by itself: explaining is not
// for every event.
func (r *whenRunner) why(w *when) string {
	tree, err := parser.Parse(w.program.Source().String())
	if err != nil {
		return "the condition does not hold"
	}
	env := whenEnv{patterns: w.patterns, hasList: func(string) bool { return true }}
	for _, n := range conjuncts(tree.Node, nil) {
		part, diags := compileWhen(rulefile.Text{Value: n.String()}, env)
		if len(diags) > 0 {
			continue
		}
		switch ok, err := r.run(part); {
		case err != nil:
			return fmt.Sprintf("%s failed: %v", n, err)
		case !ok:
			return n.String() + r.seen(n)
		}
	}
	return "the condition does not hold"
}

// conjuncts splits a tree at its top-level ands.
func conjuncts(n ast.Node, out []ast.Node) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "and" || b.Operator == "&&") {
		return conjuncts(b.Right, conjuncts(b.Left, out))
	}
	return append(out, n)
}

// seen lists the names in a node as written with their values.
func (r *whenRunner) seen(n ast.Node) string {
	var parts []string
	names := allWhenNames()
	ast.Walk(&n, visitFunc(func(p *ast.Node) {
		name := names.lookup((*p).String())
		if name == nil {
			return
		}
		part := name.name + " is absent"
		if _, ok := r.scope.load(name); ok {
			v := r.scope.format(name)
			if name.typ == typeString {
				v = fmt.Sprintf("%q", v)
			}
			part = name.name + " is " + v
		}
		for _, have := range parts {
			if have == part {
				return
			}
		}
		parts = append(parts, part)
	}))
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
