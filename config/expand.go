package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${NAME} by the variable's value and ${NAME:-text} by text if
// the variable is unset or empty; $${ stands for ${. Any other $ stays.
func expand(s string, env func(string) (string, bool)) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		b.WriteString(s[:i])
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return "", errors.New("${ without }: write ${NAME} or ${NAME:-default}, or $${ for the text ${")
		}
		name, fallback, hasDefault := strings.Cut(s[i+2:i+end], ":-")
		if !isVariable(name) {
			return "", fmt.Errorf("%q is no variable's name: write ${NAME} or ${NAME:-default}, or $${ for the text ${", name)
		}
		switch value, ok := env(name); {
		case ok && (value != "" || !hasDefault):
			b.WriteString(value)
		case hasDefault:
			b.WriteString(fallback)
		default:
			return "", fmt.Errorf("the environment variable %s is not set: set it, or write ${%s:-default}", name, name)
		}
		s = s[i+end+1:]
	}
}

func isVariable(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
