package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

// resolve finds out which names a tree reads: it replaces port.local_port by
// one identifier of that name, notes its use, and reports what no rule may
// say. It never looks at types.
func (c *whenCompiler) resolve(p *ast.Node) {
	switch n := (*p).(type) {
	case *ast.IdentifierNode:
		c.resolvePath(p, []*ast.MemberNode{}, n)
	case *ast.MemberNode:
		c.resolveMember(p, n)
	case *ast.ChainNode:
		c.resolve(&n.Node)
		if id, ok := n.Node.(*ast.IdentifierNode); ok {
			*p = id // port?.state
		}
	case *ast.CallNode:
		c.resolveCall(n)
	case *ast.BuiltinNode:
		c.resolveBuiltin(n)
	case *ast.PointerNode:
		c.resolveItem(p, nil, n)
	case *ast.VariableDeclaratorNode:
		c.resolveLet(n)
	case *ast.BinaryNode:
		found := len(c.diags)
		c.resolve(&n.Left)
		c.resolve(&n.Right)
		if c.checkOperator(n); len(c.diags) == found {
			c.checkNil(n)
		}
	default:
		eachChild(*p, c.resolve)
	}
}

// eachChild calls f for the children of a node that only holds them.
func eachChild(n ast.Node, f func(*ast.Node)) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		f(&n.Node)
	case *ast.SliceNode:
		f(&n.Node)
		if n.From != nil {
			f(&n.From)
		}
		if n.To != nil {
			f(&n.To)
		}
	case *ast.PredicateNode:
		f(&n.Node)
	case *ast.SequenceNode:
		for i := range n.Nodes {
			f(&n.Nodes[i])
		}
	case *ast.ConditionalNode:
		f(&n.Cond)
		f(&n.Exp1)
		f(&n.Exp2)
	case *ast.ArrayNode:
		for i := range n.Nodes {
			f(&n.Nodes[i])
		}
	case *ast.MapNode:
		for i := range n.Pairs {
			f(&n.Pairs[i])
		}
	case *ast.PairNode:
		f(&n.Key)
		f(&n.Value)
	}
}

// resolveMember takes apart a chain of members. root["x"] is root.x.
func (c *whenCompiler) resolveMember(p *ast.Node, n *ast.MemberNode) {
	var chain []*ast.MemberNode // outermost last
	for at := ast.Node(n); ; {
		if opt, ok := at.(*ast.ChainNode); ok {
			at = opt.Node
			continue
		}
		m, ok := at.(*ast.MemberNode)
		if !ok {
			switch root := at.(type) {
			case *ast.IdentifierNode:
				c.resolvePath(p, chain, root)
				return
			case *ast.PointerNode:
				if c.resolveItem(p, chain, root) {
					return
				}
			}
			break
		}
		chain = append([]*ast.MemberNode{m}, chain...)
		at = m.Node
	}
	c.resolve(&n.Node)
	c.resolve(&n.Property)
}

// resolvePath resolves root.a.b…: the longest name that it begins with.
func (c *whenCompiler) resolvePath(p *ast.Node, chain []*ast.MemberNode, root *ast.IdentifierNode) {
	at := root.Location().From
	switch {
	case root.Value == "$env":
		c.report(at, "name what is to be read", "$env hides which fields a rule reads")
		return
	case slices.Contains(c.lets[:c.letFloor], root.Value):
		c.report(at, "write its value there", "the variable %s cannot be used in a predicate over a table", root.Value)
		return
	case slices.Contains(c.lets, root.Value):
		for _, m := range chain {
			c.resolve(&m.Property)
		}
		return
	case c.seen[root.Value] != nil && len(chain) == 0:
		return // resolved before: comparison chains share nodes
	}
	if t, ok := c.names.tables[root.Value]; ok {
		c.collection(at, root.Value, t, chain)
		return
	}
	names := []string{root.Value}
	for _, m := range chain {
		s, ok := m.Property.(*ast.StringNode)
		if !ok {
			break
		}
		names = append(names, s.Value)
	}
	for k := len(names); k > 0; k-- {
		name := c.names.lookup(strings.Join(names[:k], "."))
		if name == nil {
			continue
		}
		id := &ast.IdentifierNode{Value: name.name}
		id.SetLocation(root.Location())
		c.use(name, at)
		if k-1 == len(chain) {
			*p = id
			return
		}
		rest := chain[k-1]
		if name.typ != typeTime {
			c.report(rest.Property.Location().From, "", "%s is %s: it has no member %s",
				name.name, article(typeName(name.typ)), rest.Property.String())
			return
		}
		rest.Node = id
		for _, m := range chain[k-1:] {
			c.resolve(&m.Property)
		}
		return
	}
	c.unknownPath(names, chain, root)
}

// unknownPath reports a path that names nothing.
func (c *whenCompiler) unknownPath(names []string, chain []*ast.MemberNode, root *ast.IdentifierNode) {
	at := root.Location().From
	for k := len(names); k > 0; k-- {
		group := strings.Join(names[:k], ".")
		members := c.names.groups[group]
		if members == nil {
			continue
		}
		switch {
		case k == len(names) && len(chain) == k-1:
			c.report(at, fmt.Sprintf("name one of its fields: %s.%s", group, members[0]), "%s alone is no value", group)
		case k == len(names):
			c.report(chain[k-1].Property.Location().From, fmt.Sprintf("write %s.%s", group, members[0]),
				"a field of %s has to be named", group)
		default:
			c.report(chain[k-1].Property.Location().From, source.DidYouMean(names[k], members),
				"%s has no field %s", group, names[k])
		}
		return
	}
	candidates := append(append(c.names.roots(), c.lets...), whenFunctions()...)
	c.report(at, source.DidYouMean(root.Value, candidates), "unknown name %s", root.Value)
}

// collection reports the use of an agent's stored table.
func (c *whenCompiler) collection(at int, name string, t syscollector.Table, chain []*ast.MemberNode) {
	first := syscollector.Fields(t)[0].Name
	single, _, _ := strings.Cut(first, ".")
	if len(chain) > 0 {
		if s, ok := chain[0].Property.(*ast.StringNode); ok {
			c.report(at, fmt.Sprintf("about one row write %s, about the agent's whole table any(%s, .%s …)",
				c.suggestMember(t, single, s.Value), name, s.Value), "%s is the agent's table, not a row", name)
			return
		}
	}
	if c.env.filter != syscollector.NoTable {
		c.report(at, "", "a filter sees one row and its agent, not the agent's tables")
		return
	}
	c.report(at, fmt.Sprintf("ask any(%s, …), none(%s, …) or count(%s, …)", name, name, name), "%s alone is no value", name)
}

// suggestMember returns the field of t that member most likely means.
func (c *whenCompiler) suggestMember(t syscollector.Table, single, member string) string {
	var all []string
	for _, f := range syscollector.Fields(t) {
		last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
		if last == member || last == single+"_"+member {
			return f.Name
		}
		all = append(all, f.Name)
	}
	if s := source.Suggest(single+"."+member, all); s != "" {
		return s
	}
	return all[0]
}

// use notes that a name is read.
func (c *whenCompiler) use(n *whenName, rune int) {
	c.seen[n.name] = n
	c.vars[n.name] = n.typ
	c.out.uses = append(c.out.uses, whenUse{n, c.position(rune)})
	switch n.view {
	case viewBefore, viewChange:
		c.out.facts.history = true
	case viewEvent:
		c.out.facts.event = true
	case viewOS:
		c.out.facts.tables |= 1 << syscollector.OS
	case viewHardware:
		c.out.facts.tables |= 1 << syscollector.Hardware
	}
	if n.ofRow() && n.field.Volatile {
		c.out.facts.volatile = true
	}
	if c.env.filter == syscollector.NoTable {
		return
	}
	switch {
	case n.view == viewRow && n.field.Table != c.env.filter:
		c.report(rune, fmt.Sprintf("a filter over %s sees fields such as %s", c.env.filter, syscollector.Fields(c.env.filter)[0].Name),
			"%s is a field of table %s", n.name, n.field.Table)
	case n.view == viewBefore, n.view == viewChange, n.view == viewEvent:
		c.report(rune, "", "a filter sees one row and its agent, not %s", n.name)
	}
}

// resolveLet refuses variables that would hide which fields are read.
func (c *whenCompiler) resolveLet(n *ast.VariableDeclaratorNode) {
	if id, ok := n.Value.(*ast.IdentifierNode); ok && c.names.groups[id.Value] != nil && !slices.Contains(c.lets, id.Value) {
		c.report(id.Location().From, fmt.Sprintf("name the fields: %s.%s", id.Value, c.names.groups[id.Value][0]),
			"let %s = %s hides which fields a rule reads", n.Name, id.Value)
	} else {
		c.resolve(&n.Value)
	}
	if c.names.isRoot(n.Name) || slices.Contains(whenFunctions(), n.Name) {
		c.report(n.Location().From, "choose another name", "let %s would hide what %s means in a rule", n.Name, n.Name)
	}
	c.lets = append(c.lets, n.Name)
	c.resolve(&n.Expr)
	c.lets = c.lets[:len(c.lets)-1]
}

// checkOperator checks what types cannot: misspelt literals and patterns.
func (c *whenCompiler) checkOperator(n *ast.BinaryNode) {
	switch n.Operator {
	case "==", "!=":
		c.checkLiteral(n.Left, n.Right)
		c.checkLiteral(n.Right, n.Left)
	case "in":
		if a, ok := n.Right.(*ast.ArrayNode); ok {
			for _, e := range a.Nodes {
				c.checkLiteral(n.Left, e)
			}
		}
	case "matches":
		c.checkMatches(n.Right)
	}
}

// checkNil refuses a comparison with nil, which absent values are not.
func (c *whenCompiler) checkNil(n *ast.BinaryNode) {
	if n.Operator != "==" && n.Operator != "!=" {
		return
	}
	for _, sides := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
		if _, isNil := sides[1].(*ast.NilNode); !isNil {
			continue
		}
		hint := ""
		if c.nameOf(sides[0]) != nil {
			hint = map[string]string{"==": "write not has(", "!=": "write has("}[n.Operator] + shown(sides[0]) + ")"
		}
		c.report(sides[1].Location().From, hint, "nothing is nil: an absent value makes the comparison false")
	}
}

func (c *whenCompiler) checkLiteral(name, lit ast.Node) {
	id, ok := name.(*ast.IdentifierNode)
	s, isString := lit.(*ast.StringNode)
	if !ok || !isString {
		return
	}
	var values []string
	switch id.Value {
	case "change":
		values = changeValues()
	case "event.operation":
		values = operationValues()
	case "event.table":
		values = tableValues()
	default:
		return
	}
	if slices.Contains(values, s.Value) {
		return
	}
	hint := source.DidYouMean(s.Value, values)
	if hint == "" {
		hint = "it is one of " + strings.Join(values, ", ")
	}
	c.report(lit.Location().From, hint, "%s is never %q", id.Value, s.Value)
}

func (c *whenCompiler) checkMatches(right ast.Node) {
	s, ok := right.(*ast.StringNode)
	switch {
	case !ok:
		c.report(right.Location().From, "write the pattern in quotes", "the pattern of matches must be constant")
	case len(s.Value) > maxMatches:
		c.report(right.Location().From, "use a list, or several rules", "the pattern of matches is longer than %d bytes", maxMatches)
	default:
		if _, err := regexp.Compile(s.Value); err != nil {
			c.report(right.Location().From, "", "bad pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
}

// whenFunctions returns the functions that a condition can call by name.
func whenFunctions() []string {
	out := []string{"has", "changed", "inList", "listValue", "inCIDR", "version", "known", "osregex", "osmatch", "pcre2"}
	for _, b := range builtin.Builtins {
		if b.Name != "now" {
			out = append(out, b.Name)
		}
	}
	return out
}
