// Package alertfmt renders alerts as bytes: what each sink sends is one of its
// formats of a canonical alert.
//
//   - wazuh: a line of alerts.json, member for member in its order, extras of
//     the invigil dialect under "invigil" at the end;
//   - native: one flat JSON object with typed values, named as in rules;
//   - text: an entry of alerts.log.
//
// Rendering depends on the alert alone: the same alert gives the same bytes.
package alertfmt

import (
	"fmt"
	"time"

	"invigil/config/source"
	"invigil/rules"
)

// Formatter renders alerts. It is immutable and safe for concurrent use.
type Formatter interface {
	// Append appends the rendered alert to b, without the line end that
	// parts it from the next one.
	Append(b []byte, a *rules.Alert) ([]byte, error)
}

// Names returns the names of the formats.
func Names() []string { return []string{"wazuh", "native", "text"} }

// Format returns the formatter of that name with times in UTC.
func Format(name string) (Formatter, error) { return FormatIn(name, time.UTC) }

// FormatIn returns the formatter of that name with times in a zone.
func FormatIn(name string, zone *time.Location) (Formatter, error) {
	switch name {
	case "wazuh":
		return wazuhFormat{zone}, nil
	case "native":
		return nativeFormat{zone}, nil
	case "text":
		return textFormat{zone}, nil
	}
	hint := source.DidYouMean(name, Names())
	if hint == "" {
		hint = "use wazuh, native or text"
	}
	return nil, fmt.Errorf("alert format %q is not known: %s", name, hint)
}
