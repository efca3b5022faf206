package source

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// AppendJSON appends the node as JSON on one line: keys in their order, texts
// as they are, numbers as written where JSON can say them. What JSON has no
// word for (an infinite number, a key that is no scalar or stands twice) is
// reported at its place.
func (n *Node) AppendJSON(b []byte) []byte {
	switch n.yaml.Kind {
	case yaml.MappingNode:
		m, _ := n.Mapping()
		b = append(b, '{')
		for i, p := range m.Pairs {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONText(b, p.Key), ':')
			b = p.Value.AppendJSON(b)
		}
		return append(b, '}')
	case yaml.SequenceNode:
		items, _ := n.Items()
		b = append(b, '[')
		for i, item := range items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.AppendJSON(b)
		}
		return append(b, ']')
	}
	switch n.yaml.ShortTag() {
	case "!!null":
		return append(b, "null"...)
	case "!!bool":
		v, _ := n.Bool()
		return strconv.AppendBool(b, v)
	case "!!int", "!!float":
		return n.appendNumber(b)
	}
	s, _ := n.Text()
	return appendJSONText(b, s)
}

// appendNumber appends a number: as written if JSON writes it so too.
func (n *Node) appendNumber(b []byte) []byte {
	s := n.yaml.Value
	if json.Valid([]byte(s)) {
		return append(b, s...)
	}
	if v, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64); err == nil {
		return strconv.AppendInt(b, v, 10)
	}
	v, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		n.Errorf("JSON has no number %s", s)
		return append(b, '0')
	}
	return strconv.AppendFloat(b, v, 'g', -1, 64)
}

func appendJSONText(b []byte, s string) []byte {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string never fails
	return append(b, strings.TrimSuffix(text.String(), "\n")...)
}
