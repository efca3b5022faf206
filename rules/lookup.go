package rules

import (
	"errors"
	"maps"
	"slices"

	"invigil/rules/pattern"
)

// Lookup is what a list condition of the wazuh dialects found.
type Lookup struct {
	Holds bool   // the condition is true
	Found bool   // a key was found
	Key   string // that was looked up with success
	Value string
}

// LookupKinds returns the names of the list conditions, match_key …
func LookupKinds() []string { return slices.Sorted(maps.Keys(listLookups)) }

// LookUp decides a list condition of the wazuh dialects for a value, as a rule
// with <list lookup="kind" check_value="check"> does. An empty check is none.
func LookUp(lists Lists, list, kind, check, value string) (Lookup, error) {
	if !lists.Has(list) {
		return Lookup{}, errors.New("list " + quoted(list) + " is not loaded")
	}
	args := []atomArg{{text: list}, {text: "value"}, {text: kind}, {text: check}}
	if check == "" {
		args = args[:3]
	}
	a, err := listAtom(args, pattern.Options{})
	if err != nil {
		return Lookup{}, err
	}
	r := Lookup{Holds: a.lookUp(value, lists)}
	address := a.lookup >= addressMatchKey
	for n := len(value); n >= 0 && !r.Found; n-- {
		if n < len(value) && (!address || n == 0 || value[n-1] != '.') {
			continue
		}
		r.Key = value[:n]
		r.Value, r.Found = lists.Get(list, r.Key)
	}
	if !r.Found {
		r.Key = ""
	}
	return r, nil
}
