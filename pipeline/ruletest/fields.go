package ruletest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// notCompared are members that say nothing of the verdict: the manager's
// counters and configuration, and what only its technique database knows.
// Those that end in a dot stand for all below.
var notCompared = []string{
	"timestamp", "id", "manager.", "cluster.", "rule.firedtimes", "rule.mail", "rule.mitre.tactic", "rule.mitre.technique", "invigil.",
}

// compareAlerts lists the members in which two alerts differ, a line each.
func compareAlerts(wazuh, invigil []byte) (lines []string, err error) {
	w, err := parseFlat(wazuh)
	if err != nil {
		return nil, err
	}
	i, err := parseFlat(invigil)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(w)
	maps.Copy(names, i)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, inWazuh := w[name]
		y, inInvigil := i[name]
		if x == y && inWazuh == inInvigil || slices.ContainsFunc(notCompared, func(p string) bool {
			return name == p || strings.HasSuffix(p, ".") && strings.HasPrefix(name, p)
		}) {
			continue
		}
		if strings.HasPrefix(name, "agent.") && (!inWazuh || !inInvigil || name == "agent.id") {
			continue // an envelope may not tell it
		}
		lines = append(lines, fmt.Sprintf("%s: Wazuh %s, Invigil %s", name, shown(x, inWazuh), shown(y, inInvigil)))
	}
	return lines, nil
}

func shown(text string, ok bool) string {
	if !ok {
		return "absent"
	}
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// parseFlat reads an object as dotted name → JSON text.
func parseFlat(line []byte) (map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	flat := make(map[string]string)
	walk(v, "", func(name string, v any) { flat[name] = marshal(v) })
	return flat, nil
}

// flatten reads an alert's data as lower-case dotted name → text.
func flatten(data map[string]any) map[string]string {
	flat := make(map[string]string)
	walk(data, "", func(name string, v any) {
		text, ok := v.(string)
		if !ok {
			text = marshal(v)
		}
		flat[strings.ToLower(name)] = text
	})
	return flat
}

func walk(v map[string]any, prefix string, leaf func(name string, v any)) {
	for name, v := range v {
		if object, ok := v.(map[string]any); ok {
			walk(object, prefix+name+".", leaf)
			continue
		}
		leaf(prefix+name, v)
	}
}

func marshal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // it was read as JSON
	return strings.TrimSuffix(b.String(), "\n")
}

// compactArray returns a value as an alert shows it: one that is a whole JSON
// array is put in as such.
func compactArray(value string) string {
	if !strings.HasPrefix(value, "[") {
		return value
	}
	var v []any
	dec := json.NewDecoder(strings.NewReader(value))
	dec.UseNumber()
	if dec.Decode(&v) != nil || dec.More() {
		return value
	}
	return marshal(v)
}
