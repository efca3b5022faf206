// Package syscollector is the wire: it recognises the envelopes in which
// Syscollector messages travel, decodes both event families and all thirteen
// tables by hand, and defines what the rest of the program calls an event, a
// row, a delta and a change. The one list of columns is in fields.go; decoder,
// expression types, alert data, state keys, API and documentation are driven
// by it.
//
// It is a leaf: it knows nothing of rules, state or connectors. A Decoder
// belongs to one goroutine; what it returns is reused and valid as its methods
// say.
package syscollector
