package rules

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// explain evaluates a rule's conditions one by one, with the same effect as
// match, and returns the first that fails with the value it saw; "" if all
// hold.
func (w *wazuhEval) explain(r *wazuhRule) string {
	if r.decodedAs != "" && r.decodedAs != inventoryDecoder {
		return fmt.Sprintf("decoded_as %s: the event's decoder is %s", r.decodedAs, inventoryDecoder)
	}
	if r.unknown != "" {
		return r.unknown
	}
	for _, cj := range r.cond.conjuncts {
		if !w.holds(cj.node) {
			return cj.text + w.seen(cj.node)
		}
	}
	switch {
	case len(w.ev.Log) < r.maxSize:
		return fmt.Sprintf("maxsize %d: the message has %d bytes", r.maxSize, len(w.ev.Log))
	case r.clock && !w.inHours(r):
		return fmt.Sprintf("time or weekday: the event came on %s at %02d:%02d", w.weekday, w.minute/60, w.minute%60)
	case r.checkDiff && !w.differs(r):
		return "check_diff: the message is the first of its agent here, or the same as the last"
	case r.corr != nil:
		if !w.search(r) {
			return "correlate: " + w.searched(r)
		}
	}
	return ""
}

// holds decides a rewritten node, as its program does.
func (w *wazuhEval) holds(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n.Value
	case *ast.BinaryNode:
		if isAnd(n.Operator) {
			return w.holds(n.Left) && w.holds(n.Right)
		}
		return w.holds(n.Left) || w.holds(n.Right)
	}
	k, _ := atomOf(n)
	return w.atom(k)
}

// seen names the fields of a node with their values.
func (w *wazuhEval) seen(n ast.Node) string {
	var parts []string
	eachAtom(n, func(k int32) {
		a := &w.set.atoms[k]
		switch v, ok := a.ref.value(w.ev); {
		case !ok:
			parts = append(parts, a.field+" is absent")
		case a.kind == atomList && a.missing:
			parts = append(parts, fmt.Sprintf("%s is %s, list %s is not registered", a.field, quoted(v), a.list))
		default:
			parts = append(parts, a.field+" is "+quoted(v))
		}
	})
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// searched tells how a correlation that failed stood.
func (w *wazuhEval) searched(r *wazuhRule) string {
	c := r.corr
	return fmt.Sprintf("%d earlier events counted of %d wanted within %d s", w.history.counted, c.earlier, c.timeframe)
}

// eachAtom calls f for every atom of a rewritten node, left to right.
func eachAtom(n ast.Node, f func(k int32)) {
	if b, ok := n.(*ast.BinaryNode); ok {
		eachAtom(b.Left, f)
		eachAtom(b.Right, f)
		return
	}
	if k, ok := atomOf(n); ok {
		f(k)
	}
}
