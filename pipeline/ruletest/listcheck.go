package ruletest

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"invigil/config/source"
	"invigil/state"
)

// CheckList finds lines of a list's text that do not do what was meant: those
// that are dropped, repeated, or keys that nothing will ever match.
func CheckList(src source.File, kind state.ListKind) source.Diagnostics {
	c := listCheck{src: src, kind: kind, first: make(map[string]int)}
	for line, err := range state.ListLines(bytes.NewReader(src.Data), kind) {
		if err != nil { // the bytes are in memory
			break
		}
		c.line(line)
	}
	return c.found
}

// listCheck judges one list, line by line.
type listCheck struct {
	src   source.File
	kind  state.ListKind
	first map[string]int // key → line
	found source.Diagnostics
}

func (c *listCheck) report(l state.ListLine, hint, format string, args ...any) {
	c.found = append(c.found, source.Diagnostic{
		Pos: source.Position{File: c.src.Name, Line: l.Number, Column: 1}, Severity: source.Warning,
		Message: fmt.Sprintf(format, args...), Hint: hint, Line: short(l.Text),
	})
}

func (c *listCheck) line(l state.ListLine) {
	if l.Rest {
		c.report(l, "shorten it", "the line is longer than 65534 bytes: the rest is read as a line of its own")
	}
	if !l.Entry {
		c.dropped(l)
		return
	}
	if line, again := c.first[l.Key]; again {
		c.report(l, "remove it", "the key %s stands on line %d already: the first one counts", quoted(l.Key), line)
	} else {
		c.first[l.Key] = l.Number
	}
	if c.kind == state.ListCIDR {
		c.prefix(l)
		return
	}
	c.edges(l)
	if c.kind == state.ListCDB && !l.Quoted {
		c.address(l)
	}
}

// dropped says why a line is no entry. A comment is none by intent.
func (c *listCheck) dropped(l state.ListLine) {
	text := strings.TrimSpace(l.Text)
	switch {
	case text == "" || text[0] == '#' && !strings.Contains(text, ":"):
	case strings.Contains(text, `"`):
		c.report(l, `close the quotes: "key":"value"`, "the line is dropped: a quote is not closed, or no colon follows the key")
	case c.kind == state.ListCIDR:
		c.report(l, "write 10.0.0.0/8 or 2001:db8::/32, with a colon and a value behind it as needed", "the line is dropped: %s is no address and no network", quoted(text))
	default:
		c.report(l, "write "+text+":", "the line is dropped: a key without a colon is no entry")
	}
}

// edges judges what stands around a key.
func (c *listCheck) edges(l state.ListLine) {
	switch {
	case l.Key == "":
		c.report(l, "write a key before the colon", "the key is empty: it matches fields that are present and empty")
	case strings.HasPrefix(l.Key, "#"):
		c.report(l, "remove the line: a list has no comments", "the line is an entry with the key %s, no comment", quoted(l.Key))
	case strings.TrimSpace(l.Key) != l.Key:
		c.report(l, "write "+strings.TrimSpace(l.Key)+":", "the blanks at the edge are part of the key %s", quoted(l.Key))
	}
}

// address judges keys that look like addresses: in a list of kind cdb a key is
// text.
func (c *listCheck) address(l state.ListLine) {
	if whole := cutShort(l.Text); whole != "" {
		c.report(l, `write "`+whole+`":`, "the key ends at its first colon, it is %s: quote %s", quoted(l.Key), whole)
		return
	}
	key := strings.TrimSpace(l.Key)
	if _, err := netip.ParsePrefix(key); err == nil {
		c.report(l, networkHint(key), "%s is text here: it covers no address", quoted(key))
		return
	}
	if from, to, ok := strings.Cut(key, "-"); ok && isAddress(from) && isAddress(to) {
		c.report(l, "list the addresses, or use prefixes that end in a dot", "the range %s is text here: it covers no address", quoted(key))
		return
	}
	parts := strings.Split(key, ".")
	if n := len(parts); n > 1 && n < 4 && digits(parts...) {
		c.report(l, "write "+key+".:", "%s does not end in a dot: it is no prefix and covers no address", quoted(key))
	} else if n == 4 && digits(parts[:3]...) && (parts[3] == "*" || parts[3] == "x") {
		c.report(l, "write "+strings.Join(parts[:3], ".")+".:", "%s is text here: it covers no address", quoted(key))
	}
}

// networkHint says how a network is written in a list of kind cdb.
func networkHint(key string) string {
	p, _ := netip.ParsePrefix(key)
	if p.Addr().Is4() && p.Bits() > 0 && p.Bits()%8 == 0 && p.Bits() < 32 {
		octets := strings.Split(p.Masked().Addr().String(), ".")
		return "write " + strings.Join(octets[:p.Bits()/8], ".") + ".: and look it up with an address_… lookup, or use a list of kind cidr"
	}
	return "use a list of kind cidr in the invigil dialect"
}

// cutShort returns the address that an unquoted line begins with and whose
// colons end the key too early, "" if it does not.
func cutShort(text string) string {
	text = strings.TrimSpace(text)
	for end := len(text); strings.Count(text[:end], ":") > 1; end = strings.LastIndexByte(text[:end], ':') {
		candidate := strings.TrimSpace(text[:end])
		if isAddress(candidate) {
			return candidate
		}
		if _, err := netip.ParsePrefix(candidate); err == nil {
			return candidate
		}
		if _, err := net.ParseMAC(candidate); err == nil {
			return candidate
		}
	}
	return ""
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(strings.TrimSpace(s))
	return err == nil
}

func digits(parts ...string) bool {
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 8); err != nil || strconv.FormatUint(n, 10) != p {
			return false
		}
	}
	return true
}

// prefix judges a key of kind cidr, which is stored in canonical form.
func (c *listCheck) prefix(l state.ListLine) {
	key, _, _ := strings.Cut(l.Text, ":")
	for _, text := range []string{l.Text, strings.Trim(l.Text, `":`), key} {
		if p, err := netip.ParsePrefix(text); err == nil {
			if p.Addr() != p.Masked().Addr() {
				c.report(l, "write "+l.Key, "%s has bits set behind its length: it counts as %s", text, l.Key)
			}
			return
		}
	}
}

func quoted(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
