// Package pattern is the leaf that knows the pattern dialects of Wazuh rules:
// OS_Match, OS_Regex and PCRE2, the group-word matcher of if_group and the IP
// matcher of srcip and dstip. It turns a pattern's text into a Matcher, once at
// load; the matchers are then asked for every event.
//
// It promises the original's verdict for every pattern and subject, oddities
// included: OS_Regex in particular is a byte loop with a memory of four places,
// not a regular expression, and is reproduced as such. Common shapes (equality,
// prefix, suffix, contains and alternations of them) never reach an engine;
// PCRE2 runs on Go's linear-time regexp wherever that is exact, and on a
// backtracking engine with a time limit elsewhere.
//
// Patterns and subjects are bytes, as in the original, whose strings end at the
// first NUL: a caller whose values may hold one cuts them there. Letters fold
// from A-Z to a-z only, no other byte is touched.
//
// Matchers are immutable and safe for concurrent use. Nothing here logs or
// reads a clock of its own; a match that is cut off is told to Options.OnLimit.
package pattern

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is a pattern language.
type Dialect uint8

// The dialects.
const (
	OSMatch Dialect = iota // literals with ^ $ | and a leading !, letters fold
	OSRegex                // the original's own byte loop, letters fold
	PCRE2                  // libpcre2 10.42 with compile options 0
)

// String returns the name that rule files use: osmatch, osregex or pcre2.
func (d Dialect) String() string {
	switch d {
	case OSMatch:
		return "osmatch"
	case OSRegex:
		return "osregex"
	case PCRE2:
		return "pcre2"
	}
	return "dialect(" + strconv.Itoa(int(d)) + ")"
}

// ParseDialect returns the dialect of a name as in rule files. Letters fold,
// as they do in the original's type attribute.
func ParseDialect(name string) (d Dialect, ok bool) {
	for d := OSMatch; d <= PCRE2; d++ {
		if strings.EqualFold(name, d.String()) {
			return d, true
		}
	}
	return 0, false
}

// Compat is the version of the original whose verdicts are wanted. Its values
// are those of the string view's Compat, so one converts to the other.
type Compat uint8

// The versions.
const (
	Compat4  Compat = iota // 4.14.7
	Compat39               // 3.9.5
)

// The limits that hold when Options leaves them at zero.
const (
	DefaultMaxSteps = 10_000_000
	DefaultTimeout  = time.Second
)

// MaxPattern is the longest pattern in bytes that the original compiles.
const MaxPattern = 20480

// Options say how patterns behave. The zero value is a rule of 4.14.7.
type Options struct {
	Compat Compat

	// Captures lets an OS_Regex behave as the original's does when it is asked
	// for its groups (decoders, recorded vectors): a trailing star after a group
	// may then be left over. Rules compile without.
	Captures bool

	// MaxSteps bounds the bytes an OS_Regex looks at in one Match, counting a
	// byte each time; 0 means DefaultMaxSteps. The original has no limit and
	// grows with the fifth power of the subject's length.
	MaxSteps int

	// Timeout bounds one Match of a PCRE2 pattern that needs backtracking;
	// 0 means DefaultTimeout. Other patterns run in linear time.
	Timeout time.Duration

	// OnLimit is called when a limit cut a Match off, which is then no match.
	// It runs inside Match and must be safe for concurrent use; nil is allowed.
	OnLimit func(*LimitError)
}

func (o Options) maxSteps() int {
	if o.MaxSteps > 0 {
		return o.MaxSteps
	}
	return DefaultMaxSteps
}

func (o Options) timeout() time.Duration {
	if o.Timeout > 0 {
		return o.Timeout
	}
	return DefaultTimeout
}

func (o Options) limit(d Dialect, pattern string, subject int, cause error) {
	if o.OnLimit != nil {
		o.OnLimit(&LimitError{Dialect: d, Pattern: pattern, Subject: subject, Cause: cause})
	}
}

// Matcher is a compiled pattern.
type Matcher interface {
	// Match tells whether the pattern is found in s.
	Match(s string) bool

	// Literals returns what is known of the subjects that match. The caller
	// must not change it.
	Literals() Literals
}

// Compile compiles a pattern. The error is a *SyntaxError: the original would
// refuse the pattern, or this program cannot express it (Unsupported).
func Compile(d Dialect, pattern string, o Options) (Matcher, error) {
	if i := strings.IndexByte(pattern, 0); i >= 0 {
		pattern = pattern[:i]
	}
	if len(pattern) > MaxPattern {
		return nil, &SyntaxError{Dialect: d, Pattern: pattern, Offset: MaxPattern,
			Reason: fmt.Sprintf("longer than %d bytes; split it into several rules", MaxPattern)}
	}
	switch d {
	case OSMatch:
		return compileOSMatch(pattern), nil
	case OSRegex:
		m, err := compileOSRegex(pattern, o)
		if err != nil {
			return nil, err
		}
		return m, nil
	case PCRE2:
		m, err := compilePCRE2(pattern, o)
		if err != nil {
			return nil, err
		}
		return m, nil
	}
	return nil, &SyntaxError{Dialect: d, Pattern: pattern, Reason: "unknown dialect; use osmatch, osregex or pcre2"}
}

// SyntaxError tells why a pattern does not compile and where.
type SyntaxError struct {
	Dialect     Dialect
	Pattern     string
	Offset      int    // byte of Pattern at which the trouble stands
	Reason      string // one line, lower case
	Unsupported bool   // the original accepts it, this program cannot express it
}

// Error returns dialect, pattern, place and reason on one line.
func (e *SyntaxError) Error() string {
	shown := e.Pattern
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	return fmt.Sprintf("%s pattern %q, byte %d: %s", e.Dialect, shown, e.Offset+1, e.Reason)
}

// LimitError tells that a Match was cut off and counted as no match.
type LimitError struct {
	Dialect Dialect
	Pattern string
	Subject int   // length of the subject in bytes
	Cause   error // what cut it
}

// Error names the pattern and what to do.
func (e *LimitError) Error() string {
	return fmt.Sprintf("%s pattern %q gave up on a subject of %d bytes (no match): %v; "+
		"make neighbouring repeats exclude each other", e.Dialect, e.Pattern, e.Subject, e.Cause)
}

// Unwrap returns the cause.
func (e *LimitError) Unwrap() error { return e.Cause }
