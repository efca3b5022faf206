package rules

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"

	"invigil/pipeline/syscollector"
)

// This file rewrites a resolved, type-checked tree so that absent is not zero:
// every operator and function is false, or itself absent, on an absent
// operand. value returns an expression and the condition under which it is
// present (nil: always); condition joins the two where a truth value is wanted.
// has(), ?? and the branches of a conditional are what an absent value does not
// make absent.

// condition rewrites a node that stands for true or false.
func (c *whenCompiler) condition(n ast.Node) ast.Node {
	v, present := c.value(n)
	return and(present, v)
}

// and joins conditions; nil is true.
func and(a, b ast.Node) ast.Node {
	switch {
	case a == nil:
		return b
	case b == nil || a == b:
		return a
	}
	return at(&ast.BinaryNode{Operator: "and", Left: a, Right: b}, b)
}

// at gives a new node the position of the one that it stands for.
func at[N ast.Node](n N, from ast.Node) N {
	n.SetLocation(from.Location())
	return n
}

// value rewrites a node.
func (c *whenCompiler) value(n ast.Node) (v, present ast.Node) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return at(&ast.UnaryNode{Operator: n.Operator, Node: c.condition(n.Node)}, n), nil
		}
		v, present := c.value(n.Node)
		return at(&ast.UnaryNode{Operator: n.Operator, Node: v}, n), present
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.CallNode:
		return c.call(n)
	case *ast.BuiltinNode:
		return c.builtin(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.SequenceNode:
		out := &ast.SequenceNode{}
		for i, e := range n.Nodes {
			v, p := c.value(e)
			if i < len(n.Nodes)-1 {
				v = c.orZero(v, p, e)
			}
			out.Nodes, present = append(out.Nodes, v), p
		}
		return at(out, n), present
	}
	return c.copy(n)
}

// copy rewrites the nodes that only hold others: they are present when all
// that they hold is.
func (c *whenCompiler) copy(n ast.Node) (ast.Node, ast.Node) {
	var present ast.Node
	sub := func(e ast.Node) ast.Node {
		if e == nil || reflect.ValueOf(e).IsNil() {
			return nil
		}
		v, p := c.value(e)
		present = and(present, p)
		return v
	}
	var out ast.Node
	switch n := n.(type) {
	case *ast.ChainNode:
		out = &ast.ChainNode{Node: sub(n.Node)}
	case *ast.MemberNode:
		out = &ast.MemberNode{Node: sub(n.Node), Property: sub(n.Property), Optional: n.Optional, Method: n.Method}
	case *ast.SliceNode:
		out = &ast.SliceNode{Node: sub(n.Node), From: sub(n.From), To: sub(n.To)}
	case *ast.ArrayNode:
		a := &ast.ArrayNode{}
		for _, e := range n.Nodes {
			a.Nodes = append(a.Nodes, sub(e))
		}
		out = a
	case *ast.MapNode:
		m := &ast.MapNode{}
		for _, e := range n.Pairs {
			m.Pairs = append(m.Pairs, sub(e))
		}
		out = m
	case *ast.PairNode:
		out = &ast.PairNode{Key: sub(n.Key), Value: sub(n.Value)}
	case *ast.PredicateNode:
		p := &ast.PredicateNode{}
		if n.Node.Type() == typeBool {
			p.Node = c.condition(n.Node)
		} else {
			p.Node = sub(n.Node)
		}
		out = p
	default:
		return n, nil // literals, pointers
	}
	return at(out, n), present
}

func (c *whenCompiler) identifier(n *ast.IdentifierNode) (ast.Node, ast.Node) {
	if slices.Contains(c.lets, n.Value) {
		return at(&ast.IdentifierNode{Value: n.Value}, n), c.letHas[n.Value]
	}
	name := c.seen[n.Value]
	if name == nil {
		return n, nil
	}
	if !c.slotted[name.name] {
		c.slotted[name.name] = true
		c.out.slots = append(c.out.slots, name)
	}
	return at(&ast.IdentifierNode{Value: name.name}, n), c.presence(name, n)
}

// presence returns the test that a name has a value, nil if it always has.
func (c *whenCompiler) presence(name *whenName, from ast.Node) ast.Node {
	if name.always {
		return nil
	}
	k, ok := c.present[name.name]
	if !ok {
		k = c.addAtom(whenAtom{op: opPresent, left: name})
		c.present[name.name] = k
	}
	return c.atomCall(k, from)
}

// binary rewrites an operator with two sides: an atom if it is one.
func (c *whenCompiler) binary(n *ast.BinaryNode) (ast.Node, ast.Node) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return at(&ast.BinaryNode{Operator: n.Operator, Left: c.condition(n.Left), Right: c.condition(n.Right)}, n), nil
	case "??":
		l, pl := c.value(n.Left)
		r, pr := c.value(n.Right)
		if pl == nil {
			return at(&ast.BinaryNode{Operator: "??", Left: l, Right: r}, n), nil
		}
		v := at(&ast.ConditionalNode{Ternary: true, Cond: pl, Exp1: l, Exp2: r}, n)
		if pr == nil {
			return v, nil
		}
		return v, at(&ast.BinaryNode{Operator: "or", Left: pl, Right: pr}, n)
	}
	if a, ok := c.binaryAtom(n); ok {
		return c.atomCall(c.addAtom(a), n), nil
	}
	if n.Operator == "in" {
		if v := c.inFields(n); v != nil {
			return v, nil
		}
	}
	l, pl := c.value(n.Left)
	r, pr := c.value(n.Right)
	v := ast.Node(at(&ast.BinaryNode{Operator: n.Operator, Left: l, Right: r}, n))
	if n.Type() == typeBool {
		return and(and(pl, pr), v), nil
	}
	return v, and(pl, pr)
}

// inFields rewrites v in [port.local_ip, port.remote_ip]: true if v equals one
// of those that are present.
func (c *whenCompiler) inFields(n *ast.BinaryNode) ast.Node {
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok || !slices.ContainsFunc(list.Nodes, func(e ast.Node) bool { return c.nameOf(e) != nil }) {
		return nil
	}
	var out ast.Node
	for _, e := range list.Nodes {
		eq := at(&ast.BinaryNode{Operator: "==", Left: n.Left, Right: e}, n)
		eq.SetType(typeBool)
		one := c.condition(eq)
		if out == nil {
			out = one
		} else {
			out = at(&ast.BinaryNode{Operator: "or", Left: out, Right: one}, n)
		}
	}
	return out
}

// conditional rewrites a ?: b, whose value is present when the branch taken is.
func (c *whenCompiler) conditional(n *ast.ConditionalNode) (ast.Node, ast.Node) {
	cond := c.condition(n.Cond)
	if n.Type() == typeBool {
		return at(&ast.ConditionalNode{Ternary: true, Cond: cond, Exp1: c.condition(n.Exp1), Exp2: c.condition(n.Exp2)}, n), nil
	}
	a, pa := c.value(n.Exp1)
	b, pb := c.value(n.Exp2)
	v := at(&ast.ConditionalNode{Ternary: true, Cond: cond, Exp1: a, Exp2: b}, n)
	if pa == nil && pb == nil {
		return v, nil
	}
	return v, at(&ast.ConditionalNode{Ternary: true, Cond: cond, Exp1: orTrue(pa), Exp2: orTrue(pb)}, n)
}

// orTrue returns a presence as a node: nil is true.
func orTrue(p ast.Node) ast.Node {
	if p == nil {
		return &ast.BoolNode{Value: true}
	}
	return p
}

// let rewrites a variable. Its value is computed whether or not it is used, so
// an absent operand must not fail: the variable is the type's zero then.
func (c *whenCompiler) let(n *ast.VariableDeclaratorNode) (ast.Node, ast.Node) {
	v, present := c.value(n.Value)
	c.lets = append(c.lets, n.Name)
	outer := c.letHas[n.Name]
	c.letHas[n.Name] = free(present, nil)
	var body, has ast.Node
	if n.Expr.Type() == typeBool {
		body = c.condition(n.Expr)
	} else {
		body, has = c.value(n.Expr)
	}
	c.lets = c.lets[:len(c.lets)-1]
	c.letHas[n.Name] = outer
	return at(&ast.VariableDeclaratorNode{Name: n.Name, Value: c.orZero(v, present, n.Value), Expr: body}, n),
		free(has, []string{n.Name})
}

// orZero returns the value, or its type's zero where it is absent.
func (c *whenCompiler) orZero(v, present, from ast.Node) ast.Node {
	if present == nil {
		return v
	}
	var zero ast.Node = &ast.NilNode{}
	switch from.Type() {
	case typeInt:
		zero = &ast.IntegerNode{}
	case typeFloat:
		zero = &ast.FloatNode{}
	case typeString:
		zero = &ast.StringNode{}
	case typeBool:
		zero = &ast.BoolNode{}
	}
	return at(&ast.ConditionalNode{Ternary: true, Cond: present, Exp1: v, Exp2: at(zero, from)}, from)
}

// free makes a presence fit to stand outside a predicate or a variable's
// scope: where its way depends on what is bound there, every way must be
// present.
func free(p ast.Node, bound []string) ast.Node {
	switch n := p.(type) {
	case *ast.BinaryNode:
		l, r := free(n.Left, bound), free(n.Right, bound)
		if n.Operator == "or" && l != nil && r != nil {
			return at(&ast.BinaryNode{Operator: "or", Left: l, Right: r}, n)
		}
		if n.Operator == "or" {
			return nil
		}
		return and(l, r)
	case *ast.ConditionalNode:
		a, b := free(n.Exp1, bound), free(n.Exp2, bound)
		if dependsOn(n.Cond, bound) {
			return and(a, b)
		}
		return at(&ast.ConditionalNode{Ternary: true, Cond: n.Cond, Exp1: orTrue(a), Exp2: orTrue(b)}, n)
	case *ast.BoolNode:
		return nil
	}
	if p != nil && dependsOn(p, bound) {
		return nil
	}
	return p
}

// dependsOn tells whether a node reads what a predicate binds, or one of the
// variables.
func dependsOn(n ast.Node, bound []string) bool {
	found := false
	ast.Walk(&n, visitFunc(func(p *ast.Node) {
		switch x := (*p).(type) {
		case *ast.PointerNode:
			found = true
		case *ast.IdentifierNode:
			found = found || slices.Contains(bound, x.Value)
		}
	}))
	return found
}

// builtin rewrites a call of one of the expression library's functions.
func (c *whenCompiler) builtin(n *ast.BuiltinNode) (ast.Node, ast.Node) {
	if len(n.Arguments) > 0 {
		if t, ok := c.tableOf(n.Arguments[0]); ok {
			return c.tableCall(n, t), nil
		}
	}
	out := &ast.BuiltinNode{Name: n.Name, Throws: n.Throws}
	var present ast.Node
	for _, arg := range n.Arguments {
		v, p := c.value(arg)
		if _, ok := arg.(*ast.PredicateNode); ok {
			p = free(p, nil)
		}
		out.Arguments, present = append(out.Arguments, v), and(present, p)
	}
	if n.Type() == typeBool {
		return and(present, at(out, n)), nil
	}
	return at(out, n), present
}

// call rewrites a call of a rule function or of a method.
func (c *whenCompiler) call(n *ast.CallNode) (ast.Node, ast.Node) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		return c.method(n)
	}
	switch callee.Value {
	case "has":
		if p := c.presence(c.nameOf(n.Arguments[0]), n); p != nil {
			return p, nil
		}
		return at(&ast.BoolNode{Value: true}, n), nil
	case "changed":
		return c.atomCall(c.addAtom(whenAtom{op: opChanged, mask: changedMask(n)}), n), nil
	case "inList":
		return c.testCall(whenAtom{op: opInList, str: n.Arguments[0].(*ast.StringNode).Value}, n.Arguments[1], n)
	case "listValue":
		return c.listValue(n)
	case "inCIDR":
		return c.testCall(whenAtom{op: opInCIDR, prefixes: c.prefixes(n)}, n.Arguments[0], n)
	case "osregex", "osmatch", "pcre2":
		return c.testCall(whenAtom{op: opPattern, pat: c.compilePattern(callee.Value, n.Arguments[1])}, n.Arguments[0], n)
	case "known":
		t, _ := syscollector.TableByName(n.Arguments[0].(*ast.StringNode).Value)
		return c.atomCall(c.addAtom(whenAtom{op: opKnown, table: t}), n), nil
	case "version":
		c.report(n.Location().From, `write version(program.version) < version("2.0")`, "version() can only be compared")
	}
	return n, nil
}

// testCall rewrites a test of a value against constants: on a name it is an
// atom, on any other expression the call test(value, k).
func (c *whenCompiler) testCall(a whenAtom, arg, n ast.Node) (ast.Node, ast.Node) {
	if name := c.nameOf(arg); name != nil && (name.typ == typeString || name.typ == typeInt) {
		a.left = name
		return c.atomCall(c.addAtom(a), n), nil
	}
	v, present := c.value(arg)
	return and(present, c.test(c.addAtom(a), v, n)), nil
}

// test returns the call test(v, k).
func (c *whenCompiler) test(k int, v, n ast.Node) ast.Node {
	callee := at(&ast.IdentifierNode{Value: "test"}, n)
	return at(&ast.CallNode{Callee: callee, Arguments: []ast.Node{v, at(&ast.IntegerNode{Value: k}, n)}}, n)
}

// listValue is present when the list has the key.
func (c *whenCompiler) listValue(n *ast.CallNode) (ast.Node, ast.Node) {
	list := n.Arguments[0].(*ast.StringNode)
	has, _ := c.testCall(whenAtom{op: opInList, str: list.Value}, n.Arguments[1], n)
	key, _ := c.value(n.Arguments[1])
	callee := at(&ast.IdentifierNode{Value: "listValue"}, n)
	return at(&ast.CallNode{Callee: callee, Arguments: []ast.Node{list, key}}, n), has
}

// method rewrites a call of a value's method.
func (c *whenCompiler) method(n *ast.CallNode) (ast.Node, ast.Node) {
	callee, present := c.value(n.Callee)
	out := &ast.CallNode{Callee: callee}
	for _, arg := range n.Arguments {
		v, p := c.value(arg)
		out.Arguments, present = append(out.Arguments, v), and(present, p)
	}
	if n.Type() == typeBool {
		return and(present, at(out, n)), nil
	}
	return at(out, n), present
}
