package wazuhxml

import (
	"bytes"
	"strings"

	"invigil/config/source"
)

// The original's limits.
const (
	maxText       = 20480
	maxDepth      = 1024
	maxAttributes = 48
)

// element is an element of the file. Its content is the text behind its last
// child, untrimmed, backslashes kept.
type element struct {
	name     string
	at, end  int // stream offsets of its "<" and behind its close tag
	attrs    []attr
	content  text
	children []*element
	broken   bool // a problem in its tag was reported
}

type attr struct {
	name  string
	at    int
	value text
}

func (e *element) is(name string) bool { return strings.EqualFold(e.name, name) }

// scanner reads elements as the original does, and goes on behind each problem
// where it can.
type scanner struct {
	*reader
	pos   int
	stack []*element
	roots []*element
	text  int // where the innermost element's text starts
}

// scan returns the file's root elements.
func (r *reader) scan() []*element {
	s := &scanner{reader: r}
	data := r.stream.data
	for s.pos < len(data) {
		i := bytes.IndexByte(data[s.pos:], '<')
		if i < 0 {
			break
		}
		s.pos += i
		switch {
		case s.escaped():
			s.pos++
		case s.pos+1 < len(data) && data[s.pos+1] == '/':
			s.close()
		default:
			s.open()
		}
	}
	s.pos = len(data)
	if n := len(s.stack); n > 0 {
		e := s.stack[n-1]
		r.errorf(e.at, len(e.name)+1, "", "element <%s> is not closed", e.name)
	}
	for len(s.stack) > 0 {
		s.pop(len(data))
	}
	return s.roots
}

// escaped tells whether an odd number of backslashes stands before "<".
func (s *scanner) escaped() bool {
	n := 0
	for i := s.pos - 1; i >= s.text && s.stream.data[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}

func (s *scanner) top() *element {
	if n := len(s.stack); n > 0 {
		return s.stack[n-1]
	}
	return nil
}

// push opens e; what follows is its text.
func (s *scanner) push(e *element) {
	if t := s.top(); t != nil {
		t.children = append(t.children, e)
	} else {
		s.roots = append(s.roots, e)
	}
	s.stack = append(s.stack, e)
	s.text = s.pos
}

// pop closes the innermost element, whose text ends at end.
func (s *scanner) pop(end int) {
	e := s.top()
	e.content = text{s: string(s.stream.data[min(s.text, end):end]), at: s.text}
	if len(e.content.s) >= maxText {
		s.errorf(e.at, len(e.name)+1, "", "the text of <%s> has %d bytes, the limit is %d", e.name, len(e.content.s), maxText-1)
		e.broken = true
	}
	e.end = s.pos
	s.stack = s.stack[:len(s.stack)-1]
	s.text = s.pos
}

// close reads a close tag.
func (s *scanner) close() {
	data, start := s.stream.data, s.pos
	end := bytes.IndexByte(data[start:], '>')
	if end < 0 {
		s.errorf(start, 2, "", "this close tag has no \">\"")
		s.pos = len(data)
		return
	}
	name := string(data[start+2 : start+end])
	top := s.top()
	if cut := strings.IndexAny(name, "<\r\n"); cut >= 0 { // the ">" belongs to a later tag
		name = strings.TrimRight(name[:cut], " \t")
		s.errorf(start, 2+len(name), "write </"+shorten(name)+">", "this close tag has no \">\"")
		s.pos = start + 2 + len(name)
		if top != nil && top.name == name {
			s.pop(start)
		}
		return
	}
	s.pos = start + end + 1
	width := end + 1
	switch {
	case top == nil:
		s.errorf(start, width, "", "</%s> closes nothing", shorten(name))
		s.text = s.pos
		return
	case top.name == name:
		s.pop(start)
		return
	case strings.TrimSpace(name) == top.name:
		s.errorf(start, width, "write </"+top.name+">", "a close tag must not hold blanks")
		s.pop(start)
		return
	}
	for i := len(s.stack) - 1; i >= 0; i-- {
		if s.stack[i].name != name {
			continue
		}
		open := s.stack[len(s.stack)-1]
		s.errorf(open.at, len(open.name)+1, "write </"+open.name+"> before </"+name+">", "element <%s> is not closed", open.name)
		open.broken = true
		for len(s.stack) > i {
			s.pop(start)
		}
		return
	}
	if strings.EqualFold(name, top.name) || source.Suggest(name, []string{top.name}) != "" {
		s.errorf(start, width, "write </"+top.name+">", "</%s> does not close <%s>", shorten(name), top.name)
		s.pop(start)
		return
	}
	s.errorf(start, width, "", "</%s> closes nothing: <%s> is open here", shorten(name), top.name)
}

func shorten(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// open reads an open tag with its attributes.
func (s *scanner) open() {
	data, start := s.stream.data, s.pos
	end := start + 1
	for end < len(data) && !isBlank(data[end]) && data[end] != '>' && data[end] != '/' && data[end] != '<' {
		end++
	}
	name := string(data[start+1 : end])
	switch {
	case strings.HasPrefix(name, "?"):
		s.errorf(start, len(name)+1, "remove this line", "an XML declaration is not understood, it is read as an element that is not closed")
		s.pos = end
		if i := bytes.IndexByte(data[end:], '>'); i >= 0 {
			s.pos = end + i + 1
		}
		return
	case len(name) >= maxText:
		s.errorf(start, 1, "", "a name of %d bytes is too long", len(name))
		s.pos = end
		return
	case name == "" || !isLetter(name[0]) || end >= len(data) || data[end] == '<':
		// No element of a rule file starts so: the original takes it for one
		// that is not closed.
		s.errorf(start, 1, `write \< for a literal "<"`, `"<" in a text starts an element`)
		s.pos = start + 1
		return
	case len(s.stack) >= maxDepth:
		s.errorf(start, 1, "", "elements are nested more than %d deep", maxDepth)
		s.pos = len(data)
		return
	}
	e := &element{name: name, at: start}
	s.pos = end
	if data[end] == '/' {
		s.selfClose(e, end, true)
		return
	}
	for {
		blank := s.pos
		for s.pos < len(data) && isBlank(data[s.pos]) {
			s.pos++
		}
		switch {
		case s.pos >= len(data):
			s.errorf(start, len(name)+1, "", "the tag <%s> does not end", name)
			return
		case data[s.pos] == '>':
			s.pos++
			s.push(e)
			return
		case data[s.pos] == '/':
			s.selfClose(e, s.pos, blank == s.pos)
			return
		}
		if !s.attribute(e) { // go on behind the tag
			e.broken = true
			i := bytes.IndexByte(data[s.pos:], '>')
			if i < 0 {
				s.pos = len(data)
				return
			}
			closed := i > 0 && data[s.pos+i-1] == '/'
			s.pos += i + 1
			s.push(e)
			if closed {
				s.pop(s.pos)
			}
			return
		}
	}
}

// selfClose ends a tag at its "/". With a blank before it the original stops
// there: the ">" is text of the parent.
func (s *scanner) selfClose(e *element, slash int, tight bool) {
	s.pos = slash + 1
	if s.pos >= len(s.stream.data) || s.stream.data[s.pos] != '>' {
		s.errorf(slash, 1, "write <"+e.name+"/>", `"/" in the tag <%s> must be followed by ">"`, e.name)
		e.broken = true
	} else if tight {
		s.pos++
	}
	s.push(e)
	s.pop(s.pos)
}

// attribute reads one attribute of e.
func (s *scanner) attribute(e *element) bool {
	data, start := s.stream.data, s.pos
	at := start
	for at < len(data) && data[at] != '=' && !isBlank(data[at]) && data[at] != '>' && data[at] != '/' && data[at] != '"' && data[at] != '\'' {
		at++
	}
	name := string(data[start:at])
	fail := func(off, width int, hint, format string, args ...any) bool {
		s.errorf(off, width, hint, format, args...)
		return false
	}
	switch {
	case at < len(data) && isBlank(data[at]) && bytes.HasPrefix(bytes.TrimLeft(data[at:], " \t\r\n"), []byte("=")):
		return fail(start, at-start, `write `+name+`="value"`, `no blank may stand before the "=" of an attribute`)
	case at >= len(data) || data[at] != '=' || name == "":
		return fail(start, max(1, at-start), `write name="value"`, "attribute %q of <%s> has no value", name, e.name)
	}
	at++
	for at < len(data) && isBlank(data[at]) {
		at++
	}
	if at >= len(data) || data[at] != '"' && data[at] != '\'' {
		return fail(start, at-start, `write `+name+`="value"`, "the value of attribute %q must stand in quotes", name)
	}
	from := at + 1
	n := bytes.IndexByte(data[from:], data[at])
	if n < 0 {
		return fail(start, at-start, "", "the value of attribute %q is not closed", name)
	}
	value := text{s: string(data[from : from+n]), at: from}
	switch i := strings.IndexByte(value.s, '>'); {
	case i >= 0:
		if s.pos = from + i; !strings.ContainsAny(value.s[i:], "<\n") {
			s.pos = from + n + 1 // the quotes are right, the value is not
		}
		return fail(start, at-start, "", `the value of attribute %q must not hold ">"`, name)
	case n >= maxText || len(name) >= maxText:
		s.pos = from + n
		return fail(start, at-start, "", "attribute %q is too long, the limit is %d bytes", shorten(name), maxText-1)
	}
	s.pos = from + n + 1
	if s.pos < len(data) && !isBlank(data[s.pos]) && data[s.pos] != '>' && data[s.pos] != '/' {
		return fail(s.pos, 1, "write a blank between attributes", "text stands directly behind the value of attribute %q", name)
	}
	for _, a := range e.attrs {
		if a.name == name {
			return fail(start, at-start, "", "attribute %q of <%s> stands twice", name, e.name)
		}
	}
	if len(e.attrs) == maxAttributes {
		return fail(start, at-start, "", "<%s> has more than %d attributes", e.name, maxAttributes)
	}
	e.attrs = append(e.attrs, attr{name, start, value})
	return true
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

func isLetter(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b >= 0x80
}
