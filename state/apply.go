package state

import (
	"encoding/binary"
	"fmt"
	"slices"

	"invigil/pipeline/syscollector"
)

// work is memory that Apply uses again and again.
type work struct {
	key, buf               []byte
	fixed, volatile        []byte
	same, sibling, history []byte
	time                   []byte
	bytes                  []byte   // keys of the deltas
	active, given          []uint64 // of the deltas
	puts                   []pending
	rows                   []*syscollector.Row
	used                   int
	marks                  map[uint64]struct{}
	texts                  texts
}

// pending is what Put knows of a delta.
type pending struct {
	key    []byte   // row key
	active []uint64 // as it was before Eval
	gone   bool
}

// row returns a row whose columns are all absent.
func (w *work) row(t syscollector.Table) *syscollector.Row {
	if w.used == len(w.rows) {
		w.rows = append(w.rows, new(syscollector.Row))
	}
	r := w.rows[w.used]
	w.used++
	r.Table, r.Present = t, 0
	return r
}

// decode decodes a stored row, whose strings may be kept.
func (w *work) decode(l *layout, r *syscollector.Row, item, value []byte) (head, error) {
	text := w.texts.join(item, value)
	return l.decodeText(r, text[:len(item)], value, text[len(item):])
}

func (w *work) begin() {
	w.bytes, w.puts, w.used = w.bytes[:0], w.puts[:0], 0
	w.active, w.given = w.active[:0], w.given[:0]
}

// target is the row that an event is about.
type target struct {
	agent *agentState
	l     *layout
	key   []byte // space, agent, table, item
	item  []byte
	hash  uint64 // of the key
}

// Apply applies an event to the inventory, within the batch, and returns what
// it did to each row: one delta a row that the event carries, and one a row
// that a scan's end or a clear removed. Rows that are not new and changed in
// nothing but volatile columns give an unchanged delta. streamTime is the
// partition's stream time, unix milliseconds, offset the event's.
//
// Deltas are valid until the next Apply. An error is a failure of the store.
func (p *Partition) Apply(ev *syscollector.Event, streamTime, offset int64) ([]syscollector.Delta, error) {
	if err := p.failure(); err != nil {
		return nil, err
	}
	p.deltas = p.deltas[:0]
	p.work.begin()
	p.now = streamTime
	a := p.touch(&ev.Agent, streamTime)
	var err error
	switch ev.Op {
	case syscollector.OpReport, syscollector.OpInsert, syscollector.OpModify, syscollector.OpState:
		for i := range ev.Rows {
			if err = p.upsert(a, ev, &ev.Rows[i], offset); err != nil {
				break
			}
		}
	case syscollector.OpDelete:
		for i := range ev.Rows {
			if err = p.remove(a, &ev.Rows[i]); err != nil {
				break
			}
		}
	case syscollector.OpScanEnd:
		err = p.scanEnd(a, ev)
	case syscollector.OpClear:
		err = p.clear(a, ev.Table)
	}
	if err != nil {
		return nil, fmt.Errorf("agent %s: %w", a.ID, err)
	}
	return p.deltas, nil
}

// ReadVolatile says of which tables the rules read volatile columns. In the
// others a row that changed in volatile columns only is written without being
// read, at most once in Options.VolatileInterval: its Before is then the row
// itself. A new Partition reads all.
func (p *Partition) ReadVolatile(tables ...syscollector.Table) {
	p.quiet = 1<<syscollector.NumTables - 1
	for _, t := range tables {
		p.quiet &^= 1 << t
	}
}

// target names a row. Its key stays in place until the next Apply.
func (p *Partition) target(a *agentState, row *syscollector.Row, scan bool) target {
	l := &p.store.layouts[row.Table]
	start := len(p.work.bytes)
	b := appendTable(p.work.bytes, spaceRows, a.ID, row.Table)
	at := len(b)
	b = l.appendItem(b, row, scan)
	p.work.bytes = b
	key := b[start:len(b):len(b)]
	return target{agent: a, l: l, key: key, item: key[at-start:], hash: p.rows.hash(key)}
}

// upsert applies a row that an event reports.
func (p *Partition) upsert(a *agentState, ev *syscollector.Event, row *syscollector.Row, offset int64) error {
	if row.Table == syscollector.NoTable || row.Table >= syscollector.NumTables {
		return nil
	}
	scan := ev.Family == syscollector.FamilyScan
	t := p.target(a, row, scan)
	w := &p.work
	w.fixed = t.l.appendSection(w.fixed[:0], row, t.l.fixedMask(scan))
	w.volatile = t.l.appendSection(w.volatile[:0], row, t.l.volatile)
	fixed, volatile := p.rows.hash(w.fixed), p.rows.hash(w.volatile)
	defer p.settle(a, t.l, scan)

	e := p.rows.find(t.hash)
	if e != nil && e.fixed == fixed {
		if e.sameVolatile(volatile) {
			if scan {
				p.mark(t, e, ev.ScanID, offset)
			}
			return p.unchanged(t, row, e.volatile&bitActive != 0)
		}
		if e.volatile&headBits == 0 && p.blind(ev, row, t.l) {
			h := p.newHead(ev, false)
			if scan {
				h.flags |= flagRepeated
				p.mark(t, e, ev.ScanID, offset)
			}
			p.hold(t, &h, fixed, volatile)
			p.delta(t, syscollector.Delta{Change: syscollector.Unchanged, Before: row, After: row,
				Changed: row.Present & t.l.volatile}, nil)
			return nil
		}
	}
	if e != nil {
		value, ok, err := p.getRow(t.key, t.hash)
		if err != nil {
			return err
		}
		if ok {
			return p.replace(t, ev, row, value, offset)
		}
	}
	return p.insert(t, ev, row, fixed, volatile)
}

// blind reports whether a row that changed in volatile columns only may be
// written without being read: no rule reads them, and the event has them all,
// so that there is nothing to merge with.
func (p *Partition) blind(ev *syscollector.Event, row *syscollector.Row, l *layout) bool {
	return p.quiet&(1<<row.Table) != 0 && (ev.Op != syscollector.OpModify || row.Present&l.volatile == l.volatile)
}

// hold keeps a row, whose sections are in work, until the interval is over.
func (p *Partition) hold(t target, h *head, fixed, volatile uint64) {
	if p.interval <= 0 || p.flushed {
		p.write(t, h, fixed, volatile)
		return
	}
	p.work.buf = appendRow(p.work.buf[:0], h, p.work.fixed, p.work.volatile)
	if !p.held.set(t.hash, t.key, p.work.buf, p.now) {
		p.write(t, h, fixed, volatile)
		return
	}
	p.rows.put(t.hash, h, fixed, volatile)
}

// settle notes that a table of one row is known once it was reported.
func (p *Partition) settle(a *agentState, l *layout, scan bool) {
	if !l.single() {
		return
	}
	ended := uint32(0)
	if scan {
		ended = 1 << l.table
	}
	p.know(a, 1<<l.table, ended)
}

// newHead returns the head of a row that an event writes.
func (p *Partition) newHead(ev *syscollector.Event, first bool) head {
	p.work.time = append(p.work.time[:0], ev.ScanTime...)
	h := head{time: p.work.time}
	if ev.Family == syscollector.FamilyScan {
		h.flags, h.scan = flagScan, ev.ScanID
		if first {
			h.flags |= flagFirst
		}
	}
	return h
}

// write puts a row into the batch: its sections are in work.
func (p *Partition) write(t target, h *head, fixed, volatile uint64) *rowHash {
	p.work.buf = appendRow(p.work.buf[:0], h, p.work.fixed, p.work.volatile)
	p.setRow(t.key, t.hash, p.work.buf)
	return p.rows.put(t.hash, h, fixed, volatile)
}

// getRow is get for a row, whose key hashes to hash: it may be held.
func (p *Partition) getRow(key []byte, hash uint64) (value []byte, ok bool, err error) {
	if value, ok := p.held.get(hash, key); ok {
		return value, true, nil
	}
	return p.get(key)
}

func (p *Partition) setRow(key []byte, hash uint64, value []byte) {
	p.over.set(key, value)
	p.held.drop(hash, key)
}

func (p *Partition) deleteRow(key []byte, hash uint64) {
	p.over.delete(key)
	p.held.drop(hash, key)
}

// delta appends a delta whose row has the active fingerprints given.
func (p *Partition) delta(t target, d syscollector.Delta, active []byte) {
	w := &p.work
	before := len(w.active)
	for ; len(active) >= 8; active = active[8:] {
		w.active = append(w.active, binary.LittleEndian.Uint64(active))
	}
	stood := w.active[before:len(w.active):len(w.active)]
	d.Agent, d.Table, d.Key = t.agent.ID, t.l.table, t.item
	if len(stood) > 0 {
		at := len(w.given) // a copy: Eval may write to it
		w.given = append(w.given, stood...)
		d.Active = w.given[at:len(w.given):len(w.given)]
	}
	p.deltas = append(p.deltas, d)
	w.puts = append(w.puts, pending{key: t.key, active: stood, gone: d.Change == syscollector.Removed})
}

// unchanged appends the delta of a row that is as it was.
func (p *Partition) unchanged(t target, row *syscollector.Row, active bool) error {
	var stood []byte
	if active {
		value, ok, err := p.getRow(t.key, t.hash)
		if err != nil {
			return err
		}
		if ok {
			h, _, _, err := splitRow(value)
			if err != nil {
				return err
			}
			stood = h.active
		}
	}
	p.delta(t, syscollector.Delta{Change: syscollector.Unchanged, Before: row, After: row}, stood)
	return nil
}

// replace applies a row whose key is stored.
func (p *Partition) replace(t target, ev *syscollector.Event, row *syscollector.Row, value []byte, offset int64) error {
	w, l := &p.work, t.l
	before := w.row(l.table)
	old, err := w.decode(l, before, t.item, value)
	if err != nil {
		return fmt.Errorf("table %d: %w", l.table, err)
	}
	after := row
	scan := ev.Family == syscollector.FamilyScan
	if ev.Op == syscollector.OpModify {
		after = merged(w.row(l.table), before, row)
	}
	differ := l.differ(before, after)
	if differ == 0 {
		e := p.rows.put(t.hash, &old, p.rows.hash(fixedOf(value)), p.rows.hash(volatileOf(value)))
		if scan {
			p.mark(t, e, ev.ScanID, offset)
		}
		p.delta(t, syscollector.Delta{Change: syscollector.Unchanged, Before: before, After: after}, old.active)
		return nil
	}
	first := old.flags&flagFirst != 0 && old.of(ev.ScanID)
	h := p.newHead(ev, first)
	h.flags |= old.flags & flagContinued
	h.active = append(w.history[:0], old.active...)
	w.history = h.active
	change := syscollector.Unchanged
	if differ&^l.volatile != 0 {
		change = modified(ev.Op)
		if err := p.remember(t, value); err != nil {
			return err
		}
	} else if scan && !old.of(ev.ScanID) {
		h.flags |= flagRepeated
	}
	if l.siblings && !h.continued() && (differ&l.same != 0 || (old.flags^h.flags)&flagFirst != 0) {
		p.sibs.remove(p.sameHash(t, before), t.item)
		p.sibs.add(p.sameHash(t, after), t.item, &h)
	}
	w.fixed = l.appendSection(w.fixed[:0], after, l.fixedMask(scan))
	w.volatile = l.appendSection(w.volatile[:0], after, l.volatile)
	e := p.write(t, &h, p.rows.hash(w.fixed), p.rows.hash(w.volatile))
	switch {
	case h.flags&flagRepeated != 0:
		p.mark(t, e, ev.ScanID, offset)
	case scan:
		p.reported(t, e, ev.ScanID)
	default:
		p.disclaimed(t, e)
	}
	p.delta(t, syscollector.Delta{Change: change, Before: before, After: after, Changed: differ}, h.active)
	return nil
}

// modified is the change of a row that differs from what is stored: an rsync
// row is news to us, not to the agent.
func modified(op syscollector.Op) syscollector.Change {
	if op == syscollector.OpState {
		return syscollector.Baseline
	}
	return syscollector.Modified
}

// merged sets r to before with the columns that row has.
func merged(r, before, row *syscollector.Row) *syscollector.Row {
	*r = *before
	for c := range uint8(syscollector.MaxColumns) {
		if row.Has(c) {
			r.Values[c] = row.Values[c]
		}
	}
	r.Present |= row.Present
	return r
}

// insert applies a row whose key is not stored: a row that is the same thing as
// a stored one continues it, any other is new.
func (p *Partition) insert(t target, ev *syscollector.Event, row *syscollector.Row, fixed, volatile uint64) error {
	d := syscollector.Delta{After: row}
	h := p.newHead(ev, true)
	same := uint64(0)
	var sibling []byte
	if t.l.siblings {
		same = p.sameHash(t, row)
		sibling = p.sibs.lowest(same, ev.Family == syscollector.FamilyScan, ev.ScanID)
	}
	if sibling != nil {
		// The sections of row are in work and stay there.
		before, active, err := p.continueRow(t, same, sibling, ev.Family == syscollector.FamilyScan)
		if err != nil {
			return err
		}
		h.active = active
		d.Before, d.Changed = before, t.l.differ(before, row)
		if d.Changed&^t.l.volatile != 0 {
			d.Change = modified(ev.Op)
		}
	} else {
		d.Before = p.work.row(row.Table)
		switch {
		case ev.Op == syscollector.OpModify:
			// The agent had it and says it changed; we cannot know in what.
			d.Change = syscollector.Modified
		case ev.Op == syscollector.OpInsert, ev.Op == syscollector.OpReport && t.agent.ended&(1<<row.Table) != 0:
			d.Change, d.Changed = syscollector.Added, row.Present
		default:
			d.Change, d.Changed = syscollector.Baseline, row.Present
		}
	}
	if err := p.remember(t, nil); err != nil {
		return err
	}
	if t.l.siblings {
		p.sibs.add(same, t.item, &h)
	}
	e := p.write(t, &h, fixed, volatile)
	t.agent.tables[t.l.table].stored++
	if h.flags&flagScan != 0 {
		p.reported(t, e, ev.ScanID)
	}
	p.delta(t, d, h.active)
	return nil
}

// sameHash is the hash under which a row's siblings are found.
func (p *Partition) sameHash(t target, row *syscollector.Row) uint64 {
	p.work.same = t.l.appendSame(append(p.work.same[:0], t.key[:len(t.key)-len(t.item)]...), row)
	return p.rows.hash(p.work.same)
}

// continueRow marks the stored row with that item as continued by t, whose
// active fingerprints it hands over, and returns it as it was. A row that the
// scan family stored and the delta family continues leaves at once: no scan of
// that agent will end any more.
func (p *Partition) continueRow(t target, same uint64, item []byte, scan bool) (before *syscollector.Row, active []byte, err error) {
	w := &p.work
	start := len(w.bytes)
	w.bytes = append(append(w.bytes, t.key[:len(t.key)-len(t.item)]...), item...)
	key := w.bytes[start:len(w.bytes):len(w.bytes)]
	s := target{agent: t.agent, l: t.l, key: key, item: key[len(key)-len(item):], hash: p.rows.hash(key)}

	p.sibs.remove(same, s.item)
	value, ok, err := p.getRow(key, s.hash)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, nil, fmt.Errorf("table %d: row is in the row map but not in the store", t.l.table)
	}
	before = w.row(t.l.table)
	h, err := w.decode(t.l, before, s.item, value)
	if err != nil {
		return nil, nil, fmt.Errorf("table %d: %w", t.l.table, err)
	}
	w.sibling = append(w.sibling[:0], h.active...)
	fixed, volatile := fixedOf(value), volatileOf(value)
	if !scan && t.l.isScanItem(s.item) {
		fixedHash := p.rows.hash(fixed)
		if err := p.remember(s, value); err != nil {
			return nil, nil, err
		}
		p.deleteRow(key, s.hash)
		p.forget(s, fixedHash)
		return before, w.sibling, nil
	}
	h.flags |= flagContinued
	h.active = nil
	w.buf = appendRow(w.buf[:0], &h, fixed, volatile)
	p.rows.put(s.hash, &h, p.rows.hash(fixed), p.rows.hash(volatile))
	p.setRow(key, s.hash, w.buf)
	return before, w.sibling, nil
}

func fixedOf(value []byte) []byte {
	_, fixed, _, _ := splitRow(value)
	return fixed
}

func volatileOf(value []byte) []byte {
	_, _, volatile, _ := splitRow(value)
	return volatile
}

// Put writes the active fingerprints that Eval left on the deltas of the last
// Apply or Visit. It takes them in the order in which they were returned.
func (p *Partition) Put(ds []syscollector.Delta) error {
	if len(ds) != len(p.work.puts) {
		return fmt.Errorf("put %d deltas, the last event has %d", len(ds), len(p.work.puts))
	}
	for i := range ds {
		put := &p.work.puts[i]
		if put.gone || slices.Equal(put.active, ds[i].Active) {
			continue
		}
		hash := p.rows.hash(put.key)
		value, ok, err := p.getRow(put.key, hash)
		if err != nil {
			return err
		}
		if !ok {
			continue // the same event removed or moved it
		}
		h, fixed, volatile, err := splitRow(value)
		if err != nil {
			return err
		}
		h.active = p.work.sibling[:0]
		for _, f := range ds[i].Active {
			h.active = binary.LittleEndian.AppendUint64(h.active, f)
		}
		p.work.sibling = h.active
		p.work.buf = appendRow(p.work.buf[:0], &h, fixed, volatile)
		p.rows.put(hash, &h, p.rows.hash(fixed), p.rows.hash(volatile))
		p.setRow(put.key, hash, p.work.buf)
	}
	return nil
}
