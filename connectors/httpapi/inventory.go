package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/query"
	"invigil/pipeline/syscollector"
	"invigil/state"
)

// maxSorted bounds offset+limit of an answer in an order: so many rows are in
// memory.
const maxSorted = 100_000

// table returns the table of a name.
func table(name string) (syscollector.Table, error) {
	t, ok := syscollector.TableByName(name)
	if ok {
		return t, nil
	}
	var names []string
	for _, t := range syscollector.Tables() {
		names = append(names, t.String())
	}
	hint := source.DidYouMean(name, names)
	if hint == "" {
		hint = "the tables are " + strings.Join(names, ", ")
	}
	return t, &apiError{http.StatusNotFound, fmt.Sprintf("there is no table %q", name), hint}
}

// question reads what is asked of a table.
func (a *api) question(r *request, name, agent string) (*query.Query, error) {
	t, err := table(name)
	if err != nil {
		return nil, err
	}
	q := query.Question{
		Table: t, Agent: agent, Topic: r.params.text("topic"), Where: r.params.text("where"),
		Select: r.params.words("select"), Sort: r.params.words("sort"),
	}
	if q.At, err = r.params.time("at", 0); err != nil {
		return nil, err
	}
	if q.At != 0 {
		if err := a.reaches(r.view, q.At, "at"); err != nil {
			return nil, err
		}
	}
	return query.Compile(q)
}

// reaches refuses times that the store's history does not reach back to.
func (a *api) reaches(view *state.View, at int64, name string) error {
	ps, err := view.Partitions()
	if err != nil {
		return err
	}
	for _, p := range ps {
		switch oldest := p.StreamTime - a.History.Milliseconds(); {
		case at >= oldest:
		case a.History <= 0:
			return badRequest("set state.history", "%s: no history is kept", name)
		default:
			return badRequest("state.history says how much is kept", "%s: history reaches back to %s", name, stamp(oldest))
		}
	}
	return nil
}

// agentTable answers with a page of the rows of an agent's table.
func (a *api) agentTable(r *request) error {
	q, err := a.question(r, r.PathValue("table"), r.PathValue("id"))
	if err != nil {
		return err
	}
	return r.page(q, true)
}

// inventory answers with the rows of a table of all agents: as they are read,
// or a page if one is asked for.
func (a *api) inventory(r *request) error {
	q, err := a.question(r, r.PathValue("table"), r.params.text("agent"))
	if err != nil {
		return err
	}
	count, err := r.params.flag("total")
	if err != nil {
		return err
	}
	if r.params.has("offset") || r.params.has("limit") || r.params.text("sort") != "" {
		return r.page(q, count)
	}
	l := r.items(true)
	for row, err := range q.Rows(r.ctx, r.view) {
		if err != nil {
			return err
		}
		if err := l.row(q, row); err != nil {
			return err
		}
	}
	return l.end(l.items, nil)
}

// page answers with a page of a question's rows.
func (r *request) page(q *query.Query, count bool) error {
	g, err := r.params.page()
	if err != nil {
		return err
	}
	if r.params.text("sort") != "" && g.offset+g.limit > maxSorted {
		return badRequest("narrow it by a condition", "offset: only the first %d rows of an order can be asked for", maxSorted)
	}
	l := r.items(false)
	total, err := q.Page(r.ctx, r.view, g.offset, g.limit, count, func(row *query.Row) error { return l.row(q, row) })
	if err != nil {
		return err
	}
	return l.end(total, &g)
}

// row adds a row.
func (l *list) row(q *query.Query, row *query.Row) error {
	return l.item(func(b []byte) ([]byte, error) { return query.AppendJSON(b, q.Columns(), row), nil })
}

// history answers with a page of the changes of an agent's table.
func (a *api) history(r *request) error {
	name := r.params.text("table")
	if name == "" {
		return badRequest("table=ports", "history needs a table")
	}
	q, err := a.question(r, name, r.PathValue("id"))
	if err != nil {
		return err
	}
	from, err := r.params.time("from", -1)
	if err != nil {
		return err
	}
	if r.params.has("from") {
		if err := a.reaches(r.view, from, "from"); err != nil {
			return err
		}
	}
	to, err := r.params.time("to", state.Now)
	if err != nil {
		return err
	}
	if to < from {
		return badRequest("", "to is before from")
	}
	g, err := r.params.page()
	if err != nil {
		return err
	}
	l, total := r.items(false), 0
	for c, err := range q.History(r.ctx, r.view, from, to) {
		if err != nil {
			return err
		}
		if g.holds(total) {
			if err := l.change(q, c); err != nil {
				return err
			}
		}
		total++
	}
	return l.end(total, &g)
}

// change adds a change.
func (l *list) change(q *query.Query, c *query.Change) error {
	return l.item(func(b []byte) ([]byte, error) { return query.AppendChange(b, q.Columns(), c), nil })
}
