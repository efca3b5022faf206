package wazuhxml

import (
	"strconv"
	"strings"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

// rule is one rule while it is read.
type rule struct {
	*reader
	e       *element
	out     *rulefile.Rule
	w       *rulefile.Wazuh
	group   text // the root's name
	skipped bool // the original loads the file without the rule

	texts      map[string]*joined // elements whose repeats are strung together
	conditions map[string][]*condition
	fields     []*condition
	lists      []*element
	context    *element // the first element that needs an if_matched_*
	matched    *element // an if_matched_*

	oldMitre, newMitre []string
}

// joined is the text of all elements of one name, strung together as the
// original does.
type joined struct {
	first *element
	n     int
	s     string
	m     source.Map
}

// readRule reads a <rule>, with variables expanded, of a group.
func (r *reader) readRule(e *element, group text) {
	u := &rule{reader: r, e: e, group: group, texts: map[string]*joined{}, conditions: map[string][]*condition{},
		w: &rulefile.Wazuh{Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1, At: map[string]source.Position{}}}
	u.out = &rulefile.Rule{Pos: r.pos(e.at), Wazuh: u.w, Broken: e.broken}
	r.rule = u
	defer func() { r.rule = nil }()

	before := len(r.found)
	u.attributes()
	for i := before; i < len(r.found); i++ {
		r.found[i].Rule = u.out.ID
	}
	if len(e.children) == 0 && !e.broken {
		r.errorf(e.at, 5, "", "this rule is empty")
	}
	for _, c := range e.children {
		u.element(r.expanded(c))
	}
	u.finish()
	if u.skipped && !u.out.Broken || u.out.ID == "" {
		return
	}
	r.comments(&u.out.Comment, e.end)
	r.file.Rules = append(r.file.Rules, u.out)
}

// attributes reads the attributes of <rule>; their names fold.
func (u *rule) attributes() {
	level := false
	for _, a := range u.e.attrs {
		name := strings.ToLower(a.name)
		if name != "id" && name != "level" {
			u.w.At[name] = u.pos(a.value.at)
		}
		switch name {
		case "id":
			if n, ok := u.digits(a, 0); ok {
				if len(a.value.s) > 6 {
					u.valuef(a, "use a number up to 999999", "id %s has more than 6 digits", a.value.s)
				} else {
					u.out.ID = strconv.Itoa(n)
				}
			}
		case "level":
			n, err := strconv.Atoi(a.value.s)
			if level = true; err != nil || n < 0 || n > 16 || !isDigits(a.value.s) {
				u.valuef(a, "use a number from 0 to 16", "level %q is none", a.value.s)
			} else {
				u.out.Level = n
			}
		case "frequency":
			if n, ok := u.digits(a, 0); ok {
				if n < 2 || n > 9999 {
					u.valuef(a, "use a number from 2 to 9999; 2 means this event and one before it", "frequency %d is out of range", n)
				} else {
					u.w.Frequency = n
				}
			}
		case "timeframe":
			u.number(a, &u.w.Timeframe, 5)
		case "ignore":
			u.number(a, &u.w.Ignore, 6)
		case "maxsize":
			u.number(a, &u.w.MaxSize, 4)
		case "accuracy":
			u.number(a, &u.w.Accuracy, 9)
		case "noalert":
			switch {
			case u.old || a.value.s == "1":
				u.w.NoAlert = true
				if u.old && a.value.s != "1" {
					u.notef(a.at, len(a.name), `3.9 takes any value of noalert for 1`)
				}
			case a.value.s != "0":
				u.warnf(a.at, len(a.name), "use 0 or 1", "noalert %q has no effect", a.value.s)
			}
		case "overwrite":
			switch strings.ToLower(a.value.s) {
			case "yes":
				u.w.Overwrite = true
			case "no":
			default:
				u.valuef(a, "use yes or no", "overwrite %q is neither yes nor no", a.value.s)
			}
		default:
			u.errorf(a.at, len(a.name), source.DidYouMean(name, ruleAttributes), "a rule has no attribute %q", a.name)
		}
	}
	if u.e.broken {
		return
	}
	if u.out.ID == "" && u.attr(u.e, "id") == nil {
		u.errorf(u.e.at, 5, `write <rule id="100001" level="3">`, "this rule has no id")
	}
	if !level {
		u.errorf(u.e.at, 5, `write <rule id="100001" level="3">`, "this rule has no level")
	}
}

var ruleAttributes = []string{"id", "level", "frequency", "timeframe", "ignore", "maxsize", "accuracy", "noalert", "overwrite"}

// attr returns an attribute of e, nil if it has none of the name; names fold.
func (u *rule) attr(e *element, name string) *attr {
	for i := range e.attrs {
		if strings.EqualFold(e.attrs[i].name, name) {
			return &e.attrs[i]
		}
	}
	return nil
}

// valuef reports an error about an attribute's value.
func (u *rule) valuef(a attr, hint, format string, args ...any) {
	u.errorf(a.value.at, max(1, len(a.value.s)), hint, format, args...)
}

// digits reads a number; of its digits the first limit count, 0 = all.
func (u *rule) digits(a attr, limit int) (int, bool) {
	s := a.value.s
	if !isDigits(s) {
		u.valuef(a, "", "%s must be a number, not %q", a.name, shorten(s))
		return 0, false
	}
	if limit > 0 && len(s) > limit {
		u.notef(a.value.at, len(s), "of %s %s only the first %d digits count", a.name, s, limit)
		s = s[:limit]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n > 1<<30 {
		n = 1 << 30
	}
	return n, true
}

func (u *rule) number(a attr, to *int, limit int) {
	if n, ok := u.digits(a, limit); ok {
		*to = n
	}
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
