package lint

import "invigil/config/source"

// CheckInfo describes one check.
type CheckInfo struct {
	Name     string
	Severity source.Severity
	Doc      string // one line: what is wrong with what it finds
}

// check is one row of the table.
type check struct {
	CheckInfo
	run func(*pass)
}

// Checks describes the checks in the order of the table.
func Checks() []CheckInfo {
	var list []CheckInfo
	for _, c := range checks() {
		list = append(list, c.CheckInfo)
	}
	return list
}

// checks is the table of checks.
func checks() []check {
	return []check{
		{CheckInfo{"osregex-as-pcre", source.Warning, "an OS_Regex is written as a regular expression: `.*`, `[a-z]`, `(?i)`, `{n}` and `x?` are literal text there"}, osregexAsPCRE},
		{CheckInfo{"osregex-dot", source.Info, "`\\.` of an OS_Regex is any character, a bare `.` is the dot"}, osregexDot},
		{CheckInfo{"osmatch-as-regex", source.Warning, "an OS_Match is written as a regular expression: it knows `^`, `$`, `|` and a leading `!` only"}, osmatchAsRegex},
		{CheckInfo{"empty-alternative", source.Warning, "an alternative is empty and matches every value"}, emptyAlternative},
		{CheckInfo{"unanchored", source.Warning, "a short text, number or address is also found inside longer values"}, unanchored},
		{CheckInfo{"edge-blanks", source.Warning, "blanks at the edge of a pattern or a list's name belong to it"}, edgeBlanks},
		{CheckInfo{"entity", source.Warning, "an XML entity is not decoded: it is compared, or shown, as it stands"}, entities},
		{CheckInfo{"non-ascii", source.Warning, "a pattern of the original's own dialects never finds a letter outside ASCII"}, nonASCII},
		{CheckInfo{"variable-not-expanded", source.Warning, "a text of two bytes is no variable"}, variableNotExpanded},

		{CheckInfo{"type-unknown", source.Warning, "no event has that `type`"}, typeUnknown},
		{CheckInfo{"field-unknown", source.Warning, "no event has a field of that name: the condition is false, negated or not"}, fieldUnknown},
		{CheckInfo{"value-unknown", source.Warning, "no event has such a value in that field"}, valueUnknown},
		{CheckInfo{"no-such-event", source.Warning, "no message has all that the rule and the rules above it ask for"}, noSuchEvent},
		{CheckInfo{"static-field", source.Warning, "inventory events never have that static field: the condition is false, negated or not"}, staticField},
		{CheckInfo{"never-true", source.Warning, "`compiled_rule` and `if_fts` are never true for inventory"}, neverTrue},
		{CheckInfo{"location", source.Warning, "a location is compared as stored, `(agent) ip->syscollector`"}, location},
		{CheckInfo{"hostname", source.Info, "hostname is the agent's name, not the host's"}, hostname},
		{CheckInfo{"negated-absent", source.Info, "a negated condition is false when the field is absent and true when it is empty"}, negatedAbsent},
		{CheckInfo{"array-text", source.Warning, "the field holds an array as text, `[\"10.0.0.1\"]`"}, arrayText},
		{CheckInfo{"formatted-number", source.Warning, "the field holds a number with six decimals, `8192000.000000`"}, formattedNumber},
		{CheckInfo{"description-name", source.Warning, "a `$(name)` of the description is always empty"}, descriptionName},

		{CheckInfo{"list-empty-address", source.Warning, "a negative list condition is true for an empty field"}, listEmptyAddress},
		{CheckInfo{"list-inverted", source.Warning, "`address_match_key_value` is true when the key is missing or the value does not match"}, listInverted},
		{CheckInfo{"list-no-check-value", source.Warning, "`match_key_value` without `check_value` never matches, other lookups ignore it"}, listCheckValue},
		{CheckInfo{"lists-not-given", source.Info, "rules use lists and none is given to look at"}, listsNotGiven},
		{CheckInfo{"list-unused", source.Warning, "a list is registered and no rule uses it"}, listUnused},
		{CheckInfo{"list-line-dropped", source.Warning, "a line of a list has no colon and is no entry"}, listLineDropped},
		{CheckInfo{"list-key-network", source.Warning, "a key of a list looks like a network or a range, which the original's lists do not know"}, listKeyNetwork},
		{CheckInfo{"list-key-ipv6", source.Warning, "an IPv6 address is no key unless it is quoted"}, listKeyIPv6},
		{CheckInfo{"list-key-repeated", source.Info, "a key stands twice in a list: the first one counts"}, listKeyRepeated},

		{CheckInfo{"not-below-221", source.Warning, "a rule about inventory hangs where no inventory event comes"}, notBelow221},
		{CheckInfo{"never-reached", source.Warning, "an earlier sibling matches whenever the rule would"}, neverReached},
		{CheckInfo{"level-zero-first", source.Info, "a level-0 rule is tried before its siblings and ends the event in silence"}, levelZeroFirst},
		{CheckInfo{"catch-all", source.Warning, "a rule below `if_group` or `if_level` without a condition takes over the verdict of every rule there"}, catchAll},
		{CheckInfo{"noalert-leaf", source.Warning, "a rule with `noalert` and without children does nothing"}, noalertLeaf},
		{CheckInfo{"group-glued", source.Warning, "the group's name lacks the comma at its end and runs into the `<group>` element"}, groupGlued},
		{CheckInfo{"overwrite-kept", source.Warning, "an overwrite in 3.9 keeps the old fields and lists"}, overwriteKept},

		{CheckInfo{"correlation-level-zero", source.Warning, "a correlation of level 0, or one over rules of level 0, never fires"}, correlationLevelZero},
		{CheckInfo{"correlation-unused", source.Warning, "frequency and timeframe count nothing without `if_matched_*`"}, correlationUnused},
		{CheckInfo{"correlation-field", source.Warning, "a correlation, or `<ignore>`, names a field that inventory events do not have"}, correlationField},
		{CheckInfo{"counts-across-agents", source.Info, "the rule counts, or goes quiet, over all agents; each partition does so for itself"}, countsAcrossAgents},

		{CheckInfo{"row-rule-collections", source.Warning, "a rule about a row reads whole tables: it is evaluated when its own row changes only"}, rowRuleCollections},
		{CheckInfo{"not-indexed", source.Info, "the rule is tried on every row of its table"}, notIndexed},
		{CheckInfo{"reads-volatile", source.Info, "the rule reads a column that changes all the time"}, readsVolatile},
	}
}
