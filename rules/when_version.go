package rules

import "strings"

// versionFormat is the rule by which versions are ordered.
type versionFormat uint8

const (
	versionDotted versionFormat = iota
	versionDpkg
	versionRPM
)

// formatOf maps a package's format column to the order of its versions.
func formatOf(format string) versionFormat {
	switch strings.ToLower(format) {
	case "deb", "dpkg":
		return versionDpkg
	case "rpm":
		return versionRPM
	}
	return versionDotted
}

// evalVersion compares two versions. Each side's format is that of its row; a
// side without one takes the other's.
func (a *whenAtom) evalVersion(s *whenScope, left string) bool {
	right := a.str
	if a.right != nil {
		v, ok := s.load(a.right)
		if !ok {
			return false
		}
		right = v.Str
	}
	format := versionDotted
	for _, n := range a.formats {
		if n == nil {
			continue
		}
		if v, ok := s.load(n); ok {
			format = formatOf(v.Str)
			break
		}
	}
	return ordered(a.order, compareVersions(left, right, format))
}

// compareVersions returns -1, 0 or 1. The orders are those that deb-version(7)
// and rpm-version(7) document; dotted versions compare part by part, numbers by
// value and before words.
func compareVersions(a, b string, f versionFormat) int {
	if f == versionDotted {
		return compareDotted(a, b)
	}
	ea, a := epoch(a)
	eb, b := epoch(b)
	if c := compareDigits(ea, eb); c != 0 {
		return c
	}
	va, ra := revision(a)
	vb, rb := revision(b)
	part := compareDpkgPart
	if f == versionRPM {
		part = compareRPMPart
	}
	if c := part(va, vb); c != 0 {
		return c
	}
	if f == versionRPM && (ra == "" || rb == "") {
		return 0 // a version without a release stands for every release
	}
	return part(ra, rb)
}

func epoch(v string) (string, string) {
	if i := strings.IndexByte(v, ':'); i > 0 && digits(v) == i {
		return v[:i], v[i+1:]
	}
	return "", v
}

func revision(v string) (string, string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

// digits returns how many digits s begins with.
func digits(s string) int {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' < 10 }
func isAlpha(c byte) bool { return c|0x20-'a' < 26 }

// compareDigits compares runs of digits of any length by value.
func compareDigits(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		if len(a) < len(b) {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// compareDpkgPart compares as dpkg does: runs of other characters and runs of
// digits in turn; "~" sorts before the end, letters before the rest.
func compareDpkgPart(a, b string) int {
	for a != "" || b != "" {
		for (a != "" && !isDigit(a[0])) || (b != "" && !isDigit(b[0])) {
			if c := dpkgOrder(a) - dpkgOrder(b); c != 0 {
				return sign(c)
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		i, j := digits(a), digits(b)
		if c := compareDigits(a[:i], b[:j]); c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
	return 0
}

func dpkgOrder(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isAlpha(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

// compareRPMPart compares as rpm does: runs of digits and runs of letters, all
// else only separates; "~" sorts before the end and "^" after it, both before
// anything else.
func compareRPMPart(a, b string) int {
	for {
		a, b = trimSeparators(a), trimSeparators(b)
		ma, mb := rpmMarkOf(a), rpmMarkOf(b)
		switch {
		case ma != 0 && ma == mb:
			a, b = a[1:], b[1:]
			continue
		case ma == '~' || mb == '~':
			return rpmMark('~', ma == '~', a, b)
		case ma == '^' || mb == '^':
			return rpmMark('^', ma == '^', a, b)
		case a == "" || b == "":
			return sign(len(a) - len(b))
		}
		c, i, j := rpmSegment(a, b)
		if c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
}

// rpmMarkOf returns the "~" or "^" that s begins with, else 0.
func rpmMarkOf(s string) byte {
	if s != "" && (s[0] == '~' || s[0] == '^') {
		return s[0]
	}
	return 0
}

func rpmMark(mark byte, onLeft bool, a, b string) int {
	other := b
	if !onLeft {
		other = a
	}
	c := -1 // "~": the side that has it is older
	if mark == '^' && other == "" {
		c = 1 // "^": newer than the end, older than more text
	}
	if !onLeft {
		c = -c
	}
	return c
}

func wordByte(c byte) bool { return isDigit(c) || isAlpha(c) }

func trimSeparators(s string) string {
	for s != "" && !wordByte(s[0]) && s[0] != '~' && s[0] != '^' {
		s = s[1:]
	}
	return s
}

// rpmSegment compares the runs that a and b begin with: a number is newer than
// a word.
func rpmSegment(a, b string) (c, i, j int) {
	i, j = digits(a), digits(b)
	switch {
	case i > 0 && j > 0:
		return compareDigits(a[:i], b[:j]), i, j
	case i > 0:
		return 1, 0, 0
	case j > 0:
		return -1, 0, 0
	}
	i, j = letters(a), letters(b)
	return strings.Compare(a[:i], b[:j]), i, j
}

func letters(s string) int {
	i := 0
	for i < len(s) && isAlpha(s[i]) {
		i++
	}
	return i
}

// compareDotted compares versions of no known format: parts are runs of digits
// and runs of letters, everything else separates. A number is newer than a
// word, more numbers are newer than none, a word after the end is a
// pre-release: 1.0rc1 < 1.0 < 1.0.1.
func compareDotted(a, b string) int {
	for {
		a, b = trimWordless(a), trimWordless(b)
		switch {
		case a == "" && b == "":
			return 0
		case a == "":
			return restAfterEnd(b, -1)
		case b == "":
			return restAfterEnd(a, 1)
		}
		c, i, j := rpmSegment(a, b)
		if c != 0 {
			return c
		}
		a, b = a[i:], b[j:]
	}
}

// restAfterEnd tells how the longer side compares: zeros add nothing.
func restAfterEnd(rest string, longer int) int {
	for rest != "" {
		n := digits(rest)
		if n == 0 {
			return -longer
		}
		if strings.Trim(rest[:n], "0") != "" {
			return longer
		}
		rest = trimWordless(rest[n:])
	}
	return 0
}

func trimWordless(s string) string {
	for s != "" && !wordByte(s[0]) {
		s = s[1:]
	}
	return s
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
