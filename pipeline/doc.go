// Package pipeline is the way of an event: decode, apply to the state,
// evaluate, commit, deliver. Pipeline.Process is the same function for the
// service, the demonstration, offline evaluation, rule tests and embedding
// programs; only source, sinks, store and clock differ. Run drives it from a
// source, one goroutine a partition, and delivers the outbox to the sinks.
//
// It promises: per partition, state is what processing each message once in
// offset order gives; alerts and state do not depend on how the stream is cut
// into calls; bad input becomes a dead letter and never stops the stream; an
// alert reaches every sink at least once, after the batch that caused it is
// committed. A verdict depends on state, message, rules and lists only: time is
// the partition's stream time, the highest receive time so far.
package pipeline
