package rules

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// The agent's stored tables as collections: any(packages, .name == "x"). The
// expression library never sees a row: the predicate is compiled as a condition
// of its own, and Go runs it over the stored rows.

// The limits of tables in conditions: how deep one predicate may stand in
// another, and how many rows one evaluation may look at.
const (
	maxItemDepth = 2
	maxItemRows  = 5_000_000
)

// errRows is an error at run time of the rule that looked at too much.
var errRows = fmt.Errorf("the rule looks at more than %d rows: narrow the outer table first", maxItemRows)

// tableFunctions are the functions that take a table, with their operation.
var tableFunctions = map[string]whenOp{
	"any": opAny, "all": opAll, "none": opNone, "one": opOne, "count": opCount, "len": opCount, "filter": opFilter,
}

// tableOf returns the table that a node stands for: the table itself or a
// filter of it.
func (c *whenCompiler) tableOf(n ast.Node) (syscollector.Table, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		t, ok := c.names.tables[n.Value]
		return t, ok
	case *ast.BuiltinNode:
		if n.Name == "filter" && len(n.Arguments) > 0 {
			return c.tableOf(n.Arguments[0])
		}
	}
	return syscollector.NoTable, false
}

// resolveBuiltin resolves a call of one of the expression library's functions.
func (c *whenCompiler) resolveBuiltin(n *ast.BuiltinNode) {
	if len(n.Arguments) > 0 {
		if t, ok := c.tableOf(n.Arguments[0]); ok {
			if n.Name == "filter" {
				c.report(n.Location().From, "ask len(filter(…)), any(filter(…), …), or show the rows with items", "filter() of a table gives rows, not a value")
				return
			}
			c.resolveTable(n, t)
			return
		}
	}
	for i := range n.Arguments {
		if _, ok := n.Arguments[i].(*ast.PredicateNode); ok {
			c.items = append(c.items, syscollector.NoTable)
			c.resolve(&n.Arguments[i])
			c.items = c.items[:len(c.items)-1]
			continue
		}
		c.resolve(&n.Arguments[i])
	}
}

// resolveTable resolves a function of a table, its predicate's names being
// those of the table's rows.
func (c *whenCompiler) resolveTable(n *ast.BuiltinNode, t syscollector.Table) {
	at := n.Arguments[0].Location().From
	if c.env.filter != syscollector.NoTable {
		c.report(at, "", "a filter sees one row and its agent, not the agent's tables")
		return
	}
	if _, ok := tableFunctions[n.Name]; !ok {
		c.report(n.Location().From, "ask any, all, none, one, count, or len(filter(…))", "%s() does not take a table", n.Name)
		return
	}
	if c.itemDepth() >= maxItemDepth {
		c.report(at, "", "a table inside a table inside a table would look at too many rows")
		return
	}
	if inner, ok := n.Arguments[0].(*ast.BuiltinNode); ok {
		c.resolveTable(inner, t)
	}
	c.vars[t.String()] = reflect.TypeFor[[]any]()
	c.out.facts.tables |= 1 << t
	if len(n.Arguments) < 2 {
		return
	}
	floor := c.letFloor
	c.letFloor = len(c.lets)
	c.items = append(c.items, t)
	c.resolve(&n.Arguments[1])
	c.items = c.items[:len(c.items)-1]
	c.letFloor = floor
}

// itemDepth returns in how many predicates over tables the walk stands.
func (c *whenCompiler) itemDepth() (n int) {
	for _, t := range c.items {
		if t != syscollector.NoTable {
			n++
		}
	}
	return n
}

// resolveItem resolves .name in a predicate over a table; false if the
// predicate is over something else.
func (c *whenCompiler) resolveItem(p *ast.Node, chain []*ast.MemberNode, pointer *ast.PointerNode) bool {
	if len(c.items) == 0 || c.items[len(c.items)-1] == syscollector.NoTable {
		return false
	}
	t, at := c.items[len(c.items)-1], pointer.Location().From
	members := itemMembers(t)
	if pointer.Name != "" || len(chain) == 0 {
		c.report(at, fmt.Sprintf("name one of its fields: .%s", members[0]), "a row of %s alone is no value", t)
		return true
	}
	s, ok := chain[0].Property.(*ast.StringNode)
	if !ok {
		c.report(chain[0].Property.Location().From, fmt.Sprintf("write .%s", members[0]), "a field of %s has to be named", t)
		return true
	}
	for i := range syscollector.Fields(t) {
		f := &syscollector.Fields(t)[i]
		if members[i] != s.Value {
			continue
		}
		depth := c.itemDepth() - 1
		name := &whenName{
			name: fmt.Sprintf("#%d.%s", depth, f.Name), view: viewItem, member: uint8(depth), field: f, typ: columnType(f.Type),
		}
		if len(chain) > 1 {
			c.report(chain[1].Property.Location().From, "", ".%s is %s: it has no member %s", s.Value, article(typeName(name.typ)), chain[1].Property.String())
			return true
		}
		id := &ast.IdentifierNode{Value: name.name}
		id.SetLocation(pointer.Location())
		c.seen[name.name], c.vars[name.name] = name, name.typ
		*p = id
		return true
	}
	c.report(chain[0].Property.Location().From, source.DidYouMean(s.Value, members), "%s has no field %s", t, s.Value)
	return true
}

// itemMembers returns the names of a table's fields behind the dot.
func itemMembers(t syscollector.Table) (out []string) {
	for _, f := range syscollector.Fields(t) {
		out = append(out, f.Name[strings.LastIndexByte(f.Name, '.')+1:])
	}
	return out
}

// resolveKnown resolves known("packages").
func (c *whenCompiler) resolveKnown(n *ast.CallNode) {
	c.vars["known"] = reflect.TypeFor[func(string) bool]()
	if c.env.filter != syscollector.NoTable {
		c.report(n.Location().From, "", "a filter sees one row and its agent, not the agent's tables")
		return
	}
	for _, arg := range n.Arguments {
		s, ok := arg.(*ast.StringNode)
		if !ok {
			c.report(arg.Location().From, `write known("packages")`, "known() takes a table's name in quotes")
			continue
		}
		t, ok := syscollector.TableByName(s.Value)
		if !ok {
			c.report(arg.Location().From, source.DidYouMean(s.Value, tableValues()), "known(): unknown table %q", s.Value)
			continue
		}
		c.out.facts.tables |= 1 << t
	}
}

// tableCall rewrites a function of a table to an atom or a number.
func (c *whenCompiler) tableCall(n *ast.BuiltinNode, t syscollector.Table) ast.Node {
	op := tableFunctions[n.Name]
	a := whenAtom{op: op, table: t, item: uint8(c.subDepth)}
	var filter, own ast.Node
	inner, ok := n.Arguments[0].(*ast.BuiltinNode)
	a.sub = c.subCondition(func() ast.Node {
		for ok {
			filter = and(c.predicate(inner.Arguments[1]), filter)
			inner, ok = inner.Arguments[0].(*ast.BuiltinNode)
		}
		if len(n.Arguments) > 1 {
			own = c.predicate(n.Arguments[1])
		}
		if op == opAll && filter != nil {
			not := at(&ast.UnaryNode{Operator: "not", Node: filter}, filter)
			return at(&ast.BinaryNode{Operator: "or", Left: not, Right: own}, n)
		}
		return and(filter, own)
	})
	k := c.addAtom(a)
	if op != opCount {
		return c.atomCall(k, n)
	}
	callee := at(&ast.IdentifierNode{Value: tallyName}, n)
	return at(&ast.CallNode{Callee: callee, Arguments: []ast.Node{at(&ast.IntegerNode{Value: k}, n)}}, n)
}

// predicate rewrites the body of a predicate.
func (c *whenCompiler) predicate(n ast.Node) ast.Node {
	if p, ok := n.(*ast.PredicateNode); ok {
		return c.condition(p.Node)
	}
	return c.condition(n)
}

// subCondition compiles what rewrite returns as a condition of its own; nil if
// it returns none.
func (c *whenCompiler) subCondition(rewrite func() ast.Node) *when {
	out, present, slotted, lets, letHas := c.out, c.present, c.slotted, c.lets, c.letHas
	c.out = when{patterns: out.patterns}
	c.present, c.slotted, c.lets, c.letHas = map[string]int{}, map[string]bool{}, nil, map[string]ast.Node{}
	c.subDepth++
	var sub *when
	if tree := rewrite(); tree != nil && len(c.diags) == 0 && c.build(tree) {
		sub = new(when)
		*sub = c.out
	}
	c.subDepth--
	c.out, c.present, c.slotted, c.lets, c.letHas = out, present, slotted, lets, letHas
	return sub
}

// evalTable decides an atom over a table.
func (a *whenAtom) evalTable(s *whenScope) bool {
	switch a.op {
	case opAny:
		return a.tally(s, true, 1) == 1
	case opNone:
		return a.tally(s, true, 1) == 0
	case opAll:
		return a.tally(s, false, 1) == 0
	}
	return a.tally(s, true, 2) == 1
}

// tally counts the agent's rows for which the predicate is want, up to a limit.
func (a *whenAtom) tally(s *whenScope, want bool, limit int) (n int) {
	if s.inventory == nil {
		return 0
	}
	for range a.rows(s, want) {
		if n++; n == limit {
			break
		}
	}
	return n
}

// rows yields the agent's rows for which the predicate is want.
func (a *whenAtom) rows(s *whenScope, want bool) func(func(*syscollector.Row) bool) {
	return func(yield func(*syscollector.Row) bool) {
		for _, row := range rowsOf(s.inventory, s.agent.ID, a.table) {
			if s.visited++; s.visited > maxItemRows {
				s.err = errRows
			}
			if s.err != nil {
				return
			}
			if s.items[a.item] = row; (a.sub == nil || s.runner.sub(a.sub, int(a.item))) == want && s.err == nil && !yield(row) {
				return
			}
		}
	}
}

// whenItems are the rows that an alert about a whole agent shows.
type whenItems struct {
	atom whenAtom
}

// maxShownItems bounds the rows in one alert.
const maxShownItems = 20

// compileItems compiles the items key: a table or a filter of one.
func compileItems(text rulefile.Text, env whenEnv) (items *whenItems, tables uint16, diags source.Diagnostics) {
	c := newWhenCompiler(text, env)
	defer c.recover(&diags)
	if !c.parse() {
		return nil, 0, c.diags
	}
	t, ok := c.tableOf(c.tree.Node)
	if !ok {
		c.report(c.tree.Node.Location().From, `write filter(packages, .name == "x")`, "items is a table or a filter of one")
		return nil, 0, c.diags
	}
	call, isCall := c.tree.Node.(*ast.BuiltinNode)
	if !isCall {
		return &whenItems{whenAtom{op: opFilter, table: t}}, 1 << t, nil
	}
	c.resolveTable(call, t)
	if len(c.diags) > 0 || !c.checkTypes(call) {
		return nil, 0, c.diags
	}
	inner := ast.Node(call)
	a := whenAtom{op: opFilter, table: t}
	a.sub = c.subCondition(func() (all ast.Node) {
		for {
			f, ok := inner.(*ast.BuiltinNode)
			if !ok {
				return all
			}
			all = and(c.predicate(f.Arguments[1]), all)
			inner = f.Arguments[0]
		}
	})
	return &whenItems{a}, c.out.facts.tables, c.diags
}

// collect returns the data of the rows, and of each what tells it from others.
func (i *whenItems) collect(s *whenScope) (rows [][]Datum, names []string, err error) {
	if s.inventory == nil {
		return nil, nil, nil
	}
	s.err, s.visited = nil, 0
	same := i.atom.table.Masks().Same
	for row := range i.atom.rows(s, true) {
		rows = append(rows, rowData(row, ^i.atom.table.Masks().Volatile))
		var parts []string
		for _, d := range rowData(row, same) {
			parts = append(parts, fmt.Sprint(d.Value))
		}
		names = append(names, strings.Join(parts, " "))
		if len(rows) == maxShownItems {
			break
		}
	}
	return rows, names, errors.Join(s.err)
}
