package alertfmt

import (
	"bytes"
	"encoding/json"
	"strings"
)

// tree is a JSON object built from dotted names, members in the order they were
// created.
type tree struct {
	members []member
}

type member struct {
	name  string
	value string
	child *tree // an object if set
}

// put sets a dotted name. Names are compared without case; the first value of a
// name stays, and one whose prefix is a value already is dropped, as is an
// empty value.
func (t *tree) put(name, value string) {
	if value == "" {
		return
	}
	for {
		head, rest, nested := strings.Cut(name, ".")
		m := t.find(head)
		if !nested {
			if m == nil {
				t.members = append(t.members, member{name: head, value: value})
			}
			return
		}
		if m == nil {
			t.members = append(t.members, member{name: head, child: &tree{}})
			m = &t.members[len(t.members)-1]
		}
		if m.child == nil {
			return
		}
		t, name = m.child, rest
	}
}

func (t *tree) find(name string) *member {
	for i := range t.members {
		if equalFold(t.members[i].name, name) {
			return &t.members[i]
		}
	}
	return nil
}

// equalFold compares ASCII letters without case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x-'A' < 26 {
			x |= 0x20
		}
		if y-'A' < 26 {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// append renders the members into o. With arrays, a value that is a whole JSON
// array is put in as such.
func (t *tree) append(o *object, arrays bool) {
	for i := range t.members {
		m := &t.members[i]
		switch {
		case m.child != nil:
			inner := o.nested(m.name)
			m.child.append(&inner, arrays)
			o.end(inner)
		case arrays && strings.HasPrefix(m.value, "[") && json.Valid([]byte(m.value)):
			var compact bytes.Buffer
			_ = json.Compact(&compact, []byte(m.value)) // valid
			o.key(m.name)
			o.b = append(o.b, bytes.ToValidUTF8(compact.Bytes(), []byte("\uFFFD"))...)
		default:
			o.string(m.name, m.value)
		}
	}
}
