package ruletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"invigil/connectors"
	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// comparison is a comparison under way.
type comparison struct {
	o      CompareOptions
	within int64 // milliseconds
	counts Comparison
	alerts alertReader
	next   *managerAlert // read, not held yet
	held   *heldAlerts
	judge  *judge
	trace  rules.Trace

	event        sighting // the message in hand
	waiting      []*waitingAlert
	waitingBytes int
	span         span  // of the events' own times
	retired      int64 // alerts before this time were given up for want of an event
	several      bool  // the messages are not of one ordered stream
	err          error // of see
	line         []byte
}

// sighting is what the rules are shown.
type sighting struct {
	seen     bool
	inferred bool // the record's time is a guess
	timed    bool // the time is the event's or its record's own
	visible  bool
	time     int64
	place    string
	key      uint64          // of the message
	found    []*managerAlert // alerts of the manager that may be of it
}

// span is a stretch of time, unix milliseconds; the zero span is empty.
type span struct{ first, last int64 }

func (s *span) add(t int64) {
	if s.first == 0 || t < s.first {
		s.first = t
	}
	s.last = max(s.last, t)
}

func (s span) holds(t int64) bool { return s.first <= t && t <= s.last }

func (c *comparison) run(ctx context.Context, p *pipeline.Pipeline) error {
	for {
		msgs, err := c.o.Archives.Read(ctx)
		if errors.Is(err, io.EOF) {
			return c.finish(ctx)
		}
		if err != nil {
			return fmt.Errorf("read the archives: %w", err)
		}
		for i := range msgs {
			if err := c.message(p, msgs[i:i+1]); err != nil {
				return err
			}
		}
		if c.o.Progress != nil {
			c.o.Progress(&c.counts)
		}
	}
}

// message evaluates one message: its alerts are those of the event that see was
// called for.
func (c *comparison) message(p *pipeline.Pipeline, msg []connectors.Message) error {
	m := &msg[0]
	c.counts.Messages++
	c.several = c.several || m.Topic != ""
	c.event = sighting{found: c.event.found[:0], place: place(m), inferred: m.Inferred, time: m.Time}
	res, err := p.Process(msg)
	if err = errors.Join(err, c.err); err != nil {
		return err
	}
	c.counts.Foreign += res.Counts.Foreign
	for i := range res.DeadLetters {
		c.counts.DeadLetters[res.DeadLetters[i].Reason]++
	}
	if !c.event.seen {
		return nil
	}
	c.counts.Events++
	if c.event.timed && c.event.time < c.retired {
		c.counts.Late++
	}
	for i := range res.Alerts {
		if err := c.ours(&res.Alerts[i]); err != nil {
			return err
		}
	}
	for _, a := range c.event.found {
		if gap := c.event.gap(a); !a.taken && (a.why == "" || gap < a.nearest) {
			a.why, a.nearest = c.judge.whyNot(a, &c.event, res.Alerts), gap
		}
	}
	if c.several || !c.event.timed {
		return nil
	}
	if err := c.pair(c.event.time - c.within); err != nil {
		return err
	}
	return c.retire(c.event.time - 2*c.within)
}

// place names a message for people.
func place(m *connectors.Message) string {
	if m.Topic == "" {
		return fmt.Sprintf("line %d", m.Offset)
	}
	return fmt.Sprintf("%s/%d at offset %d", m.Topic, m.Partition, m.Offset)
}

// see is called with each event before its rules are tried. Only where the
// manager alerted the rules are traced.
func (c *comparison) see(ctx context.Context, ev *syscollector.Event) *rules.Trace {
	e := &c.event
	e.timed = ev.Time > 0 && !(e.inferred && ev.Time == e.time)
	e.seen, e.visible, e.time = true, ev.Visible, ev.Time
	if e.timed {
		c.span.add(e.time)
	}
	if err := c.readAhead(ctx, e); err != nil {
		c.err = err
	}
	e.key = textKey(ev.Log)
	e.found = c.held.find(e.found[:0], e, ev, c.within)
	if len(e.found) == 0 {
		return nil
	}
	c.judge.begin()
	return &c.trace
}

// readAhead holds the manager's alerts that may be of the event; all if its
// time is not known.
func (c *comparison) readAhead(ctx context.Context, e *sighting) error {
	for {
		if c.next == nil {
			var err error
			if c.next, err = c.alerts.read(ctx); c.next == nil || err != nil {
				return err
			}
		}
		if e.timed && c.next.time > e.time+c.within {
			return nil
		}
		a := c.next
		c.next = nil
		if !c.inRange(a.time) {
			c.counts.Outside++
			continue
		}
		c.held.add(a)
		for c.held.bytes > c.o.Hold {
			if err := c.onlyWazuh(c.held.oldest()); err != nil {
				return err
			}
		}
	}
}

func (c *comparison) inRange(t int64) bool {
	return (c.o.From.IsZero() || t >= c.o.From.UnixMilli()) && (c.o.To.IsZero() || t < c.o.To.UnixMilli())
}

// retire gives up the manager's alerts before a time.
func (c *comparison) retire(before int64) error {
	if before <= c.retired {
		return nil
	}
	c.retired = before
	for {
		a := c.held.oldest()
		if a == nil || a.time >= before {
			return nil
		}
		if err := c.onlyWazuh(a); err != nil {
			return err
		}
	}
}

// finish reports what of the manager's alerts is left.
func (c *comparison) finish(ctx context.Context) error {
	if err := c.pair(0); err != nil {
		return err
	}
	for a := c.held.oldest(); a != nil; a = c.held.oldest() {
		if err := c.onlyWazuh(a); err != nil {
			return err
		}
	}
	for n := 0; ; n++ {
		a := c.next
		c.next = nil
		if a == nil {
			var err error
			if a, err = c.alerts.read(ctx); a == nil || err != nil {
				c.counts.OtherDecoders, c.counts.Unreadable = c.alerts.others, c.alerts.unreadable
				return err
			}
		}
		if !c.inRange(a.time) {
			c.counts.Outside++
			continue
		}
		if err := c.onlyWazuh(a); err != nil {
			return err
		}
		if n%4096 == 0 && c.o.Progress != nil {
			c.o.Progress(&c.counts)
		}
	}
}

// ours pairs one of our alerts: at once if the manager's has the same time.
func (c *comparison) ours(a *rules.Alert) error {
	if !c.inRange(a.Time) {
		c.counts.Outside++
		return nil
	}
	var best *managerAlert
	for _, m := range c.event.found {
		if !m.taken && m.rule == a.Rule.ID && (best == nil || c.event.gap(m) < c.event.gap(best)) {
			best = m
		}
	}
	d := &Difference{
		Kind: OnlyInvigil, Time: time.UnixMilli(a.Time), AgentID: a.Agent.ID, AgentName: a.Agent.Name,
		Rule: a.Rule.ID, Level: a.Rule.Level, Description: a.Rule.Description, Place: c.event.place + " of the archives",
	}
	if best == nil || c.event.timed && c.event.gap(best) > 0 {
		d.Reasons = c.judge.whyOnly(a, &c.event, &c.alerts)
	}
	if best == nil {
		return c.onlyInvigil(d)
	}
	var err error
	if c.line, err = c.o.Format(c.line[:0], a); err != nil {
		return err
	}
	if d.Reasons == nil {
		c.held.take(best)
		return c.paired(d, best, c.line)
	}
	w := &waitingAlert{Difference: *d, time: a.Time, line: bytes.Clone(c.line), event: c.event}
	w.event.found = slices.Clone(c.event.found)
	c.waiting = append(c.waiting, w)
	if c.waitingBytes += w.size(); c.waitingBytes > c.o.Hold {
		return c.pair(0)
	}
	return nil
}

// paired compares the members of two alerts of one event and rule.
func (c *comparison) paired(d *Difference, m *managerAlert, line []byte) error {
	fields, err := compareAlerts(m.raw, line)
	if err != nil {
		return fmt.Errorf("%s of the manager's alerts: %w", m.place, err)
	}
	if len(fields) == 0 {
		c.counts.Identical++
		return nil
	}
	c.counts.Different++
	c.rule(d.Rule).Different++
	d.Kind, d.Reasons = Fields, fields
	return c.o.Report(d)
}

func (c *comparison) rule(id string) *RuleDifferences {
	r := c.counts.Rules[id]
	if r == nil {
		r = new(RuleDifferences)
		c.counts.Rules[id] = r
	}
	return r
}

func (c *comparison) onlyInvigil(d *Difference) error {
	c.counts.OnlyInvigil++
	c.rule(d.Rule).OnlyInvigil++
	return c.o.Report(d)
}

func (c *comparison) onlyWazuh(a *managerAlert) error {
	c.held.take(a)
	c.counts.OnlyWazuh++
	c.rule(a.rule).OnlyWazuh++
	why := a.why
	if why == "" {
		why = c.judge.noEvent(a, c.span)
	}
	return c.o.Report(&Difference{
		Kind: OnlyWazuh, Time: time.UnixMilli(a.time), AgentID: a.agentID, AgentName: a.agentName,
		Rule: a.rule, Level: a.level, Description: a.description, Place: a.place + " of the manager's alerts", Reasons: []string{why},
	})
}
