package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"invigil/state"
)

func (a *app) snapshotCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot (create | list | verify | restore)",
		Short: "Keep, check and restore copies of the state",
		Long: `A snapshot is a directory with a copy of the state at one time and a manifest:
offsets, agents, rows, checksums. query, history, diff, check and agents list read
it with --state as they read a state directory.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: snapshot create, list, verify or restore")
		},
	}
	c.AddCommand(a.snapshotCreateCommand(), a.snapshotListCommand(), a.snapshotVerifyCommand(), a.snapshotRestoreCommand())
	return c
}

func (a *app) snapshotCreateCommand() *cobra.Command {
	var dir stateFlags
	c := &cobra.Command{
		Use:   "create DIR (--state DIR | -c FILE)",
		Short: "Make a snapshot of a state directory",
		Long: `Make a snapshot in DIR, which must not exist. Files are hard links if DIR is on
the file system of the state.`,
		Example: "  invigil snapshot create /backup/invigil-2024-06-14 -c invigil.yml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, _, err := dir.locate(a)
			if err != nil {
				return err
			}
			if err := mustExist(path); err != nil {
				return err
			}
			store, err := state.Open(path, state.Options{})
			if err != nil {
				return err
			}
			m, err := store.Snapshot(args[0], time.Now())
			if err := errors.Join(err, store.Close()); err != nil {
				return err
			}
			return a.tellSnapshot(args[0], m)
		},
	}
	dir.register(c)
	return c
}

func (a *app) snapshotListCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "list DIR…",
		Short:   "List the snapshots in directories",
		Example: "  invigil snapshot list /backup",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := choice("output", output, "table", "json", "csv"); err != nil {
				return err
			}
			out := newRecordWriter(a.stdout, output, "time", "agents", "rows", "bytes", "partitions", "snapshot")
			for _, dir := range args {
				entries, err := os.ReadDir(dir)
				if err != nil {
					return err
				}
				for _, e := range entries {
					path := filepath.Join(dir, e.Name())
					if _, err := os.Stat(filepath.Join(path, state.ManifestName)); err != nil {
						continue // something else
					}
					m, err := state.ReadManifest(path, state.Options{})
					if err != nil {
						return err
					}
					t := totals(m)
					if err := out.write(nil, m.Time.Format(time.RFC3339), t.agents, t.rows, t.bytes, len(m.Partitions), path); err != nil {
						return err
					}
				}
			}
			return out.close()
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "table", "`FORMAT`: table, json or csv")
	return c
}

func (a *app) snapshotVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify SNAPSHOT…",
		Short: "Hold snapshots against their manifests",
		Long: `Read all of a snapshot and compare: the checksum of every file, offsets, agents
and rows. Exit code 1 if anything differs.`,
		Example: "  invigil snapshot verify /backup/*",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, dir := range args {
				m, err := state.VerifySnapshot(dir, state.Options{})
				if err != nil {
					errs = append(errs, err)
					continue
				}
				if err := a.tellSnapshot(dir, m); err != nil {
					return err
				}
			}
			return errors.Join(errs...)
		},
	}
}

func (a *app) snapshotRestoreCommand() *cobra.Command {
	var dir stateFlags
	c := &cobra.Command{
		Use:   "restore SNAPSHOT (--state DIR | -c FILE)",
		Short: "Make a state directory out of a snapshot",
		Long: `Copy a snapshot into a state directory, which must be empty or not exist. A run on
it goes on at the offsets of the snapshot.`,
		Example: "  invigil snapshot restore /backup/invigil-2024-06-14 --state ./invigil-state",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, _, err := dir.locate(a)
			if err != nil {
				return err
			}
			m, err := state.RestoreSnapshot(args[0], path, state.Options{})
			if err != nil {
				return err
			}
			return a.tellSnapshot(path, m)
		},
	}
	dir.register(c)
	return c
}

// snapshotTotals are sums over a manifest.
type snapshotTotals struct {
	agents, rows int
	bytes        int64
}

func totals(m *state.Manifest) (t snapshotTotals) {
	for _, p := range m.Partitions {
		t.agents += p.Agents
		t.rows += p.Rows
	}
	for _, f := range m.Files {
		t.bytes += f.Size
	}
	return t
}

// tellSnapshot says what a snapshot holds.
func (a *app) tellSnapshot(dir string, m *state.Manifest) error {
	t := totals(m)
	if _, err := fmt.Fprintf(a.stdout, "%s: %s, %d agents, %d rows, %d bytes\n", dir, m.Time.Format(time.RFC3339), t.agents, t.rows, t.bytes); err != nil {
		return err
	}
	for _, p := range m.Partitions {
		if _, err := fmt.Fprintf(a.stdout, "  partition %s/%d: next offset %d, stream time %s\n", p.Topic, p.Number, p.Next, dash(stamp(p.StreamTime))); err != nil {
			return err
		}
	}
	return nil
}
