package pattern

// CompileExact compiles without any of the short cuts: an OS_Regex runs the
// byte loop for every alternative, a PCRE2 pattern an engine.
func CompileExact(d Dialect, text string, o Options) (Matcher, error) {
	if _, err := Compile(d, text, o); err != nil {
		return nil, err
	}
	switch d {
	case OSRegex:
		alts, err := parseOSRegex(text)
		if err != nil {
			return nil, err
		}
		m := &osRegex{pattern: text, options: o, steps: o.maxSteps(), loops: alts}
		captures := false
		for _, alt := range alts {
			for _, t := range alt.tokens {
				captures = captures || o.Captures && t.kind == mark
			}
		}
		for i := range m.loops {
			m.loops[i].prepare(captures)
		}
		return m, nil
	case PCRE2:
		t, err := parsePCRE2(text)
		if err != nil {
			return nil, err
		}
		m, err := newPCRE2(text, t, Literals{}, o)
		return m, err
	}
	return Compile(d, text, o)
}

// CompileBacktracking compiles a PCRE2 pattern for the backtracking engine only.
func CompileBacktracking(text string, o Options) (Matcher, error) {
	t, err := parsePCRE2(text)
	if err != nil {
		return nil, err
	}
	t.refs = true
	m, err := newPCRE2(text, t, Literals{}, o)
	return m, err
}

// Backtracks tells whether a PCRE2 matcher needs the backtracking engine.
func Backtracks(m Matcher) bool { return m.(*pcre2).back != nil }
