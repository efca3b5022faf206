package lint

import (
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// Call is a condition as it was parsed, for tests.
type Call struct {
	Fn, Value    string
	Static       bool
	Text         string
	Negate, Must bool
	List, Lookup string
	Check        string
}

// ParseCalls parses a condition.
func ParseCalls(s string) (list []Call) {
	for _, c := range parseCalls(&rulefile.Text{Value: s}, syscollector.Compat4) {
		list = append(list, Call{c.fn, c.value, c.static, c.text, c.negate, c.must, c.list, c.lookup, c.check})
	}
	return list
}

// Unreachable returns the ids of the rules that no inventory event can reach.
func Unreachable(files []*rulefile.File, compat syscollector.Compat) map[string]bool {
	ids := map[string]bool{}
	for _, r := range newSet(files, compat).all {
		if !r.builtin {
			ids[r.decl.ID] = !r.visible
		}
	}
	return ids
}

// MessageTypes returns the message types that a version knows.
func MessageTypes(compat syscollector.Compat) (names []string) {
	for _, t := range newWords(compat).types {
		names = append(names, t.name)
	}
	return names
}

// Vocabularies returns the values of fields that have closed ones.
func Vocabularies() map[string][]string { return vocabularies }

// HasField tells whether messages of a type can have a field.
func HasField(compat syscollector.Compat, typ, field string) bool {
	w := newWords(compat)
	for i, t := range w.types {
		if t.name == typ {
			return w.fields[syscollector.LookupView(field)]&(1<<i) != 0
		}
	}
	return false
}

// ListKeys returns the keys of a list's text in order.
func ListKeys(text string) (keys []string) {
	for _, l := range listLines([]byte(text)) {
		if l.ok {
			keys = append(keys, l.key)
		}
	}
	return keys
}
