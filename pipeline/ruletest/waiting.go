package ruletest

import (
	"cmp"
	"slices"
)

// waitingAlert is one of ours whose counterpart, if there is one, has another
// time: another event with the same message may be nearer to it.
type waitingAlert struct {
	Difference        // as it is reported if there is none
	time       int64  // unix milliseconds
	line       []byte // rendered
	event      sighting
	paired     bool
}

// size is what the alert takes, roughly, in bytes.
func (w *waitingAlert) size() int { return len(w.line) + heldOverhead + 8*len(w.Reasons) }

// gap is how far an alert of the manager is from the event, milliseconds. Times
// in whole seconds are of any part of them.
func (e *sighting) gap(a *managerAlert) int64 {
	d := a.time - e.time
	switch {
	case d < 0:
		return -d
	case d < 1000 && e.time%1000 == 0:
		return 0
	}
	return d
}

// pair pairs the waiting alerts before a time, nearest first, and reports them;
// all of them if it is 0.
func (c *comparison) pair(before int64) error {
	n := len(c.waiting)
	if before != 0 {
		n = 0
		for n < len(c.waiting) && c.waiting[n].time < before {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	due := c.waiting[:n:n]
	type match struct {
		w   *waitingAlert
		m   *managerAlert
		gap int64
	}
	var matches []match
	for _, w := range due {
		c.waitingBytes -= w.size()
		for _, m := range w.event.found {
			if m.rule == w.Rule && !m.taken {
				matches = append(matches, match{w, m, w.event.gap(m)})
			}
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int { return cmp.Compare(a.gap, b.gap) })
	counterpart := make(map[*waitingAlert]*managerAlert)
	for _, p := range matches {
		if !p.w.paired && !p.m.taken {
			p.w.paired = true
			c.held.take(p.m)
			counterpart[p.w] = p.m
		}
	}
	for _, w := range due {
		var err error
		if m := counterpart[w]; m != nil {
			err = c.paired(&w.Difference, m, w.line)
		} else {
			err = c.onlyInvigil(&w.Difference)
		}
		if err != nil {
			return err
		}
	}
	c.waiting = slices.Delete(c.waiting, 0, n)
	return nil
}
