package rules

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/checker/nature"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// tallyName is the function of rewritten trees that counts rows by number, as
// atomName is that which decides a condition.
const tallyName = "tally"

// The limits of one condition's text, in bytes, and of one pattern of matches.
const (
	maxWhen    = 64 << 10
	maxMatches = 1 << 10
)

// when is a compiled condition. It is immutable and shared by goroutines.
type when struct {
	program  *vm.Program
	atoms    []whenAtom
	slots    []*whenName // names whose values the program reads as variables
	uses     []whenUse
	decided  bool        // guards are all there is to the condition
	guards   []int32     // atoms that must all hold: looked at before the program runs
	keys     [][]whenKey // necessary conditions, any key of one must hold
	facts    whenFacts
	patterns pattern.Options
}

// whenUse is one mention of a name.
type whenUse struct {
	name *whenName
	pos  source.Position
}

// whenFacts are what the evaluation of a rule depends on.
type whenFacts struct {
	history  bool   // reads change, changed() or before
	event    bool   // reads event.*
	volatile bool   // reads a volatile column
	tables   uint16 // bits of the agent's tables that it reads
	changes  uint8  // bits of the changes for which it can be true
	lists    []string
}

// whenEnv is what a condition is compiled against.
type whenEnv struct {
	rule     string             // id, for findings
	pos      source.Position    // of the rule, when the text's map knows nothing
	filter   syscollector.Table // set: a filter over one row of that table and its agent
	hasList  func(name string) bool
	items    bool // $(items) has a meaning
	patterns pattern.Options
}

// whenCompiler compiles one condition.
type whenCompiler struct {
	env   whenEnv
	text  rulefile.Text
	names *whenNames
	tree  *parser.Tree
	conf  conf.Config
	diags source.Diagnostics

	vars  map[string]reflect.Type // the names and functions met, for the type check
	seen  map[string]*whenName
	lets  []string
	items []syscollector.Table // of the predicates around: their tables, NoTable = of a list

	letFloor int // variables before it are not seen inside a predicate over a table
	subDepth int

	out     when
	present map[string]int // name → its presence atom
	slotted map[string]bool
	letHas  map[string]ast.Node // let variable → its presence
}

// compileWhen compiles a condition; the findings say why not, all that one
// look can tell.
func compileWhen(text rulefile.Text, env whenEnv) (w *when, diags source.Diagnostics) {
	c := newWhenCompiler(text, env)
	defer c.recover(&diags)
	if !c.parse() {
		return nil, c.diags
	}
	c.resolve(&c.tree.Node)
	if len(c.diags) > 0 {
		return nil, c.diags
	}
	if !c.check() {
		return nil, c.diags
	}
	tree := c.condition(c.tree.Node)
	if len(c.diags) > 0 {
		return nil, c.diags
	}
	c.out.keys = c.out.necessary(tree)
	c.out.facts.changes = c.out.possibleChanges(tree)
	if !c.build(tree) {
		return nil, c.diags
	}
	return &c.out, nil
}

func newWhenCompiler(text rulefile.Text, env whenEnv) *whenCompiler {
	c := &whenCompiler{
		env: env, text: text, names: allWhenNames(),
		vars: make(map[string]reflect.Type), seen: make(map[string]*whenName),
		present: make(map[string]int), slotted: make(map[string]bool), letHas: make(map[string]ast.Node),
	}
	c.out.patterns = env.patterns
	return c
}

// recover turns a panic of the expression library, which some trees that it
// has parsed make it do, into a finding.
func (c *whenCompiler) recover(diags *source.Diagnostics) {
	if r := recover(); r != nil {
		c.report(0, "", "the condition cannot be compiled: %v", firstLine(fmt.Sprint(r)))
		*diags = c.diags
	}
}

// parse turns the text into a tree.
func (c *whenCompiler) parse() bool {
	if len(c.text.Value) > maxWhen {
		c.report(0, "split the rule, or keep long lists of values in a list", "the condition is longer than %d KB", maxWhen>>10)
		return false
	}
	if strings.TrimSpace(c.text.Value) == "" {
		c.report(0, "write a condition, or true for every row of the table", "the condition is empty")
		return false
	}
	if i := invalidUTF8(c.text.Value); i >= 0 {
		c.report(utf8.RuneCountInString(c.text.Value[:i]), "a condition cannot hold other bytes", "the condition is not UTF-8")
		return false
	}
	tree, err := parser.ParseWithConfig(c.text.Value, c.config(reflect.Invalid))
	if err != nil {
		var fe *file.Error
		if !errors.As(err, &fe) {
			c.report(0, "", "%s", firstLine(err.Error()))
			return false
		}
		c.report(fe.From, parseHint(fe.Message), "%s", plainWords(firstLine(fe.Message)))
		return false
	}
	c.tree = tree
	return true
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return -1
}

// whenBuiltins are the expression library's functions without the clock. The
// table is built once and never changed.
var whenBuiltins = sync.OnceValue(func() conf.FunctionsTable {
	builtins := conf.CreateNew().Builtins
	delete(builtins, "now")
	return builtins
})

// config returns the configuration of the expression library, its environment
// being the names met so far.
func (c *whenCompiler) config(expect reflect.Kind) *conf.Config {
	cfg := &c.conf
	if cfg.Builtins == nil {
		*cfg = conf.Config{
			Optimize: true, ShortCircuit: true, Strict: true, MaxNodes: conf.DefaultMaxNodes,
			Builtins: whenBuiltins(), Disabled: map[string]bool{"now": true},
		}
		cfg.Env = cfg.NtCache.FromType(reflect.TypeFor[map[string]any]())
		cfg.Env.TypeData = new(nature.TypeData)
		cfg.Env.Strict = true
	}
	cfg.Env.Fields = make(map[string]nature.Nature, len(c.vars))
	for name, t := range c.vars {
		cfg.Env.Fields[name] = cfg.NtCache.FromType(t)
	}
	cfg.Expect, cfg.ExpectAny = expect, true
	return cfg
}

// check checks the types of the resolved tree.
func (c *whenCompiler) check() bool {
	c.checkCondition(c.tree.Node)
	if len(c.diags) > 0 {
		return false
	}
	// The whole once more, so that every node knows its type.
	_, err := checker.Check(c.tree, c.config(reflect.Invalid))
	return c.typeError(c.tree.Node, err)
}

// checkCondition checks the operands of and, or by themselves, so that one run
// tells of every mistake.
func (c *whenCompiler) checkCondition(n ast.Node) {
	if b, ok := n.(*ast.BinaryNode); ok && isLogical(b.Operator) {
		c.checkCondition(b.Left)
		c.checkCondition(b.Right)
		return
	}
	_, err := checker.Check(&parser.Tree{Node: n, Source: c.tree.Source}, c.config(reflect.Bool))
	c.typeError(n, err)
}

func isLogical(op string) bool { return op == "and" || op == "&&" || op == "or" || op == "||" }

// checkTypes checks a tree that is no condition.
func (c *whenCompiler) checkTypes(n ast.Node) bool {
	_, err := checker.Check(&parser.Tree{Node: n, Source: c.tree.Source}, c.config(reflect.Invalid))
	return c.typeError(n, err)
}

// build compiles a rewritten tree.
func (c *whenCompiler) build(n ast.Node) bool {
	tree := &parser.Tree{Node: n, Source: c.tree.Source}
	c.out.guards, c.out.decided = c.out.conjuncts(n, nil, true)
	c.vars = map[string]reflect.Type{
		atomName:    reflect.TypeFor[func(int) bool](),
		tallyName:   reflect.TypeFor[func(int) int](),
		"test":      reflect.TypeFor[func(any, any) bool](),
		"listValue": reflect.TypeFor[func(any, any) string](),
	}
	for _, n := range c.out.slots {
		c.vars[n.name] = n.typ
	}
	cfg := c.config(reflect.Bool)
	if _, err := checker.Check(tree, cfg); err != nil {
		return c.typeError(tree.Node, err)
	}
	if err := optimizer.Optimize(&tree.Node, cfg); err != nil {
		return c.typeError(tree.Node, err)
	}
	program, err := compiler.Compile(tree, cfg)
	if err != nil {
		return c.typeError(tree.Node, err)
	}
	c.out.program = program
	return true
}

// visitFunc lets a function walk a tree.
type visitFunc func(*ast.Node)

// Visit calls f.
func (f visitFunc) Visit(n *ast.Node) { f(n) }
