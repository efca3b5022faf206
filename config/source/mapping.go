package source

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Pair is a key of a mapping and its value.
type Pair struct {
	Key   string
	At    *Node // the key's node
	Value *Node
}

// Mapping returns the node's pairs in their order. Keys that are no scalar,
// stand twice, or are not among known (if any are given) are reported and left
// out; ok is false if the node is no mapping.
func (n *Node) Mapping(known ...string) (m *Mapping, ok bool) {
	if n.yaml.Kind != yaml.MappingNode {
		n.wrong("a mapping of keys and values")
		return &Mapping{node: n}, false
	}
	m = &Mapping{node: n}
	first := make(map[string]Position, len(n.yaml.Content)/2)
	for i := 0; i+1 < len(n.yaml.Content); i += 2 {
		key := n.child(n.yaml.Content[i])
		if key.yaml.Kind != yaml.ScalarNode {
			key.Errorf("a key must be a text, not %s", key.kind())
			continue
		}
		name := key.yaml.Value
		if before, again := first[name]; again {
			key.Errorf("key %q stands twice, first in line %d", name, before.Line)
			continue
		}
		first[name] = key.Pos()
		if len(known) > 0 && !slices.Contains(known, name) {
			hint := DidYouMean(name, known)
			if hint == "" && known[0] != "" {
				hint = "known here: " + strings.Join(known, ", ")
			}
			key.Hintf(hint, "unknown key %q", name)
			continue
		}
		m.Pairs = append(m.Pairs, Pair{name, key, n.child(n.yaml.Content[i+1])})
	}
	return m, true
}

// Mapping is a decoded mapping node.
type Mapping struct {
	node  *Node
	Pairs []Pair
}

// Get returns the value of key, nil if the mapping does not have it.
func (m *Mapping) Get(key string) *Node {
	for i := range m.Pairs {
		if m.Pairs[i].Key == key {
			return m.Pairs[i].Value
		}
	}
	return nil
}

// Key returns the node of a key, nil if the mapping does not have it.
func (m *Mapping) Key(key string) *Node {
	for i := range m.Pairs {
		if m.Pairs[i].Key == key {
			return m.Pairs[i].At
		}
	}
	return nil
}

// Require reports each key that the mapping does not have.
func (m *Mapping) Require(keys ...string) {
	for _, k := range keys {
		if m.Get(k) == nil {
			m.node.Errorf("key %q is missing", k)
		}
	}
}
