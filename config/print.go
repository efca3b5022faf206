package config

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"invigil/config/source"
)

// mask stands for a secret in print.
const mask = "********"

// Print writes the tree as YAML that Parse reads back, but for secrets, which
// are masked; a secret that came from a file shows the file only.
func (c *Config) Print(w io.Writer) error {
	var b strings.Builder
	printStruct(&b, reflect.ValueOf(c).Elem(), "")
	_, err := io.WriteString(w, b.String())
	return err
}

func printStruct(b *strings.Builder, v reflect.Value, indent string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, value := f.Tag.Get("yaml"), v.Field(i)
		if f.Tag.Get("secret") != "" {
			if value.Len() > 0 && v.FieldByName(f.Name+"File").Len() == 0 {
				fmt.Fprintf(b, "%s%s: %s\n", indent, name, plain(mask))
			}
			continue
		}
		printKey(b, name, value, indent)
	}
}

// printKey writes a key and its value; what is empty is left out.
func printKey(b *strings.Builder, name string, v reflect.Value, indent string) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if text, ok := scalar(v); ok {
		if text != `""` {
			fmt.Fprintf(b, "%s%s: %s\n", indent, name, text)
		}
		return
	}
	var inner strings.Builder
	switch v.Kind() {
	case reflect.Map:
		for _, k := range slices.Sorted(maps.Keys(v.Interface().(map[string]string))) {
			fmt.Fprintf(&inner, "%s  %s: %s\n", indent, plain(k), plain(strings.ReplaceAll(v.MapIndex(reflect.ValueOf(k)).String(), "${", "$${")))
		}
		if v.Len() == 0 {
			return
		}
	case reflect.Slice:
		if v.Len() == 0 {
			return
		}
		for i := range v.Len() {
			printItem(&inner, v.Index(i), indent+"  ")
		}
	case reflect.Struct:
		printStruct(&inner, v, indent+"  ")
		if inner.Len() == 0 {
			if v.NumField() == 0 || !v.IsZero() {
				fmt.Fprintf(b, "%s%s: {}\n", indent, name)
			}
			return
		}
	}
	fmt.Fprintf(b, "%s%s:\n%s", indent, name, inner.String())
}

// printItem writes one entry of a list.
func printItem(b *strings.Builder, v reflect.Value, indent string) {
	if text, ok := scalar(v); ok {
		fmt.Fprintf(b, "%s- %s\n", indent, text)
		return
	}
	var item strings.Builder
	printStruct(&item, v, indent+"  ")
	b.WriteString(indent + "- " + strings.TrimPrefix(item.String(), indent+"  "))
}

// scalar renders values that stand on one line.
func scalar(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case time.Duration:
		return source.FormatDuration(x), true
	case Size:
		return x.String(), true
	case Changelog:
		if !x.On {
			return "off", true
		}
		return fmt.Sprintf("{topic: %s, replication: %d, standby: %d, history: %t}", plain(x.Topic), x.Replication, x.Standby, x.History), true
	case string:
		return plain(strings.ReplaceAll(x, "${", "$${")), true
	case bool, int:
		return fmt.Sprint(x), true
	}
	return "", false
}

var plainText = regexp.MustCompile(`^[A-Za-z_./][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*$`)

// plain writes a text without quotes where YAML reads it as that text.
func plain(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n", ".inf", ".nan", ".":
	default:
		if plainText.MatchString(s) {
			return s
		}
	}
	if !utf8.ValidString(s) {
		return "!!binary " + base64.StdEncoding.EncodeToString([]byte(s))
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
