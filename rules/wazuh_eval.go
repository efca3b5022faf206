package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/vm"

	"invigil/pipeline/syscollector"
)

// wazuhEval evaluates the rule tree over one partition's events. It belongs to
// one goroutine.
type wazuhEval struct {
	set     *wazuhSet
	opts    *Options
	mem     *wazuhMemory
	history history
	counts  []RuleCounters // by slot
	vm      vm.VM
	env     map[string]any

	// The event in hand.
	in      *Input
	ev      *syscollector.Event
	now     int64      // stream time in whole seconds
	texts   []string   // previous_output so far, newest first
	final   *wazuhRule // that the event ended at, nil = none
	alerted *wazuhRule // whose alert was made, nil = none
	mark    int        // level that a correlation marked the event with
	values  []trackedValue
	known   bool // values are those of this event
	minute  int  // local minute of the day, -1 = not known yet
	weekday time.Weekday
	// before is the text that a check_diff condition found different.
	before string
	err    error

	// memo holds the answers of atoms: stamp<<1, plus 1 if true.
	memo  []uint32
	stamp uint32
	// failed holds, by slot, the stamp of the event that a rule at several
	// places gave nothing for: without it their number multiplies.
	failed []uint32
	tries  int // rules tried for the event

	candidates []int32
	fold       []byte
}

// maxTries is the number of rules tried for one event from which a rule that
// gave nothing is not tried at its other places, though check_diff or a
// correlation below it could answer differently there: thirty rules with
// if_level would keep the original busy for minutes.
const maxTries = 100_000

// trackedValue is a field's value, if the event has it.
type trackedValue struct {
	text string
	ok   bool
}

func newWazuhEval(set *wazuhSet, opts *Options, memory Memory) (*wazuhEval, error) {
	w := &wazuhEval{set: set, opts: opts, memo: make([]uint32, len(set.atoms)), counts: make([]RuleCounters, len(set.rules)), failed: make([]uint32, len(set.rules)), values: make([]trackedValue, len(set.tracked))}
	w.env = atomEnv(func(k int) bool { return w.atom(int32(k)) })
	var err error
	if w.mem, err = loadWazuhMemory(set, memory); err != nil {
		return nil, err
	}
	w.history = newHistory(set, w.mem)
	return w, w.history.load()
}

// eval appends the event's alert, if there is one.
func (w *wazuhEval) eval(in *Input, out []Alert) ([]Alert, error) {
	w.in, w.ev = in, in.Event
	w.now = floorSeconds(in.StreamTime)
	w.texts, w.mark, w.known, w.minute, w.before, w.err = w.texts[:0], 0, false, -1, "", nil
	w.candidates, w.tries, w.final, w.alerted = w.candidates[:0], 0, nil, nil
	if w.stamp++; w.stamp == 1<<31 {
		clear(w.memo)
		clear(w.failed)
		w.stamp = 1
	}
	for _, root := range w.set.roots {
		final, above := w.try(root)
		if final != nil {
			w.final = final
			out = w.settle(final, above, out)
			break
		}
	}
	w.in, w.ev = nil, nil
	return out, w.err
}

// try evaluates a rule and what hangs below it. It returns the rule that the
// event ends at and the one directly above it, nil for none.
func (w *wazuhEval) try(r *wazuhRule) (final, above *wazuhRule) {
	if w.tries++; r.repeats || r.places > 1 && w.tries > maxTries {
		if w.failed[r.slot] == w.stamp {
			return nil, nil
		}
		defer func() {
			if final == nil {
				w.failed[r.slot] = w.stamp
			}
		}()
	}
	count := &w.counts[r.slot]
	count.Evaluations++
	if !w.match(r) {
		return nil, nil
	}
	count.Matches++
	if final, above = w.tryChildren(r); final != nil {
		if above == nil {
			above = r
		}
		return final, above
	}
	if r.noAlert {
		return nil, nil
	}
	return r, nil
}

func (w *wazuhEval) tryChildren(r *wazuhRule) (final, above *wazuhRule) {
	if w.in.Trace != nil {
		return w.tryAll(r.children)
	}
	if r.index == nil {
		return w.tryAll(r.live)
	}
	from := len(w.candidates)
	w.candidates = r.index.candidates(w.ev, w.candidates, &w.fold)
	found, always := w.candidates[from:], r.index.always
	for len(found) > 0 || len(always) > 0 {
		var next int32
		if len(always) == 0 || len(found) > 0 && found[0] < always[0] {
			next, found = found[0], found[1:]
		} else {
			next, always = always[0], always[1:]
		}
		if final, above = w.try(r.live[next]); final != nil {
			break
		}
	}
	w.candidates = w.candidates[:from]
	return final, above
}

func (w *wazuhEval) tryAll(rules []*wazuhRule) (final, above *wazuhRule) {
	for _, r := range rules {
		if final, above = w.try(r); final != nil {
			return final, above
		}
	}
	return nil, nil
}

// match evaluates a rule's own conditions, the search of earlier events last.
func (w *wazuhEval) match(r *wazuhRule) bool {
	if w.in.Trace != nil {
		reason := w.explain(r)
		if w.in.Trace.Rule != nil {
			w.in.Trace.Rule(r.name, reason)
		}
		return reason == ""
	}
	if r.never() {
		return false
	}
	for _, k := range r.cond.atoms {
		if !w.atom(k) {
			return false
		}
	}
	if r.cond.program != nil && !w.run(r) {
		return false
	}
	return len(w.ev.Log) >= r.maxSize &&
		(!r.clock || w.inHours(r)) &&
		(!r.checkDiff || w.differs(r)) &&
		(r.corr == nil || w.search(r))
}

// atom answers a condition, once an event.
func (w *wazuhEval) atom(k int32) bool {
	if m := w.memo[k]; m>>1 == w.stamp {
		return m&1 == 1
	}
	m := w.stamp << 1
	if w.set.atoms[k].eval(w.ev, w.in.Lists) {
		m |= 1
	}
	w.memo[k] = m
	return m&1 == 1
}

// run runs a rule's program; one that fails is false.
func (w *wazuhEval) run(r *wazuhRule) bool {
	v, err := w.vm.Run(r.cond.program, w.env)
	if err != nil {
		count := &w.counts[r.slot]
		count.Errors++
		count.LastError = err.Error()
		return false
	}
	yes, _ := v.(bool)
	return yes
}

// inHours decides time and weekday on the receive time in the configured zone.
func (w *wazuhEval) inHours(r *wazuhRule) bool {
	if w.minute < 0 {
		zone := w.opts.Zone
		if zone == nil {
			zone = time.UTC
		}
		t := time.UnixMilli(w.ev.Time).In(zone)
		w.minute, w.weekday = t.Hour()*60+t.Minute(), t.Weekday()
	}
	return (r.time == nil || r.time.Holds(w.minute)) && (r.weekdays == nil || r.weekdays.Holds(w.weekday))
}

// differs decides check_diff: whether the message differs from the last one
// that got here of the same rule and agent.
func (w *wazuhEval) differs(r *wazuhRule) bool {
	before, ok, err := w.mem.swapText(r, w.ev.Agent.ID, w.ev.Log)
	if err != nil {
		w.err = err
		return false
	}
	if !ok || before == w.ev.Log {
		return false
	}
	w.before = before
	return true
}

// settle does what follows a verdict: counters, the ignore window, the alert,
// and remembering the event.
func (w *wazuhEval) settle(final, above *wazuhRule, out []Alert) []Alert {
	if final.level == 0 {
		return out
	}
	state := w.mem.rule(final)
	state.fired++
	fired := state.fired
	if fired == 1 && above != nil {
		state.firstAbove = above.id
	}
	rule := final
	if final.ignore > 0 {
		if state.windowOpen && w.now-state.windowStart < final.ignore {
			rule = w.ignoredBy(final, above, state)
			w.texts = w.texts[:0]
			if rule == nil {
				return out
			}
		} else {
			state.windowOpen, state.windowStart = true, w.now
		}
	}
	alerts := rule.level > 0 && rule.writes
	if len(rule.checkIfIgnored) > 0 && w.isIgnored(rule.checkIfIgnored) {
		alerts = false
	}
	if len(rule.ignoreFields) > 0 {
		w.ignoreValues(rule.ignoreFields)
	}
	log := ""
	if alerts {
		log = strings.Clone(w.ev.Log)
		w.alerted = rule
		w.counts[rule.slot].Alerts++
		out = append(out, w.alert(rule, fired, log))
	}
	w.history.store(w, rule, log)
	return out
}

// ignoredBy returns the rule that takes an event over whose own rule is inside
// its ignore window.
func (w *wazuhEval) ignoredBy(final, above *wazuhRule, state *ruleState) *wazuhRule {
	if final.ignoreFirst {
		return w.set.byID[state.firstAbove]
	}
	return above
}

// alert makes the alert of a verdict.
func (w *wazuhEval) alert(r *wazuhRule, fired uint64, log string) Alert {
	ev := w.ev
	a := Alert{
		Time: ev.Time, Origin: w.in.Origin, Rule: r.alert, Agent: keepAgent(&ev.Agent, ev.Agent.ID), Manager: w.opts.Manager,
		Location: strings.Clone(ev.Location), FullLog: log, NoFullLog: r.noFullLog, Decoder: inventoryDecoder,
	}
	a.Origin.Topic = strings.Clone(a.Origin.Topic)
	var table syscollector.Table
	var key []byte
	if d := w.in.row(); d != nil {
		table, key = d.Table, d.Key
	}
	a.Hash = alertHash(&a.Origin, r.name, ev.Agent.ID, table, key, "")
	a.Rule.Description = strings.Clone(r.description.expand(ev))
	if !r.noCounter {
		a.Rule.FiredTimes = int(fired)
	}
	if len(w.texts) > 1 {
		a.PreviousOutput = slices.Clone(w.texts)
	}
	if r.checkDiff {
		a.PreviousLog = w.before
	}
	for name, value := range ev.Fields() {
		a.Data = append(a.Data, Datum{strings.Clone(name), strings.Clone(value)})
	}
	return a
}

// selected joins the values of the fields that the event has, for ignore and
// check_if_ignored; "" if it has none.
func (w *wazuhEval) selected(fields []fieldRef) string {
	var b strings.Builder
	for _, f := range fields {
		if v, ok := f.value(w.ev); ok {
			b.WriteString(v)
			b.WriteByte(0)
		}
	}
	return b.String()
}

func (w *wazuhEval) isIgnored(fields []fieldRef) bool {
	line := w.selected(fields)
	if line == "" {
		return false
	}
	found, err := w.mem.hasLine(line)
	if err != nil {
		w.err = err
	}
	return found
}

func (w *wazuhEval) ignoreValues(fields []fieldRef) {
	if line := w.selected(fields); line != "" {
		if err := w.mem.addLine(line); err != nil {
			w.err = err
		}
	}
}

// flush writes what the events since the last flush changed in rule memory.
func (w *wazuhEval) flush() error {
	if err := w.mem.flush(); err != nil {
		return err
	}
	return w.history.flush()
}
