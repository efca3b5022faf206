package rules

import (
	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

// Filter is a condition over one stored row and its agent, written in the
// language of a rule's when: what query --where and the API's where take. It
// sees no event, no change, no list and no other row, so its cost is bounded
// by its text. A Filter belongs to one goroutine.
type Filter struct {
	when   *when
	run    *whenRunner
	absent syscollector.Row
	agent  syscollector.Agent
}

// CompileFilter compiles a filter over rows of a table. The error is a
// source.Diagnostics whose positions stand in src, as line and column of a file
// named where.
func CompileFilter(src string, table syscollector.Table) (*Filter, error) {
	start := source.Position{File: "where", Line: 1, Column: 1}
	text := rulefile.Text{Value: src}
	text.Map.AddText(0, src, start)
	w, diags := compileWhen(text, whenEnv{pos: start, filter: table})
	if len(diags) > 0 {
		diags.Fill(source.File{Name: start.File, Data: []byte(src)})
		return nil, diags
	}
	return &Filter{when: w, run: newWhenRunner(nil)}, nil
}

// Bind lets the filter read agent.os.* and agent.hardware.*, which are absent
// otherwise.
func (f *Filter) Bind(inv Inventory) { f.run.scope.inventory = inv }

// Match tells whether the filter holds for a row of an agent. An error is one
// of the filter's own, such as a division by zero on this row.
func (f *Filter) Match(row *syscollector.Row, agent syscollector.Agent) (bool, error) {
	s := &f.run.scope
	s.nextEvent()
	f.agent = agent
	s.row, s.before, s.table, s.agent = row, &f.absent, row.Table, &f.agent
	return f.run.run(f.when)
}
