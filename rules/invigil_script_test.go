package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"invigil/pipeline/syscollector"
	"invigil/rules"
)

// The scripts replay sequences of deltas. Commands:
//
//	rules                       loads the rules (a reload, after the first)
//	put T KEY [change=C] [agent=A] [scan]   stores a row from name=value lines, shows its alerts
//	remove T KEY                removes a row
//	end T                       a 3.9 scan of T ends: it is known from now on
//	sweep T KEY                 shows a stored row again, as after a reload
//	event                       one event of several "put T KEY name=value…" lines
//	wait DURATION               the time until the next event
//	memory                      how many records rule memory holds
//	active                      the index of active onsets
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/invigil/scripts", func(t *testing.T, path string) {
		var p *smallPartition
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "rules":
				set, diags := loadInvigil("rules.yml", d.Input, rules.Options{ListNames: func(string) bool { return true }})
				if err := diags.Err(); err != nil {
					return err.Error() + "\n"
				}
				if p == nil {
					p = newSmallPartition(t, set)
				} else {
					p.swap(set)
				}
				return "ok\n"
			case "wait":
				after, err := time.ParseDuration(d.CmdArgs[0].Key)
				if err != nil {
					return err.Error()
				}
				p.time += after.Milliseconds() - 1000 // each event takes a second
				return ""
			case "memory":
				if err := p.eval.Flush(); err != nil {
					return err.Error()
				}
				n := 0
				for range p.mem.Scan(nil) {
					n++
				}
				return fmt.Sprintf("%d records\n", n)
			case "put":
				table, key := scriptTarget(t, d)
				p.agent.ID = "001"
				var change string
				d.MaybeScanArgs(t, "change", &change)
				d.MaybeScanArgs(t, "agent", &p.agent.ID)
				p.event.Family = syscollector.FamilyDelta
				if d.HasArg("scan") {
					p.event.Family = syscollector.FamilyScan
				}
				return showAlerts(p.put(table, key, change, strings.Fields(d.Input)...))
			case "end", "sweep":
				p.agent.ID = "001"
				table, _ := syscollector.TableByName(d.CmdArgs[0].Key)
				was := p.event
				defer func() { p.event = was }()
				if d.Cmd == "end" {
					p.known[table] = true
					p.event.Family, p.event.Op, p.event.Table = syscollector.FamilyScan, syscollector.OpScanEnd, table
					return showAlerts(p.evaluate())
				}
				p.event = syscollector.Event{}
				return showAlerts(p.put(table, d.CmdArgs[1].Key, "unchanged"))
			case "remove":
				table, key := scriptTarget(t, d)
				p.event.Family = syscollector.FamilyDelta
				p.agent.ID = "001"
				return showAlerts(p.remove(table, key))
			case "event":
				p.agent.ID = "001"
				var deltas []syscollector.Delta
				for line := range strings.Lines(d.Input) {
					f := strings.Fields(line)
					table, _ := syscollector.TableByName(f[1])
					deltas = append(deltas, p.delta(table, f[2], "", f[3:]))
				}
				return showAlerts(p.evaluate(deltas...))
			case "active":
				var b strings.Builder
				for key, value := range p.active.Scan(nil) {
					a, err := rules.DecodeActive(key, value)
					if err != nil {
						return err.Error()
					}
					fmt.Fprintf(&b, "%s agent=%s %s %s level=%d: %s\n", a.Rule, a.Agent, a.Table, a.Key, a.Level, a.Description)
				}
				lines := strings.SplitAfter(b.String(), "\n")
				slices.Sort(lines)
				if b.Len() == 0 {
					return "none\n"
				}
				return strings.Join(lines, "")
			}
			return "unknown command " + d.Cmd
		})
	})
}

func scriptTarget(t *testing.T, d *datadriven.TestData) (syscollector.Table, string) {
	t.Helper()
	table, ok := syscollector.TableByName(d.CmdArgs[0].Key)
	if !ok || len(d.CmdArgs) < 2 {
		t.Fatalf("%s: want TABLE KEY", d.Pos)
	}
	return table, d.CmdArgs[1].Key
}
