package rules

import (
	"iter"
	"strconv"

	"invigil/pipeline/syscollector"
	"invigil/rules/rulefile"
)

const (
	// levelZeroRank is the rank of level 0: it stands first among siblings.
	levelZeroRank = 9900
	// inventoryDecoder and inventoryCategory are those of every inventory
	// event, inventoryRule the rule that each of them ends at if no other
	// wants it.
	inventoryDecoder  = "syscollector"
	inventoryCategory = "ossec"
	inventoryRule     = "221"
	// defaultCategory is that of a rule which gives none.
	defaultCategory = "syslog"
)

// builtinRoots are the categories of rules 1 to 7.
var builtinRoots = [...]string{defaultCategory, "firewall", "ids", "web-log", "squid", "windows", inventoryCategory}

// LoadOrder yields the rules of the wazuh dialects in the order in which the
// tree takes them up: before those of the files the roots 1 to 7, and as soon
// as there is a root for inventory rule 221, each unless a file defines it.
// builtin tells which are not of a file.
func LoadOrder(files []*rulefile.File) iter.Seq2[*rulefile.Rule, bool] {
	return func(yield func(decl *rulefile.Rule, builtin bool) bool) {
		defined := map[string]bool{}
		for _, f := range files {
			for _, r := range f.Rules {
				if r.Wazuh != nil && !r.Wazuh.Overwrite {
					defined[r.ID] = true
				}
			}
		}
		next := func(decl *rulefile.Rule, builtin bool) bool {
			if !yield(decl, builtin) {
				return false
			}
			if defined[inventoryRule] || !isRoot(decl) || CategoryOf(decl) != inventoryCategory {
				return true
			}
			defined[inventoryRule] = true
			r := builtinRule(inventoryRule, inventoryCategory, "Syscollector event.")
			r.Wazuh.DecodedAs = inventoryDecoder
			return yield(r, true)
		}
		for i, category := range builtinRoots {
			id := strconv.Itoa(i + 1)
			if defined[id] {
				continue
			}
			r := builtinRule(id, category, "Root of the category "+category+".")
			r.Wazuh.NoAlert = true
			if !next(r, true) {
				return
			}
		}
		for _, f := range files {
			for _, r := range f.Rules {
				if r.Wazuh != nil && !next(r, false) {
					return
				}
			}
		}
	}
}

func builtinRule(id, category, description string) *rulefile.Rule {
	return &rulefile.Rule{
		ID: id, Description: rulefile.Text{Value: description},
		Wazuh: &rulefile.Wazuh{Category: category, Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1},
	}
}

// isRoot tells whether a rule is the root of its category: ids of one digit are.
func isRoot(decl *rulefile.Rule) bool {
	id, err := strconv.Atoi(decl.ID)
	return err == nil && 0 <= id && id < 10
}

// CategoryOf returns the category of a rule of the wazuh dialects.
func CategoryOf(decl *rulefile.Rule) string {
	if c := decl.Wazuh.Category; c != "" {
		return c
	}
	return defaultCategory
}

// RankOf returns what the siblings of the tree stand in falling order of, those
// of the same rank in load order. Accuracy 0 ranks behind all others.
func RankOf(decl *rulefile.Rule) int {
	switch {
	case decl.Wazuh.Accuracy == 0:
		return decl.Level
	case decl.Level == 0:
		return levelZeroRank
	}
	return decl.Level * 100
}

// ParentOf returns what a rule of the wazuh dialects hangs below: rules by
// their ids, all from a level on, or all of a group. A correlation that names a
// rule or a group implies them. All empty is the root of its category.
func ParentOf(w *rulefile.Wazuh) rulefile.Parent {
	p := w.Parent
	if c := w.Correlate; c != nil && len(p.SID) == 0 && p.Group == "" {
		if c.SID != 0 {
			p.SID = []int{c.SID}
		} else if p.Level == 0 {
			p.Group = c.Group
		}
	}
	switch {
	case len(p.SID) > 0:
		return rulefile.Parent{SID: p.SID}
	case p.Level > 0:
		return rulefile.Parent{Level: p.Level}
	}
	return rulefile.Parent{Group: p.Group}
}

// dialectOf returns the wazuh dialect of a version.
func dialectOf(c syscollector.Compat) rulefile.Dialect {
	if c == syscollector.Compat39 {
		return rulefile.Wazuh39
	}
	return rulefile.Wazuh4
}
