package pattern

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The shapes of OS_Regex for which the ideal reading as a regular expression is
// known to give the original's verdict, and which therefore judge the byte loop
// from outside.

// ideal writes one alternative as an expression for Go's regexp over ASCII.
func ideal(alt alternative) string {
	var b strings.Builder
	if alt.start {
		b.WriteString(`\A`)
	}
	for _, t := range alt.tokens {
		switch t.kind {
		case mark:
			continue
		case lit:
			fmt.Fprintf(&b, "[%s%s]", regexp.QuoteMeta(string(rune(t.lit))), regexp.QuoteMeta(strings.ToUpper(string(rune(t.lit)))))
			continue
		}
		b.WriteByte('[')
		for c := rune(0); c < 0x80; c++ {
			if t.set.has(byte(c)) {
				fmt.Fprintf(&b, `\x{%x}`, c)
			}
		}
		b.WriteByte(']')
		switch t.kind {
		case plus:
			b.WriteByte('+')
		case star:
			b.WriteByte('*')
		}
	}
	if alt.end {
		b.WriteString(`\z`)
	}
	return b.String()
}

func quantified(t token) bool { return t.kind == plus || t.kind == star }

func shapeQ(tokens []token) bool {
	return len(tokens) > 0 && !slices.ContainsFunc(tokens, quantified)
}

func shapeS(tokens []token) bool {
	at, count := -1, 0
	for i, t := range tokens {
		if quantified(t) {
			at, count = i, count+1
		}
	}
	return count == 1 && tokens[at].kind == star && at+1 < len(tokens) && tokens[at+1].kind == lit
}

func shapeD(alt alternative, tokens []token) bool {
	n := len(tokens)
	if n == 0 {
		return false
	}
	trailing := 0
	for trailing < n && tokens[n-1-trailing].kind == star {
		trailing++
	}
	if trailing > 1 || trailing == n {
		return false
	}
	if n >= 3 && quantified(tokens[n-3]) && tokens[n-2].kind == one && tokens[n-1].kind == star {
		return false
	}
	if !(alt.start || n == 1 || !quantified(tokens[0]) || !quantified(tokens[1])) {
		return false
	}
	for i, t := range tokens {
		if !quantified(t) {
			continue
		}
		for j := i + 1; j < n; j++ {
			for c := 1; c < 0x80; c++ {
				if t.set.has(byte(c)) && tokens[j].accepts(byte(c)) {
					return false
				}
			}
			if tokens[j].kind != star {
				break
			}
		}
	}
	return true
}

func isolatedMarks(tokens []token) (rest []token, ok bool) {
	for i, t := range tokens {
		if t.kind == mark {
			if i > 0 && tokens[i-1].kind == mark {
				return nil, false
			}
			continue
		}
		rest = append(rest, t)
	}
	return rest, true
}

func TestByteLoopIsIdealOnTheProvedShapes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "a", "b", "1", " ", ":", "(a)", `\w`, `\d`, `\s`, `\.`, `\S`, `\w+`, `\d+`, `\d*`, `\s*`, `\s+`, `\w*`, `\S+`, `\.*`, `\S*`, `\W+`, `\D*`}
	subjects := []string{""}
	for from, n := 0, 0; n < 5; n++ {
		to := len(subjects)
		for _, s := range subjects[from:to] {
			for _, c := range []string{"a", "1", " ", "B"} {
				subjects = append(subjects, s+c)
			}
		}
		from = to
	}
	count := map[string]int{}
	for range 60000 {
		var b strings.Builder
		if rnd.IntN(2) == 0 {
			b.WriteByte('^')
		}
		for range 1 + rnd.IntN(4) {
			b.WriteString(parts[rnd.IntN(len(parts))])
		}
		if rnd.IntN(3) == 0 {
			b.WriteByte('$')
		}
		alts, err := parseOSRegex(b.String())
		if err != nil {
			t.Fatal(err)
		}
		alt := alts[0]
		tokens, ok := isolatedMarks(alt.tokens)
		if !ok {
			continue
		}
		var shape string
		switch {
		case shapeQ(tokens):
			shape = "Q"
		case shapeS(tokens):
			shape = "S"
		case shapeD(alt, tokens):
			shape = "D"
		default:
			continue
		}
		if count[shape]++; count[shape] > 250 {
			continue
		}
		re := regexp.MustCompile(ideal(alt))
		alt.prepare(false)
		for _, s := range subjects {
			want := re.MatchString(s)
			for _, ok := range []bool{true, false} {
				steps := 1 << 20
				if got := alt.match(s, ok, &steps); got != want {
					t.Fatalf("shape %s, %q on %q, 4.x %v: %v, ideal %v", shape, b.String(), s, ok, got, want)
				}
			}
		}
	}
	for _, shape := range []string{"Q", "S", "D"} {
		if count[shape] < 250 {
			t.Errorf("only %d patterns of shape %s", count[shape], shape)
		}
	}
}
