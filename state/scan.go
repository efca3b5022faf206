package state

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"invigil/pipeline/syscollector"
)

// markSet gathers, in one batch, the hashes of the items of one table that a
// scan repeated unchanged. The hash's seed is fixed: marks are stored.
type markSet struct {
	scan, offset int64
	hashes       []uint64
}

// markFormat leads a record of marks: 8 bytes a hash follow.
const markFormat = 1

// mark notes that a scan reported a row unchanged.
func (p *Partition) mark(t target, scan, offset int64) {
	if t.l.single() {
		return
	}
	a := t.agent
	if a.marks == nil {
		a.marks = new([syscollector.NumTables]markSet)
	}
	m := &a.marks[t.l.table]
	if len(m.hashes) > 0 && m.scan != scan {
		p.writeMarkSet(a, t.l.table)
	}
	if len(m.hashes) == 0 {
		m.scan, m.offset = scan, offset
	}
	m.hashes = append(m.hashes, xxhash.Sum64(t.item))
	if !a.marked {
		a.marked = true
		p.marked = append(p.marked, a)
	}
}

// writeMarks puts an agent's marks into the batch.
func (p *Partition) writeMarks(a *agentState) {
	for t := range a.marks {
		if len(a.marks[t].hashes) > 0 {
			p.writeMarkSet(a, syscollector.Table(t))
		}
	}
}

func (p *Partition) writeMarkSet(a *agentState, t syscollector.Table) {
	m, w := &a.marks[t], &p.work
	w.key = scanKey(w.key[:0], a.ID, t, m.scan)
	w.key = binary.BigEndian.AppendUint64(w.key, uint64(m.offset))
	w.buf = append(w.buf[:0], markFormat)
	for _, h := range m.hashes {
		w.buf = binary.LittleEndian.AppendUint64(w.buf, h)
	}
	p.over.set(w.key, w.buf)
	m.hashes = m.hashes[:0]
}

func scanKey(b []byte, agent string, t syscollector.Table, scan int64) []byte {
	return binary.BigEndian.AppendUint64(appendTable(b, spaceScan, agent, t), uint64(scan))
}

// takeMarks returns the hashes that a scan repeated unchanged, and deletes the
// marks of the table, those of unfinished scans too.
func (p *Partition) takeMarks(a *agentState, t syscollector.Table, scan int64) (map[uint64]struct{}, error) {
	w := &p.work
	if w.marks == nil {
		w.marks = make(map[uint64]struct{})
	}
	clear(w.marks)
	if a.marks != nil {
		if m := &a.marks[t]; len(m.hashes) > 0 {
			if m.scan == scan {
				for _, h := range m.hashes {
					w.marks[h] = struct{}{}
				}
			}
			m.hashes = m.hashes[:0]
		}
	}
	prefix := appendTable(nil, spaceScan, a.ID, t)
	var keys [][]byte
	var bad error
	err := p.scan(prefix, func(key, value []byte) bool {
		if len(key) != len(prefix)+16 || len(value)%8 != 1 || value[0] != markFormat {
			bad = errors.New("scan marks are damaged or of another version")
			return false
		}
		if int64(binary.BigEndian.Uint64(key[len(prefix):])) == scan {
			for v := value[1:]; len(v) > 0; v = v[8:] {
				w.marks[binary.LittleEndian.Uint64(v)] = struct{}{}
			}
		}
		keys = append(keys, append([]byte(nil), key...))
		return true
	})
	if err := errors.Join(err, bad); err != nil {
		return nil, err
	}
	for _, key := range keys {
		p.over.delete(key)
	}
	return w.marks, nil
}

// scanEnd removes the rows that a scan did not report. The end of a network
// scan is that of addresses and protocols too.
func (p *Partition) scanEnd(a *agentState, ev *syscollector.Event) error {
	tables := []syscollector.Table{ev.Table}
	if ev.Table == syscollector.Netiface {
		tables = append(tables, syscollector.Netproto, syscollector.Netaddr)
	}
	for _, t := range tables {
		if t == syscollector.NoTable || t >= syscollector.NumTables {
			continue
		}
		if err := p.tableEnd(a, t, ev.ScanID); err != nil {
			return err
		}
	}
	return nil
}

func (p *Partition) tableEnd(a *agentState, t syscollector.Table, scan int64) error {
	marks, err := p.takeMarks(a, t, scan)
	if err != nil {
		return err
	}
	if a.ended&(1<<t) != 0 && a.lastEnd[t] == scan {
		return nil // a repeated end: its marks are gone, nothing can be told from it
	}
	err = p.removeAll(a, t, func(h *head, item []byte) bool {
		if h.of(scan) {
			return false
		}
		_, repeated := marks[xxhash.Sum64(item)]
		return !repeated
	})
	if err != nil {
		return err
	}
	a.lastEnd[t] = scan
	p.changed(a)
	p.know(a, 1<<t, 1<<t)
	return nil
}

// clear empties a table.
func (p *Partition) clear(a *agentState, t syscollector.Table) error {
	if t == syscollector.NoTable || t >= syscollector.NumTables {
		return nil
	}
	if _, err := p.takeMarks(a, t, 0); err != nil {
		return err
	}
	if err := p.removeAll(a, t, func(*head, []byte) bool { return true }); err != nil {
		return err
	}
	p.know(a, 1<<t, 0)
	return nil
}

// removeAll removes the rows of an agent's table that the function picks.
func (p *Partition) removeAll(a *agentState, t syscollector.Table, pick func(h *head, item []byte) bool) error {
	prefix := appendTable(nil, spaceRows, a.ID, t)
	type found struct{ key, value []byte }
	var rows []found
	var bad error
	err := p.scan(prefix, func(key, value []byte) bool {
		var h head
		if h, _, _, bad = splitRow(value); bad != nil {
			return false
		}
		if pick(&h, key[len(prefix):]) {
			rows = append(rows, found{append([]byte(nil), key...), append([]byte(nil), value...)})
		}
		return true
	})
	if err := errors.Join(err, bad); err != nil {
		return fmt.Errorf("table %d: %w", t, err)
	}
	for _, r := range rows {
		row := target{agent: a, l: &p.store.layouts[t], key: r.key, item: r.key[len(prefix):], hash: p.rows.hash(r.key)}
		if err := p.removeRow(row, r.value, true); err != nil {
			return err
		}
	}
	return nil
}

// remove applies a DELETED row, which may have the key only. A row that the
// scan family stored is found by the columns that both families have in their
// keys.
func (p *Partition) remove(a *agentState, row *syscollector.Row) error {
	if row.Table == syscollector.NoTable || row.Table >= syscollector.NumTables {
		return nil
	}
	t := p.target(a, row, false)
	if _, stored := p.rows.rows[t.hash]; stored {
		value, ok, err := p.get(t.key)
		if err != nil {
			return err
		}
		if ok {
			return p.removeRow(t, append([]byte(nil), value...), false)
		}
	}
	found := false
	if len(t.l.scan) > 0 {
		n := len(p.deltas)
		silent := false
		err := p.removeAll(a, row.Table, func(h *head, item []byte) bool {
			match := len(item) > len(t.item) && string(item[:len(t.item)]) == string(t.item) && t.l.agrees(row, string(item))
			silent = silent || match && h.continued()
			return match
		})
		if err != nil {
			return err
		}
		for i := n; i < len(p.deltas); i++ {
			p.deltas[i].Synthetic = false
		}
		found = silent || len(p.deltas) > n
	}
	if !found && !a.Known(row.Table) {
		// Never seen, and nothing says that it was not there.
		p.delta(t, syscollector.Delta{Change: syscollector.Removed, Before: row,
			After: p.work.row(row.Table), Changed: row.Present}, nil)
	}
	return nil
}

// agrees reports whether a row has no other values in the scan family's key
// columns than an item.
func (l *layout) agrees(row *syscollector.Row, item string) bool {
	var r syscollector.Row
	if scan, err := l.decodeItem(&r, item); err != nil || !scan {
		return false
	}
	for _, c := range l.scan {
		if row.Has(c) && (!r.Has(c) || r.Values[c] != row.Values[c]) {
			return false
		}
	}
	return true
}

// removeRow removes a stored row. A row that another one continued leaves
// without a delta.
func (p *Partition) removeRow(t target, value []byte, synthetic bool) error {
	before := p.work.row(t.l.table)
	h, err := t.l.decodeRow(before, string(t.item), value)
	if err != nil {
		return fmt.Errorf("table %d: %w", t.l.table, err)
	}
	if err := p.remember(t, value); err != nil {
		return err
	}
	if t.l.siblings && !h.continued() {
		p.sibs.remove(p.sameHash(t, before), t.item)
	}
	p.over.delete(t.key)
	p.rows.delete(t.hash, p.rows.hash(fixedOf(value)))
	if !h.continued() {
		p.delta(t, syscollector.Delta{Change: syscollector.Removed, Before: before,
			After: p.work.row(t.l.table), Changed: before.Present, Synthetic: synthetic}, h.active)
	}
	return nil
}
