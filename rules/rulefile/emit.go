package rulefile

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// emitter writes canonical YAML: one way for each value, chosen by the value
// alone, so that writing what was read gives the same bytes.
type emitter struct{ bytes.Buffer }

// reserved are plain texts that YAML readers take for something else.
var reserved = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n|~|<<|=|\.?nan|[-+]?\.?inf)$`)

var flowPlain = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.@/-]*|[1-9][0-9]{0,8})$`)

// flow returns s as a scalar for use inside brackets.
func flow(s string) string {
	if flowPlain.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	return inQuotes(s)
}

// block returns s as a scalar that stands alone on its line.
func block(s string) string {
	if plain(s) {
		return s
	}
	return inQuotes(s)
}

// plain tells whether s needs no quotes in block context.
func plain(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	if !unicode.IsLetter(first) && !strings.ContainsRune("$(/_", first) {
		return false
	}
	return printable(s) && !reserved.MatchString(s) && !strings.Contains(s, ": ") && !strings.Contains(s, " #") &&
		!strings.HasSuffix(s, ":") && !strings.HasSuffix(s, " ")
}

// printable tells whether s is UTF-8 that may stand unescaped in YAML.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

func inQuotes(s string) string {
	switch {
	case !utf8.ValidString(s):
		return `!!binary "` + base64.StdEncoding.EncodeToString([]byte(s)) + `"`
	case strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") && printable(s):
		return "'" + s + "'"
	}
	return quoted(s)
}

// flowList returns [a, b].
func flowList(items []string) string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = flow(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (e *emitter) line(indent int, parts ...string) {
	for range indent {
		e.WriteByte(' ')
	}
	for _, p := range parts {
		e.WriteString(p)
	}
	e.WriteByte('\n')
}

// text writes a key with a text, none if it is empty.
func (e *emitter) text(indent int, key, s string) {
	if s != "" {
		e.line(indent, key, ": ", block(s))
	}
}

// list writes a key with a list of texts, none if it is empty.
func (e *emitter) list(indent int, key string, items []string) {
	if len(items) > 0 {
		e.line(indent, key, ": ", flowList(items))
	}
}

// flag writes a key that is true.
func (e *emitter) flag(indent int, key string, on bool) {
	if on {
		e.line(indent, key, ": true")
	}
}

// expr writes a key with an expr text as a block scalar, folded between the
// parts that "and" joins.
func (e *emitter) expr(indent int, key, s string) {
	lines := strings.Split(s, "\n")
	fits := s != "" && utf8.ValidString(s) && !isBlank(s[0]) && !isBlank(s[len(s)-1])
	for _, l := range lines {
		fits = fits && printable(strings.ReplaceAll(l, "\t", " ")) && (l == "" || !isBlank(l[len(l)-1]))
	}
	switch {
	case s == "":
		return
	case !fits:
		e.line(indent, key, ": ", inQuotes(s))
		return
	case len(lines) == 1:
		e.line(indent, key, ": >-")
		lines = conjuncts(s)
	default:
		e.line(indent, key, ": |-")
	}
	for _, l := range lines {
		if l == "" {
			e.line(0)
		} else {
			e.line(indent+2, l)
		}
	}
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// conjuncts cuts s before each "and" that joins its parts; joined by single
// blanks the pieces are s again.
func conjuncts(s string) []string {
	var out []string
	depth, from := 0, 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' && quote != '`' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case c == ' ' && depth == 0 && i > from && s[i-1] != ' ' && s[i-1] != '\t' && strings.HasPrefix(s[i+1:], "and "):
			out = append(out, s[from:i])
			from = i + 1
		}
	}
	return append(out, s[from:])
}
