package lint

import (
	"iter"
	"slices"
	"strings"

	"invigil/config/source"
	"invigil/pipeline/syscollector"
)

// rules yields the rules that are about inventory, those of the files only.
func (p *pass) rules() iter.Seq[*rule] {
	return func(yield func(*rule) bool) {
		for _, r := range p.set.all {
			if r.meant && !r.builtin && !yield(r) {
				return
			}
		}
	}
}

// calls yields their conditions.
func (p *pass) calls() iter.Seq2[*rule, *call] {
	return func(yield func(*rule, *call) bool) {
		for r := range p.rules() {
			for i := range r.calls {
				if !yield(r, &r.calls[i]) {
					return
				}
			}
		}
	}
}

// patterns yields those of their conditions that compare with a pattern of one
// of the dialects, of any if none is given.
func (p *pass) patterns(dialects ...string) iter.Seq2[*rule, *call] {
	return func(yield func(*rule, *call) bool) {
		for r, c := range p.calls() {
			if c.isPattern() && (len(dialects) == 0 || slices.Contains(dialects, c.fn)) && !yield(r, c) {
				return
			}
		}
	}
}

// fields yields the conditions on dynamic fields that exist.
func (p *pass) fields() iter.Seq2[*rule, *call] {
	return func(yield func(*rule, *call) bool) {
		for r, c := range p.calls() {
			if !c.static && c.view != 0 && !yield(r, c) {
				return
			}
		}
	}
}

// at returns the place of a rule's key, the rule's own if it is not known.
func (r *rule) at(keys ...string) source.Position {
	for _, key := range keys {
		if pos, ok := r.decl.Wazuh.At[key]; ok && pos.Line > 0 {
			return pos
		}
	}
	return r.decl.Pos
}

// name returns the name of a call's field as the field table writes it.
func (c *call) name() string {
	if name := syscollector.ViewName(c.view); name != "" {
		return name
	}
	return c.value
}

// shorten cuts a text for a message.
func shorten(s string) string {
	const limit = 60
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + "…"
	}
	return s
}

// few joins the first of many names.
func few(names []string) string {
	const limit = 4
	if len(names) > limit {
		return strings.Join(names[:limit], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}
