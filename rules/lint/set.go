package lint

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"invigil/pipeline/syscollector"
	"invigil/rules"
	"invigil/rules/pattern"
	"invigil/rules/rulefile"
)

// set is the rules of the files as the checks look at them: those of the wazuh
// dialects in their tree, those of the invigil dialect beside it.
type set struct {
	compat syscollector.Compat
	words  *words
	all    []*rule       // wazuh rules in load order, built-in ones included
	byID   map[int]*rule // the first of an id
	lists  map[string]bool
	// stateful are the rules of the invigil dialect.
	stateful []*rulefile.Rule
	inPlace  []*rulefile.List
}

// rule is one wazuh rule in its tree.
type rule struct {
	id                int
	decl              *rulefile.Rule   // what counts, after overwrites
	decls             []*rulefile.Rule // first to last
	builtin           bool
	parents, children []*rule // children in the order in which they are tried
	calls             []call
	inherited         []call // of the rules above, as far as there is only one way up

	visible bool // an inventory event can get here
	meant   bool // and the rule is about inventory, not about all events
	own     typeSet
	types   typeSet // message types for which the rule can match
	dead    bool    // a condition can never hold
	plain   bool    // its conditions are its calls, all of which must hold, and nothing else
	sign    uint64  // bits of the conditions, to tell quickly that rules differ
}

// newSet puts the tree together. What the loader reports is passed over here:
// broken rules stay, rules without a parent hang nowhere.
func newSet(files []*rulefile.File, compat syscollector.Compat) *set {
	s := &set{compat: compat, words: newWords(compat), byID: map[int]*rule{}, lists: map[string]bool{}}
	wazuh := false
	for _, f := range files {
		s.inPlace = append(s.inPlace, f.Lists...)
		for _, r := range f.Rules {
			if wazuh = wazuh || r.Wazuh != nil; r.Wazuh == nil {
				s.stateful = append(s.stateful, r)
			}
		}
	}
	if !wazuh {
		return s
	}
	for d, builtin := range rules.LoadOrder(files) {
		s.add(d, builtin)
	}
	for _, r := range s.all {
		s.judge(r)
	}
	return s
}

const (
	baseID            = 221 // the rule that every inventory event ends at
	inventoryCategory = "ossec"
	inventoryDecoder  = "syscollector"
)

// add takes up one declaration.
func (s *set) add(d *rulefile.Rule, builtin bool) {
	id, err := strconv.Atoi(d.ID)
	if err != nil {
		return
	}
	calls := parseCalls(&d.When, s.compat)
	for i := range calls {
		if calls[i].fn == "cdb" {
			s.lists[calls[i].list] = true
		}
	}
	if old := s.byID[id]; old != nil {
		if d.Wazuh.Overwrite {
			s.overwrite(old, d, calls)
		}
		return
	}
	r := &rule{id: id, decl: d, decls: []*rulefile.Rule{d}, builtin: builtin, calls: calls}
	s.all = append(s.all, r)
	s.byID[id] = r
	if id < 10 {
		return
	}
	r.parents = s.parents(d)
	for _, p := range r.parents {
		i := slices.IndexFunc(p.children, func(c *rule) bool { return rules.RankOf(c.decl) < rules.RankOf(d) })
		if i < 0 {
			i = len(p.children)
		}
		p.children = slices.Insert(p.children, i, r)
	}
}

// overwrite replaces a rule's declaration; in 3.9 the old fields, lists and
// location stay.
func (s *set) overwrite(r *rule, d *rulefile.Rule, calls []call) {
	r.decl, r.decls, r.builtin = d, append(r.decls, d), false
	if s.compat == syscollector.Compat39 {
		kept := slices.DeleteFunc(slices.Clone(r.calls), func(c call) bool { return !c.keptBy39() })
		calls = append(kept, slices.DeleteFunc(calls, func(c call) bool { return c.keptBy39() })...)
	}
	r.calls = calls
}

// keptBy39 tells whether 3.9 keeps the condition of a rule that is overwritten.
func (c *call) keptBy39() bool { return !c.static || c.fn == "cdb" || c.value == "location" }

func (s *set) root(category string) *rule {
	for _, r := range s.all {
		if r.id < 10 && r.category() == category {
			return r
		}
	}
	return nil
}

func (r *rule) category() string { return rules.CategoryOf(r.decl) }

// parents finds the rules that a new one hangs below.
func (s *set) parents(d *rulefile.Rule) (parents []*rule) {
	switch parent := rules.ParentOf(d.Wazuh); {
	case len(parent.SID) > 0:
		for _, sid := range parent.SID {
			if p := s.byID[sid]; p != nil && !slices.Contains(parents, p) {
				parents = append(parents, p)
			}
		}
	case parent.Level > 0:
		for _, p := range s.all {
			if rules.RankOf(p.decl) >= parent.Level*100 {
				parents = append(parents, p)
			}
		}
	case parent.Group != "":
		word := pattern.CompileGroupWord(parent.Group)
		for _, p := range s.all {
			if word.Match(p.decl.Wazuh.Groups.Value) {
				parents = append(parents, p)
			}
		}
	default:
		if p := s.root(rules.CategoryOf(d)); p != nil {
			parents = append(parents, p)
		}
	}
	return slices.DeleteFunc(parents, func(p *rule) bool { return len(p.decls) > 0 && p.decl == d })
}

// judge finds out what can reach a rule. Parents come before their children.
func (s *set) judge(r *rule) {
	w := r.decl.Wazuh
	r.own, r.plain = s.words.allTypes, r.isPlain()
	for i := range r.calls {
		c := &r.calls[i]
		if !c.must {
			continue
		}
		r.own &= s.words.typesOf(c)
		if s.words.never(c) {
			r.dead = true
		}
		r.sign |= s.words.sign(c)
	}
	r.dead = r.dead || w.IfFTS || w.CompiledRule != ""
	var above typeSet
	if r.id < 10 {
		above = s.words.allTypes
		r.visible = r.category() == inventoryCategory
	}
	below := len(r.parents) > 0
	for _, p := range r.parents {
		if p.visible {
			r.visible = true
			above |= p.types
			r.dead = r.dead || len(r.parents) == 1 && p.dead
		}
		below = below && p.meant
	}
	if r.types = r.own & above; r.types == 0 {
		r.dead = true
	}
	if w.DecodedAs != "" && w.DecodedAs != inventoryDecoder {
		r.visible = false
	}
	r.meant = r.visible && (below || w.DecodedAs == inventoryDecoder || r.id == baseID || r.aboutInventory())
	if len(r.parents) == 1 {
		p := r.parents[0]
		r.inherited = append(slices.Clip(p.inherited), p.calls...)
		for i := range r.inherited {
			r.sign |= s.words.sign(&r.inherited[i])
		}
	}
}

// sign returns a bit for a condition: of its field alone where conditions that
// differ can imply each other, none for the type.
func (w *words) sign(c *call) uint64 {
	name := strings.ToLower(c.value)
	if name == "type" && !c.static {
		return 0
	}
	h := maphash.String(w.seed, name)
	if c.static || w.vocabulary(c.view) == nil {
		h ^= maphash.String(w.seed, c.text+"\x00"+c.list)
	}
	return 1 << (h >> 58)
}

// aboutInventory tells whether a rule names what only inventory has: not every
// field of that name is one, other decoders have a process.name too.
func (r *rule) aboutInventory() bool {
	for i := range r.calls {
		c := &r.calls[i]
		switch name := strings.ToLower(c.value); {
		case c.static || c.view == 0:
		case name == "type":
			if strings.Contains(strings.ToLower(c.text), "dbsync_") {
				return true
			}
		case name == "operation_type" || slices.ContainsFunc(inventoryPrefixes[:], func(p string) bool { return strings.HasPrefix(name, p) }):
			return true
		}
	}
	return slices.Contains(strings.Split(r.decl.Wazuh.Groups.Value, ","), inventoryDecoder)
}

var inventoryPrefixes = [...]string{"netinfo.", "port.", "program.", "hardware.", "browser_extension.", "service.service_", "user.user_", "group.group_"}

// correlates tells whether the rule searches earlier events.
func (r *rule) correlates() bool {
	c := r.decl.Wazuh.Correlate
	return c != nil && (c.SID != 0 || c.Group != "" || c.Regex != "")
}

// isPlain finds out what plain is.
func (r *rule) isPlain() bool {
	w := r.decl.Wazuh
	if r.correlates() || w.CheckDiff || w.IfFTS || w.CompiledRule != "" || w.Time != "" || w.Weekday != "" || w.MaxSize > 0 ||
		w.DecodedAs != "" && w.DecodedAs != inventoryDecoder {
		return false
	}
	return !slices.ContainsFunc(r.calls, func(c call) bool { return !c.must || c.fn == "ip" || c.fn == "equal" })
}
