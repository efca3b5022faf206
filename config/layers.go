package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"invigil/config/source"
)

// envPrefix leads the names of all variables.
const envPrefix = "INVIGIL_"

// layers lays the environment and the flags over a configuration and knows
// where each value came from.
type layers struct {
	config *Config
	file   *source.YAML
	from   map[string]source.Position // path of an override → where it was given
	found  source.Diagnostics
}

// key is one key of the tree that takes a value.
type key struct {
	path string
	typ  reflect.Type
}

// keys returns every key of the tree, parents before children, in the order
// of the types. Lists and maps are keys as a whole.
func keys() []key {
	var all []key
	var walk func(t reflect.Type, prefix string)
	walk = func(t reflect.Type, prefix string) {
		for f := range t.Fields() {
			path := prefix + f.Tag.Get("yaml")
			typ := f.Type
			if typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			all = append(all, key{path, typ})
			if typ.Kind() == reflect.Struct && typ != reflect.TypeFor[Changelog]() {
				walk(typ, path+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return all
}

// EnvName returns the environment variable of a key's dotted path.
func EnvName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// environment applies the variables that are set. Unknown INVIGIL_ variables
// are left alone: orchestrators set some of their own.
func (l *layers) environment(env func(string) (string, bool)) {
	for _, k := range keys() {
		name := EnvName(k.path)
		if value, ok := env(name); ok && !isSection(k.typ) {
			l.override(k, value, source.Position{File: "environment variable " + name})
		}
	}
}

// flags applies the overrides key=value.
func (l *layers) flags(set []string) {
	all := keys()
	for _, s := range set {
		path, value, ok := strings.Cut(s, "=")
		at := source.Position{File: "--set " + path}
		if !ok {
			l.errorf(at, "write --set KEY=VALUE, as state.dir=/var/lib/invigil", "a value is missing")
			continue
		}
		names, found := make([]string, 0, len(all)), false
		for _, k := range all {
			names = append(names, k.path)
			if k.path == path {
				found = true
				l.override(k, value, at)
			}
		}
		if !found {
			l.errorf(at, source.DidYouMean(path, names), "unknown key")
		}
	}
}

func (l *layers) errorf(at source.Position, hint, format string, args ...any) {
	l.found = append(l.found, source.Diagnostic{Pos: at, Severity: source.Error, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// override decodes a text as the value of a key, as if the file had held it.
func (l *layers) override(k key, value string, at source.Position) {
	var b strings.Builder
	parts := strings.Split(k.path, ".")
	for _, p := range parts {
		b.WriteString("{" + p + ": ")
	}
	b.WriteString(yamlValue(k.typ, value))
	b.WriteString(strings.Repeat("}", len(parts)))
	y := source.ParseYAML(source.File{Name: at.File, Data: []byte(b.String())})
	if root := y.Root(); root != nil {
		root.Decode(l.config)
	}
	for _, d := range y.Diagnostics() {
		d.Pos, d.Line = at, ""
		l.found = append(l.found, d)
	}
	l.from[k.path] = at
}

// yamlValue writes a text as a value of the type: texts are quoted, lists of
// texts are split at commas, everything else is YAML as it stands.
func yamlValue(t reflect.Type, value string) string {
	switch {
	case t.Kind() == reflect.String:
		return strconv.QuoteToASCII(strings.ToValidUTF8(value, "\ufffd"))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && !strings.HasPrefix(value, "["):
		items := strings.Split(value, ",")
		for i, s := range items {
			items[i] = yamlValue(t.Elem(), strings.TrimSpace(s))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return value
}

// isSection tells whether keys of the type are set by their members.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Duration]() && t != reflect.TypeFor[Changelog]()
}
