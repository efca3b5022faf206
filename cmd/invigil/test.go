package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"invigil/config/source"
	"invigil/pipeline/ruletest"
)

func (a *app) testCommand() *cobra.Command {
	var (
		run, junit string
		coverage   bool
	)
	c := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run rule tests",
		Long: `Run tests of rules: ordered events on a test clock, and all alerts that they
must give. A failed test is printed with the difference between wanted and got
alerts, and with what the conditions of the missing ones saw. State is kept in
memory; each test begins with none.

The clock of a test stands at Monday, 2024-01-01 00:00 UTC at offset 0.

Exit code 1 if a test failed or a file or its rules are refused.`,
		Example: "  invigil test tests/*.test.yml --coverage\n  invigil test --run 'listening port' --junit report.xml ports.test.yml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var choose *regexp.Regexp
			if run != "" {
				var err error
				if choose, err = regexp.Compile(run); err != nil {
					return usagef("--run: %w", err)
				}
			}
			return a.test(args, choose, junit, coverage)
		},
	}
	f := c.Flags()
	f.StringVar(&run, "run", "", "only tests whose name matches this `REGEX`")
	f.StringVar(&junit, "junit", "", "write the results as JUnit XML to this `FILE` too")
	f.BoolVar(&coverage, "coverage", false, "list the rules that no test made fire")
	return c
}

func (a *app) test(paths []string, choose *regexp.Regexp, junit string, coverage bool) error {
	var results []*ruletest.Result
	failed, ran := false, 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := ruletest.Run(source.File{Name: path, Data: data}, choose)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := r.Problems.Render(a.stderr); err != nil {
			return err
		}
		if err := r.WriteText(a.stdout); err != nil {
			return err
		}
		results = append(results, r)
		failed, ran = failed || r.Failed(), ran+len(r.Tests)
	}
	if choose != nil && ran == 0 && !failed {
		return usagef("--run %q matches the name of no test", choose)
	}
	if coverage {
		for _, id := range ruletest.NotCovered(results) {
			fmt.Fprintf(a.stdout, "not covered: %s\n", id)
		}
	}
	if junit != "" {
		if err := writeJUnit(junit, results); err != nil {
			return err
		}
	}
	if failed {
		return errFinding
	}
	return nil
}

func writeJUnit(path string, results []*ruletest.Result) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--junit: %w", err)
	}
	return errors.Join(ruletest.WriteJUnit(f, results), f.Close())
}
