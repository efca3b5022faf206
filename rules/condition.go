package rules

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"invigil/config/source"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// condition is a compiled `when` of the wazuh dialect: the conjunction of its
// conjuncts. Most conjuncts are a single atom and are run without expr's VM,
// which decides the same and costs several times as much; the rest is one
// program.
type condition struct {
	conjuncts []conjunct
	atoms     []int32     // the conjuncts that are single atoms, in order
	program   *vm.Program // the conjunction of the others; nil = none
	never     bool        // a conjunct can never hold
}

// conjunct is one conjunct of a condition.
type conjunct struct {
	node  ast.Node // calls rewritten to atom(k)
	text  string   // as written, for explanations
	atom  int32    // the only atom, -1 if the conjunct is more than one
	never bool
	// kept is set when an overwrite of 3.9.5 keeps the old rule's conjunct:
	// fields, lists and location.
	kept bool
}

// conditionCompiler compiles the conditions of a set into atoms shared by all
// its rules.
type conditionCompiler struct {
	table *atomTable
	env   *loadEnv
}

// maxWazuhWhen bounds a condition's text in bytes: the parser goes as deep as
// its brackets. An XML rule may hold several texts of 20 KB.
const maxWazuhWhen = 128 << 10

// atomName is the function that conditions are rewritten to.
const atomName = "atom"

// compile parses a condition and rewrites its calls. Diagnostics point into the
// file.
func (c *conditionCompiler) compile(r *rulefile.Rule) (condition, source.Diagnostics) {
	text := r.When.Value
	if strings.TrimSpace(text) == "" {
		return condition{}, nil
	}
	if len(text) > maxWazuhWhen {
		return condition{}, source.Diagnostics{whenDiagnostic(r, 0, fmt.Sprintf("the condition is longer than %d KB: split the rule", maxWazuhWhen>>10))}
	}
	tree, err := parser.Parse(text)
	if err != nil {
		offset, message := 0, err.Error()
		var fe *file.Error
		if errors.As(err, &fe) {
			offset, message = byteOffset(text, fe.From), fe.Message
		}
		return condition{}, source.Diagnostics{whenDiagnostic(r, offset, "condition: "+lowerFirst(message))}
	}
	var cond condition
	var ds source.Diagnostics
	for _, node := range conjuncts(tree.Node, nil) {
		w := conditionRewriter{c: c, rule: r, text: text}
		rewritten := w.rewrite(node)
		ds = append(ds, w.ds...)
		cj := conjunct{node: rewritten, text: node.String(), atom: -1, never: w.never(rewritten), kept: w.kept}
		if k, ok := atomOf(rewritten); ok {
			cj.atom = k
		}
		cond.conjuncts = append(cond.conjuncts, cj)
	}
	if len(ds) > 0 {
		return condition{}, ds
	}
	return cond, nil
}

// finish builds what is run from the conjuncts.
func (c *condition) finish() error {
	c.atoms, c.program, c.never = nil, nil, false
	var rest []string
	for _, cj := range c.conjuncts {
		c.never = c.never || cj.never
		switch b, isBool := cj.node.(*ast.BoolNode); {
		case cj.atom >= 0:
			c.atoms = append(c.atoms, cj.atom)
		case isBool && b.Value:
		default:
			rest = append(rest, "("+cj.node.String()+")")
		}
	}
	if len(rest) == 0 {
		return nil
	}
	program, err := expr.Compile(strings.Join(rest, " and "), expr.Env(atomEnv(nil)), expr.AsBool())
	c.program = program
	return err
}

// atomEnv is the environment that programs run in.
func atomEnv(f func(int) bool) map[string]any {
	if f == nil {
		f = func(int) bool { return false }
	}
	return map[string]any{atomName: f}
}

func isAnd(op string) bool { return op == "and" || op == "&&" }
func isOr(op string) bool  { return op == "or" || op == "||" }

// atomOf returns k if a rewritten node, of either dialect, is atom(k).
func atomOf(n ast.Node) (int32, bool) {
	call, ok := n.(*ast.CallNode)
	if !ok || len(call.Arguments) != 1 {
		return 0, false
	}
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok || callee.Value != atomName {
		return 0, false
	}
	k, ok := call.Arguments[0].(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	return int32(k.Value), true
}

// conditionRewriter rewrites one conjunct.
type conditionRewriter struct {
	c    *conditionCompiler
	rule *rulefile.Rule
	text string
	kept bool
	ds   source.Diagnostics
}

func (w *conditionRewriter) fail(n ast.Node, format string, args ...any) ast.Node {
	offset := byteOffset(w.text, n.Location().From)
	w.ds = append(w.ds, whenDiagnostic(w.rule, offset, fmt.Sprintf(format, args...)))
	return &ast.BoolNode{}
}

// rewrite returns the node with its calls replaced. The dialect knows calls of
// its own functions, and, or, true and false: a missing field is false even
// when negated, which `not` could not say.
func (w *conditionRewriter) rewrite(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n
	case *ast.BinaryNode:
		if isAnd(n.Operator) || isOr(n.Operator) {
			return &ast.BinaryNode{Operator: n.Operator, Left: w.rewrite(n.Left), Right: w.rewrite(n.Right)}
		}
		return w.fail(n, "operator %s is not part of the wazuh dialect: compare with equal(\"field\", \"text\") or a pattern function", n.Operator)
	case *ast.UnaryNode:
		return w.fail(n, "%s is not part of the wazuh dialect: give true as the last argument of the function, which keeps a missing field false", n.Operator)
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok {
			return w.fail(n, "only the functions %s can be called", strings.Join(atomFunctionNames(), ", "))
		}
		return w.call(n, callee.Value, n.Arguments)
	case *ast.BuiltinNode:
		return w.call(n, n.Name, n.Arguments)
	}
	return w.fail(n, "%s is no condition: call one of %s", n.String(), strings.Join(atomFunctionNames(), ", "))
}

func (w *conditionRewriter) call(n ast.Node, name string, nodes []ast.Node) ast.Node {
	fn, ok := atomFunctions[name]
	if !ok {
		w.fail(n, "function %s is not part of the wazuh dialect", name)
		w.ds[len(w.ds)-1].Hint = source.DidYouMean(name, atomFunctionNames())
		return &ast.BoolNode{}
	}
	args := make([]atomArg, len(nodes))
	for i, a := range nodes {
		arg, err := argOf(a)
		if err != nil {
			return w.fail(a, "argument %d of %s: %v", i+1, name, err)
		}
		args[i] = arg
	}
	spec, err := fn(args, w.c.env.opts.patterns())
	var syntax *pattern.SyntaxError
	if errors.As(err, &syntax) { // names the dialect and the place itself
		for i := range args {
			if args[i].text == syntax.Pattern {
				n = nodes[i]
			}
		}
		return w.fail(n, "%v", err)
	}
	if err != nil {
		return w.fail(n, "%s: %v", name, err)
	}
	k := w.c.table.add(spec, w.c.env)
	if spec.kind == atomList || spec.ref.kind == refView || spec.ref.kind == refLocation {
		w.kept = true
	}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: atomName}, Arguments: []ast.Node{&ast.IntegerNode{Value: int(k)}}}
}

// argOf reads one argument: a text, bytes("c3 28"), a static value's name, or a
// truth value.
func argOf(n ast.Node) (atomArg, error) {
	switch n := n.(type) {
	case *ast.StringNode:
		return atomArg{text: n.Value}, nil
	case *ast.IdentifierNode:
		return atomArg{kind: argStatic, text: n.Value}, nil
	case *ast.BoolNode:
		return atomArg{kind: argBool, yes: n.Value}, nil
	case *ast.CallNode:
		callee, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || callee.Value != "bytes" || len(n.Arguments) != 1 {
			break
		}
		digits, ok := n.Arguments[0].(*ast.StringNode)
		if !ok {
			break
		}
		b, err := hex.DecodeString(strings.ReplaceAll(digits.Value, " ", ""))
		if err != nil {
			return atomArg{}, fmt.Errorf("bytes wants pairs of hexadecimal digits: %w", err)
		}
		return atomArg{text: string(b)}, nil
	}
	return atomArg{}, errors.New(`must be a text, bytes("…"), a static value's name, true or false`)
}

// never reports whether a rewritten node cannot hold, whatever the event.
func (w *conditionRewriter) never(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return !n.Value
	case *ast.BinaryNode:
		if isAnd(n.Operator) {
			return w.never(n.Left) || w.never(n.Right)
		}
		return w.never(n.Left) && w.never(n.Right)
	}
	k, ok := atomOf(n)
	return ok && w.c.table.atoms[k].never()
}

// byteOffset turns expr's offset in runes into one in bytes.
func byteOffset(s string, runes int) int {
	offset := 0
	for ; runes > 0 && offset < len(s); runes-- {
		_, size := utf8.DecodeRuneInString(s[offset:])
		offset += size
	}
	return offset
}

func lowerFirst(s string) string {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	return string(s[0]+'a'-'A') + s[1:]
}

// quoted renders a value for an explanation, cut to a line.
func quoted(s string) string {
	const limit = 200
	if len(s) > limit {
		return strconv.Quote(s[:limit]) + "…"
	}
	return strconv.Quote(s)
}

// whenDiagnostic is an error at an offset of a rule's condition.
func whenDiagnostic(r *rulefile.Rule, offset int, message string) source.Diagnostic {
	pos := r.When.Map.At(offset)
	if pos.Line == 0 {
		pos = r.Pos
	}
	return source.Diagnostic{Pos: pos, Severity: source.Error, Rule: r.ID, Message: message}
}
