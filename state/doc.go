// Package state keeps every agent's inventory, the rule memory, the outbox and
// the lists in one Pebble store.
//
// In the flow it stands twice: Partition.Apply turns an event into deltas, and
// Partition.Commit makes a batch of rows, memory, alerts and offset durable in
// one write. Queries read a View, a consistent snapshot, and never block that
// way.
//
// It promises: per partition the state is exactly what processing each event
// once, in order, gives, however the stream is cut into batches; a crash leaves
// a prefix of the commits; an event that changes nothing reads nothing from
// disk and allocates nothing. Keys are documented in keys.go, rows in row.go.
//
// The package imports leaves only. Partition, its Spaces and the list views
// satisfy the interfaces that the rules package declares.
package state
