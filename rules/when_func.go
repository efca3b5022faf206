package rules

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/gaissmai/bart"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
)

// resolveCall resolves a call's arguments and checks those that must be
// constant.
func (c *whenCompiler) resolveCall(n *ast.CallNode) {
	callee, ok := n.Callee.(*ast.IdentifierNode)
	if !ok {
		c.resolve(&n.Callee)
		c.resolveArgs(n)
		return
	}
	declare := func(t reflect.Type) { c.vars[callee.Value] = t }
	switch callee.Value {
	case "has":
		declare(reflect.TypeFor[func(any) bool]())
		c.resolveArgs(n)
		for _, arg := range n.Arguments {
			if c.nameOf(arg) == nil && len(c.diags) == 0 {
				c.report(arg.Location().From, "write has(port.state)", "has() takes a field")
			}
		}
	case "changed":
		declare(reflect.TypeFor[func(...string) bool]())
		c.resolveChanged(n)
	case "inList", "listValue":
		declare(reflect.TypeFor[func(string, any) bool]())
		if callee.Value == "listValue" {
			declare(reflect.TypeFor[func(string, any) string]())
		}
		c.resolveArgs(n)
		c.checkList(n, callee.Value)
	case "inCIDR":
		declare(reflect.TypeFor[func(string, ...string) bool]())
		c.resolveArgs(n)
		c.prefixes(n)
	case "osregex", "osmatch", "pcre2":
		declare(reflect.TypeFor[func(string, string) bool]())
		c.resolveArgs(n)
		if len(n.Arguments) == 2 {
			c.compilePattern(callee.Value, n.Arguments[1])
		}
	case "version":
		declare(reflect.TypeFor[func(string) string]())
		c.resolveArgs(n)
	case "known":
		c.resolveKnown(n)
	case "now":
		c.report(n.Location().From, "use event.time", "now() is not available: a verdict may depend on the event only")
	default:
		if slices.Contains(c.lets, callee.Value) {
			c.resolveArgs(n)
			return
		}
		if c.names.isRoot(callee.Value) {
			c.report(n.Location().From, "", "%s is no function", callee.Value)
			return
		}
		c.report(n.Location().From, source.DidYouMean(callee.Value, whenFunctions()), "unknown function %s", callee.Value)
	}
}

func (c *whenCompiler) resolveArgs(n *ast.CallNode) {
	for i := range n.Arguments {
		c.resolve(&n.Arguments[i])
	}
}

// resolveChanged resolves changed("port.state", …): names of fields as text.
func (c *whenCompiler) resolveChanged(n *ast.CallNode) {
	c.out.facts.history = true
	if c.env.filter != syscollector.NoTable {
		c.report(n.Location().From, "", "a filter sees one row and its agent, not what changed")
		return
	}
	for _, arg := range n.Arguments {
		at := arg.Location().From
		s, ok := arg.(*ast.StringNode)
		if !ok {
			c.report(at, `write changed("port.state")`, "changed() takes a field's name in quotes")
			continue
		}
		f, ok := syscollector.ByName(s.Value)
		if !ok {
			c.report(at, source.DidYouMean(s.Value, c.fieldNames()), "changed(): unknown field %s", s.Value)
			continue
		}
		name := c.names.byName[f.Name]
		c.out.uses = append(c.out.uses, whenUse{name, c.position(at)})
		c.out.facts.volatile = c.out.facts.volatile || f.Volatile
	}
}

func (c *whenCompiler) fieldNames() []string {
	var out []string
	for _, t := range syscollector.Tables() {
		for _, f := range syscollector.Fields(t) {
			out = append(out, f.Name)
		}
	}
	return out
}

// checkList checks the first argument of a list function.
func (c *whenCompiler) checkList(n *ast.CallNode, function string) {
	if len(n.Arguments) == 0 {
		return // the type check tells
	}
	at := n.Arguments[0].Location().From
	name, ok := n.Arguments[0].(*ast.StringNode)
	switch {
	case c.env.filter != syscollector.NoTable:
		c.report(n.Location().From, "", "a filter sees one row and its agent, not lists")
	case !ok:
		c.report(at, fmt.Sprintf(`write %s("name", …)`, function), "the list of %s must be a constant name", function)
	case c.env.hasList == nil || !c.env.hasList(name.Value):
		c.report(at, "declare it under lists:, in the rule file or the configuration", "unknown list %q", name.Value)
	case !slices.Contains(c.out.facts.lists, name.Value):
		c.out.facts.lists = append(c.out.facts.lists, name.Value)
	}
}

// prefixes compiles the constant prefixes of inCIDR.
func (c *whenCompiler) prefixes(n *ast.CallNode) *bart.Lite {
	table := new(bart.Lite)
	if len(n.Arguments) < 2 {
		c.report(n.Location().From, `write inCIDR(port.remote_ip, "10.0.0.0/8")`, "inCIDR() takes an address and at least one prefix")
		return table
	}
	for _, arg := range n.Arguments[1:] {
		at := arg.Location().From
		s, ok := arg.(*ast.StringNode)
		if !ok {
			c.report(at, "for prefixes that change use a list of kind cidr and inList()", "a prefix of inCIDR must be constant")
			continue
		}
		p, err := parsePrefix(s.Value)
		if err != nil {
			c.report(at, `write "10.0.0.0/8" or "2001:db8::/32"`, "%q is no prefix", s.Value)
			continue
		}
		if p != p.Masked() {
			c.report(at, fmt.Sprintf("write %q", p.Masked()), "%q has bits beside its prefix", s.Value)
			continue
		}
		table.Insert(p)
	}
	return table
}

// parsePrefix reads a prefix; an address alone is the prefix of itself.
func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// compilePattern compiles the constant pattern of osregex, osmatch or pcre2.
func (c *whenCompiler) compilePattern(dialect string, arg ast.Node) pattern.Matcher {
	at := arg.Location().From
	s, ok := arg.(*ast.StringNode)
	if !ok {
		c.report(at, "write the pattern in quotes", "the pattern of %s must be constant", dialect)
		return nil
	}
	d, _ := pattern.ParseDialect(dialect)
	m, err := pattern.Compile(d, s.Value, c.env.patterns)
	if err != nil {
		c.report(at, "", "bad pattern: %v", err)
		return nil
	}
	return m
}
