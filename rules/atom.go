package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// atomKind is how an atom compares its field.
type atomKind uint8

const (
	atomPattern atomKind = iota // one of the pattern dialects
	atomList                    // a lookup in a CDB list
	atomIP                      // an address in a network
	atomEqual                   // the exact text
)

// atom is one distinct condition of a set: a field and what it is compared
// with. It is immutable. A missing field makes it false, negated or not.
type atom struct {
	kind    atomKind
	ref     fieldRef
	negate  bool
	field   string // as written first
	dialect pattern.Dialect
	text    string // pattern, networks or exact text
	list    string
	lookup  listLookup
	check   string // OS_Match pattern on a list's value
	missing bool   // the list is not registered: lookups find nothing

	matcher  pattern.Matcher // of the pattern, or of check; nil if there is none
	networks []network
}

// network is one address of an ip condition; outside turns it round (3.9.5's
// leading !).
type network struct {
	ip      pattern.IP
	outside bool
}

// listLookup is the kind of a list condition.
type listLookup uint8

const (
	matchKey listLookup = iota
	notMatchKey
	matchKeyValue
	addressMatchKey
	notAddressMatchKey
	addressMatchKeyValue
)

var listLookups = map[string]listLookup{
	"match_key":               matchKey,
	"not_match_key":           notMatchKey,
	"match_key_value":         matchKeyValue,
	"address_match_key":       addressMatchKey,
	"not_address_match_key":   notAddressMatchKey,
	"address_match_key_value": addressMatchKeyValue,
}

// staticValue resolves a value that conditions name by an identifier. Inventory
// events have a message, a location and a host; the fields of other decoders
// are never set, so that a condition on one is false, negated or not.
func staticValue(name string) (fieldRef, bool) {
	switch name {
	case "log":
		return fieldRef{kind: refLog}, true
	case "location":
		return fieldRef{kind: refLocation}, true
	case "hostname":
		return fieldRef{kind: refHostname}, true
	}
	return fieldRef{kind: refAbsent}, slices.Contains(rulefile.StaticNames(), name)
}

// viewField resolves a dynamic field.
func viewField(name string) fieldRef {
	return fieldRef{kind: refView, view: syscollector.LookupView(name)}
}

// never reports whether the atom cannot hold on any inventory event.
func (a *atom) never() bool {
	return a.ref.kind == refAbsent || a.ref.kind == refView && a.ref.view == 0
}

// eval decides the atom for an event.
func (a *atom) eval(ev *syscollector.Event, lists Lists) bool {
	v, ok := a.ref.value(ev)
	if !ok {
		return false
	}
	switch a.kind {
	case atomPattern:
		return a.matcher.Match(v) != a.negate
	case atomEqual:
		return (v == a.text) != a.negate
	case atomIP:
		return a.inNetworks(v) != a.negate
	}
	return a.lookUp(v, lists)
}

func (a *atom) inNetworks(v string) bool {
	for i := range a.networks {
		if n := &a.networks[i]; n.ip.Match(v) != n.outside {
			return true
		}
	}
	return false
}

// lookUp decides a list condition. address_match_key_value is inverted in both
// versions of the original: it holds when nothing is found or the value does
// not match.
func (a *atom) lookUp(v string, lists Lists) bool {
	if lists == nil || a.missing {
		lists = noLists{}
	}
	switch a.lookup {
	case matchKey, notMatchKey:
		_, ok := lists.Get(a.list, v)
		return ok != (a.lookup == notMatchKey)
	case matchKeyValue:
		value, ok := lists.Get(a.list, v)
		return ok && a.checks(value)
	case addressMatchKey, notAddressMatchKey:
		_, ok := getAddress(lists, a.list, v)
		return ok != (a.lookup == notAddressMatchKey)
	default:
		value, ok := getAddress(lists, a.list, v)
		return !ok || !a.checks(value)
	}
}

func (a *atom) checks(value string) bool { return a.matcher != nil && a.matcher.Match(value) }

// getAddress looks up the exact text, then every shorter one that ends in a
// dot, longest first.
func getAddress(lists Lists, list, v string) (string, bool) {
	if value, ok := lists.Get(list, v); ok {
		return value, true
	}
	for i := len(v) - 1; i > 0; i-- {
		if v[i-1] != '.' {
			continue
		}
		if value, ok := lists.Get(list, v[:i]); ok {
			return value, true
		}
	}
	return "", false
}

// noLists holds no list.
type noLists struct{}

func (noLists) Has(string) bool                   { return false }
func (noLists) Get(string, string) (string, bool) { return "", false }
func (noLists) Fingerprint(string) uint64         { return 0 }

// atomArg is one argument of a condition function: a text, a static value's
// name, or a truth value.
type atomArg struct {
	kind argKind
	text string
	yes  bool
}

type argKind uint8

const (
	argText argKind = iota
	argStatic
	argBool
)

// atomFunctions are the functions of the wazuh dialect.
var atomFunctions = map[string]func(args []atomArg, o pattern.Options) (atom, error){
	"osregex": patternAtom(pattern.OSRegex),
	"osmatch": patternAtom(pattern.OSMatch),
	"pcre2":   patternAtom(pattern.PCRE2),
	"equal":   equalAtom,
	"ip":      ipAtom,
	"cdb":     listAtom,
}

func atomFunctionNames() []string { return slices.Sorted(maps.Keys(atomFunctions)) }

func patternAtom(dialect pattern.Dialect) func([]atomArg, pattern.Options) (atom, error) {
	return func(args []atomArg, o pattern.Options) (atom, error) {
		a, texts, err := comparison(args, 1, 1)
		if err != nil {
			return a, err
		}
		a.kind, a.dialect, a.text = atomPattern, dialect, texts[0]
		a.matcher, err = pattern.Compile(dialect, a.text, o)
		return a, err
	}
}

func equalAtom(args []atomArg, _ pattern.Options) (atom, error) {
	a, texts, err := comparison(args, 1, 1)
	if err != nil {
		return a, err
	}
	a.kind, a.text = atomEqual, texts[0]
	return a, nil
}

func ipAtom(args []atomArg, o pattern.Options) (atom, error) {
	a, texts, err := comparison(args, 1, len(args))
	if err != nil {
		return a, err
	}
	a.kind, a.text = atomIP, strings.Join(texts, " ")
	for _, text := range texts {
		var n network
		if o.Compat == pattern.Compat39 {
			text, n.outside = strings.CutPrefix(text, "!")
		}
		if n.ip, err = pattern.ParseIP(text); err != nil {
			return a, err
		}
		a.networks = append(a.networks, n)
	}
	return a, nil
}

// comparison reads the arguments that all but cdb share: a value, texts, and a
// negation that may follow.
func comparison(args []atomArg, least, most int) (a atom, texts []string, err error) {
	if n := len(args); n > 0 && args[n-1].kind == argBool {
		a.negate, args = args[n-1].yes, args[:n-1]
	}
	if len(args) == 0 {
		return a, nil, errors.New("wants a field's name first")
	}
	if err := a.setValue(args[0]); err != nil {
		return a, nil, err
	}
	texts, err = textsOf(args[1:], least, most)
	return a, texts, err
}

func (a *atom) setValue(arg atomArg) error {
	a.field = arg.text
	switch arg.kind {
	case argText:
		a.ref = viewField(arg.text)
		return nil
	case argStatic:
		ref, ok := staticValue(arg.text)
		if !ok {
			return fmt.Errorf("%s is no static value: quote the name of a dynamic field", arg.text)
		}
		a.ref = ref
		return nil
	}
	return errors.New("wants a field's name first")
}

func textsOf(args []atomArg, least, most int) ([]string, error) {
	texts := make([]string, len(args))
	for i, arg := range args {
		if arg.kind != argText {
			return nil, fmt.Errorf("argument %d behind the field's name must be a text", i+1)
		}
		texts[i] = arg.text
	}
	if len(texts) < least || len(texts) > most {
		return nil, fmt.Errorf("takes %d texts behind the field's name, not %d", least, len(texts))
	}
	return texts, nil
}

// listAtom reads cdb(list, value, lookup, check_value).
func listAtom(args []atomArg, o pattern.Options) (a atom, err error) {
	if len(args) < 2 || len(args) > 4 || args[0].kind != argText {
		return a, errors.New("is written cdb(list, value, lookup, check_value), the last two as needed")
	}
	if err = a.setValue(args[1]); err != nil {
		return a, err
	}
	texts, err := textsOf(args[2:], 0, 2)
	if err != nil {
		return a, err
	}
	a.kind, a.list = atomList, args[0].text
	if len(texts) > 0 {
		lookup, ok := listLookups[texts[0]]
		if !ok {
			return a, fmt.Errorf("lookup %q is not known: use one of %s", texts[0], strings.Join(slices.Sorted(maps.Keys(listLookups)), ", "))
		}
		a.lookup = lookup
	}
	if len(texts) > 1 {
		a.check = texts[1]
		a.matcher, err = pattern.Compile(pattern.OSMatch, a.check, o)
	}
	return a, err
}

// atomTable numbers the distinct conditions of a set.
type atomTable struct {
	atoms []atom
	index map[string]int32
}

// add returns the number of the condition, the same for equal ones.
func (t *atomTable) add(a atom, env *loadEnv) int32 {
	if a.kind == atomList {
		a.missing = !env.hasList(a.list)
	}
	key := fmt.Sprintf("%d %v %t %d %q %q %d %q %t", a.kind, a.ref, a.negate, a.dialect, a.text, a.list, a.lookup, a.check, a.matcher == nil)
	if a.never() {
		key += strings.ToLower(a.field) // explanations name it
	}
	if k, ok := t.index[key]; ok {
		return k
	}
	if t.index == nil {
		t.index = map[string]int32{}
	}
	k := int32(len(t.atoms))
	t.atoms = append(t.atoms, a)
	t.index[key] = k
	return k
}
