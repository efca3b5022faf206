// Package alertfmt renders alerts as bytes: what each sink sends is one of its
// formats of a canonical alert.
package alertfmt

import (
	"fmt"

	"invigil/rules"
)

// Formatter renders alerts. It is immutable and safe for concurrent use.
type Formatter interface {
	// Append appends the rendered alert to b, without a line end after it.
	Append(b []byte, a *rules.Alert) ([]byte, error)
}

// Format returns the formatter of that name: wazuh, native or text.
func Format(name string) (Formatter, error) {
	return nil, fmt.Errorf("unknown alert format %q: use wazuh, native or text", name)
}
