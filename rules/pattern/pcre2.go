package pattern

func compilePCRE2(pattern string, o Options) (Matcher, error) {
	return nil, &SyntaxError{Dialect: PCRE2, Pattern: pattern, Reason: "not built yet", Unsupported: true}
}
