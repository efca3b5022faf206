package rulefile

import (
	"slices"
	"strconv"
	"strings"

	"invigil/config/source"
)

// readWazuh reads a rule of a wazuh dialect.
func readWazuh(n *source.Node, r *Rule) *Wazuh {
	w := &Wazuh{Frequency: -1, Timeframe: -1, Ignore: -1, MaxSize: -1, Accuracy: -1, At: make(map[string]source.Position)}
	k := keysOf(n, w.At, "", wazuhKeys...)
	if !n.IsMapping() {
		return w
	}
	k.Require("id", "level", "description")
	if id := k.Get("id"); id != nil {
		if s, ok := id.Text(); ok {
			v, err := strconv.ParseUint(s, 10, 32)
			if err != nil || v > 999999 {
				id.Errorf("%q is no rule number of at most 6 digits", s)
			}
			r.ID = strconv.FormatUint(v, 10)
		}
	}
	k.number("level", &r.Level, 0, 16, 0)
	k.mapped("groups", &w.Groups)
	k.mapped("description", &r.Description)
	k.expr("when", &r.When)
	k.bool("overwrite", &w.Overwrite)
	k.bool("noalert", &w.NoAlert)
	k.number("ignore", &w.Ignore, 0, 999999, -1)
	k.number("maxsize", &w.MaxSize, 0, 9999, -1)
	k.number("frequency", &w.Frequency, 2, 9999, -1)
	k.number("timeframe", &w.Timeframe, 0, 99999, -1)
	k.number("accuracy", &w.Accuracy, 0, 1<<30, -1)
	k.texts("options", &w.Options)
	for _, o := range w.Options {
		if !slices.Contains(optionNames, o) {
			k.Get("options").Hintf(source.DidYouMean(o, optionNames), "%q is no option, use %s", o, strings.Join(optionNames, ", "))
		}
	}
	k.checked("time", &w.Time, func(s string) error { _, err := ParseTime(s); return err })
	k.checked("weekday", &w.Weekday, func(s string) error { _, err := ParseWeekdays(s); return err })
	k.oneOf("category", &w.Category, categoryNames...)
	k.text("decoded_as", &w.DecodedAs)
	k.text("cve", &r.CVE)
	k.texts("mitre", &r.Mitre)
	k.texts("ignore_fields", &w.IgnoreFields)
	k.texts("check_if_ignored", &w.CheckIfIgnored)
	k.bool("check_diff", &w.CheckDiff)
	k.bool("if_fts", &w.IfFTS)
	k.text("compiled_rule", &w.CompiledRule)
	if p := k.Get("parent"); p != nil {
		w.Parent = readParent(p, w.At)
	}
	if i := k.Get("info"); i != nil {
		r.Info = readInfo(i)
	}
	if c := k.Get("correlate"); c != nil {
		w.Correlate = readCorrelate(c, w)
	}
	return w
}

// checked reads a text that check must accept.
func (k keys) checked(key string, to *string, check func(string) error) {
	k.text(key, to)
	if n := k.Get(key); n != nil && n.IsScalar() {
		if err := check(*to); err != nil {
			n.Errorf("%v", err)
		}
	}
}

func readParent(n *source.Node, at map[string]source.Position) (p Parent) {
	k := keysOf(n, at, "parent.", parentKeys...)
	if !n.IsMapping() {
		return p
	}
	if len(k.Pairs) != 1 {
		n.Errorf("a parent is one of sid, level and group; without one the rule hangs below its category's root")
	}
	if s := k.Get("sid"); s != nil {
		if p.SID = sids(s); len(p.SID) == 0 {
			s.Errorf("no rule number is given")
		}
		return p
	}
	k.number("level", &p.Level, 1, 1<<30, 0)
	k.text("group", &p.Group)
	return p
}

func readInfo(n *source.Node) (out []Info) {
	if n.IsScalar() {
		s, _ := n.Text()
		return []Info{{Type: "text", Text: s}}
	}
	items, _ := n.Items()
	for _, item := range items {
		info := Info{Type: "text"}
		if item.IsScalar() {
			info.Text, _ = item.Text()
		} else if k := keysOf(item, map[string]source.Position{}, "", infoKeys...); item.IsMapping() {
			k.Require("text")
			k.oneOf("type", &info.Type, infoTypes...)
			k.text("text", &info.Text)
		}
		out = append(out, info)
	}
	return out
}

func readCorrelate(n *source.Node, w *Wazuh) *Correlate {
	c := new(Correlate)
	k := keysOf(n, w.At, "correlate.", correlateKeys...)
	if !n.IsMapping() {
		return c
	}
	for key, to := range map[string]*int{"frequency": &w.Frequency, "timeframe": &w.Timeframe} {
		if inner := k.Get(key); inner != nil {
			if *to >= 0 {
				inner.Errorf("%s is given here and for the rule; leave one out", key)
			}
			if key == "frequency" {
				k.number(key, to, 2, 9999, -1)
			} else {
				k.number(key, to, 0, 99999, -1)
			}
		}
	}
	if s := k.Get("sid"); s != nil {
		if ids := sids(s); len(ids) == 1 {
			c.SID = ids[0]
		} else if s.IsScalar() || s.IsList() {
			s.Errorf("sid is one rule number")
		}
	}
	k.text("group", &c.Group)
	k.text("regex", &c.Regex)
	k.bool("global", &c.Global)
	c.Same = k.values("same")
	c.Different = k.values("different")
	return c
}

// values reads a list of values: static names, and dynamic fields as field:NAME.
func (k keys) values(key string) (out []string) {
	k.texts(key, &out)
	for _, v := range out {
		if !strings.HasPrefix(v, "field:") && !slices.Contains(sameNames, v) {
			hint := source.DidYouMean(v, sameNames)
			if strings.Contains(v, ".") {
				hint = "write a dynamic field as field:" + v
			}
			k.Get(key).Hintf(hint, "%q cannot be compared, use field:NAME or one of %s", v, strings.Join(sameNames, ", "))
		}
	}
	return out
}
