package rules

import (
	"strings"

	"invigil/pipeline/syscollector"
)

// complianceTag is a prefix that lifts a group token out into an array of its
// own.
type complianceTag struct {
	prefix, name string
	since4       bool // 3.9.5 leaves such tokens among the groups
}

var complianceTags = [...]complianceTag{
	{"pci_dss_", "pci_dss", false},
	{"cis_", "cis", false},
	{"gdpr_", "gdpr", false},
	{"gpg13_", "gpg13", false},
	{"hipaa_", "hipaa", true},
	{"nist_800_53_", "nist_800_53", true},
	{"tsc_", "tsc", true},
}

// maxGroupText bounds the group text that 3.9.5 shows, in bytes.
const maxGroupText = 1024

// splitGroups splits a rule's group text at the commas, without trimming, and
// sorts the compliance tokens out, arrays in order of appearance.
func splitGroups(text string, compat syscollector.Compat) (groups []string, compliance []Compliance) {
	if compat == syscollector.Compat39 && len(text) > maxGroupText {
		text = text[:maxGroupText]
	}
	groups = []string{}
tokens:
	for token := range strings.SplitSeq(text, ",") {
		if token == "" {
			continue
		}
		for _, tag := range complianceTags {
			value, ok := strings.CutPrefix(token, tag.prefix)
			if !ok || tag.since4 && compat == syscollector.Compat39 {
				continue
			}
			for i := range compliance {
				if compliance[i].Name == tag.name {
					compliance[i].Values = append(compliance[i].Values, value)
					continue tokens
				}
			}
			compliance = append(compliance, Compliance{tag.name, []string{value}})
			continue tokens
		}
		groups = append(groups, token)
	}
	return groups, compliance
}
