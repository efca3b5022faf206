package source

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxAliases bounds how often anchors of one file are followed, so that a small
// file cannot unfold into a large one.
const maxAliases = 1000

// Node is one node of a YAML file. Its accessors say what the node must be and
// report it to the file when it is not. An alias is what it stands for, at the
// alias's place.
type Node struct {
	y    *YAML
	yaml *yaml.Node
	at   *yaml.Node // the alias, nil if reached without one
}

func (n *Node) child(c *yaml.Node) *Node {
	out := &Node{y: n.y, yaml: c}
	for seen := 0; out.yaml.Kind == yaml.AliasNode; seen++ {
		if out.at == nil {
			out.at = out.yaml
		}
		n.y.aliases++
		if n.y.aliases > maxAliases || out.yaml.Alias == nil || seen > 10 {
			if n.y.aliases == maxAliases+1 {
				out.Errorf("anchors are used more than %d times", maxAliases)
			}
			out.yaml = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
			break
		}
		out.yaml = out.yaml.Alias
	}
	return out
}

func (n *Node) place() *yaml.Node {
	if n.at != nil {
		return n.at
	}
	return n.yaml
}

// Pos returns where the node starts.
func (n *Node) Pos() Position {
	p := n.place()
	return n.y.position(p.Line, p.Column)
}

// Errorf reports an error at the node.
func (n *Node) Errorf(format string, args ...any) { n.Hintf("", format, args...) }

// Hintf reports an error at the node, with advice.
func (n *Node) Hintf(hint, format string, args ...any) {
	d := Diagnostic{Pos: n.Pos(), Severity: Error, Message: sprintf(format, args), Hint: hint}
	if n.yaml.Kind == yaml.ScalarNode && n.yaml.Style == 0 {
		d.Width = utf8.RuneCountInString(n.yaml.Value)
	}
	n.y.Report(d)
}

// IsNull tells whether the node has no value: nothing, null or ~.
func (n *Node) IsNull() bool {
	return n.yaml.Kind == yaml.ScalarNode && n.yaml.ShortTag() == "!!null"
}

// IsScalar tells whether the node is a scalar with a value.
func (n *Node) IsScalar() bool { return n.yaml.Kind == yaml.ScalarNode && !n.IsNull() }

// IsMapping tells whether the node is a mapping.
func (n *Node) IsMapping() bool { return n.yaml.Kind == yaml.MappingNode }

// IsList tells whether the node is a sequence.
func (n *Node) IsList() bool { return n.yaml.Kind == yaml.SequenceNode }

// CutHint returns advice for a plain text that may have been cut short because
// YAML takes " #" for the start of a comment, "" if none stands behind it.
func (n *Node) CutHint() string {
	if n.yaml.Kind != yaml.ScalarNode || n.yaml.Style != 0 || n.yaml.LineComment == "" {
		return ""
	}
	return "to YAML the text from # on, " + strconv.Quote(n.yaml.LineComment) + ", is a comment: quote the whole text"
}

// kind names what the node is, for messages.
func (n *Node) kind() string {
	switch n.yaml.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.yaml.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	}
	return "a text"
}

func (n *Node) wrong(want string) {
	n.Errorf("this must be %s, not %s", want, n.kind())
}

// Items returns the nodes of a sequence; ok is false if the node is none.
func (n *Node) Items() (items []*Node, ok bool) {
	if n.yaml.Kind != yaml.SequenceNode {
		n.wrong("a list")
		return nil, false
	}
	for _, c := range n.yaml.Content {
		items = append(items, n.child(c))
	}
	return items, true
}

// Find returns the node at a path of keys and, in sequences, decimal indexes;
// the nearest one on the way if the path ends before.
func (n *Node) Find(path ...string) *Node {
	for _, name := range path {
		var next *yaml.Node
		switch n.yaml.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.yaml.Content); i += 2 {
				if n.yaml.Content[i].Value == name {
					next = n.yaml.Content[i+1]
				}
			}
		case yaml.SequenceNode:
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.yaml.Content) {
				next = n.yaml.Content[i]
			}
		}
		if next == nil {
			break
		}
		n = n.child(next)
	}
	return n
}

// scalar returns a scalar's text. Tags other than !!str and !!binary are
// refused.
func (n *Node) scalar(want string) (string, bool) {
	if n.yaml.Kind != yaml.ScalarNode || n.IsNull() {
		n.wrong(want)
		return "", false
	}
	if n.yaml.Style&yaml.TaggedStyle != 0 {
		switch n.yaml.ShortTag() {
		case "!!str":
		case "!!binary":
			text := strings.Join(strings.Fields(n.yaml.Value), "")
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				n.Errorf("this is not base64: %v", err)
				return "", false
			}
			return string(data), true
		default:
			n.Errorf("the tag %s has no meaning here", n.yaml.Tag)
			return "", false
		}
	}
	return n.yaml.Value, true
}

// Text returns the node as text. Numbers, true and false are taken as they are
// written; a list, a mapping or nothing is reported. The tag !!binary gives
// bytes that are not UTF-8.
func (n *Node) Text() (string, bool) { return n.scalar("a text") }

// Mapped returns the node's text with the place of each of its bytes.
func (n *Node) Mapped() (string, Map, bool) {
	s, ok := n.Text()
	if !ok {
		return "", Map{}, false
	}
	return s, n.textMap(s), true
}

// Texts returns a list of texts; a single text is a list of one.
func (n *Node) Texts() ([]string, bool) {
	if n.IsScalar() {
		s, ok := n.Text()
		return []string{s}, ok
	}
	if n.yaml.Kind != yaml.SequenceNode {
		n.wrong("a list of texts")
		return nil, false
	}
	items, _ := n.Items()
	out, good := make([]string, 0, len(items)), true
	for _, item := range items {
		s, ok := item.Text()
		good = good && ok
		out = append(out, s)
	}
	return out, good
}

// OneOf returns the text if it is among values, else reports it.
func (n *Node) OneOf(values ...string) (string, bool) {
	s, ok := n.Text()
	if !ok {
		return "", false
	}
	if !slices.Contains(values, s) {
		n.Hintf(DidYouMean(s, values), "%q is not known here, use %s", s, strings.Join(values, ", "))
		return "", false
	}
	return s, true
}

// Int returns the node as a whole number from lo to hi.
func (n *Node) Int(lo, hi int64) (int64, bool) {
	s, ok := n.number("a whole number")
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64)
	if err != nil {
		if v, err = strconv.ParseInt(s, 10, 64); err != nil {
			n.Errorf("this must be a whole number, not %s", s)
			return 0, false
		}
	}
	if v < lo || v > hi {
		if hi == math.MaxInt64 {
			n.Errorf("%d is too small, at least %d", v, lo)
		} else {
			n.Errorf("%d is out of range, from %d to %d", v, lo, hi)
		}
		return 0, false
	}
	return v, true
}

// Float returns the node as a number.
func (n *Node) Float() (float64, bool) {
	s, ok := n.number("a number")
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		n.Errorf("this must be a number, not %s", s)
		return 0, false
	}
	return v, true
}

func (n *Node) number(want string) (string, bool) {
	s, ok := n.scalar(want)
	if !ok {
		return "", false
	}
	if tag := n.yaml.ShortTag(); tag != "!!int" && tag != "!!float" {
		hint := ""
		if _, err := strconv.ParseFloat(s, 64); err == nil {
			hint = "write it without quotes"
		}
		n.Hintf(hint, "this must be %s, not %s", want, n.kind())
		return "", false
	}
	return s, true
}

// Bool returns the node as true or false.
func (n *Node) Bool() (bool, bool) {
	s, ok := n.scalar("true or false")
	if !ok {
		return false, false
	}
	if n.yaml.ShortTag() != "!!bool" {
		n.Errorf("this must be true or false, not %q", s)
		return false, false
	}
	return strings.EqualFold(s, "true"), true
}

// Duration returns the node as a duration: 10m, 1h30m, 7d.
func (n *Node) Duration() (time.Duration, bool) {
	s, ok := n.scalar("a duration, as 10m or 7d")
	if !ok {
		return 0, false
	}
	d, err := ParseDuration(s)
	if err != nil {
		n.Errorf("%v", err)
		return 0, false
	}
	return d, true
}

// Expand replaces the text of every scalar at and below n, keys not, with what
// f makes of it; an error of f is reported at the scalar. A text that changes
// is typed anew, so that a number may come out of it. Call it before decoding.
func (n *Node) Expand(f func(string) (string, error)) { n.expand(f, make(map[*yaml.Node]bool)) }

func (n *Node) expand(f func(string) (string, error), done map[*yaml.Node]bool) {
	if done[n.yaml] {
		return
	}
	done[n.yaml] = true
	switch n.yaml.Kind {
	case yaml.ScalarNode:
		s, err := f(n.yaml.Value)
		if err != nil {
			n.Errorf("%v", err)
			return
		}
		if s != n.yaml.Value {
			n.yaml.Value = s
			if n.yaml.Style == 0 {
				n.yaml.Tag = ""
			}
		}
	case yaml.MappingNode:
		for i := 1; i < len(n.yaml.Content); i += 2 {
			n.child(n.yaml.Content[i]).expand(f, done)
		}
	case yaml.SequenceNode:
		for _, c := range n.yaml.Content {
			n.child(c).expand(f, done)
		}
	}
}

// String returns the node's place and kind, for debugging.
func (n *Node) String() string { return fmt.Sprintf("%v: %s", n.Pos(), n.kind()) }
