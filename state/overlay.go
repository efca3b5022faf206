package state

import (
	"bytes"

	"github.com/RaduBerinde/btreemap"
)

// overlay is a batch in the making: the last value of each key written since
// the last commit, ordered. Keys are without the partition's ref. Its bytes
// live in an arena that Reset recycles.
type overlay struct {
	tree  *btreemap.BTreeMap[[]byte, write]
	arena arena
	bytes int
}

// write is what happens to a key; a nil value deletes it.
type write struct{ value []byte }

func newOverlay() *overlay {
	return &overlay{tree: btreemap.NewWithFreeList(32, bytes.Compare, btreemap.NewFreeList[[]byte, write](1024))}
}

// set writes a copy of key and value.
func (o *overlay) set(key, value []byte) {
	v := o.arena.copy(value)
	if v == nil {
		v = []byte{}
	}
	o.put(key, write{v})
}

// delete writes a deletion of the key.
func (o *overlay) delete(key []byte) { o.put(key, write{}) }

func (o *overlay) put(key []byte, w write) {
	o.tree.ReplaceOrInsert(o.arena.copy(key), w)
	o.bytes += len(key) + len(w.value)
}

// drop forgets the writes of all keys with a prefix.
func (o *overlay) drop(prefix []byte) {
	var keys [][]byte
	for key := range o.tree.Ascend(btreemap.GE(prefix), btreemap.LT(upperBound(nil, prefix))) {
		keys = append(keys, key)
	}
	for _, key := range keys {
		o.tree.Delete(key)
	}
}

// get returns the key's last write.
func (o *overlay) get(key []byte) (w write, ok bool) {
	if o.tree.Len() == 0 {
		return w, false
	}
	_, w, ok = o.tree.Get(key)
	return w, ok
}

func (o *overlay) reset() {
	o.tree.Clear(true)
	o.arena.reset()
	o.bytes = 0
}

// arena hands out copies of bytes that stay in place until reset.
type arena struct {
	chunks [][]byte
	n      int // chunk in use
}

const arenaChunk = 256 << 10

func (a *arena) copy(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > arenaChunk/4 {
		return bytes.Clone(b)
	}
	if len(a.chunks) == 0 || len(a.chunks[a.n])+len(b) > arenaChunk {
		if len(a.chunks) > 0 {
			a.n++
		}
		if a.n == len(a.chunks) {
			a.chunks = append(a.chunks, make([]byte, 0, arenaChunk))
		}
	}
	c := a.chunks[a.n]
	c = append(c, b...)
	a.chunks[a.n] = c
	return c[len(c)-len(b) : len(c) : len(c)]
}

// reset keeps some chunks for reuse.
func (a *arena) reset() {
	const keep = 64
	if len(a.chunks) > keep {
		clear(a.chunks[keep:])
		a.chunks = a.chunks[:keep]
	}
	for i := range a.chunks {
		a.chunks[i] = a.chunks[i][:0]
	}
	a.n = 0
}
