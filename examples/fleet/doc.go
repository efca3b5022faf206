// Package fleet makes up a fleet of agents: hosts with a plausible inventory,
// the messages that agents of both event families send about it, the envelopes
// in which those reach a topic, and an endless deterministic stream for
// benchmarks. The sample events of the demo are made of it, and tests take
// their inputs from it.
//
// Everything is a function of its arguments: no clock, no global source of
// chance.
package fleet
