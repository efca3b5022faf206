package main

import (
	"github.com/spf13/cobra"

	"invigil/pipeline/syscollector"
)

// compatFlag adds --compat.
func compatFlag(c *cobra.Command, into *string) {
	c.Flags().StringVar(into, "compat", "4.x", "`VERSION` of Wazuh to follow: 4.x or 3.9")
}

// parseCompat reads --compat.
func parseCompat(s string) (syscollector.Compat, error) {
	switch s {
	case "4.x":
		return syscollector.Compat4, nil
	case "3.9":
		return syscollector.Compat39, nil
	}
	return 0, usagef("unknown version %q: use 4.x or 3.9", s)
}

// choice refuses a flag's value that is none of those known.
func choice(flag, value string, known ...string) error {
	for _, k := range known {
		if k == value {
			return nil
		}
	}
	return usagef("--%s %q is not known: use one of %v", flag, value, known)
}
