package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"maps"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
)

// ListKind is how a list's keys are matched.
type ListKind uint8

// The kinds. The numbers are stored.
const (
	ListCDB    ListKind = iota // byte for byte
	ListCIDR                   // IPv4 and IPv6 prefixes, longest match
	ListPrefix                 // the longest key that the value begins with
)

// ParseListKind reads a kind's name: cdb, cidr, prefix. "" is cdb.
func ParseListKind(name string) (ListKind, error) {
	switch name {
	case "cdb", "":
		return ListCDB, nil
	case "cidr":
		return ListCIDR, nil
	case "prefix":
		return ListPrefix, nil
	}
	return 0, fmt.Errorf("list kind %q: use cdb, cidr or prefix", name)
}

// String returns the kind's name.
func (k ListKind) String() string {
	switch k {
	case ListCIDR:
		return "cidr"
	case ListPrefix:
		return "prefix"
	}
	return "cdb"
}

// ListInfo describes a loaded list.
type ListInfo struct {
	Name        string
	Kind        ListKind
	Fold        bool // ASCII case is ignored
	Keys        int
	Dropped     int    // lines of its text that are no record
	Fingerprint uint64 // of kind, fold, keys and values, whatever their order
	bytes       int    // of keys and values
}

// maxListBytes is up to how many bytes of keys and values a list is held in
// memory, where a lookup takes 0.1 µs; a larger one is read from the store,
// which takes some 10 µs, but for kind cidr.
const maxListBytes = 96 << 20

// Lists are the lists of a store. Each load of a list is a generation of its
// own in the store, swapped in at once. Methods are safe for concurrent use.
type Lists struct {
	s    *Store
	view atomic.Pointer[ListView]

	mu      sync.Mutex // of loads
	gen     uint64     // last generation given out
	retired []retired
}

// retired is a generation that views may still read.
type retired struct {
	list weak.Pointer[list]
	gen  uint64
}

// Lists returns the store's lists.
func (s *Store) Lists() *Lists { return s.lists }

// View returns the lists as they are now. It may be kept; it does not change.
func (l *Lists) View() *ListView { return l.view.Load() }

// Load reads a list's text and puts it in the place of the list of that name.
// On an error the old one stays. A list whose content is the same stays too.
func (l *Lists) Load(name string, kind ListKind, fold bool, r io.Reader) (ListInfo, error) {
	text := newListText(r, kind)
	return l.load(ListInfo{Name: name, Kind: kind, Fold: fold}, &text.dropped, func() ([]byte, []byte, error) {
		return text.next()
	})
}

// LoadEntries puts keys and values in the place of the list of that name, as
// Load does.
func (l *Lists) LoadEntries(name string, kind ListKind, fold bool, entries iter.Seq2[string, string]) (ListInfo, error) {
	next, stop := iter.Pull2(entries)
	defer stop()
	return l.load(ListInfo{Name: name, Kind: kind, Fold: fold}, new(int), func() ([]byte, []byte, error) {
		key, value, ok := next()
		if !ok {
			return nil, nil, io.EOF
		}
		return []byte(key), []byte(value), nil
	})
}

func (l *Lists) load(info ListInfo, dropped *int, next func() (key, value []byte, err error)) (ListInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collect()
	l.gen++
	b := &listBuilder{s: l.s, gen: l.gen, list: newList(l.s, info, l.gen), limit: l.s.opts.listBytes()}
	for {
		key, value, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = b.add(key, value)
		}
		if err != nil {
			return info, errors.Join(fmt.Errorf("load list %s: %w", info.Name, err), b.abandon())
		}
	}
	n, err := b.finish()
	if err != nil {
		return info, errors.Join(fmt.Errorf("load list %s: %w", info.Name, err), b.abandon())
	}
	n.info.Dropped += *dropped
	old := l.view.Load().lists[info.Name]
	if old != nil && old.info.Fingerprint == n.info.Fingerprint {
		if err := b.abandon(); err != nil {
			return info, fmt.Errorf("load list %s: %w", info.Name, err)
		}
		return old.info, nil
	}
	if err := l.swap(info.Name, old, n); err != nil {
		return info, errors.Join(fmt.Errorf("load list %s: %w", info.Name, err), b.abandon())
	}
	return n.info, nil
}

// Remove removes the list of that name; it need not be there.
func (l *Lists) Remove(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.collect()
	old := l.view.Load().lists[name]
	if old == nil {
		return nil
	}
	if err := l.swap(name, old, nil); err != nil {
		return fmt.Errorf("remove list %s: %w", name, err)
	}
	return nil
}

// swap puts a list in the place of another in the catalogue and the view. What
// the old one has in the store goes with it, or once no view reads it.
func (l *Lists) swap(name string, old, n *list) error {
	if l.s.opts.ReadOnly {
		return errors.New("store is read-only")
	}
	b := l.s.db.NewBatch()
	defer b.Close()
	var err error
	if n != nil {
		err = b.Set(catalogueKey(name), n.appendCatalogue(nil), nil)
	} else {
		err = b.Delete(catalogueKey(name), nil)
	}
	if old != nil && old.inMemory() {
		err = errors.Join(err, deleteGeneration(b, old.gen))
	}
	if err = errors.Join(err, b.Commit(pebble.Sync)); err != nil {
		return err
	}
	view := &ListView{lists: maps.Clone(l.view.Load().lists)}
	if n != nil {
		view.lists[name] = n
	} else {
		delete(view.lists, name)
	}
	l.view.Store(view)
	if old != nil && !old.inMemory() {
		l.retired = append(l.retired, retired{weak.Make(old), old.gen})
	}
	return nil
}

// collect deletes generations that no view reads any more. What it cannot
// delete now goes when the store is opened.
func (l *Lists) collect() {
	kept := l.retired[:0]
	for _, r := range l.retired {
		if r.list.Value() != nil || deleteGeneration(l.s.db, r.gen) != nil {
			kept = append(kept, r)
		}
	}
	l.retired = kept
}

func (l *Lists) close() error {
	var errs []error
	for _, r := range l.retired {
		errs = append(errs, deleteGeneration(l.s.db, r.gen))
	}
	return errors.Join(errs...)
}

func generationKey(b []byte, gen uint64) []byte {
	return binary.BigEndian.AppendUint64(append(refKey(b, 0), storeLists), gen)
}

func catalogueKey(name string) []byte { return appendString(storeKey(storeCatalogue), name) }

func deleteGeneration(w pebble.Writer, gen uint64) error {
	from := generationKey(nil, gen)
	return w.DeleteRange(from, upperBound(nil, from), pebble.NoSync)
}

// openLists reads the catalogue and the lists that are held in memory, and
// deletes generations that no list has: loads that were cut short.
func openLists(s *Store) (*Lists, error) {
	l := &Lists{s: s}
	view := &ListView{lists: make(map[string]*list)}
	l.view.Store(view)
	used := make(map[uint64]bool)
	prefix := storeKey(storeCatalogue)
	err := s.scan(prefix, func(key, value []byte) error {
		n, err := decodeCatalogue(s, string(key[len(prefix):]), value)
		if err != nil {
			return err
		}
		view.lists[n.info.Name] = n
		used[n.gen] = true
		l.gen = max(l.gen, n.gen)
		return n.fill()
	})
	if err != nil || s.opts.ReadOnly {
		return l, err
	}
	return l, l.dropUnused(used)
}

func (l *Lists) dropUnused(used map[uint64]bool) (err error) {
	prefix := storeKey(storeLists)
	it, err := l.s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; {
		if len(it.Key()) < len(prefix)+8 {
			return fmt.Errorf("list %w", errKey)
		}
		gen := binary.BigEndian.Uint64(it.Key()[len(prefix):])
		l.gen = max(l.gen, gen)
		if !used[gen] {
			if err := deleteGeneration(l.s.db, gen); err != nil {
				return err
			}
		}
		ok = it.SeekGE(generationKey(nil, gen+1))
	}
	return it.Error()
}

// scan calls f for the committed keys with a prefix, in order.
func (s *Store) scan(prefix []byte, f func(key, value []byte) error) (err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: upperBound(nil, prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return it.Error()
}

// listBuilder writes a generation.
type listBuilder struct {
	s     *Store
	gen   uint64
	list  *list
	batch *pebble.Batch
	key   []byte
	hash  []byte
	sum   uint64
	limit int // of bytes in memory
	seeds [2]maphash.Seed
	seen  map[[2]uint64]struct{} // what the keys hash to, once there are too many to hold
}

// spill gives up the list's memory: of its keys only what they hash to is kept.
func (b *listBuilder) spill() {
	b.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	b.seen = make(map[[2]uint64]struct{}, 2*b.list.keys.n)
	b.list.keys.all(func(key string) { b.seen[b.hashes(key)] = struct{}{} })
	b.list.keys = nil
}

// hashes of two keys are the same for the same key only: 128 bits, seeded.
func (b *listBuilder) hashes(name string) [2]uint64 {
	return [2]uint64{maphash.String(b.seeds[0], name), maphash.String(b.seeds[1], name)}
}

const listBatch = 1 << 20

// add adds a record; of records with the same key the first counts.
func (b *listBuilder) add(key, value []byte) error {
	name, ok := b.list.normal(string(key))
	if !ok {
		b.list.info.Dropped++
		return nil
	}
	if b.list.inMemory() {
		if b.list.has(name) {
			return nil
		}
		b.list.keep(name, string(value))
		if b.list.keys != nil && b.list.info.bytes > b.limit {
			b.spill()
		}
	} else {
		h := b.hashes(name)
		if _, again := b.seen[h]; again {
			return nil
		}
		b.seen[h] = struct{}{}
		b.list.note(name, string(value))
	}
	b.hash = append(appendText(b.hash[:0], name), value...)
	b.sum += xxhash.Sum64(b.hash)
	return b.write(name, value)
}

func (b *listBuilder) write(name string, value []byte) error {
	if b.s.opts.ReadOnly {
		return errors.New("store is read-only")
	}
	if b.batch == nil {
		b.batch = b.s.db.NewBatch()
	}
	b.key = append(generationKey(b.key[:0], b.gen), name...)
	if err := b.batch.Set(b.key, value, nil); err != nil {
		return err
	}
	if b.batch.Len() >= listBatch {
		return b.flush()
	}
	return nil
}

func (b *listBuilder) flush() error {
	if b.batch == nil {
		return nil
	}
	batch := b.batch
	b.batch = nil
	return errors.Join(batch.Commit(pebble.NoSync), batch.Close())
}

// finish returns the list, its generation written.
func (b *listBuilder) finish() (*list, error) {
	l := b.list
	b.hash = binary.AppendUvarint(append(b.hash[:0], byte(l.info.Kind)), b.sum)
	if l.info.Fold {
		b.hash = append(b.hash, 1)
	}
	b.hash = binary.AppendUvarint(b.hash, uint64(l.info.Keys))
	l.info.Fingerprint = xxhash.Sum64(b.hash)
	return l, b.flush()
}

// abandon deletes what was written.
func (b *listBuilder) abandon() error {
	if b.batch != nil {
		err := b.batch.Close()
		b.batch = nil
		return errors.Join(err, deleteGeneration(b.s.db, b.gen))
	}
	if b.s.opts.ReadOnly {
		return nil
	}
	return deleteGeneration(b.s.db, b.gen)
}

// A list's entry in the catalogue, format 1: kind, fold, generation, keys,
// dropped lines, fingerprint, bytes (uvarints), lengths of keys (uvarints; kind
// prefix).
const catalogueFormat = 1

func (l *list) appendCatalogue(b []byte) []byte {
	fold := byte(0)
	if l.info.Fold {
		fold = 1
	}
	b = append(b, catalogueFormat, byte(l.info.Kind), fold)
	b = binary.AppendUvarint(b, l.gen)
	b = binary.AppendUvarint(b, uint64(l.info.Keys))
	b = binary.AppendUvarint(b, uint64(l.info.Dropped))
	b = binary.AppendUvarint(b, l.info.Fingerprint)
	b = binary.AppendUvarint(b, uint64(l.info.bytes))
	for _, n := range l.lengths {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func decodeCatalogue(s *Store, key string, value []byte) (*list, error) {
	name, _, err := cutString(key)
	if err != nil || len(value) < 3 {
		return nil, errors.New("catalogue of lists is damaged")
	}
	if value[0] != catalogueFormat {
		return nil, fmt.Errorf("list %s has format %d, this version reads %d", name, value[0], catalogueFormat)
	}
	c := cursor{rest: bytes.Clone(value[3:])}
	info := ListInfo{Name: name, Kind: ListKind(value[1]), Fold: value[2] == 1}
	gen := c.uvarint()
	l := newList(s, info, gen)
	l.info.Keys, l.info.Dropped = int(c.uvarint()), int(c.uvarint())
	l.info.Fingerprint, l.info.bytes = c.uvarint(), int(c.uvarint())
	for len(c.rest) > 0 {
		l.lengths = append(l.lengths, int(c.uvarint()))
	}
	if c.bad {
		return nil, fmt.Errorf("entry of list %s in the catalogue is damaged", name)
	}
	return l, nil
}
