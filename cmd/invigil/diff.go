package main

import (
	"context"

	"github.com/spf13/cobra"

	"invigil/state"
)

func (a *app) diffCommand() *cobra.Command {
	var p pastFlags
	c := &cobra.Command{
		Use:   "diff AGENT TABLE --from TIME [--to TIME]",
		Short: "Compare a table of an agent at two times",
		Long: `Print in what an agent's table at one time differs from the table at an earlier
one: rows added, removed and modified. A row that is the same thing as one that
is gone, as an upgraded package is, is modified. Volatile columns, such as packet
counters, are not compared. Without --to the present is compared.`,
		Example: "  invigil diff 001 packages --state ./invigil-state --from 2024-06-14T00:00:00Z --to 2024-06-15T00:00:00Z",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.from == "" {
				return usagef("diff needs --from TIME")
			}
			q, from, to, err := p.compile(args, 0, state.Now)
			if err != nil {
				return err
			}
			return p.state.view(a, func(v *state.View) error {
				return printChanges(cmd.Context(), a.stdout, v, q, p.output, false, func(ctx context.Context, v *state.View) changes {
					return q.Diff(ctx, v, from, to)
				})
			})
		},
		ValidArgsFunction: completeTables,
	}
	p.register(c)
	c.Flags().StringVar(&p.from, "from", "", "the earlier `TIME`, RFC 3339")
	c.Flags().StringVar(&p.to, "to", "", "the later `TIME`, RFC 3339; default: now")
	return c
}
