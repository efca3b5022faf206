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

// tableState is what a partition knows of one table of an agent. reported
// counts the rows that the scan reported since the partition was taken: each
// has the scan's tag in the row map. It may be too low, then the scan's end
// looks at the rows themselves, but never too high.
type tableState struct {
	lastEnd  int64  // id of the scan that ended last, if one did
	scan     int64  // id of the scan that reported last, if tag is not 0
	stored   uint32 // rows
	reported uint32
	tag      uint8
	marks    bool // marks are stored, those in the batch included
}

// begin makes a scan the one that is counted.
func (ts *tableState) begin(scan int64) {
	if ts.tag != 0 && ts.scan == scan {
		return
	}
	ts.scan, ts.reported = scan, 0
	if ts.tag++; ts.tag > tagBits>>tagShift {
		ts.tag = 1
	}
}

// reported notes that a scan reported a row.
func (p *Partition) reported(t target, e *rowHash, scan int64) {
	ts := &t.agent.tables[t.l.table]
	ts.begin(scan)
	if e.tag() != ts.tag {
		e.setTag(ts.tag)
		ts.reported++
	}
}

// disclaimed notes that a row was written outside of any scan: its head no
// longer says that a scan reported it.
func (p *Partition) disclaimed(t target, e *rowHash) {
	ts := &t.agent.tables[t.l.table]
	if tag := e.tag(); tag != 0 && tag == ts.tag {
		ts.reported--
	}
	e.setTag(0)
}

// forget takes a row that leaves the store out of the row map.
func (p *Partition) forget(t target, fixed uint64) {
	ts := &t.agent.tables[t.l.table]
	ts.stored--
	if tag := p.rows.delete(t.hash, fixed); tag != 0 && tag == ts.tag {
		ts.reported--
	}
}

// mark notes that a scan reported a row unchanged but for volatile columns.
func (p *Partition) mark(t target, e *rowHash, scan, offset int64) {
	if t.l.single() {
		return
	}
	p.reported(t, e, scan)
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
		if n := len(p.spare); n > 0 {
			m.hashes, p.spare = p.spare[n-1], p.spare[:n-1]
		}
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
	p.dropMarks(m)
	a.tables[t].marks = true
}

// dropMarks empties a set. Its memory serves the next one: few of all agents'
// tables are in a scan at a time.
func (p *Partition) dropMarks(m *markSet) {
	p.spare = append(p.spare, m.hashes[:0])
	m.hashes = nil
}

// loadMarks notes which tables have marks stored.
func (p *Partition) loadMarks() error {
	var bad error
	err := p.scan([]byte{spaceScan}, func(key, _ []byte) bool {
		var agent string
		var t syscollector.Table
		if agent, t, _, bad = cutTable(string(key[1:])); bad != nil {
			return false
		}
		if a := p.agents[agent]; a != nil {
			a.tables[t].marks = true
		}
		return true
	})
	return errors.Join(err, bad)
}

func scanKey(b []byte, agent string, t syscollector.Table, scan int64) []byte {
	return binary.BigEndian.AppendUint64(appendTable(b, spaceScan, agent, t), uint64(scan))
}

// takeMarks returns the hashes that a scan repeated unchanged, unless they are
// not wanted, and deletes the marks of the table, those of unfinished scans too.
func (p *Partition) takeMarks(a *agentState, t syscollector.Table, scan int64, wanted bool) (map[uint64]struct{}, error) {
	w := &p.work
	if w.marks == nil {
		w.marks = make(map[uint64]struct{})
	}
	clear(w.marks)
	if a.marks != nil {
		if m := &a.marks[t]; len(m.hashes) > 0 {
			if wanted && m.scan == scan {
				for _, h := range m.hashes {
					w.marks[h] = struct{}{}
				}
			}
			p.dropMarks(m)
		}
	}
	if !a.tables[t].marks {
		return w.marks, nil
	}
	a.tables[t].marks = false
	prefix := appendTable(nil, spaceScan, a.ID, t)
	var keys [][]byte
	var bad error
	err := p.scan(prefix, func(key, value []byte) bool {
		if len(key) != len(prefix)+16 || len(value)%8 != 1 || value[0] != markFormat {
			bad = errors.New("scan marks are damaged or of another version")
			return false
		}
		if wanted && int64(binary.BigEndian.Uint64(key[len(prefix):])) == scan {
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
	tables := [...]syscollector.Table{ev.Table, syscollector.Netproto, syscollector.Netaddr}
	n := 1
	if ev.Table == syscollector.Netiface {
		n = len(tables)
	}
	for _, t := range tables[:n] {
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
	ts := &a.tables[t]
	// A repeated end: its marks are gone, nothing can be told from it.
	again := a.ended&(1<<t) != 0 && ts.lastEnd == scan
	complete := ts.stored == 0 || ts.tag != 0 && ts.scan == scan && ts.reported == ts.stored
	marks, err := p.takeMarks(a, t, scan, !again && !complete)
	if err != nil || again {
		return err
	}
	if !complete {
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
	}
	ts.lastEnd = scan
	p.changed(a)
	p.know(a, 1<<t, 1<<t)
	return nil
}

// clear empties a table.
func (p *Partition) clear(a *agentState, t syscollector.Table) error {
	if t == syscollector.NoTable || t >= syscollector.NumTables {
		return nil
	}
	if _, err := p.takeMarks(a, t, 0, false); err != nil {
		return err
	}
	if a.tables[t].stored > 0 {
		if err := p.removeAll(a, t, func(*head, []byte) bool { return true }); err != nil {
			return err
		}
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
	err := p.scanRows(prefix, nil, func(key, value []byte) bool {
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
	if p.rows.find(t.hash) != nil {
		value, ok, err := p.getRow(t.key, t.hash)
		if err != nil {
			return err
		}
		if ok {
			return p.removeRow(t, append([]byte(nil), value...), false)
		}
	}
	found := false
	if len(t.l.scan) > 0 && a.tables[row.Table].stored > 0 {
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
	h, err := p.work.decode(t.l, before, t.item, value)
	if err != nil {
		return fmt.Errorf("table %d: %w", t.l.table, err)
	}
	if err := p.remember(t, value); err != nil {
		return err
	}
	if t.l.siblings && !h.continued() {
		p.sibs.remove(p.sameHash(t, before), t.item)
	}
	p.deleteRow(t.key, t.hash)
	p.forget(t, p.rows.hash(fixedOf(value)))
	if !h.continued() {
		p.delta(t, syscollector.Delta{Change: syscollector.Removed, Before: before,
			After: p.work.row(t.l.table), Changed: before.Present, Synthetic: synthetic}, h.active)
	}
	return nil
}
