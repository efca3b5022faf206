package ruletest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/state"
)

// Input gives messages in order, and io.EOF at the end. Messages are valid
// until the next Read.
type Input interface {
	Read(ctx context.Context) ([]connectors.Message, error)
}

// CompareOptions say what to compare.
type CompareOptions struct {
	Store    *state.Store // empty, with the lists
	Rules    *rules.Set
	Decoder  syscollector.Options
	LogLevel int // that the rules were loaded with; 0 = 1

	Archives Input // recorded traffic, in any envelope
	Alerts   Input // lines of the manager's alerts.json, in their order
	// Format renders an alert as the manager would: a line of alerts.json.
	Format func(b []byte, a *rules.Alert) ([]byte, error)

	// Within is how far apart the times of an alert and its event may be;
	// 0 = 10 minutes.
	Within time.Duration
	// From and To, unless zero, bound what is compared; events outside are
	// evaluated all the same, for the state that they leave.
	From, To time.Time
	// Hold bounds the memory for manager's alerts whose event did not come
	// yet, bytes; 0 = 128 MiB. Beyond it the oldest count as without one.
	Hold int

	// Report gets each difference.
	Report func(*Difference) error
	// Progress, if set, gets the counts so far after every few thousand
	// messages.
	Progress func(*Comparison)
}

// Comparison is what a comparison counted.
type Comparison struct {
	Identical   int // pairs that agree in every member compared
	Different   int // pairs of one event and one rule that differ in others
	OnlyWazuh   int
	OnlyInvigil int

	Messages      int // read from the archives
	Events        int // decoded of them
	Foreign       int // sound messages of other modules
	OtherDecoders int // manager's alerts of other decoders, left out
	Unreadable    int // lines of the manager's alerts that are none, left out
	Outside       int // alerts of either side outside From and To, left out
	Late          int // events that came when their alerts were given up already
	DeadLetters   map[string]int
	Rules         map[string]*RuleDifferences
}

// RuleDifferences counts the differences of one rule.
type RuleDifferences struct{ Different, OnlyWazuh, OnlyInvigil int }

// Differ reports whether anything differs.
func (c *Comparison) Differ() bool { return c.Different+c.OnlyWazuh+c.OnlyInvigil > 0 }

// String returns the line that ends a comparison.
func (c *Comparison) String() string {
	return fmt.Sprintf("%d identical, %d only Wazuh, %d only Invigil", c.Identical, c.OnlyWazuh, c.OnlyInvigil)
}

// Compare evaluates recorded traffic and compares the alerts with those that
// the manager wrote. Alerts are paired one to one by agent, message (or data,
// where the rule left the message out), rule and nearest time. Counters since
// the manager's start (id, rule.firedtimes) and what its configuration decides
// (manager, cluster, rule.mail) are not compared.
//
// Both inputs are read once, side by side. Memory holds the fleet's inventory
// and the manager's alerts whose event did not come yet.
func Compare(ctx context.Context, o CompareOptions) (*Comparison, error) {
	if o.Within == 0 {
		o.Within = 10 * time.Minute
	}
	if o.Hold == 0 {
		o.Hold = 128 << 20
	}
	if o.LogLevel == 0 {
		o.LogLevel = 1
	}
	c := &comparison{
		o:      o,
		within: o.Within.Milliseconds(),
		counts: Comparison{DeadLetters: make(map[string]int), Rules: make(map[string]*RuleDifferences)},
		alerts: alertReader{in: o.Alerts},
		held:   newHeldAlerts(),
		judge:  newJudge(o.Rules, o.LogLevel, o.Decoder.Compat),
	}
	c.trace.Rule = c.judge.tried
	p, err := pipeline.New(pipeline.Options{
		Store: o.Store, Rules: o.Rules, Decoder: o.Decoder,
		Explain: func(ev *syscollector.Event) *rules.Trace { return c.see(ctx, ev) },
	})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.run(ctx, p), p.Close()); err != nil {
		return nil, err
	}
	return &c.counts, nil
}
