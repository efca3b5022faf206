package pattern

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Question is one line put to Answer: does the pattern compile, and does it
// match the subject?
type Question struct {
	Engine  string `json:"engine"` // osmatch, osregex or pcre2
	Pattern string `json:"pattern"`
	Subject string `json:"subject"`
}

// Verdict answers a Question. Error says why a pattern does not compile or why
// the line is no question.
type Verdict struct {
	Compiles bool   `json:"compiles"`
	Match    bool   `json:"match"`
	Error    string `json:"error,omitempty"`
}

// Answer reads questions as JSON lines and writes a verdict line for each, in
// order. Patterns are compiled once each. Blank lines are skipped; a line that
// cannot be read is answered with an error and does not stop the run. The error
// returned is of reading or writing only.
func Answer(r io.Reader, w io.Writer, o Options) error {
	type key struct {
		engine, pattern string
	}
	type compiled struct {
		Matcher
		err error
	}
	cache := map[key]compiled{}
	ask := func(line []byte) Verdict {
		var q Question
		if err := json.Unmarshal(line, &q); err != nil {
			return Verdict{Error: fmt.Sprintf("not a JSON object with engine, pattern and subject: %v", err)}
		}
		k := key{q.Engine, q.Pattern}
		c, ok := cache[k]
		if !ok {
			if d, known := ParseDialect(q.Engine); known {
				c.Matcher, c.err = Compile(d, q.Pattern, o)
			} else {
				c.err = fmt.Errorf("unknown engine %q; use osmatch, osregex or pcre2", q.Engine)
			}
			cache[k] = c
		}
		if c.err != nil {
			return Verdict{Error: c.err.Error()}
		}
		subject, _, _ := strings.Cut(q.Subject, "\x00")
		return Verdict{Compiles: true, Match: c.Match(subject)}
	}

	in, out := bufio.NewReader(r), bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for number := 1; ; number++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", number, err)
		}
		if text := strings.TrimSpace(string(line)); text != "" {
			if err := enc.Encode(ask([]byte(text))); err != nil {
				return fmt.Errorf("write the answer to line %d: %w", number, err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write answers: %w", err)
	}
	return nil
}
