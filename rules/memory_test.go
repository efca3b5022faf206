package rules_test

import (
	"bytes"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// mapMemory is a rules.Memory for many keys.
type mapMemory map[string][]byte

func (m mapMemory) Get(key []byte) ([]byte, bool, error) {
	v, ok := m[string(key)]
	return v, ok, nil
}

func (m mapMemory) Set(key, value []byte) error {
	m[string(key)] = bytes.Clone(value)
	return nil
}

func (m mapMemory) Delete(key []byte) error {
	delete(m, string(key))
	return nil
}

func (m mapMemory) Scan(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if strings.HasPrefix(key, string(prefix)) && !yield([]byte(key), m[key]) {
				return
			}
		}
	}
}

// rememberingRules use every kind of record.
const rememberingRules = `dialect: wazuh-4.x
rules:
  - {id: 100001, level: 5, parent: {sid: [221]}, description: counted, ignore_fields: [port.local_port]}
  - {id: 100002, level: 6, parent: {sid: [100001]}, description: again, correlate: {sid: 100001, frequency: 9}}
  - {id: 100003, level: 7, parent: {sid: [221]}, description: differs, check_diff: true, when: 'osmatch("port.local_port", "^2$")'}
`

const rememberingStateful = `rules:
  - {id: a, level: 5, description: x, when: port.local_port > 0, alert: every, correlate: {count: 9, within: 1h}}
  - {id: b, level: 5, description: x, when: port.local_port > 0, alert: every, suppress: {for: 1h}}
`

// remember evaluates a few ports and returns the memory.
func remember(t testing.TB, set *rules.Set, mem rules.Memory, ports int) error {
	t.Helper()
	eval, err := set.NewEvaluator(mem, mapMemory{})
	if err != nil {
		return err
	}
	decoder := syscollector.NewDecoder(syscollector.Options{DefaultAgent: "001"})
	for port := range ports {
		ev, err := decoder.Decode(fmt.Appendf(nil, `{"type":"port","ID":1,"port":{"local_port":%d}}`, port+1), syscollector.Meta{Time: 1000})
		if err != nil {
			t.Fatal(err)
		}
		row := makeRow(t, syscollector.Ports, fmt.Sprintf("port.local_port=%d", port+1))
		d := syscollector.Delta{Agent: "001", Table: syscollector.Ports, Key: []byte{byte(port)}, Before: &syscollector.Row{}, After: row, Change: syscollector.Added}
		if _, err := eval.Eval(&rules.Input{Event: ev, StreamTime: 1000, Deltas: []syscollector.Delta{d}}); err != nil {
			return err
		}
		decoder.Reset()
	}
	return eval.Flush()
}

// Every record that a rule of either dialect writes begins with its format, and
// a newer one is refused instead of misread.
func TestNewerRuleMemoryIsRefused(t *testing.T) {
	for _, text := range []string{rememberingRules, rememberingStateful} {
		set := mustLoad(t, text, rules.Options{})
		mem := mapMemory{}
		if err := remember(t, set, mem, 3); err != nil {
			t.Fatal(err)
		}
		kinds := map[string]bool{}
		for key, value := range mem {
			kind := key[:2]
			if key[0] == 's' {
				kind = key[:1] + key[9:10]
			}
			if kinds[kind] {
				continue
			}
			kinds[kind] = true
			changed := maps.Clone(mem)
			changed[key] = append([]byte{value[0] + 1}, value[1:]...)
			if err := remember(t, set, changed, 3); err == nil || !strings.Contains(err.Error(), "newer version") {
				t.Errorf("record %q: %v", key, err)
			}
		}
		if want := map[bool]int{true: 6, false: 2}[text == rememberingRules]; len(kinds) != want {
			t.Errorf("%d kinds of records, want %d: %v", len(kinds), want, kinds)
		}
	}
}

// The lines of <ignore> are bounded, the newest kept.
func TestLinesOfIgnoreMakeRoomForNewOnes(t *testing.T) {
	const most = 1 << 16
	set := mustLoad(t, `dialect: wazuh-4.x
rules:
  - {id: 100001, level: 5, parent: {sid: [221]}, description: x, ignore_fields: [port.local_port]}
`, rules.Options{})
	mem := mapMemory{}
	if err := remember(t, set, mem, most+100); err != nil {
		t.Fatal(err)
	}
	lines := func() (n int) {
		for key := range mem {
			if strings.HasPrefix(key, "wi") {
				n++
			}
		}
		return n
	}
	if n := lines(); n != most {
		t.Errorf("%d lines", n)
	}
	before := maps.Clone(mem)
	if err := remember(t, set, mem, 100); err != nil { // the oldest, which went
		t.Fatal(err)
	}
	fresh := 0
	for key := range mem {
		if _, ok := before[key]; !ok && strings.HasPrefix(key, "wi") {
			fresh++
		}
	}
	if n := lines(); n != most || fresh != 100 {
		t.Errorf("%d lines, %d of them new", n, fresh)
	}
}

// FuzzMemory gives records any content: it may be refused, and never panics.
func FuzzMemory(f *testing.F) {
	stateful, wazuh := mustLoad(f, rememberingStateful, rules.Options{}), mustLoad(f, rememberingRules, rules.Options{})
	records := map[*rules.Set]mapMemory{stateful: {}, wazuh: {}}
	for set, mem := range records {
		if err := remember(f, set, mem, 3); err != nil {
			f.Fatal(err)
		}
		for _, value := range mem {
			f.Add(value)
			f.Add(value[:len(value)/2])
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for set, mem := range records {
			for key := range mem {
				changed := maps.Clone(mem)
				changed[key] = value
				_ = remember(t, set, changed, 1)
			}
		}
		_, _ = rules.DecodeActive(append([]byte("12345678001\x00"), value...), value)
	})
}
