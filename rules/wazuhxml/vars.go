package wazuhxml

import "strings"

// variable is a <var> of the file.
type variable struct {
	name  string
	value text
}

// maxVariable is the length from which the original refuses a variable's name.
const maxVariable = 256

// define takes a <var name="X">value</var>. The first definition of a name
// stays; its value is not expanded.
func (r *reader) define(e *element) {
	name := ""
	for _, a := range e.attrs {
		if !strings.EqualFold(a.name, "name") {
			r.errorf(a.at, len(a.name), "", "<var> has no attribute %q, only name", a.name)
			return
		}
		name = a.value.s
	}
	switch {
	case name == "":
		r.errorf(e.at, 4, `write <var name="NAME">value</var>`, "this variable has no name")
	case len(name) >= maxVariable:
		r.errorf(e.at, 4, "", "a variable's name is at most %d bytes long", maxVariable-1)
	default:
		r.vars = append(r.vars, variable{name, e.content})
	}
}

// lookup returns the variable with a name, nil if there is none. Letters fold.
func (r *reader) lookup(name string) *variable {
	for i := range r.vars {
		if strings.EqualFold(r.vars[i].name, name) {
			return &r.vars[i]
		}
	}
	return nil
}

// expand replaces $NAME in t by the variables defined so far. A name runs to
// the next "$", ".", "|", "," or blank; "$(" is a field of the event and "$"
// alone itself. A text of at most two bytes is left alone, and so is every text
// while no variable is defined. An unknown name is an error.
func (r *reader) expand(t text) text {
	if len(r.vars) == 0 || len(t.s) <= 2 || strings.IndexByte(t.s, '$') < 0 {
		return t
	}
	out := text{at: t.at}
	var b strings.Builder
	keep := 0 // start of what is not copied yet
	flush := func(end int) {
		if end > keep {
			out.parts = append(out.parts, part{off: b.Len(), at: t.at + keep})
			b.WriteString(t.s[keep:end])
		}
	}
	for i := 0; i < len(t.s); i++ {
		if t.s[i] != '$' {
			continue
		}
		end := i + 1
		for end < len(t.s) && !strings.ContainsRune("$.|, \t\r\n", rune(t.s[end])) {
			end++
		}
		name := t.s[i+1 : end]
		if name == "" || name[0] == '(' {
			continue
		}
		v := r.lookup(name)
		if v == nil {
			hint := `in a file that defines variables "$" before a letter is one; end the pattern with "$" or put "|" behind it`
			if trimmed := strings.TrimRight(name, `)/":;]}'`); trimmed != name && r.lookup(trimmed) != nil {
				hint = `a variable's name ends at "$", ".", "|", "," or a blank only: define one with what follows it`
			}
			r.errorf(t.at+i, end-i, hint, "variable $%s is not defined", shorten(name))
			i = end - 1
			continue
		}
		flush(i)
		if len(v.value.s) > 0 {
			out.parts = append(out.parts, part{off: b.Len(), at: t.at + i, inserted: true})
			b.WriteString(v.value.s)
		}
		if b.Len() >= maxText { // a few letters can stand for any length
			r.errorf(t.at+i, end-i, "", "with its variables this text has more than %d bytes, the limit", maxText-1)
			return t
		}
		keep = end
		i = end - 1
	}
	if keep == 0 {
		return t
	}
	flush(len(t.s))
	out.s = b.String()
	if len(out.s) >= maxText {
		r.errorf(t.at, 1, "", "with its variables this text has more than %d bytes, the limit", maxText-1)
		return t
	}
	return out
}
