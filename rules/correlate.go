package rules

// search looks for the earlier events that a contextual rule asks for, newest
// first, and marks events when it has found them. A search that fails empties
// the event's list of texts.
func (w *wazuhEval) search(r *wazuhRule) bool {
	c := r.corr
	if c.search == searchNothing {
		return true
	}
	found := w.searchHistory(r, c)
	if !found {
		w.texts = w.texts[:0]
	}
	return found
}

func (w *wazuhEval) searchHistory(r *wazuhRule, c *correlation) bool {
	h := &w.history
	h.counted = 0
	events := h.events
	if c.search != searchRegex {
		if c.list < 0 {
			return false
		}
		events = h.lists[c.list]
	}
	current := w.trackedValues()
	var newest *remembered
	count := 0
	for i := len(events) - 1; i >= 0; i-- {
		e := events[i]
		if w.now-e.time > c.timeframe {
			return false
		}
		if c.regex != nil && !c.regex.Match(e.log) || c.perAgent && e.agent != w.ev.Agent.ID || !c.compare(e.values, current) {
			continue
		}
		// One event stands in a group's history as often as its rule in the tree.
		times := 1
		if c.search == searchGroup && e.rule.sidList < 0 {
			times = e.rule.places
		}
		for ; times > 0; times-- {
			if e.mark >= r.level {
				return false
			}
			if newest == nil {
				newest = e
			}
			last := count+1 == c.earlier
			if !last || c.traits.lastText {
				w.writeText(count, e.log, c.traits.cutTexts)
			}
			count++
			h.counted = count
			if last {
				w.markFound(r, c, events[len(events)-1], newest, e)
				return true
			}
		}
	}
	return false
}

// writeText writes an entry of previous_output.
func (w *wazuhEval) writeText(k int, log string, cut bool) {
	switch {
	case k >= maxTexts:
	case k >= len(w.texts):
		w.texts = append(w.texts, log)
	case cut:
		w.texts = append(w.texts[:k], log)
	}
}

// markFound marks events with the level of a rule whose search succeeded: a
// later search of the same or a lower level stops there.
func (w *wazuhEval) markFound(r *wazuhRule, c *correlation, last, newest, oldest *remembered) {
	w.mark = r.level
	if c.traits.markNewest {
		w.history.setMark(last, r.level)
	}
	if c.traits.markOldest {
		w.history.setMark(oldest, r.level)
	}
	if c.traits.markCounted && c.earlier > 1 {
		w.history.setMark(newest, r.level)
	}
}

func (h *history) setMark(e *remembered, level int) {
	if e.mark != level {
		e.mark = level
		h.touch(e)
	}
}

// compare decides same and different between an earlier event and the current
// one.
func (c *correlation) compare(earlier, current []trackedValue) bool {
	for _, k := range c.same {
		if k < 0 || !earlier[k].ok || !current[k].ok || earlier[k].text != current[k].text {
			return false
		}
	}
	for _, k := range c.different {
		if k == staticAbsent && c.differentNeedsBoth {
			return false
		}
		if k >= 0 && earlier[k].ok && current[k].ok && earlier[k].text == current[k].text {
			return false
		}
	}
	return true
}

// trackedValues returns the fields of the event in hand that correlations
// compare, read once an event.
func (w *wazuhEval) trackedValues() []trackedValue {
	if !w.known {
		w.known = true
		for i, field := range w.set.tracked {
			v, ok := field.ref.value(w.ev)
			w.values[i] = trackedValue{v, ok}
		}
	}
	return w.values
}
