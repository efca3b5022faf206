package alertfmt

import (
	"fmt"
	"strings"
	"time"

	"invigil/rules"
)

// textFormat renders alerts as entries of alerts.log.
type textFormat struct{ zone *time.Location }

// Append implements Formatter. The line end that follows makes the blank line
// between two entries.
func (f textFormat) Append(b []byte, a *rules.Alert) ([]byte, error) {
	mail := ""
	if a.Rule.Mail {
		mail = " mail "
	}
	groups := a.Rule.GroupText
	if groups == "" && len(a.Rule.Groups) > 0 {
		groups = strings.Join(a.Rule.Groups, ",") + ","
	}
	b = fmt.Appendf(b, "** Alert %s:%s - %s\n", a.ID(), mail, oneLine.Replace(groups))
	location := a.Location
	if !strings.HasPrefix(location, "(") && a.Manager != "" {
		location = a.Manager + "->" + location
	}
	b = fmt.Appendf(b, "%s %s\n", time.UnixMilli(a.Time).In(f.zone).Format("2006 Jan 02 15:04:05"), location)
	b = fmt.Appendf(b, "Rule: %s (level %d) -> '%s'\n", a.Rule.ID, a.Rule.Level, oneLine.Replace(a.Rule.Description))
	if a.FullLog != "" {
		b = append(append(b, a.FullLog...), '\n')
	}
	for _, d := range a.Data {
		if value := text(d.Value); value != "" {
			b = fmt.Appendf(b, "%s: %s\n", d.Name, oneLine.Replace(value))
		}
	}
	return b, nil
}

// oneLine keeps a value on its line, so that no value can look like an entry.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)
