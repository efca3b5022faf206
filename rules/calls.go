package rules

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// Call is one call in a condition of the wazuh dialect, as package rulefile
// describes them: what a tool that judges rules looks at.
type Call struct {
	Function string // osmatch, osregex, pcre2, equal, ip, cdb
	List     string // of cdb
	Value    string // the name of what is compared
	Static   bool   // Value is a static value, not a dynamic field
	Texts    []string
	Negate   bool
	// Must tells that the condition is false unless the call is true: it
	// stands in the conjunction itself.
	Must bool
	// At is where the call begins, TextAt where its pattern, address, text
	// or list does: offsets in the condition's bytes.
	At, TextAt int
}

// Calls returns the calls of a condition in the order written. Calls that are
// no part of the dialect are left out, and all of a text that cannot be parsed:
// loading the rule reports them.
func Calls(when string) []Call {
	if len(when) > maxWazuhWhen {
		return nil
	}
	tree, err := parser.Parse(when)
	if err != nil {
		return nil
	}
	r := callReader{text: when}
	for _, n := range conjuncts(tree.Node, nil) {
		r.read(n, true)
	}
	return r.calls
}

// callReader gathers the calls of a tree.
type callReader struct {
	text  string
	calls []Call
}

func (r *callReader) read(n ast.Node, must bool) {
	switch n := n.(type) {
	case *ast.BinaryNode:
		if isAnd(n.Operator) || isOr(n.Operator) {
			r.read(n.Left, false)
			r.read(n.Right, false)
		}
	case *ast.CallNode:
		if c, ok := r.call(n); ok {
			c.Must = must
			r.calls = append(r.calls, c)
		}
	}
}

func (r *callReader) call(n *ast.CallNode) (c Call, ok bool) {
	callee, isName := n.Callee.(*ast.IdentifierNode)
	if !isName || atomFunctions[callee.Value] == nil {
		return c, false
	}
	args := make([]atomArg, len(n.Arguments))
	for i, node := range n.Arguments {
		arg, err := argOf(node)
		if err != nil {
			return c, false
		}
		args[i] = arg
	}
	c.Function, c.At = callee.Value, r.offset(n)
	value, text, rest := 0, 1, 1
	if c.Function == "cdb" {
		value, text, rest = 1, 0, 2
	} else if last := len(args) - 1; last > 1 && args[last].kind == argBool {
		c.Negate, args = args[last].yes, args[:last]
	}
	if len(args) < 2 || args[text].kind != argText || args[value].kind == argBool {
		return c, false
	}
	c.Value, c.Static, c.TextAt = args[value].text, args[value].kind == argStatic, r.offset(n.Arguments[text])
	if c.Function == "cdb" {
		c.List = args[0].text
	}
	for _, arg := range args[rest:] {
		c.Texts = append(c.Texts, arg.text)
	}
	return c, true
}

func (r *callReader) offset(n ast.Node) int { return byteOffset(r.text, n.Location().From) }
