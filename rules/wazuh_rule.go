package rules

import (
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"invigil/pipeline/syscollector"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// wazuhRule is one compiled rule of the wazuh dialect. The tree is a graph: all
// places of a rule have the same children, so a rule is one node however many
// parents it has. What differs between the versions stands here as data.
type wazuhRule struct {
	slot  int // place in the set's list, and in an evaluator's state
	id    int
	name  string // the id as alerts show it
	decls []*rulefile.Rule

	rank        int // siblings stand in falling order of it
	level       int
	noAlert     bool
	category    string
	groupText   string
	unreachable bool // no inventory event gets here
	places      int  // how often the rule stands in the tree, as far as it matters
	children    []*wazuhRule
	live        []*wazuhRule // the children that can match an inventory event
	index       *levelIndex  // over live, nil for few
	// repeats is set for a rule at several places whose answer is the same at
	// each of them within one event: nothing from here down has an effect.
	repeats bool

	decodedAs string
	cond      condition
	clock     bool // time or weekday is given
	time      *rulefile.TimeRange
	weekdays  *rulefile.Weekdays
	maxSize   int
	unknown   string // why the rule never matches: if_fts, compiled_rule
	checkDiff bool
	corr      *correlation

	ignore         int64 // seconds, 0 = none
	ignoreFirst    bool  // a hit in the window goes to the parent of the rule's first hit (3.9.5)
	ignoreFields   []fieldRef
	checkIfIgnored []fieldRef

	sidList    int   // history list of an if_matched_sid that names the rule, -1 = none
	groupLists []int // history lists of the if_matched_group rules that cover it

	writes      bool // level and options want an alert written
	noFullLog   bool
	noCounter   bool
	description template
	alert       AlertRule // what all its alerts share
	fingerprint uint64
	builtin     bool
	crowded     bool // a parent has an index
	tune        tuning
	tuned       *statefulRule // what alert and suppress of a tuning ask, nil = nothing
}

// correlation is what a contextual rule asks of earlier events.
type correlation struct {
	search    searchKind
	list      int // history list searched, of searchSID and searchGroup
	regex     pattern.Matcher
	earlier   int   // events wanted beside the current one
	timeframe int64 // seconds
	perAgent  bool
	same      []int // tracked fields; -1 = a field that no inventory event has
	different []int
	// different on absent fields: 4.14.7 counts them as different, the static
	// ones of 3.9.5 must both exist.
	differentNeedsBoth bool
	traits             searchTraits
}

// searchKind is the history that a correlation searches.
type searchKind uint8

const (
	searchNothing searchKind = iota // an overwrite left nothing to search: always true
	searchSID
	searchGroup
	searchRegex
)

// searchTraits are the habits of a version's search.
type searchTraits struct {
	cutTexts    bool // writing an entry of previous_output drops those behind it
	lastText    bool // the event that completes the match is written, too
	markNewest  bool // mark the history's newest event, whatever was counted
	markOldest  bool // mark the oldest counted event
	markCounted bool // mark the newest counted event if more than one was wanted
}

// compileWazuh compiles what a rule says on its own, without its place in the
// tree. The caller reports the errors.
func (b *treeBuilder) compileWazuh(r *wazuhRule, decl *rulefile.Rule) {
	w := decl.Wazuh
	r.level = decl.Level
	r.noAlert = w.NoAlert
	r.category = CategoryOf(decl)
	r.groupText = w.Groups.Value
	if b.compat == syscollector.Compat4 {
		r.groupText = strings.ReplaceAll(r.groupText, "\n", "")
	}
	r.decodedAs = w.DecodedAs
	r.maxSize = max(w.MaxSize, 0)
	r.ignore = int64(max(w.Ignore, 0))
	r.ignoreFirst = b.compat == syscollector.Compat39
	r.checkDiff = w.CheckDiff
	r.unknown = ""
	switch {
	case w.IfFTS:
		r.unknown = "if_fts: inventory events have no first-time-seen marks"
	case w.CompiledRule != "":
		r.unknown = "compiled_rule " + w.CompiledRule + " is not evaluated"
	}
	if w.Time != "" {
		t, err := rulefile.ParseTime(w.Time)
		if err != nil && !decl.Broken {
			b.errorAt(decl, "time", "%v", err)
		}
		r.time, r.clock = &t, true
	}
	if w.Weekday != "" {
		days, err := rulefile.ParseWeekdays(w.Weekday)
		if err != nil && !decl.Broken {
			b.errorAt(decl, "weekday", "%v", err)
		}
		r.weekdays, r.clock = &days, true
	}
	r.ignoreFields = resolveFields(w.IgnoreFields)
	r.checkIfIgnored = resolveFields(w.CheckIfIgnored)
	r.description = newTemplate(decl.Description.Value, b.compat == syscollector.Compat4)
	b.compileAlert(r, decl)
}

// compileAlert derives what alerts of the rule show from level, groups and
// options.
func (b *treeBuilder) compileAlert(r *wazuhRule, decl *rulefile.Rule) {
	groups, compliance := splitGroups(r.groupText, b.compat)
	a := AlertRule{ID: r.name, Level: r.level, GroupText: r.groupText, Groups: groups, Compliance: compliance, CVE: decl.CVE}
	if b.compat == syscollector.Compat4 {
		a.Mitre = decl.Mitre
	}
	for _, info := range decl.Info {
		if info.Type == "cve" {
			a.CVE += info.Text
		} else {
			a.Info += info.Text
		}
	}
	a.Mail = r.level >= b.opts.EmailLevel
	r.writes = r.level >= b.opts.LogLevel
	r.noFullLog, r.noCounter = false, false
	for _, option := range decl.Wazuh.Options {
		switch option {
		case "alert_by_email":
			a.Mail = true
		case "no_email_alert":
			a.Mail = false
		case "log_alert":
			r.writes = true
		case "no_log":
			r.writes = false
		case "no_full_log":
			r.noFullLog = true
		case "no_counter":
			r.noCounter = true
		}
	}
	r.alert = a
}

func resolveFields(names []string) []fieldRef {
	refs := make([]fieldRef, len(names))
	for i, name := range names {
		ref, ok := staticValue(name)
		if !ok {
			ref = viewField(name)
		}
		refs[i] = ref
	}
	return refs
}

// hasCorrelation reports whether a declaration makes its rule contextual.
func hasCorrelation(w *rulefile.Wazuh) bool {
	c := w.Correlate
	return c != nil && (c.SID != 0 || c.Group != "" || c.Regex != "")
}

// fingerprintRule hashes what a rule of either dialect says: memory of a rule
// survives a reload while it is the same. Positions and comments do not count.
func fingerprintRule(decls ...*rulefile.Rule) uint64 {
	h := xxhash.New()
	for _, d := range decls {
		fingerprintDecl(h, d)
	}
	return h.Sum64()
}

func fingerprintDecl(h hash.Hash, d *rulefile.Rule) {
	var buf []byte
	text := func(list ...string) {
		buf = binary.AppendUvarint(buf[:0], uint64(len(list)))
		for _, s := range list {
			buf = binary.AppendUvarint(buf, uint64(len(s)))
			buf = append(buf, s...)
		}
		_, _ = h.Write(buf)
	}
	text(d.ID, strconv.Itoa(d.Level), d.Description.Value, d.When.Value, d.CVE)
	text(d.Mitre...)
	if w := d.Wazuh; w != nil {
		text(w.Groups.Value, w.Parent.Group, w.Time, w.Weekday, w.Category, w.DecodedAs, w.CompiledRule)
		text(w.Options...)
		text(w.IgnoreFields...)
		text(w.CheckIfIgnored...)
		text(fmt.Sprint(w.Parent.SID, w.Parent.Level, w.Overwrite, w.NoAlert, w.Frequency, w.Timeframe, w.Ignore, w.MaxSize, w.CheckDiff, w.IfFTS))
		if c := w.Correlate; c != nil {
			text(fmt.Sprint(c.SID, c.Global), c.Group, c.Regex)
			text(c.Same...)
			text(c.Different...)
		}
	}
}

// insertSibling puts a rule among siblings: before the first of strictly lower
// rank. ordered tells that the siblings stand in falling order, which an
// overwrite can end.
func insertSibling(siblings []*wazuhRule, r *wazuhRule, ordered bool) []*wazuhRule {
	i := 0
	if ordered {
		i = sort.Search(len(siblings), func(i int) bool { return siblings[i].rank < r.rank })
	} else if i = slices.IndexFunc(siblings, func(s *wazuhRule) bool { return s.rank < r.rank }); i < 0 {
		i = len(siblings)
	}
	return slices.Insert(siblings, i, r)
}
