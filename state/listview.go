package state

import (
	"errors"
	"iter"
	"net/netip"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/gaissmai/bart"
)

// ListView is all lists as they were at one time. It is immutable and safe for
// concurrent use until the store is closed. It satisfies the rules package's
// Lists.
type ListView struct {
	lists map[string]*list
}

// Has reports whether a list of that name is loaded.
func (v *ListView) Has(list string) bool { return v.lists[list] != nil }

// Get looks a key up: as it is in a list of kind cdb; in kind cidr it is an
// address, in kind prefix any text, and the longest prefix that matches is
// taken. A list that is not loaded has no keys.
func (v *ListView) Get(list, key string) (value string, ok bool) {
	l := v.lists[list]
	if l == nil {
		return "", false
	}
	return l.get(key)
}

// Fingerprint identifies a list's content, 0 if it is not loaded.
func (v *ListView) Fingerprint(list string) uint64 {
	l := v.lists[list]
	if l == nil {
		return 0
	}
	return l.info.Fingerprint
}

// Info describes a list.
func (v *ListView) Info(list string) (info ListInfo, ok bool) {
	if l := v.lists[list]; l != nil {
		return l.info, true
	}
	return info, false
}

// All describes all lists, by name.
func (v *ListView) All() []ListInfo {
	infos := make([]ListInfo, 0, len(v.lists))
	for _, l := range v.lists {
		infos = append(infos, l.info)
	}
	slices.SortFunc(infos, func(a, b ListInfo) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return infos
}

// Entries yields a list's keys and values, by key, and ends with an error if
// the store fails.
func (v *ListView) Entries(list string) iter.Seq2[ListEntry, error] {
	return func(yield func(ListEntry, error) bool) {
		l := v.lists[list]
		if l == nil {
			return
		}
		prefix := generationKey(nil, l.gen)
		stop := errors.New("stop")
		err := l.s.scan(prefix, func(key, value []byte) error {
			if !yield(ListEntry{string(key[len(prefix):]), string(value)}, nil) {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			yield(ListEntry{}, err)
		}
	}
}

// ListEntry is a key of a list with its value.
type ListEntry struct{ Key, Value string }

// list is one generation of a list.
type list struct {
	s       *Store
	info    ListInfo
	gen     uint64
	keys    *keyTable           // nil = read the store
	table   *bart.Table[string] // kind cidr
	lengths []int               // of keys, longest first; kind prefix
}

func newList(s *Store, info ListInfo, gen uint64) *list {
	l := &list{s: s, info: info, gen: gen}
	if info.Kind == ListCIDR {
		l.table = new(bart.Table[string])
	} else {
		l.keys = newKeyTable()
	}
	return l
}

// inMemory reports whether lookups do not read the store.
func (l *list) inMemory() bool { return l.table != nil || l.keys != nil }

// fill reads the list from the store if it is to be held in memory.
func (l *list) fill() error {
	if l.info.bytes > l.s.opts.listBytes() && l.table == nil {
		l.keys = nil
		return nil
	}
	l.info.Keys, l.info.bytes, l.lengths = 0, 0, nil
	prefix := generationKey(nil, l.gen)
	return l.s.scan(prefix, func(key, value []byte) error {
		l.keep(string(key[len(prefix):]), string(value))
		return nil
	})
}

// normal returns the form in which a key is stored.
func (l *list) normal(key string) (name string, ok bool) {
	if l.table != nil {
		p, ok := parsePrefix(key)
		return p.String(), ok
	}
	if l.info.Fold {
		key = foldASCII(key)
	}
	return key, true
}

// has reports whether a list in memory has a key in normal form.
func (l *list) has(name string) bool {
	if l.table != nil {
		_, ok := l.table.Get(netip.MustParsePrefix(name))
		return ok
	}
	_, ok := l.keys.get(name)
	return ok
}

// keep puts a key in normal form into memory.
func (l *list) keep(name, value string) {
	l.note(name, value)
	if l.table != nil {
		l.table.Insert(netip.MustParsePrefix(name), value)
		return
	}
	l.keys.add(name, value)
}

// note counts a key.
func (l *list) note(name, value string) {
	l.info.Keys++
	l.info.bytes += len(name) + len(value)
	l.noteLength(len(name))
}

func (l *list) noteLength(n int) {
	if l.info.Kind != ListPrefix {
		return
	}
	i, ok := slices.BinarySearchFunc(l.lengths, n, func(a, b int) int { return b - a })
	if !ok {
		l.lengths = slices.Insert(l.lengths, i, n)
	}
}

func (l *list) get(key string) (string, bool) {
	if l.info.Kind == ListCIDR {
		addr, err := netip.ParseAddr(key)
		if err != nil {
			return "", false
		}
		return l.table.Lookup(addr.Unmap().WithZone(""))
	}
	if l.info.Fold {
		key = foldASCII(key)
	}
	if l.info.Kind == ListCDB {
		return l.exact(key)
	}
	for _, n := range l.lengths {
		if n <= len(key) {
			if value, ok := l.exact(key[:n]); ok {
				return value, true
			}
		}
	}
	return "", false
}

// exact looks a key in normal form up. A failure of the store is logged and the
// key is not found.
func (l *list) exact(name string) (string, bool) {
	if l.keys != nil {
		return l.keys.get(name)
	}
	buf, _ := l.s.keys.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer l.s.keys.Put(buf)
	*buf = append(generationKey((*buf)[:0], l.gen), name...)
	v, closer, err := l.s.db.Get(*buf)
	if err != nil {
		if !errors.Is(err, pebble.ErrNotFound) {
			l.s.opts.Logger.Error("list cannot be read", "list", l.info.Name, "error", err)
		}
		return "", false
	}
	value := string(v)
	if err := closer.Close(); err != nil {
		l.s.opts.Logger.Error("list cannot be read", "list", l.info.Name, "error", err)
	}
	return value, true
}

// parsePrefix reads a prefix or an address; IPv4 in IPv6 is IPv4.
func parsePrefix(s string) (p netip.Prefix, ok bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, false
	}
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}
