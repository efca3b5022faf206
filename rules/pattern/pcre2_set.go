package pattern

import (
	"slices"
	"strings"
	"unicode"
)

// runeSet is a set of characters as ascending, separate, inclusive ranges
// lo, hi, lo, hi …. In byte mode a character is a byte.
type runeSet []rune

const (
	lastByte = 0xFF
	lastRune = unicode.MaxRune
)

func setOf(ranges ...rune) runeSet { return runeSet(ranges).normal() }

// normal sorts the ranges and joins those that touch.
func (s runeSet) normal() runeSet {
	pairs := make([][2]rune, 0, len(s)/2)
	for i := 0; i < len(s); i += 2 {
		pairs = append(pairs, [2]rune{s[i], s[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]rune) int { return int(a[0]) - int(b[0]) })
	out := make(runeSet, 0, len(s))
	for _, p := range pairs {
		if n := len(out); n > 0 && p[0] <= out[n-1]+1 {
			out[n-1] = max(out[n-1], p[1])
			continue
		}
		out = append(out, p[0], p[1])
	}
	return out
}

func (s runeSet) has(r rune) bool {
	for i := 0; i < len(s); i += 2 {
		if s[i] <= r && r <= s[i+1] {
			return true
		}
	}
	return false
}

func (s runeSet) union(t runeSet) runeSet { return slices.Concat(s, t).normal() }

// negate returns the characters from 0 to last that are not in s.
func (s runeSet) negate(last rune) runeSet {
	var out runeSet
	next := rune(0)
	for i := 0; i < len(s); i += 2 {
		if s[i] > next {
			out = append(out, next, s[i]-1)
		}
		next = s[i+1] + 1
	}
	if next <= last {
		out = append(out, next, last)
	}
	return out
}

// size counts the characters, up to a few.
func (s runeSet) size() int {
	n := 0
	for i := 0; i < len(s); i += 2 {
		n += int(s[i+1]-s[i]) + 1
	}
	return n
}

// all calls yield for each character.
func (s runeSet) all(yield func(rune) bool) {
	for i := 0; i < len(s); i += 2 {
		for r := s[i]; r <= s[i+1]; r++ {
			if !yield(r) {
				return
			}
		}
	}
}

// folded adds the other cases of each character: of ASCII letters in byte mode,
// by Unicode's simple folding in UTF mode.
func (s runeSet) folded(utf bool) runeSet {
	out := slices.Clone(s)
	if !utf {
		for r := 'a'; r <= 'z'; r++ {
			if lower, upper := s.has(r), s.has(r-0x20); lower != upper {
				out = append(out, r, r, r-0x20, r-0x20)
			}
		}
		return out.normal()
	}
	for r := range s.all {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			if !s.has(f) {
				out = append(out, f, f)
			}
		}
	}
	return out.normal()
}

// escapeClass returns the set of \d \h \s \v \w or of a capital letter its
// complement. They are ASCII in both modes, but for \h and \v.
func escapeClass(b byte, utf bool) (set runeSet, ok bool) {
	last := rune(lastByte)
	if utf {
		last = lastRune
	}
	switch b | 0x20 {
	case 'd':
		set = setOf('0', '9')
	case 'w':
		set = setOf('0', '9', 'A', 'Z', '_', '_', 'a', 'z')
	case 's':
		set = setOf('\t', '\r', ' ', ' ')
	case 'h':
		set = setOf('\t', '\t', ' ', ' ', 0xA0, 0xA0)
		if utf {
			set = set.union(setOf(0x1680, 0x1680, 0x180E, 0x180E, 0x2000, 0x200A, 0x202F, 0x202F, 0x205F, 0x205F, 0x3000, 0x3000))
		}
	case 'v':
		set = newlines(utf)
	default:
		return nil, false
	}
	if b&0x20 == 0 {
		set = set.negate(last)
	}
	return set, true
}

// newlines returns what \v and, as single characters, \R match.
func newlines(utf bool) runeSet {
	if utf {
		return setOf('\n', '\r', 0x85, 0x85, 0x2028, 0x2029)
	}
	return setOf('\n', '\r', 0x85, 0x85)
}

// posixClass returns the set of [:name:], ASCII as in the C locale.
func posixClass(name string) (runeSet, bool) {
	switch name {
	case "alpha":
		return setOf('A', 'Z', 'a', 'z'), true
	case "lower":
		return setOf('a', 'z'), true
	case "upper":
		return setOf('A', 'Z'), true
	case "alnum":
		return setOf('0', '9', 'A', 'Z', 'a', 'z'), true
	case "ascii":
		return setOf(0, 0x7F), true
	case "blank":
		return setOf('\t', '\t', ' ', ' '), true
	case "cntrl":
		return setOf(0, 0x1F, 0x7F, 0x7F), true
	case "digit":
		return setOf('0', '9'), true
	case "graph":
		return setOf('!', '~'), true
	case "print":
		return setOf(' ', '~'), true
	case "punct":
		return setOf('!', '/', ':', '@', '[', '`', '{', '~'), true
	case "space":
		return setOf('\t', '\r', ' ', ' '), true
	case "word":
		return setOf('0', '9', 'A', 'Z', '_', '_', 'a', 'z'), true
	case "xdigit":
		return setOf('0', '9', 'A', 'F', 'a', 'f'), true
	}
	return nil, false
}

// property returns the set of \p{name}. In byte mode a byte is its Latin-1
// code point. known is false for names that this program has no table for.
func property(name string, utf bool) (set runeSet, known bool) {
	var tables []*unicode.RangeTable
	plain := strings.NewReplacer(" ", "", "-", "", "_", "", "\t", "").Replace(strings.ToLower(name))
	switch plain {
	case "any":
		set = setOf(0, lastRune)
	case "l&", "lc":
		tables = []*unicode.RangeTable{unicode.Lu, unicode.Ll, unicode.Lt}
	case "xan":
		tables = []*unicode.RangeTable{unicode.L, unicode.N}
	case "xwd":
		tables = []*unicode.RangeTable{unicode.L, unicode.N}
		set = setOf('_', '_')
	case "xsp", "xps":
		tables = []*unicode.RangeTable{unicode.Z}
		set = setOf('\t', '\r', 0x85, 0x85)
	case "xuc":
		set = setOf('$', '$', '@', '@', '`', '`', 0xA0, 0xD7FF, 0xE000, lastRune)
	default:
		t := lookupProperty(plain, utf)
		if t == nil {
			return nil, false
		}
		tables = []*unicode.RangeTable{t}
	}
	for _, t := range tables {
		set = append(set, tableRanges(t)...)
	}
	set = set.normal()
	if !utf {
		set = set.negate(lastRune).negate(lastByte)
	}
	return set, true
}

// lookupProperty finds a general category, or a script. A bare script name
// means script extensions, of which the library has no tables: only in Latin-1,
// and with sc:, are the two the same.
func lookupProperty(plain string, utf bool) *unicode.RangeTable {
	for name, t := range unicode.Categories {
		if len(name) <= 2 && strings.ToLower(name) == plain {
			return t
		}
	}
	script := plain
	for _, prefix := range []string{"script:", "script=", "sc:", "sc="} {
		if rest, ok := strings.CutPrefix(plain, prefix); ok {
			script, utf = rest, false
		}
	}
	if utf {
		return nil
	}
	for name, t := range unicode.Scripts {
		if strings.ToLower(strings.ReplaceAll(name, "_", "")) == script {
			return t
		}
	}
	return nil
}

func tableRanges(t *unicode.RangeTable) runeSet {
	var out runeSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, lo, hi)
			return
		}
		for r := lo; r <= hi; r += stride {
			out = append(out, r, r)
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return out
}
