package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"invigil/config"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// importing is one use of import.
type importing struct {
	*app
	state stateFlags
	table string
	topic string
}

func (a *app) importCommand() *cobra.Command {
	im := importing{app: a}
	c := &cobra.Command{
		Use:   "import (--state DIR | -c FILE) FILE…",
		Short: "Take the inventory over from the Wazuh API",
		Long: `Read answers of the Wazuh 4.x API into the state: what GET
/syscollector/{id}/{table} and GET /experimental/syscollector/{table} say, one or
several pages a file, and GET /agents for names and groups. The file's base name
names the table (packages.json, os.json, agents.json), or --table does.

Rows become baseline rows of the agent where it was seen; others wait for the
agent's first event. A table that came completely counts as known. The next run
shows what was imported to the rules. What cannot be imported is said with its
file and item; the rest is imported, and the exit code is 1.`,
		Example: `  for t in os packages ports; do
    curl -k -H "Authorization: Bearer $TOKEN" "https://manager:55000/experimental/syscollector/$t?limit=100000" > $t.json
  done
  invigil import -c invigil.yml os.json packages.json ports.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return im.run(cmd.Context(), args) },
	}
	im.state.register(c)
	c.Flags().StringVar(&im.table, "table", "", "`TABLE` of all files, or agents; default: by each file's name")
	c.Flags().StringVar(&im.topic, "topic", "", "import for agents of this `TOPIC` only")
	return c
}

// source is a file to read and the table that its answers are of, NoTable for
// agents.
type importSource struct {
	path  string
	table syscollector.Table
}

func (im *importing) run(ctx context.Context, paths []string) error {
	files, err := im.files(paths)
	if err != nil {
		return err
	}
	dir, cfg, err := im.state.locate(im.app)
	if err != nil {
		return err
	}
	history := config.Default().State.History
	if cfg != nil {
		history = cfg.State.History
	}
	store, err := state.Open(dir, state.Options{History: history})
	if err != nil {
		return err
	}
	return errors.Join(im.into(ctx, store, files), store.Close())
}

// files names each file's table.
func (im *importing) files(paths []string) ([]importSource, error) {
	var files []importSource
	for _, path := range paths {
		f := importSource{path: path}
		var err error
		switch {
		case im.table == pipeline.ImportAgents:
		case im.table != "":
			var ok bool
			if f.table, ok = syscollector.TableByName(im.table); !ok {
				return nil, unknownTable(im.table)
			}
		case path == "-":
			err = errors.New("the standard input has no name: give --table")
		default:
			f.table, _, err = pipeline.ImportTable(path)
		}
		if err != nil {
			return nil, &usageError{err}
		}
		files = append(files, f)
	}
	return files, nil
}

func (im *importing) into(ctx context.Context, store *state.Store, files []importSource) error {
	line := newProgress(im.stderr)
	im2, err := pipeline.NewImporter(pipeline.ImportOptions{Store: store, Topic: im.topic, Problem: func(p pipeline.ImportProblem) {
		line.clear()
		fmt.Fprintln(im.stderr, p.Error())
	}})
	if err != nil {
		return err
	}
	for i, f := range files {
		if err = ctx.Err(); err == nil {
			line.show("%d of %d files", i, len(files))
			err = im.file(im2, f)
		}
		if err != nil {
			break
		}
	}
	line.clear()
	counts, closeErr := im2.Close()
	fmt.Fprintf(im.stdout, "%d items of %d files: %d rows imported, %d waiting, %d agents, %d problems\n",
		counts.Items, counts.Files, counts.Rows, counts.Waiting, counts.Agents, counts.Problems)
	if err := errors.Join(interrupted(ctx, err), closeErr); err != nil {
		return err
	}
	if counts.Problems > 0 {
		return errFinding
	}
	return nil
}

func (im *importing) file(into *pipeline.Importer, f importSource) error {
	in := io.NopCloser(im.stdin)
	if f.path != "-" {
		file, err := os.Open(f.path)
		if err != nil {
			return err
		}
		in = file
	}
	return errors.Join(into.Import(f.path, f.table, in), in.Close())
}
