package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"invigil/connectors"
	"invigil/connectors/kafka"
	"invigil/connectors/kafka/broker"
	"invigil/pipeline/bench"
)

// measure runs the benchmark, if need be beside a process that is the broker.
func (a *app) measure(ctx context.Context, o bench.Options, fromKafka bool) (figures []bench.Figures, err error) {
	if !fromKafka {
		return bench.Run(ctx, o)
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, program, brokerVerb, "--events", strconv.Itoa(o.Events),
		"--agents", strconv.Itoa(o.Fleet.Agents), "--rows", strconv.Itoa(o.Fleet.Rows), "--rate", strconv.Itoa(o.Fleet.Rate))
	child.Stderr = a.stderr
	leash, err := child.StdinPipe() // when it closes, the child ends
	if err != nil {
		return nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the broker's process: %w", err)
	}
	defer func() { err = errors.Join(err, leash.Close(), child.Wait()) }()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the broker's process ended early: %w", err)
	}
	members := 0
	o.Connect = func() (connectors.Source, error) {
		members++
		return kafka.NewSource(kafka.SourceOptions{
			Connection: kafka.Connection{Brokers: []string{strings.TrimSpace(address)}},
			Topics:     []string{bench.Topic}, Group: "bench-" + strconv.Itoa(members),
		})
	}
	return bench.Run(ctx, o)
}

const brokerVerb = "bench-broker"

// benchBrokerCommand is the other process of bench --source kafka.
func (a *app) benchBrokerCommand() *cobra.Command {
	var (
		fleet  bench.Fleet
		events int
	)
	c := &cobra.Command{
		Use:    brokerVerb,
		Short:  "Be the broker of bench --source kafka until stdin ends",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := broker.Start(broker.Options{Topics: map[string]int{bench.Topic: 1}})
			if err != nil {
				return err
			}
			defer b.Close()
			for msgs := range bench.Messages(fleet, events) {
				if err := b.Produce(cmd.Context(), msgs...); err != nil {
					return err
				}
			}
			fmt.Fprintln(a.stdout, b.Addrs()[0])
			_, err = io.Copy(io.Discard, a.stdin)
			return err
		},
	}
	c.Flags().IntVar(&events, "events", 0, "events beside the first reports")
	fleetFlags(c.Flags(), &fleet)
	return c
}
