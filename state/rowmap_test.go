package state

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRowMapIsAMap puts, finds and deletes at random, with keys that crowd at
// a few places and around the end of the slots.
func TestRowMapIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m, want := newRowMap(), map[uint64]rowHash{}
	places := []uint64{0, 1 << 32, 1 << 63, 1<<64 - 1<<58, 1<<64 - 50}
	for range 200_000 {
		key := places[rng.IntN(len(places))] + uint64(rng.IntN(40))
		if rng.IntN(len(places)*40*2) < len(want) {
			keys := slices.Collect(maps.Keys(want))
			key = keys[rng.IntN(len(keys))]
			m.delete(key, want[key].fixed)
			delete(want, key)
		} else {
			h := rowHash{key: max(key, 1), fixed: rng.Uint64(), volatile: rng.Uint64() & hashBits}
			m.put(key, &head{}, h.fixed, h.volatile)
			delete(want, 0)
			want[h.key] = h
		}
		if m.n != len(want) {
			t.Fatalf("%d entries, want %d", m.n, len(want))
		}
		for _, key := range []uint64{key, places[rng.IntN(len(places))] + uint64(rng.IntN(40))} {
			w, ok := want[max(key, 1)]
			if e := m.find(key); (e != nil) != ok || ok && *e != w {
				t.Fatalf("entry of %x is %v, want %v %v", key, e, w, ok)
			}
		}
	}
	if len(want) < 50 {
		t.Fatalf("%d keys at the end: nothing was tested", len(want))
	}
}
