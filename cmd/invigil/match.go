package main

import (
	"bufio"
	"fmt"

	"github.com/spf13/cobra"

	"invigil/rules/pattern"
)

func (a *app) matchCommand() *cobra.Command {
	var (
		jsonl  bool
		compat string
	)
	c := &cobra.Command{
		Use:   "match (DIALECT PATTERN [SUBJECT…] | --jsonl)",
		Short: "Try a pattern of a rule on subjects",
		Long: `Try a pattern of the dialect osmatch, osregex or pcre2 on subjects, as in a
rule: from the arguments, or a line each from the standard input. Each subject
is printed behind "match" or "no match".

With --jsonl the standard input holds JSON lines {"engine","pattern","subject"},
answered by a line {"compiles","match","error"} each; patterns are compiled with
captures, as decoders do.`,
		Example: "  invigil match osregex '^docker\\d*$' docker0 docker1a\n  invigil match osmatch '^web|db' web-01",
		Args: func(_ *cobra.Command, args []string) error {
			if jsonl && len(args) > 0 {
				return fmt.Errorf("--jsonl takes no arguments")
			}
			if !jsonl && len(args) < 2 {
				return fmt.Errorf("match needs a dialect and a pattern")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			version, err := parseCompat(compat)
			if err != nil {
				return err
			}
			o := pattern.Options{Compat: pattern.Compat(version)}
			if jsonl {
				o.Captures = true
				return pattern.Answer(a.stdin, a.stdout, o)
			}
			return a.match(args[0], args[1], args[2:], o)
		},
	}
	c.Flags().BoolVar(&jsonl, "jsonl", false, "answer JSON lines from the standard input")
	compatFlag(c, &compat)
	return c
}

// match tries one pattern on subjects.
func (a *app) match(dialect, text string, subjects []string, o pattern.Options) error {
	d, ok := pattern.ParseDialect(dialect)
	if !ok {
		return usagef("unknown dialect %q: use osmatch, osregex or pcre2", dialect)
	}
	m, err := pattern.Compile(d, text, o)
	if err != nil {
		return fmt.Errorf("%s %q: %w", d, text, err)
	}
	answer := func(subject string) error {
		verdict := "no match"
		if m.Match(subject) {
			verdict = "match"
		}
		_, err := fmt.Fprintf(a.stdout, "%-8s  %s\n", verdict, subject)
		return err
	}
	for _, s := range subjects {
		if err := answer(s); err != nil {
			return err
		}
	}
	if len(subjects) > 0 {
		return nil
	}
	lines := bufio.NewScanner(a.stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if err := answer(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}
