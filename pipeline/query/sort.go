package query

import (
	"cmp"
	"context"
	"iter"
	"math"
	"math/bits"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/state"
)

// Sorted collects rows and yields them in the question's order, equals as they
// came. Of each row only the columns chosen and sorted by are kept.
func Sorted(rows iter.Seq2[*Row, error], q *Query) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		all, _, err := q.collect(rows, -1)
		if err != nil {
			yield(nil, err)
			return
		}
		for row := range expanded(all) {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Page gives yield the rows from offset on, at most limit, and returns how many
// there are in all. It is -1 if nobody counts: then rows behind the page are not
// looked at, unless an order demands it. No more than offset+limit rows are in
// memory, however many there are.
func (q *Query) Page(ctx context.Context, view *state.View, offset, limit int, count bool, yield func(*Row) error) (total int, err error) {
	rows := q.matching(ctx, view)
	if len(q.order) == 0 {
		for row, err := range rows {
			if err != nil {
				return 0, err
			}
			if total >= offset && total-offset < limit {
				if err := yield(row); err != nil {
					return 0, err
				}
			}
			if total++; !count && total-offset >= limit {
				return -1, nil
			}
		}
		return total, nil
	}
	first, total, err := q.collect(rows, offset+limit)
	if err != nil {
		return 0, err
	}
	for row := range expanded(first[min(offset, len(first)):]) {
		if err := yield(row); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// kept is a row in compact form: its values in the order of their columns.
type kept struct {
	agent   *state.AgentInfo
	table   syscollector.Table
	present uint64
	values  []syscollector.Value
	place   int // among the rows as they came
}

// collect returns the first most rows in the question's order, all if most is
// negative, and counts all.
func (q *Query) collect(rows iter.Seq2[*Row, error], most int) (first []kept, total int, err error) {
	mask := q.mask()
	top := Top[kept]{Most: most, Compare: q.compare}
	var agent *state.AgentInfo
	for row, err := range rows {
		if err != nil {
			return nil, 0, err
		}
		total++
		k := compact(row, mask, total)
		if !top.Takes(k) {
			continue
		}
		if agent == nil || agent.ID != k.agent.ID || agent.Topic != k.agent.Topic || agent.Partition != k.agent.Partition {
			own := *k.agent
			agent = &own
		}
		k.agent = agent
		for i := range k.values {
			k.values[i].Str = strings.Clone(k.values[i].Str)
		}
		top.Add(k)
	}
	return top.Sorted(), total, nil
}

// mask returns the columns that an answer in order needs.
func (q *Query) mask() (mask uint64) {
	for _, c := range q.columns {
		if c.field != nil {
			mask |= 1 << c.field.Number
		}
	}
	for _, k := range q.order {
		if k.field != nil {
			mask |= 1 << k.field.Number
		}
	}
	return mask
}

// compact takes the columns of a mask.
func compact(r *Row, mask uint64, place int) kept {
	k := kept{agent: r.Agent, table: r.Row.Table, present: r.Row.Present & mask, place: place}
	k.values = make([]syscollector.Value, 0, bits.OnesCount64(k.present))
	for left := k.present; left != 0; left &= left - 1 {
		k.values = append(k.values, r.Row.Values[bits.TrailingZeros64(left)])
	}
	return k
}

// expanded yields compact rows as rows.
func expanded(all []kept) iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		r := Row{Row: new(syscollector.Row)}
		for i := range all {
			k := &all[i]
			r.Agent = k.agent
			r.Row.Reset(k.table)
			r.Row.Present = k.present
			for left, n := k.present, 0; left != 0; left &= left - 1 {
				r.Row.Values[bits.TrailingZeros64(left)] = k.values[n]
				n++
			}
			if !yield(&r) {
				return
			}
		}
	}
}

// compare orders two rows, equals as they came. An absent value comes first.
func (q *Query) compare(a, b kept) int {
	for i := range q.order {
		k := &q.order[i]
		n := k.compare(&a, &b)
		if k.descending {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return a.place - b.place
}

func (k *key) compare(a, b *kept) int {
	if k.field == nil {
		return cmp.Compare(k.agent(&Row{Agent: a.agent}), k.agent(&Row{Agent: b.agent}))
	}
	bit := uint64(1) << k.field.Number
	if a.present&b.present&bit == 0 {
		return cmp.Compare(a.present&bit, b.present&bit)
	}
	x, y := a.values[bits.OnesCount64(a.present&(bit-1))], b.values[bits.OnesCount64(b.present&(bit-1))]
	switch k.field.Type {
	case syscollector.Integer:
		return cmp.Compare(x.Int, y.Int)
	case syscollector.Real:
		return cmp.Compare(math.Float64frombits(uint64(x.Int)), math.Float64frombits(uint64(y.Int)))
	}
	return cmp.Compare(x.Str, y.Str)
}
