package rules

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

// This file words what is wrong with a condition and finds the place.

// parseHint is advice on what the expression library's parser refuses, "" for
// none.
func parseHint(message string) string {
	switch {
	case strings.Contains(message, `Operator("=")`):
		return "compare with =="
	case strings.Contains(message, "U+0027"), strings.Contains(message, "literal not terminated"):
		return "close the quote"
	}
	return ""
}

// typeError reports a type error in words about the rule; it returns true if
// there is none.
func (c *whenCompiler) typeError(n ast.Node, err error) bool {
	if err == nil {
		return true
	}
	var fe *file.Error
	if !errors.As(err, &fe) {
		message := firstLine(err.Error())
		if got, ok := strings.CutPrefix(message, "expected bool, but got "); ok {
			message = fmt.Sprintf("a condition is true or false, this is %s", article(got))
		}
		c.report(n.Location().From, "", "%s", message)
		return false
	}
	message, hint := plainWords(firstLine(fe.Message)), ""
	ast.Walk(&n, visitFunc(func(p *ast.Node) {
		if (*p).Location() != fe.Location {
			return
		}
		switch x := (*p).(type) {
		case *ast.BinaryNode:
			if strings.HasPrefix(message, "invalid operation") {
				message, hint = c.clash(x)
			}
		case *ast.UnaryNode:
			if strings.HasPrefix(message, "invalid operation") && (x.Operator == "not" || x.Operator == "!") {
				message = fmt.Sprintf("%s needs true or false, %s is %s", x.Operator, shown(x.Node), article(typeName(x.Node.Type())))
				hint = fmt.Sprintf("%s binds tighter than ==: write not (… == …)", x.Operator)
			}
		}
	}))
	c.report(fe.From, hint, "%s", message)
	return false
}

// clash words a mismatch of an operator's sides.
func (c *whenCompiler) clash(b *ast.BinaryNode) (message, hint string) {
	message = fmt.Sprintf("%s cannot take %s %s and %s %s", b.Operator,
		typeName(b.Left.Type()), shown(b.Left), typeName(b.Right.Type()), shown(b.Right))
	for _, side := range []struct{ lit, other ast.Node }{{b.Right, b.Left}, {b.Left, b.Right}} {
		s, isString := side.lit.(*ast.StringNode)
		switch {
		case isString && isNumber(side.other.Type()):
			if isNumeral(s.Value) {
				hint = fmt.Sprintf("%s is a number: write %s without quotes", shown(side.other), s.Value)
			} else {
				hint = fmt.Sprintf("%s is a number", shown(side.other))
			}
		case isNumber(side.lit.Type()) && side.other.Type() == typeString && isLiteral(side.lit):
			hint = fmt.Sprintf("%s is text: write %q", shown(side.other), side.lit.String())
		}
	}
	return message, hint
}

func isLiteral(n ast.Node) bool {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		return true
	}
	return false
}

func isNumber(t reflect.Type) bool { return t == typeInt || t == typeFloat }

func isNumeral(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func typeName(t reflect.Type) string {
	switch t {
	case typeInt:
		return "number"
	case typeFloat:
		return "real number"
	case typeString:
		return "text"
	case typeTime:
		return "time"
	case typeBool:
		return "truth value"
	}
	return t.String()
}

// article names a type with its article.
func article(what string) string {
	switch what {
	case "string", "text":
		return "text"
	case "int":
		return "a number"
	case "float64":
		return "a real number"
	}
	return "a " + what
}

// shown writes a resolved node as it stands in the rule.
func shown(n ast.Node) string {
	return itemName.ReplaceAllString(n.String(), ".$1")
}

// itemName matches the names that fields of rows under predicates have inside.
var itemName = regexp.MustCompile(`#\d\.(?:\w+\.)*(\w+)`)

// plainWords says in a rule writer's words what the expression library says in
// those of its own and of Go.
func plainWords(message string) string {
	if rest, ok := strings.CutPrefix(message, "unexpected token "); ok {
		if rest == "EOF" {
			return "the condition ends too early"
		}
		if _, quoted, ok := strings.Cut(rest, "("); ok {
			return "unexpected " + strings.TrimSuffix(quoted, ")")
		}
	}
	if got, ok := strings.CutPrefix(message, "predicate should return boolean (got "); ok {
		return "a predicate is true or false, this is " + article(strings.TrimSuffix(got, ")"))
	}
	if strings.HasPrefix(message, "cannot use ") {
		message = strings.NewReplacer(
			"use int as", "use a number as", "use string as", "use text as", "use float64 as", "use a real number as",
			"type string", "text", "type int", "number", "type float64", "real number", "in array", "in the list",
		).Replace(message)
	}
	return strings.TrimSpace(message)
}

// wordWidth returns how many runes the name, number or quoted text at a byte
// offset has.
func wordWidth(s string, offset int) int {
	rest := s[min(offset, len(s)):]
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		if end := strings.IndexByte(rest[1:], rest[0]); end >= 0 && !strings.Contains(rest[:end+1], "\n") {
			return utf8.RuneCountInString(rest[:end+2])
		}
		return 1
	}
	n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if n < 0 {
		n = len(rest)
	}
	return max(1, utf8.RuneCountInString(rest[:n]))
}

// report adds an error at a rune offset of the text.
func (c *whenCompiler) report(rune int, hint, format string, args ...any) {
	offset := runeOffset(c.text.Value, rune)
	d := source.Diagnostic{
		Pos: textPosition(c.text, offset, c.env.pos), Severity: source.Error,
		Rule: c.env.rule, Message: fmt.Sprintf(format, args...), Hint: hint, Width: wordWidth(c.text.Value, offset),
	}
	for _, o := range c.diags {
		if o.Pos == d.Pos && o.Message == d.Message {
			return
		}
	}
	c.diags = append(c.diags, d)
}

// position places a rune offset of the text.
func (c *whenCompiler) position(rune int) source.Position {
	return textPosition(c.text, runeOffset(c.text.Value, rune), c.env.pos)
}

// textPosition places a byte of a text: at the byte, else at the text's start,
// else at the rule.
func textPosition(t rulefile.Text, offset int, rule source.Position) source.Position {
	for _, o := range []int{offset, 0} {
		if pos := t.Map.At(o); pos != (source.Position{}) {
			return pos
		}
	}
	return rule
}

// runeOffset turns an offset in runes, as the expression library counts, into
// one in bytes.
func runeOffset(s string, rune int) int {
	for i := range s {
		if rune == 0 {
			return i
		}
		rune--
	}
	return len(s)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
