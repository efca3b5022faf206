package state

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestKeyTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newKeyTable(), make(map[string]string)
		for range rapid.IntRange(0, 100).Draw(t, "keys") {
			key := rapid.String().Draw(t, "key")
			if rapid.IntRange(0, 19).Draw(t, "long") == 0 {
				key = strings.Repeat("x", chunkSize-50+rapid.IntRange(0, 100).Draw(t, "length"))
			}
			value, ok := table.get(key)
			if had, found := want[key]; found != ok || had != value {
				t.Fatalf("key of %d bytes: found %v, want %v", len(key), ok, found)
			}
			if !ok {
				want[key] = rapid.String().Draw(t, "value")
				table.add(key, want[key])
			}
		}
		n := 0
		table.all(func(key string) {
			if value, _ := table.get(key); value != want[key] {
				t.Fatalf("key of %d bytes has another value", len(key))
			}
			n++
		})
		if n != len(want) || table.n != n {
			t.Fatalf("%d keys, want %d", n, len(want))
		}
	})
}

// A million keys of a hash's length must take less than 200 MB.
func TestKeyTableIsSmall(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 200_000
	before := heap()
	table := newKeyTable()
	for i := range n {
		table.add(fmt.Sprintf("%064d", i), "malware")
	}
	if grown := heap() - before; grown > n*120 {
		t.Fatalf("%d keys take %d bytes", n, grown)
	}
	runtime.KeepAlive(table)
}
