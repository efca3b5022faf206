package rules

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/expr-lang/expr/ast"

	"invigil/pipeline/syscollector"
)

// This file recognises, in a resolved and type-checked tree, the operations on one
// name and constants, or on two names, that become atoms.

// addAtom returns the number of an atom added to the condition.
func (c *whenCompiler) addAtom(a whenAtom) int {
	c.out.atoms = append(c.out.atoms, a)
	return len(c.out.atoms) - 1
}

// atomCall returns the call atom(k) in the place of a node.
func (c *whenCompiler) atomCall(k int, from ast.Node) ast.Node {
	callee := at(&ast.IdentifierNode{Value: atomName}, from)
	return at(&ast.CallNode{Callee: callee, Arguments: []ast.Node{at(&ast.IntegerNode{Value: k}, from)}}, from)
}

// nameOf returns the name that a resolved node reads, nil if it is no name.
func (c *whenCompiler) nameOf(n ast.Node) *whenName {
	id, ok := n.(*ast.IdentifierNode)
	if !ok || slices.Contains(c.lets, id.Value) {
		return nil
	}
	return c.seen[id.Value]
}

// binaryAtom recognises an operation on a name and constants, or two names.
func (c *whenCompiler) binaryAtom(n *ast.BinaryNode) (whenAtom, bool) {
	if op, ok := comparisons[n.Operator]; ok {
		if a, ok := c.versionAtom(op, n); ok {
			return a, true
		}
		if a, ok := c.comparison(op, n.Left, n.Right); ok {
			return a, true
		}
		return c.comparison(mirrored[op], n.Right, n.Left)
	}
	name := c.nameOf(n.Left)
	if n.Operator == "in" {
		return c.inAtom(name, n)
	}
	s, ok := n.Right.(*ast.StringNode)
	if name == nil || name.typ != typeString || !ok {
		return whenAtom{}, false
	}
	if n.Operator == "matches" {
		re, err := regexp.Compile(s.Value)
		return whenAtom{op: opRegexp, left: name, re: re, str: s.Value}, err == nil
	}
	op, ok := textOps[n.Operator]
	return whenAtom{op: op, left: name, str: s.Value}, ok
}

// comparison recognises a comparison whose left side is a name.
func (c *whenCompiler) comparison(op whenOp, left, right ast.Node) (whenAtom, bool) {
	name := c.nameOf(left)
	if name == nil {
		return whenAtom{}, false
	}
	a := whenAtom{op: op, left: name}
	if other := c.nameOf(right); other != nil {
		a.right = other
		return a, name.typ == typeString && other.typ == typeString || isNumber(name.typ) && isNumber(other.typ)
	}
	switch lit := literal(right).(type) {
	case string:
		a.str = lit
		return a, name.typ == typeString
	case int:
		a.num, a.real = int64(lit), float64(lit)
		return a, isNumber(name.typ)
	case float64:
		a.real = lit
		return a, name.typ == typeFloat
	}
	return whenAtom{}, false
}

// literal returns the value of a constant node, nil if it is none.
func literal(n ast.Node) any {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode:
		return n.Value
	case *ast.FloatNode:
		return n.Value
	case *ast.UnaryNode:
		switch v := literal(n.Node).(type) {
		case int:
			if n.Operator == "-" {
				return -v
			}
		case float64:
			if n.Operator == "-" {
				return -v
			}
		}
	}
	return nil
}

// inAtom recognises the operator in: a constant in the agent's groups or
// labels, a name in a range or among constants.
func (c *whenCompiler) inAtom(name *whenName, n *ast.BinaryNode) (whenAtom, bool) {
	if s, ok := n.Left.(*ast.StringNode); ok {
		in := c.nameOf(n.Right)
		switch {
		case in == nil:
		case in.typ == typeStrings:
			return whenAtom{op: opGroup, left: in, str: s.Value}, true
		case in.typ == typeLabels:
			return whenAtom{op: opPresent, left: c.names.lookup("agent.labels." + s.Value)}, true
		}
		return whenAtom{}, false
	}
	if name == nil {
		return whenAtom{}, false
	}
	a := whenAtom{op: opIn, left: name}
	switch list := n.Right.(type) {
	case *ast.BinaryNode:
		lo, ok1 := literal(list.Left).(int)
		hi, ok2 := literal(list.Right).(int)
		a.op, a.num, a.max = opRange, int64(lo), int64(hi)
		return a, list.Operator == ".." && ok1 && ok2 && name.typ == typeInt
	case *ast.ArrayNode:
		a.strs, a.nums = make(map[string]struct{}), make(map[int64]struct{})
		for _, e := range list.Nodes {
			c.checkElement(name, e)
			switch lit := literal(e).(type) {
			case string:
				a.strs[lit] = struct{}{}
			case int:
				a.nums[int64(lit)] = struct{}{}
			default:
				return whenAtom{}, false
			}
		}
		return a, name.typ == typeString && len(a.nums) == 0 || name.typ == typeInt && len(a.strs) == 0
	}
	return whenAtom{}, false
}

// checkElement reports a constant in a list that a name of another type is
// never equal to: a list of texts and numbers has no type that would clash.
func (c *whenCompiler) checkElement(name *whenName, e ast.Node) {
	what, hint := "", ""
	switch lit := literal(e).(type) {
	case string:
		if what = "text"; isNumeral(lit) {
			hint = fmt.Sprintf("write %s without quotes", lit)
		}
	case int, float64:
		what, hint = "number", fmt.Sprintf("write \"%v\"", lit)
	}
	if what == "text" && isNumber(name.typ) || what == "number" && name.typ == typeString {
		c.report(e.Location().From, hint, "%s is %s, %s is %s", shown(&ast.IdentifierNode{Value: name.name}), article(typeName(name.typ)), e.String(), article(what))
	}
}

// versionAtom recognises a comparison with version() on at least one side.
func (c *whenCompiler) versionAtom(op whenOp, n *ast.BinaryNode) (whenAtom, bool) {
	l, lv := versionArg(n.Left)
	r, rv := versionArg(n.Right)
	if !lv && !rv {
		return whenAtom{}, false
	}
	if c.nameOf(l) == nil {
		l, r, op = r, l, mirrored[op]
	}
	a := whenAtom{op: opVersion, order: op, left: c.nameOf(l), right: c.nameOf(r)}
	lit, isText := r.(*ast.StringNode)
	if a.left == nil || a.right == nil && !isText {
		c.report(n.Location().From, `write version(program.version) < version("2.0")`, "version() compares a field with a field or a constant")
		return whenAtom{}, false
	}
	if isText {
		a.str = lit.Value
	}
	a.formats[0] = c.formatName(a.left)
	if a.right != nil {
		a.formats[1] = c.formatName(a.right)
	}
	return a, true
}

// versionArg returns what version() is applied to, or the node itself.
func versionArg(n ast.Node) (arg ast.Node, called bool) {
	if call, ok := n.(*ast.CallNode); ok {
		if id, ok := call.Callee.(*ast.IdentifierNode); ok && id.Value == "version" && len(call.Arguments) == 1 {
			return call.Arguments[0], true
		}
	}
	return n, false
}

// formatName returns the name of the format that belongs to a version: for
// program.version it is program.format.
func (c *whenCompiler) formatName(n *whenName) *whenName {
	if n.field == nil || n.field.Table != syscollector.Packages {
		return nil
	}
	format := *n
	format.field = c.names.lookup("program.format").field
	return &format
}

// changedMask returns the columns that changed() names, all if none.
func changedMask(n *ast.CallNode) (mask uint64) {
	for _, arg := range n.Arguments {
		if f, ok := syscollector.ByName(arg.(*ast.StringNode).Value); ok {
			mask |= 1 << f.Number
		}
	}
	if len(n.Arguments) == 0 {
		return ^uint64(0)
	}
	return mask
}
