package query

import (
	"container/heap"
	"slices"
)

// Top keeps the first values of many in an order. Add takes them one by one;
// no more than Most are in memory.
type Top[T any] struct {
	Most    int // negative = all
	Compare func(a, b T) int
	values  []T // a heap whose first value is the last in order, once Most are there
}

// Takes reports whether Add would keep the value.
func (t *Top[T]) Takes(v T) bool {
	return t.Most < 0 || len(t.values) < t.Most || t.Most > 0 && t.Compare(v, t.values[0]) < 0
}

// Add keeps the value if it is among the first so far.
func (t *Top[T]) Add(v T) {
	switch {
	case !t.Takes(v):
	case len(t.values) == t.Most:
		t.values[0] = v
		heap.Fix((*byLast[T])(t), 0)
	case t.Most < 0:
		t.values = append(t.values, v)
	default:
		heap.Push((*byLast[T])(t), v)
	}
}

// Sorted returns the values in order and ends the use of t.
func (t *Top[T]) Sorted() []T {
	slices.SortFunc(t.values, t.Compare)
	return t.values
}

// byLast is the heap of a Top.
type byLast[T any] Top[T]

// Len implements heap.Interface.
func (h *byLast[T]) Len() int { return len(h.values) }

// Less implements heap.Interface.
func (h *byLast[T]) Less(i, j int) bool { return h.Compare(h.values[i], h.values[j]) > 0 }

// Swap implements heap.Interface.
func (h *byLast[T]) Swap(i, j int) { h.values[i], h.values[j] = h.values[j], h.values[i] }

// Push implements heap.Interface.
func (h *byLast[T]) Push(v any) { h.values = append(h.values, v.(T)) }

// Pop implements heap.Interface.
func (h *byLast[T]) Pop() any {
	last := h.values[len(h.values)-1]
	h.values = h.values[:len(h.values)-1]
	return last
}
