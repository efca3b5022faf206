package pattern

import "errors"

var errSteps = errors.New("step limit reached")

// depth is the number of places that the original remembers to come back to;
// further ones are forgotten.
const depth = 4

// The forms of what may be left of an alternative when the subject ends, m a
// single optional mark, S a STAR, Q a STAR or PLUS, O a ONE. Those of the second
// row count only while a repeat is running; two of them accept a ONE that never
// saw a byte.
func endForms() (always, inRun []string) {
	return []string{"m", "mSm"}, []string{"mQm", "mQmSm", "mQmSmSm", "mOSm", "mQmOSm"}
}

func fits(left []token, form string) bool {
	for i := 0; i < len(form); i++ {
		if form[i] == 'm' {
			if len(left) > 0 && left[0].kind == mark {
				left = left[1:]
			}
			continue
		}
		if len(left) == 0 {
			return false
		}
		k := left[0].kind
		if !(form[i] == 'O' && k == one || form[i] == 'S' && k == star || form[i] == 'Q' && (k == star || k == plus)) {
			return false
		}
		left = left[1:]
	}
	return len(left) == 0
}

func fitsAny(left []token, forms []string) bool {
	for _, form := range forms {
		if fits(left, form) {
			return true
		}
	}
	return false
}

// prepare works out for each token what the matcher would otherwise look ahead
// for. captures: the pattern is asked for its groups and has some, and then
// leading STARs are dropped from what is left at the end.
func (alt *alternative) prepare(captures bool) {
	always, inRun := endForms()
	n := len(alt.tokens)
	for k := range alt.tokens {
		t := &alt.tokens[k]
		t.next = k + 1
		if t.next < n && alt.tokens[t.next].kind == mark {
			t.next++
		}
		if t.next >= n {
			t.next = -1
		}
		switch n - k {
		case 1:
			t.short = t.kind == one || t.kind == plus || t.kind == star
		case 2:
			last := alt.tokens[k+1].kind
			t.short = t.kind == one && (last == lit || last == mark)
		}
		left := alt.tokens[k:]
		for captures && len(left) > 0 && left[0].kind == star {
			left = left[1:]
		}
		t.ends = fitsAny(left, always)
		t.endsInRun = t.ends || fitsAny(left, inRun)
	}
}

// Match implements Matcher without allocating.
func (m *osRegex) Match(s string) bool {
	if m.set.match(s) {
		return true
	}
	steps := m.steps
	for i := range m.loops {
		if m.loops[i].match(s, m.options.Compat == Compat4, &steps) {
			return true
		}
		if steps < 0 {
			m.options.limit(OSRegex, m.pattern, len(s), errSteps)
			return false
		}
	}
	return false
}

// match is the original's byte loop with its observable state: run is left over
// from an attempt to the next, a repeat hands a byte over to its successor and
// remembers up to four places, and a failed attempt continues behind the first
// byte that a literal or ONE took. ok is what tells a match from nothing at all:
// 4.14.7 starts with yes, 3.9.5 with no.
func (alt *alternative) match(s string, ok bool, steps *int) bool {
	var savedToken, savedByte [depth]int
	saved, k, home, run := 0, 0, -1, false
	tokens := alt.tokens
	for i := 0; i < len(s); {
		if *steps--; *steps < 0 {
			return false
		}
		if k < len(tokens) && tokens[k].kind == mark {
			k++
		}
		if k >= len(tokens) {
			if !alt.end {
				return ok
			}
			goto fail
		}
		{
			c, t := s[i], &tokens[k]
			switch t.kind {
			case lit, mark:
				if !t.equals(c) {
					goto fail
				}
				k++
				if home < 0 {
					home = i
				}
				ok = true
				i++
				continue
			case one:
				if t.set.has(c) {
					k++
					if home < 0 {
						home = i
					}
					ok = true
					i++
					continue
				}
			default:
				if !t.set.has(c) {
					break
				}
				if t.kind == star {
					run = true
				}
				if !run {
					run, ok = true, true
					i++
					continue
				}
				if t.next < 0 {
					i++
					continue
				}
				ok = true
				if n := &tokens[t.next]; n.accepts(c) {
					if saved < depth {
						savedToken[saved], savedByte[saved] = k, i
						saved++
					}
					switch n.kind {
					case lit, mark:
						run = false
						k = t.next + 1
					case one:
						k = t.next + 1
					default:
						k = t.next
					}
				}
				i++
				continue
			}

			// A set that does not take the byte.
			switch {
			case run && ok && t.short:
				if !alt.end {
					return true
				}
				run = false
				goto fail
			case t.kind == plus && run:
				k++
				run = false
				continue
			case t.kind == star:
				k++
				run, ok = false, true
				continue
			}
			run = false
		}
	fail:
		switch {
		case saved > 0:
			saved--
			k, i = savedToken[saved], savedByte[saved]+1
		case alt.start:
			return false
		default:
			if home >= 0 {
				i = home
			}
			i++
			home, k, ok = -1, 0, false
		}
	}
	switch {
	case !ok:
		return false
	case k >= len(tokens):
		return true
	case run:
		return tokens[k].endsInRun
	}
	return tokens[k].ends
}

// equals compares a literal, or a mark standing where a byte is compared, which
// then means "(". A literal of 0x80 or above equals nothing, as on x86-64.
func (t *token) equals(c byte) bool {
	if t.kind == mark {
		return c == '('
	}
	return t.lit < 0x80 && t.lit == lower(c)
}

func (t *token) accepts(c byte) bool {
	switch t.kind {
	case lit, mark:
		return t.equals(c)
	}
	return t.set.has(c)
}
