package rules

import (
	"invigil/config/source"
	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
	"invigil/rules/wazuhxml"
)

// readXML reads a file of Wazuh rules.
func readXML(src source.File, compat syscollector.Compat) (*rulefile.File, source.Diagnostics) {
	return wazuhxml.Read(src, pattern.Compat(compat))
}
