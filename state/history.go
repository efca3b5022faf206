package state

import (
	"encoding/binary"

	"invigil/pipeline/syscollector"
)

// historyFormat leads a before image: the row's value, nothing if there was no
// row.
const historyFormat = 1

// trim is a range of the store's keys to delete: history that is too old, what
// was forgotten or taken up.
type trim struct{ from, to []byte }

func historyPrefix(b []byte, agent string, t syscollector.Table) []byte {
	return appendTable(b, spaceHistory, agent, t)
}

// Times before 1970 do not happen: stream time is at least 0.
func historyKey(b []byte, agent string, t syscollector.Table, time int64, item []byte) []byte {
	b = binary.BigEndian.AppendUint64(historyPrefix(b, agent, t), uint64(max(time, 0)))
	return append(b, item...)
}

// remember puts a row's value before a change into the history; nil says that
// there was no row. Of several changes at one time the first counts.
func (p *Partition) remember(t target, value []byte) error {
	keep := p.store.opts.History.Milliseconds()
	if keep <= 0 || p.forgetting {
		return nil
	}
	key := historyKey(nil, t.agent.ID, t.l.table, p.now, t.item)
	saved := append([]byte{historyFormat}, value...) // value may be where get reads to
	if _, ok, err := p.get(key); err != nil || ok {
		return err
	}
	p.over.set(key, saved)
	p.trim(t, keep)
	return nil
}

// trim puts the removal of what is older than keep into the batch, now and
// then: one range delete an agent and table.
func (p *Partition) trim(t target, keep int64) {
	a := t.agent
	if a.trimmed == nil {
		a.trimmed = new([syscollector.NumTables]int64)
	}
	last := &a.trimmed[t.l.table]
	if p.now-keep <= 0 || p.now-*last < max(keep/16, 1) {
		return
	}
	*last = p.now
	base := refKey(nil, p.ref)
	p.trims = append(p.trims, trim{
		from: historyPrefix(append([]byte(nil), base...), a.ID, t.l.table),
		to:   historyKey(append([]byte(nil), base...), a.ID, t.l.table, p.now-keep, nil),
	})
}
