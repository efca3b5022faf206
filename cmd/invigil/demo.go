package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"invigil/config"
	"invigil/connectors"
	"invigil/connectors/kafka/broker"
	"invigil/examples"
	"invigil/pipeline"
	"invigil/rules"
	"invigil/state"
)

// The demo's topic.
const (
	demoTopic      = "syscollector"
	demoGroup      = "invigil-demo"
	demoPartitions = 3
)

func (a *app) demoCommand() *cobra.Command {
	var (
		dir    string
		serve  bool
		listen string
	)
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show everything at work, no set-up",
		Long: `Start a Kafka-protocol broker in this process, produce the inventory events of
a small fleet, and run the service on it with two rules, each as Wazuh XML and
as YAML: alerts as they come, then a summary. Nothing is left behind, unless
--state names a directory.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &demo{app: a, dir: dir, serve: serve, listen: listen}
			return d.run(cmd.Context())
		},
	}
	c.Flags().StringVar(&dir, "state", "", "keep the inventory in `DIR`")
	c.Flags().BoolVar(&serve, "serve", false, "go on until Ctrl-C: broker, pipeline and HTTP stay up")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:8480", "`ADDRESS` of the HTTP listener with --serve")
	return c
}

// demo is one run of the demo.
type demo struct {
	*app
	dir    string
	serve  bool
	listen string

	mu       sync.Mutex
	counts   pipeline.Counts
	produced int
	done     func() // called when all sample records are processed
	began    time.Time
	took     time.Duration
}

func (d *demo) run(ctx context.Context) error {
	work, err := os.MkdirTemp("", "invigil-demo-")
	if err != nil {
		return err
	}
	return errors.Join(d.in(ctx, work), os.RemoveAll(work))
}

// in runs the demo with work as the directory for what need not stay.
func (d *demo) in(ctx context.Context, work string) error {
	if err := os.CopyFS(work, examples.Files); err != nil {
		return fmt.Errorf("unpack the examples: %w", err)
	}
	b, err := broker.Start(broker.Options{Topics: map[string]int{demoTopic: demoPartitions}})
	if err != nil {
		return err
	}
	defer b.Close()
	messages, err := sampleEvents()
	if err != nil {
		return err
	}
	if err := b.Produce(ctx, messages...); err != nil {
		return err
	}
	d.produced = len(messages)
	fmt.Fprintf(d.stdout, "Kafka-protocol broker at %s, %d records of 41 agents in topic %s\n\n", b.Addrs()[0], len(messages), demoTopic)
	s := &service{app: d.app, cfg: d.config(work, b.Addrs()), log: slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		also: []pipeline.Sink{{Name: "demo", Sink: d, Format: d.render}}, watch: d.observe}
	if err := d.pipeline(ctx, s); err != nil {
		return s.close(err)
	}
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	committed, err := b.Committed(ask, demoGroup, demoTopic, demoPartitions)
	if err != nil {
		return s.close(err)
	}
	rows, err := countRows(s.store)
	if err != nil {
		return s.close(err)
	}
	d.summary(committed, rows)
	return s.close(nil)
}

// countRows returns how many inventory rows a store holds.
func countRows(store *state.Store) (rows int, err error) {
	view := store.View()
	counts, err := view.Counts()
	for _, n := range counts {
		rows += n
	}
	return rows, errors.Join(err, view.Close())
}

// config is the configuration that the demo runs: examples/invigil.yml with
// the broker's address and its own directories.
func (d *demo) config(work string, brokers []string) *config.Config {
	state := d.dir
	if state == "" {
		state = filepath.Join(work, "state")
	}
	c := config.Default()
	c.Source.Kafka = &config.Kafka{
		Brokers: brokers, Topics: []string{demoTopic}, Group: demoGroup, Start: "earliest", OnLost: "continue", OnTruncated: "restart",
		Isolation: "read_committed", LeaveOnStop: true, Fetch: config.Fetch{MaxBytes: 64 << 10, MaxWait: 100 * time.Millisecond},
	}
	c.State.Dir = state
	c.Rules.Paths = []string{filepath.Join(work, "rules")}
	c.Lists = []config.List{{Name: "etc/lists/allowed_ips", Path: filepath.Join(work, "lists/etc/lists/allowed_ips"), Kind: "cdb"}}
	c.Alerts.Manager = "manager"
	if d.serve {
		c.HTTP = &config.HTTP{Listen: d.listen}
	}
	return c
}

// pipeline runs the service until the sample records are processed, or with
// --serve until ctx ends.
func (d *demo) pipeline(ctx context.Context, s *service) error {
	if err := s.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.done = cancel
	if d.serve {
		d.done = func() {
			fmt.Fprintf(d.stdout, "\nserving: http://%s/metrics, topic %s at %s; Ctrl-C ends it\n\n", s.http.Addr(), demoTopic, s.cfg.Source.Kafka.Brokers[0])
		}
	}
	d.began = time.Now()
	return s.run(ctx, nil)
}

// sampleEvents are the records of the sample fleet, for the partitions that
// the file names.
func sampleEvents() ([]connectors.Message, error) {
	data, err := fs.ReadFile(examples.Files, "events/fleet.jsonl")
	if err != nil {
		return nil, err
	}
	var all []connectors.Message
	for line := range bytes.Lines(data) {
		var r struct {
			Partition int32  `json:"partition"`
			TS        int64  `json:"ts"`
			Key       string `json:"key"`
			Payload   string `json:"payload"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("sample events: %w", err)
		}
		all = append(all, connectors.Message{Topic: demoTopic, Partition: r.Partition, Time: r.TS, Key: []byte(r.Key), Value: []byte(r.Payload)})
	}
	return all, nil
}

// observe counts a committed batch and ends the demo after the last one.
func (d *demo) observe(r pipeline.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := d.counts.Messages
	d.counts.Add(r.Counts)
	if before < d.produced && d.counts.Messages >= d.produced {
		d.took = time.Since(d.began)
		d.done()
	}
}

// Deliver prints alerts, a line each.
func (d *demo) Deliver(_ context.Context, items []connectors.Item) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range items {
		if _, err := fmt.Fprintf(d.stdout, "%s\n", items[i].Value); err != nil {
			return err
		}
	}
	return nil
}

// Close implements connectors.Sink.
func (d *demo) Close() error { return nil }

// render is the demo's own short form of an alert.
func (d *demo) render(b []byte, a *rules.Alert) ([]byte, error) {
	status := ""
	if a.Extras != nil && a.Extras.Status == "resolved" {
		status = "over: "
	}
	return fmt.Appendf(b, "%s  level %-2d  %-24s  agent %s  %s%s", time.UnixMilli(a.Time).UTC().Format("15:04:05"),
		a.Rule.Level, a.Rule.ID, a.Agent.ID, status, a.Rule.Description), nil
}

func (d *demo) summary(committed map[int32]int64, rows int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts
	fmt.Fprintf(d.stdout, `
records consumed from Kafka  %d
offsets committed            %s
events decoded               %d
inventory rows kept          %d
alerts                       %d
messages of other modules    %d
dead letters                 %d
events a second              %.0f (with start and rebalance)
`, c.Messages, offsets(committed), c.Events, rows, c.Alerts, c.Foreign, c.DeadLetters, float64(c.Events)/d.took.Seconds())
	dir := d.dir
	if dir == "" {
		dir = "demo-state"
		fmt.Fprintf(d.stdout, "\nTo keep the inventory: invigil demo --state %s. Then ask it:\n", dir)
	} else {
		fmt.Fprintf(d.stdout, "\nThe inventory is in %s. Ask it:\n", dir)
	}
	fmt.Fprintf(d.stdout, `  invigil query --state %[1]s --all ports --where 'port.local_port == 1514'
  invigil query --state %[1]s 002 netiface --select netinfo.iface.name,netinfo.iface.state
  invigil query --state %[1]s --all os --sort os.name -o csv
`, dir)
}

// offsets lists committed offsets by partition.
func offsets(committed map[int32]int64) string {
	s := ""
	for p := range int32(demoPartitions) {
		if p > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s/%d: %d", demoTopic, p, committed[p])
	}
	return s
}
