package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitDone    = 0 // alerts or not
	exitFinding = 1 // a failure, or rules refused, a difference, a test that failed
	exitUsage   = 2 // flags, arguments, configuration
)

// errFinding ends a verb with exitFinding when all is said already.
var errFinding = errors.New("finding")

// usageError is a mistake in flags, arguments or configuration. A nil err is
// one that is said already.
type usageError struct{ err error }

func (e *usageError) Error() string {
	if e.err == nil {
		return "wrong usage"
	}
	return e.err.Error()
}

func (e *usageError) Unwrap() error { return e.err }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// run executes the command line and returns the exit code.
func (a *app) run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once
	started := false
	root := a.root(&started)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFinding):
		return exitFinding
	case !started, errors.As(err, &usage):
		if usage == nil || usage.err != nil {
			fmt.Fprintf(a.stderr, "invigil: %v\nsee: %s --help\n", err, cmd.CommandPath())
		}
		return exitUsage
	}
	fmt.Fprintf(a.stderr, "invigil: %v\n", err)
	return exitFinding
}

// root builds the command tree. started is set when a verb begins to work: what
// fails before is wrong usage.
func (a *app) root(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:           "invigil",
		Short:         "Detections from the inventory that Wazuh agents report",
		Long:          "Invigil reads Syscollector events from Kafka, keeps every agent's inventory,\nevaluates rules (YAML, or Wazuh XML and CDB lists unchanged) and emits alerts.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		a.demoCommand(), a.runCommand(), a.evalCommand(), a.testCommand(), a.compareCommand(), a.lintCommand(), a.translateCommand(),
		a.checkCommand(), a.queryCommand(), a.historyCommand(), a.diffCommand(), a.importCommand(), a.agentsCommand(), a.snapshotCommand(),
		a.deadLettersCommand(), a.listsCommand(), a.matchCommand(), a.fieldsCommand(), a.benchCommand(), a.benchBrokerCommand(), a.versionCommand(),
	)
	tellStart(root, started)
	return root
}

// tellStart makes every verb below c set started when it begins to work.
func tellStart(c *cobra.Command, started *bool) {
	for _, c := range c.Commands() {
		if work := c.RunE; work != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				*started = true
				return work(cmd, args)
			}
		}
		tellStart(c, started)
	}
}
