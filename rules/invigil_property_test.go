package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// The model of a condition: a tree of leaves over two texts and two numbers,
// each of which may be absent.
type modelCond struct {
	text string
	hold func(r modelRow) bool
}

type modelRow struct {
	state, process *string
	local, remote  *int
	change         syscollector.Change
	oldState       *string
}

var modelWords = []string{"listening", "listen", "established", "sshd", "Listening", "x"}

func drawCond(t *rapid.T, depth int) modelCond {
	if depth == 0 {
		return drawLeaf(t)
	}
	switch rapid.IntRange(0, 4).Draw(t, "shape") {
	case 0:
		a, b := drawCond(t, depth-1), drawCond(t, depth-1)
		return modelCond{"(" + a.text + " and " + b.text + ")", func(r modelRow) bool { return a.hold(r) && b.hold(r) }}
	case 1:
		a, b := drawCond(t, depth-1), drawCond(t, depth-1)
		return modelCond{"(" + a.text + " or " + b.text + ")", func(r modelRow) bool { return a.hold(r) || b.hold(r) }}
	case 2:
		a := drawCond(t, depth-1)
		return modelCond{"not (" + a.text + ")", func(r modelRow) bool { return !a.hold(r) }}
	}
	return drawLeaf(t)
}

func drawLeaf(t *rapid.T) modelCond {
	name, text := "port.state", func(r modelRow) *string { return r.state }
	switch rapid.IntRange(0, 2).Draw(t, "text") {
	case 1:
		name, text = "port.process", func(r modelRow) *string { return r.process }
	case 2:
		name, text = "before.port.state", func(r modelRow) *string { return r.oldState }
	}
	number, num := "port.local_port", func(r modelRow) *int { return r.local }
	if rapid.Bool().Draw(t, "number") {
		number, num = "port.remote_port", func(r modelRow) *int { return r.remote }
	}
	w := rapid.SampledFrom(modelWords).Draw(t, "word")
	v := rapid.SampledFrom(modelWords).Draw(t, "other")
	n := rapid.IntRange(0, 4).Draw(t, "n")
	onText := func(format string, f func(s string) bool) modelCond {
		return modelCond{strings.NewReplacer("NAME", name, "@W", fmt.Sprintf("%q", w), "@V", fmt.Sprintf("%q", v)).Replace(format),
			func(r modelRow) bool { s := text(r); return s != nil && f(*s) }}
	}
	onNumber := func(format string, f func(i int) bool) modelCond {
		return modelCond{strings.NewReplacer("NAME", number, "@N", fmt.Sprint(n)).Replace(format),
			func(r modelRow) bool { i := num(r); return i != nil && f(*i) }}
	}
	switch rapid.IntRange(0, 22).Draw(t, "leaf") {
	case 0:
		return onText("NAME == @W", func(s string) bool { return s == w })
	case 1:
		return onText("@W != NAME", func(s string) bool { return s != w })
	case 2:
		return onText("NAME in [@W, @V]", func(s string) bool { return s == w || s == v })
	case 3:
		return onText("NAME startsWith @W", func(s string) bool { return strings.HasPrefix(s, w) })
	case 4:
		return onText("NAME endsWith @W", func(s string) bool { return strings.HasSuffix(s, w) })
	case 5:
		return onText("NAME contains @W", func(s string) bool { return strings.Contains(s, w) })
	case 6:
		return onText("NAME matches \"^"+w+"\"", func(s string) bool { return strings.HasPrefix(s, w) })
	case 7:
		return onText("NAME matches \"^"+w+"$\"", func(s string) bool { return s == w })
	case 8:
		return onText("osregex(NAME, \"^"+w+"$\")", func(s string) bool { return strings.EqualFold(s, w) })
	case 9:
		return onText("osmatch(NAME, \"^"+w+"|"+v+"$\")", func(s string) bool {
			s = strings.ToLower(s)
			return strings.HasPrefix(s, strings.ToLower(w)) || strings.HasSuffix(s, strings.ToLower(v))
		})
	case 10:
		return onText("lower(NAME) == \"listening\"", func(s string) bool { return strings.ToLower(s) == "listening" })
	case 11:
		return onText("NAME < @W", func(s string) bool { return s < w })
	case 12:
		return onNumber("NAME == @N", func(i int) bool { return i == n })
	case 13:
		return onNumber("NAME != @N", func(i int) bool { return i != n })
	case 14:
		return onNumber("NAME in [@N, 2]", func(i int) bool { return i == n || i == 2 })
	case 15:
		return onNumber("NAME in @N..3", func(i int) bool { return n <= i && i <= 3 })
	case 16:
		return onNumber("@N <= NAME", func(i int) bool { return n <= i })
	case 17:
		return onNumber("NAME + 1 > @N", func(i int) bool { return i+1 > n })
	case 18:
		return modelCond{"port.local_port < port.remote_port", func(r modelRow) bool {
			return r.local != nil && r.remote != nil && *r.local < *r.remote
		}}
	case 19:
		return modelCond{"has(" + name + ")", func(r modelRow) bool { return text(r) != nil }}
	case 20:
		c := syscollector.Change(rapid.IntRange(0, 3).Draw(t, "change"))
		return modelCond{fmt.Sprintf("change == %q", c.String()), func(r modelRow) bool { return r.change == c }}
	case 21:
		return modelCond{`changed("port.state")`, func(r modelRow) bool {
			return r.change == syscollector.Modified && !sameText(r.state, r.oldState)
		}}
	}
	return modelCond{"(" + number + " ?? 2) == 2", func(r modelRow) bool { i := num(r); return i == nil || *i == 2 }}
}

func sameText(a, b *string) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func drawText(t *rapid.T, label string) *string {
	if rapid.IntRange(0, 2).Draw(t, label+" absent") == 0 {
		return nil
	}
	s := rapid.SampledFrom(modelWords).Draw(t, label)
	return &s
}

func drawNumber(t *rapid.T, label string) *int {
	if rapid.IntRange(0, 2).Draw(t, label+" absent") == 0 {
		return nil
	}
	n := rapid.IntRange(0, 4).Draw(t, label)
	return &n
}

// pairs writes a text or number as name=value, nil if it is absent.
func pairs(name string, s *string, n *int) []string {
	switch {
	case s != nil:
		return []string{name + "=" + *s}
	case n != nil:
		return []string{fmt.Sprintf("%s=%d", name, *n)}
	}
	return nil
}

// Many random rules are compiled and indexed together; for random rows each
// must give what its model says. So the rewrite keeps the meaning, and the
// index never skips a rule that holds.
func TestConditionsAgreeWithTheirModelThroughTheIndex(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		conds := make([]modelCond, rapid.IntRange(1, 12).Draw(rt, "rules"))
		var file strings.Builder
		file.WriteString("rules:\n")
		for i := range conds {
			conds[i] = drawCond(rt, 3)
			fmt.Fprintf(&file, "  - id: r%d\n    level: 5\n    description: d\n    table: ports\n    alert: every\n    when: |\n      %s\n", i, conds[i].text)
		}
		set, diags := loadInvigil("rules.yml", file.String(), rules.Options{})
		if err := diags.Err(); err != nil {
			rt.Fatal(err)
		}
		p := newSmallPartition(t, set)
		for range 4 {
			r := modelRow{
				state: drawText(rt, "state"), process: drawText(rt, "process"), oldState: drawText(rt, "old state"),
				local: drawNumber(rt, "local"), remote: drawNumber(rt, "remote"),
				change: syscollector.Change(rapid.IntRange(0, 3).Draw(rt, "row change")),
			}
			after := makeRow(t, syscollector.Ports)
			for _, kv := range [][]string{
				pairs("port.state", r.state, nil), pairs("port.process", r.process, nil),
				pairs("port.local_port", nil, r.local), pairs("port.remote_port", nil, r.remote),
			} {
				setColumns(t, after, kv)
			}
			before := makeRow(t, syscollector.Ports, pairs("port.state", r.oldState, nil)...)
			d := syscollector.Delta{
				Agent: "001", Table: syscollector.Ports, Key: []byte("k"), Change: r.change, Before: before, After: after,
			}
			if f, _ := syscollector.ByName("port.state"); !sameText(r.state, r.oldState) {
				d.Changed = 1 << f.Number
			}
			fired := map[string]bool{}
			for _, a := range p.evaluate(d) {
				fired[a.Rule.ID] = true
			}
			for i, c := range conds {
				if want := c.hold(r); fired[fmt.Sprintf("r%d", i)] != want {
					rt.Fatalf("%s: %v, want %v for %s before %s change %s", c.text, !want, want,
						describe(after), describe(before), r.change)
				}
			}
		}
	})
}

func describe(r *syscollector.Row) string {
	var parts []string
	for _, f := range syscollector.Fields(r.Table) {
		if r.Has(f.Number) {
			parts = append(parts, fmt.Sprintf("%s=%v", f.Name, r.Values[f.Number]))
		}
	}
	return strings.Join(parts, " ")
}

// An onset fires exactly when its condition was false, or its item new, and is
// now true; a resolved record follows exactly when it stops. Model: the last
// verdict of each item.
func TestOnsetsFollowTheVerdictOfEachItem(t *testing.T) {
	set := mustLoad(t, ruleWith(`port.state == "listening" and port.local_port > 1`, "    resolve: true"), rules.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		p := newSmallPartition(t, set)
		truth := map[string]bool{}
		stored := map[string]modelRow{}
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key")
			was, want := truth[key], ""
			var alerts []rules.Alert
			if _, ok := stored[key]; ok && rapid.IntRange(0, 4).Draw(rt, "remove") == 0 {
				if was {
					want = "resolved"
				}
				delete(truth, key)
				delete(stored, key)
				alerts = p.remove(syscollector.Ports, key)
			} else {
				r := modelRow{state: drawText(rt, "state"), local: drawNumber(rt, "local")}
				now := r.state != nil && *r.state == "listening" && r.local != nil && *r.local > 1
				switch {
				case now && !was:
					want = "firing"
				case was && !now:
					want = "resolved"
				}
				truth[key], stored[key] = now, r
				clear := []string{"port.protocol=" + key, "port.state=", "port.local_port="}
				kv := append(clear, append(pairs("port.state", r.state, nil), pairs("port.local_port", nil, r.local)...)...)
				alerts = p.put(syscollector.Ports, key, "", kv...)
			}
			got := ""
			for _, a := range alerts {
				got += a.Extras.Status
			}
			if got != want {
				rt.Fatalf("key %s: %q, want %q", key, got, want)
			}
			active := 0
			for range p.active.Scan(nil) {
				active++
			}
			for _, on := range truth {
				if on {
					active--
				}
			}
			if active != 0 {
				rt.Fatalf("the index of active onsets is off by %d", active)
			}
		}
	})
}
