package rules_test

import (
	"bytes"
	"hash/fnv"
	"iter"
	"slices"
	"strings"
)

// memory is a rules.Memory in a sorted slice.
type memory struct {
	keys   [][]byte
	values [][]byte
	writes int
}

func (m *memory) find(key []byte) (int, bool) {
	return slices.BinarySearchFunc(m.keys, key, bytes.Compare)
}

func (m *memory) Get(key []byte) ([]byte, bool, error) {
	if i, ok := m.find(key); ok {
		return m.values[i], true, nil
	}
	return nil, false, nil
}

func (m *memory) Set(key, value []byte) error {
	m.writes++
	i, ok := m.find(key)
	if ok {
		m.values[i] = bytes.Clone(value)
		return nil
	}
	m.keys = slices.Insert(m.keys, i, bytes.Clone(key))
	m.values = slices.Insert(m.values, i, bytes.Clone(value))
	return nil
}

func (m *memory) Delete(key []byte) error {
	m.writes++
	if i, ok := m.find(key); ok {
		m.keys = slices.Delete(m.keys, i, i+1)
		m.values = slices.Delete(m.values, i, i+1)
	}
	return nil
}

func (m *memory) Scan(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		i, _ := m.find(prefix)
		for ; i < len(m.keys) && bytes.HasPrefix(m.keys[i], prefix); i++ {
			if !yield(m.keys[i], m.values[i]) {
				return
			}
		}
	}
}

// lists is a rules.Lists of CDB texts.
type lists map[string]map[string]string

func newLists(texts map[string]string) lists {
	l := lists{}
	for name, text := range texts {
		entries := map[string]string{}
		for line := range strings.SplitSeq(text, "\n") {
			line, _, _ = strings.Cut(line, "\r")
			key, value, ok := cdbLine(line)
			if _, taken := entries[key]; ok && !taken {
				entries[key] = value
			}
		}
		l[name] = entries
	}
	return l
}

// cdbLine reads key:value, either of them quoted.
func cdbLine(line string) (key, value string, ok bool) {
	colon, quote := strings.IndexByte(line, ':'), strings.IndexByte(line, '"')
	if quote >= 0 && (colon < 0 || quote < colon) {
		if key, line, ok = strings.Cut(line[quote+1:], `"`); !ok {
			return "", "", false
		}
		_, value, ok = strings.Cut(line, ":")
	} else {
		key, value, ok = strings.Cut(line, ":")
	}
	if _, quoted, has := strings.Cut(value, `"`); ok && has {
		value, _, ok = strings.Cut(quoted, `"`)
	}
	return key, value, ok
}

func (l lists) Has(list string) bool {
	_, ok := l[list]
	return ok
}

func (l lists) Get(list, key string) (string, bool) {
	value, ok := l[list][key]
	return value, ok
}

func (l lists) Fingerprint(list string) uint64 {
	h := fnv.New64a()
	for _, k := range slices.Sorted(func(yield func(string) bool) {
		for k := range l[list] {
			if !yield(k) {
				return
			}
		}
	}) {
		_, _ = h.Write([]byte(k + "\x00" + l[list][k] + "\x00"))
	}
	return h.Sum64()
}
