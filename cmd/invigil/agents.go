package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

func (a *app) agentsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "agents (list | forget)",
		Short: "List the agents that were seen, forget agents",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: agents list or agents forget")
		},
	}
	c.AddCommand(a.agentsListCommand(), a.agentsForgetCommand())
	return c
}

func (a *app) agentsListCommand() *cobra.Command {
	var (
		dir           stateFlags
		topic, output string
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List the agents that were seen",
		Long: `List the agents that were seen: id, name, address and groups, where and when they
were seen, and the tables whose content is completely known.`,
		Example: "  invigil agents list --state ./invigil-state -o csv",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := choice("output", output, "table", "json", "csv"); err != nil {
				return err
			}
			return dir.view(a, func(v *state.View) error {
				out := newRecordWriter(a.stdout, output, "agent.id", "agent.name", "agent.ip", "agent.groups",
					"topic", "partition", "first_seen", "last_seen", "known")
				for info, err := range query.Agents(v, "", topic) {
					if err != nil {
						return err
					}
					known := []string{}
					for _, t := range syscollector.Tables() {
						if info.Known(t) {
							known = append(known, t.String())
						}
					}
					var groups any
					if len(info.Groups) > 0 {
						groups = info.Groups
					}
					if err := out.write(nil, info.ID, info.Name, info.IP, groups, info.Topic, info.Partition,
						stamp(info.FirstSeen), stamp(info.LastSeen), known); err != nil {
						return err
					}
				}
				return out.close()
			})
		},
	}
	dir.register(c)
	c.Flags().StringVar(&topic, "topic", "", "only agents of this `TOPIC`")
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT`: table, json or csv")
	return c
}

func (a *app) agentsForgetCommand() *cobra.Command {
	var (
		dir   stateFlags
		topic string
	)
	c := &cobra.Command{
		Use:   "forget ID…",
		Short: "Remove agents with all that is stored of them",
		Long: `Remove agents with all that is stored of them: rows, history, what is imported
and waits. Their onsets end with the reason "agent forgotten"; those that report
their end do so with the next run. An agent that sends again begins anew.

With -c the alerts carry all that the rules say; with --state, rules are not
known and an alert says what was stored when it fired. While an instance runs on
the directory, use DELETE /v1/agents/{id} of its API.`,
		Example: "  invigil agents forget -c invigil.yml 017 018",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, cfg, err := dir.locate(a)
			if err != nil {
				return err
			}
			open := func() (*service, error) { return a.offlineBare(path) }
			if cfg != nil {
				open = func() (*service, error) { return a.offline(cfg) }
			}
			s, err := open()
			if err == nil {
				err = s.forget(cmd.Context(), topic, args)
			}
			return s.close(err)
		},
	}
	dir.register(c)
	c.Flags().StringVar(&topic, "topic", "", "`TOPIC` of the agents, if several have them")
	return c
}

// forget forgets agents, all that can be, and says which.
func (s *service) forget(ctx context.Context, topic string, ids []string) error {
	var errs []error
	for _, id := range ids {
		if err := s.unambiguous(topic, id); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := s.pipeline.Forget(ctx, topic, id); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(s.stdout, "forgot agent %s\n", id)
	}
	return errors.Join(errs...)
}

// unambiguous refuses an agent that several topics have.
func (s *service) unambiguous(topic, id string) error {
	if topic != "" {
		return nil
	}
	v := s.store.View()
	places, err := v.Find(id)
	if err := errors.Join(err, v.Close()); err != nil {
		return err
	}
	var topics []string
	for i := range places {
		topics = append(topics, places[i].Topic)
	}
	slices.Sort(topics)
	if topics = slices.Compact(topics); len(topics) > 1 {
		return fmt.Errorf("agent %s is in topics %s: name one with --topic", id, strings.Join(topics, ", "))
	}
	return nil
}
