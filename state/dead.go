package state

import (
	"encoding/binary"
	"fmt"
)

// maxDead is how many dead letters a partition keeps: the last ones.
const maxDead = 10_000

// deadFormat leads a dead letter.
const deadFormat = 1

// dead is the range of the partition's dead letters.
type dead struct{ first, next uint64 }

func deadKey(b []byte, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, spaceDead), seq)
}

func (p *Partition) loadDead() error {
	p.dead = dead{}
	var bad error
	none := true
	err := p.scan([]byte{spaceDead}, func(key, _ []byte) bool {
		if len(key) != 1+8 {
			bad = fmt.Errorf("dead letter %w", errKey)
			return false
		}
		seq := binary.BigEndian.Uint64(key[1:])
		if none {
			p.dead.first, none = seq, false
		}
		p.dead.next = seq + 1
		return true
	})
	if err != nil {
		return err
	}
	return bad
}

// DeadLetter puts a dead letter into the batch. A partition keeps the last
// 10,000.
func (p *Partition) DeadLetter(entry []byte) {
	d := &p.dead
	p.work.key = deadKey(p.work.key[:0], d.next)
	p.work.buf = append(append(p.work.buf[:0], deadFormat), entry...)
	p.over.set(p.work.key, p.work.buf)
	for d.next++; d.next-d.first > maxDead; d.first++ {
		p.work.key = deadKey(p.work.key[:0], d.first)
		p.over.delete(p.work.key)
	}
}

// DropDeadLetter removes a dead letter with the batch, as after a retry.
func (p *Partition) DropDeadLetter(seq uint64) {
	if seq >= p.dead.first && seq < p.dead.next {
		p.work.key = deadKey(p.work.key[:0], seq)
		p.over.delete(p.work.key)
	}
}
