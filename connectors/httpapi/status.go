package httpapi

import (
	"strconv"
	"sync"
	"time"

	"invigil/pipeline"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// statusItem is the answer of /v1/status.
type statusItem struct {
	Version    string          `json:"version,omitempty"`
	Started    string          `json:"started,omitempty"`
	Uptime     float64         `json:"uptime_seconds,omitempty"`
	Ready      bool            `json:"ready"`
	Why        string          `json:"not_ready,omitempty"`
	Rules      ruleCounts      `json:"rules"`
	Reload     *reloadItem     `json:"last_reload,omitempty"`
	Partitions []partitionItem `json:"partitions"`
	Counts     *countsItem     `json:"counts"`
}

type ruleCounts struct {
	Loaded      int `json:"loaded"`
	Unreachable int `json:"unreachable"`
	Disabled    int `json:"disabled"`
}

type reloadItem struct {
	Time  string `json:"time"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

type partitionItem struct {
	Topic      string         `json:"topic"`
	Partition  int32          `json:"partition"`
	Applied    int64          `json:"applied_offset"` // the next one to process
	StreamTime string         `json:"stream_time,omitempty"`
	Served     bool           `json:"served"`
	Lag        *int64         `json:"lag,omitempty"`
	Stuck      string         `json:"stuck,omitempty"`
	Outbox     map[string]int `json:"outbox,omitempty"`
}

type countsItem struct {
	At          string         `json:"counted_at"`
	Agents      int            `json:"agents"`
	Rows        map[string]int `json:"rows"`
	Active      map[string]int `json:"active_alerts"` // by level
	DeadLetters int            `json:"dead_letters"`
}

// status answers with how the service does.
func (a *api) status(r *request) error {
	item := statusItem{Ready: true, Partitions: []partitionItem{}}
	if a.ready != nil {
		if err := a.ready(); err != nil {
			item.Ready, item.Why = false, err.Error()
		}
	}
	for _, info := range a.Rules().Rules() {
		item.Rules.Loaded++
		if info.Unreachable {
			item.Rules.Unreachable++
		}
		if info.Disabled {
			item.Rules.Disabled++
		}
	}
	var run Runtime
	if a.Runtime != nil {
		run = a.Runtime()
		item.Version = run.Version
		item.Started = run.Started.UTC().Format(time.RFC3339)
		item.Uptime = a.Clock().Sub(run.Started).Truncate(time.Millisecond).Seconds()
		if !run.Reload.Time.IsZero() {
			item.Reload = &reloadItem{run.Reload.Time.UTC().Format(time.RFC3339), run.Reload.Error == "", run.Reload.Error}
		}
	}
	ps, err := r.view.Partitions()
	if err != nil {
		return err
	}
	for _, p := range ps {
		part := partitionItem{Topic: p.Topic, Partition: p.Number, Applied: p.Next, StreamTime: stamp(p.StreamTime)}
		if s, ok := run.Partitions[pipeline.Partition{Topic: p.Topic, Number: p.Number}]; ok {
			part.Served, part.Stuck, part.Outbox = true, s.Stuck, s.Outbox
			if s.Lag >= 0 {
				part.Lag = &s.Lag
			}
		}
		item.Partitions = append(item.Partitions, part)
	}
	if item.Counts, err = a.tally.of(r, a.Clock); err != nil {
		return err
	}
	return r.value(item)
}

// tally keeps the counts of the store for a while: counting walks over every
// row.
type tally struct {
	mu     sync.Mutex
	counts *countsItem
	until  time.Time
}

// tallyAge is how old counts may be, and how many times longer than counting
// took.
const (
	tallyAge   = 30 * time.Second
	tallyShare = 20
)

// of returns counts, made anew from the request's view if they are old.
func (t *tally) of(r *request, clock func() time.Time) (*countsItem, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	began := clock()
	if t.counts != nil && began.Before(t.until) {
		return t.counts, nil
	}
	c, err := count(r)
	if err != nil {
		return nil, err
	}
	now := clock()
	c.At = now.UTC().Format(time.RFC3339)
	t.counts, t.until = c, now.Add(max(tallyAge, tallyShare*now.Sub(began)))
	return c, nil
}

func count(r *request) (*countsItem, error) {
	c := &countsItem{Rows: make(map[string]int), Active: make(map[string]int)}
	rows, err := r.view.Counts()
	if err != nil {
		return nil, err
	}
	for _, t := range syscollector.Tables() {
		if rows[t] > 0 {
			c.Rows[t.String()] = rows[t]
		}
	}
	if c.Agents, err = length(r, r.view.Agents()); err != nil {
		return nil, err
	}
	if c.DeadLetters, err = length(r, r.view.DeadLetters()); err != nil {
		return nil, err
	}
	for o, err := range onsets(r.view) {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		c.Active[strconv.Itoa(o.Level)]++
	}
	return c, nil
}

// length counts what a sequence of the store yields.
func length[T state.AgentInfo | state.DeadLetter](r *request, all func(func(*T, error) bool)) (n int, err error) {
	for _, err := range all {
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
