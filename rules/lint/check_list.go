package lint

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

func listEmptyAddress(p *pass) {
	w := p.set.words
	for r, c := range p.fields() {
		if c.fn != "cdb" || !strings.HasPrefix(c.lookup, "not_") || w.fields[c.view]&r.types&w.deltas == 0 || p.requiresValue(r, c) {
			continue
		}
		p.report(r, c.at, `add <field name="`+c.name()+`">\.</field>, which wants one character at least`,
			"%s is true for an empty %s, as in 4.x deltas that lack it", c.lookup, c.name())
	}
}

func listInverted(p *pass) {
	for r, c := range p.calls() {
		if c.fn == "cdb" && c.lookup == "address_match_key_value" {
			p.report(r, c.at, "use address_match_key, with the keys that are meant in a list of their own",
				"address_match_key_value is inverted, as in Wazuh itself: it is true when no key is found or the value does not match")
		}
	}
}

func listCheckValue(p *pass) {
	for r, c := range p.calls() {
		switch {
		case c.fn != "cdb":
		case c.lookup == "match_key_value" && !c.checked:
			p.report(r, c.at, `add check_value="…", or use lookup="match_key"`, "match_key_value without check_value never matches")
		case c.checked && !strings.HasSuffix(c.lookup, "_value"):
			p.report(r, c.at, `use lookup="match_key_value", or remove check_value`, "check_value has no effect with %s", c.lookup)
		}
	}
}

func listsNotGiven(p *pass) {
	if len(p.opts.Lists) > 0 {
		return
	}
	told := map[string]bool{}
	for r, c := range p.calls() {
		declared := slices.ContainsFunc(p.set.inPlace, func(l *rulefile.List) bool { return l.Name == c.list })
		if c.fn == "cdb" && !declared && !told[r.decl.Pos.File] {
			told[r.decl.Pos.File] = true
			p.report(nil, c.pos, "--lists DIR or -c CONFIG names them", "no lists are given: the rules of this file that use one are judged as if it were missing")
		}
	}
}

func listUnused(p *pass) {
	used := map[string]bool{}
	for name := range p.set.lists {
		used[name], used[strings.TrimSuffix(name, ".cdb")] = true, true
	}
	var texts strings.Builder // conditions of the invigil dialect name lists too
	for _, d := range p.set.stateful {
		texts.WriteString(d.When.Value)
	}
	unused := func(names ...string) bool {
		for _, name := range names {
			if used[name] || strings.Contains(texts.String(), `"`+name+`"`) || strings.Contains(texts.String(), `'`+name+`'`) {
				return false
			}
		}
		return true
	}
	for _, l := range p.opts.Lists {
		if l.Wanted && unused(l.Names...) {
			p.report(nil, source.Position{File: l.Path}, "remove it, or check the name in the rules: it must be the same byte for byte", "list %s is registered and no rule uses it", quote(l.Names[0]))
		}
	}
	for _, l := range p.set.inPlace {
		if unused(l.Name) {
			p.report(nil, l.Pos, "remove it, or check the name in the rules", "list %s is declared and no rule uses it", quote(l.Name))
		}
	}
}

// listLine is one line of a list's text.
type listLine struct {
	number int
	text   string
	key    string
	quoted bool
	ok     bool // it is an entry
}

// usedLists visits the texts of the CDB lists that rules about inventory use;
// address tells that keys are looked up as prefixes of addresses, too.
func (p *pass) usedLists(visit func(l List, lines []listLine, address bool)) {
	for _, l := range p.opts.Lists {
		if !l.CDB {
			continue
		}
		used, address := false, false
		for _, c := range p.calls() {
			for _, name := range l.Names {
				if c.fn == "cdb" && strings.TrimSuffix(c.list, ".cdb") == name {
					used = true
					address = address || strings.Contains(c.lookup, "address")
				}
			}
		}
		if !used {
			continue
		}
		data, err := os.ReadFile(l.Path)
		if err != nil {
			if !p.unread[l.Path] {
				p.add(source.Error, nil, source.Position{File: l.Path}, "", "the list cannot be read: %s", reason(err))
			}
			p.unread[l.Path] = true
			continue
		}
		visit(l, listLines(data), address)
	}
}

// listLines takes a list's text apart as the original does.
func listLines(data []byte) (lines []listLine) {
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		line, _, _ = bytes.Cut(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		l := listLine{number: n, text: string(line)}
		colon, quote := strings.IndexByte(l.text, ':'), strings.IndexByte(l.text, '"')
		tail := l.text
		if l.quoted = quote >= 0 && quote < colon; l.quoted {
			var closed bool
			l.key, tail, closed = strings.Cut(l.text[quote+1:], `"`)
			l.ok = closed && strings.Contains(tail, ":")
		} else if l.ok = colon >= 0; l.ok {
			l.key = l.text[:colon]
		}
		if _, value, _ := strings.Cut(tail, ":"); strings.Count(value, `"`) == 1 {
			l.ok = false // a quote of the value is not closed
		}
		lines = append(lines, l)
	}
	return lines
}

// reportLines reports a list's bad lines at the first of them.
func (p *pass) reportLines(l List, bad []listLine, hint, one, more string) {
	if len(bad) == 0 {
		return
	}
	message := strings.Replace(one, "%", quote(shorten(bad[0].text)), 1)
	if n := len(bad) - 1; n > 0 {
		message += "; " + plural(n, "more line") + " " + more
	}
	p.report(nil, source.Position{File: l.Path, Line: bad[0].number, Column: 1}, hint, "%s", message)
}

func listLineDropped(p *pass) {
	p.usedLists(func(l List, lines []listLine, _ bool) {
		var bad []listLine
		for _, line := range lines {
			if !line.ok && !strings.HasPrefix(line.text, "#") && strings.TrimSpace(line.text) != "" {
				bad = append(bad, line)
			}
		}
		p.reportLines(l, bad, `write "key:" or "key:value", quotes closed`, "% is no entry", "like it")
	})
}

func listKeyNetwork(p *pass) {
	p.usedLists(func(l List, lines []listLine, address bool) {
		var bad []listLine
		for _, line := range lines {
			if line.ok && (isNetwork(line.key) || address && isStem(line.key)) {
				bad = append(bad, line)
			}
		}
		p.reportLines(l, bad, `write "10.0.0.:" for 10.0.0.0/24, a prefix that ends in a dot, with an address_… lookup; or use a list of kind cidr in the invigil dialect`,
			"the key of % is text: it covers no address but itself", "like it")
	})
}

// isNetwork tells whether a key is a network or a range of addresses.
func isNetwork(key string) bool {
	key = strings.TrimSpace(key)
	if _, err := netip.ParsePrefix(key); err == nil {
		return true
	}
	from, to, ok := strings.Cut(key, "-")
	if !ok {
		from, to, ok = strings.Cut(key, "/")
	}
	if !ok {
		return strings.Count(key, ".") == 3 && strings.HasSuffix(key, ".*")
	}
	_, err1 := netip.ParseAddr(strings.TrimSpace(from))
	_, err2 := netip.ParseAddr(strings.TrimSpace(to))
	return err1 == nil && err2 == nil
}

// isStem tells whether a key is the start of an IPv4 address without the dot
// that makes it a prefix.
func isStem(key string) bool {
	dots := strings.Count(key, ".")
	return dots > 0 && dots < 3 && strings.Trim(key, "0123456789.") == "" && !strings.HasSuffix(key, ".") && !strings.HasPrefix(key, ".")
}

func listKeyIPv6(p *pass) {
	p.usedLists(func(l List, lines []listLine, _ bool) {
		var bad []listLine
		for _, line := range lines {
			if line.quoted {
				continue
			}
			text := strings.TrimSpace(line.text)
			for _, candidate := range []string{text, strings.TrimSuffix(text, ":")} {
				a, err := netip.ParseAddr(candidate)
				if err == nil && a.Is6() {
					bad = append(bad, line)
					break
				}
			}
		}
		p.reportLines(l, bad, `write "fe80::1":value, the address in quotes`, "the key of % ends at its first colon", "like it")
	})
}

func listKeyRepeated(p *pass) {
	p.usedLists(func(l List, lines []listLine, _ bool) {
		seen := map[string]bool{}
		var bad []listLine
		for _, line := range lines {
			if line.ok && seen[line.key] {
				bad = append(bad, line)
			}
			seen[line.key] = seen[line.key] || line.ok
		}
		p.reportLines(l, bad, "remove it", "the key of % stands further up: the first one counts", "like it")
	})
}

// reason leaves out of a file error the path, which the finding names.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
