package rulefile

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quote returns the literal of s as a condition writes it: a raw string where
// that saves escapes, else a string with escapes; bytes("hex") if s is not
// UTF-8.
func Quote(s string) string {
	if !utf8.ValidString(s) {
		return `bytes("` + hex.EncodeToString([]byte(s)) + `")`
	}
	printable := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	if printable && strings.ContainsAny(s, `\"`) {
		return "`" + strings.ReplaceAll(s, "`", "``") + "`"
	}
	return quoted(s)
}

// quoted returns s in double quotes, with escapes that both YAML and expr
// understand. s is UTF-8.
func quoted(s string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(digits[r>>shift&15])
			}
		default:
			b.WriteString(`\U`)
			for shift := 28; shift >= 0; shift -= 4 {
				b.WriteByte(digits[r>>shift&15])
			}
		}
	}
	b.WriteByte('"')
	return b.String()
}
