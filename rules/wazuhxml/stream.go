package wazuhxml

import (
	"bytes"
	"sort"
	"strings"

	"invigil/config/source"
	"invigil/rules/rulefile"
)

// stream is a file without its comments. The original drops them before it
// looks at anything else, so that they may stand in the middle of a word.
type stream struct {
	data     []byte
	cuts     []cut
	comments []comment
}

// cut says that from offset at on the stream is the file's part from src on.
type cut struct{ at, src int }

// comment is one comment and where it stands in the file.
type comment struct {
	from, to int
	lines    []string
}

// newStream removes the comments: from "<!" to the next "-->" or "!>". An
// unclosed one takes the rest of the file; open is then its offset, else -1.
func newStream(data []byte) (s *stream, open int) {
	s = &stream{cuts: []cut{{0, 0}}}
	for from := 0; ; {
		i := bytes.Index(data[from:], []byte("<!"))
		if i < 0 {
			if from == 0 {
				s.data = data
			} else {
				s.data = append(s.data, data[from:]...)
			}
			return s, -1
		}
		start := from + i
		s.data = append(s.data, data[from:start]...)
		end, closed := commentEnd(data, start+2)
		s.comments = append(s.comments, comment{start, end, commentLines(data[start+2 : end])})
		if !closed {
			return s, start
		}
		s.cuts = append(s.cuts, cut{len(s.data), end})
		from = end
	}
}

// commentEnd returns where the comment ends whose text starts at from.
func commentEnd(data []byte, from int) (end int, closed bool) {
	end = len(data)
	for _, mark := range []string{"-->", "!>"} {
		if i := bytes.Index(data[from:end], []byte(mark)); i >= 0 {
			end, closed = from+i+len(mark), true
		}
	}
	return end, closed
}

// commentLines returns a comment's text without its markers, its empty first
// and last lines, and the indentation that all lines share.
func commentLines(body []byte) []string {
	text := strings.TrimPrefix(string(body), "--")
	if t, ok := strings.CutSuffix(text, "-->"); ok {
		text = t
	} else {
		text = strings.TrimSuffix(text, "!>")
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r", ""), "\n")
	for i, l := range lines {
		lines[i] = rulefile.CommentLine(l)
	}
	for len(lines) > 0 && lines[0] == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	// The first line stands behind the marker: its indentation says nothing.
	shared := -1
	for _, l := range lines[min(1, len(lines)):] {
		if indent := len(l) - len(strings.TrimLeft(l, " \t")); l != "" && (shared < 0 || indent < shared) {
			shared = indent
		}
	}
	for i, l := range lines {
		if i == 0 {
			lines[0] = strings.TrimLeft(l, " \t")
		} else if l != "" {
			lines[i] = l[shared:]
		}
	}
	return lines
}

// src returns the file offset of a stream offset.
func (s *stream) src(at int) int {
	i := sort.Search(len(s.cuts), func(i int) bool { return s.cuts[i].at > at }) - 1
	return s.cuts[i].src + at - s.cuts[i].at
}

// text is a stretch of the stream, or what variables made of it.
type text struct {
	s  string
	at int // stream offset of its first byte
	// parts says where s comes from if it is no plain stretch.
	parts []part
}

// part says that from offset off on, s is the stream's text from at on; an
// inserted part all belongs to at.
type part struct {
	off, at  int
	inserted bool
}

// addTo records where the bytes of t stand in m, from offset on.
func (t text) addTo(m *source.Map, offset int, s *stream, lines *source.Lines) {
	if len(t.parts) > 0 {
		for i, p := range t.parts {
			end := len(t.s)
			if i+1 < len(t.parts) {
				end = t.parts[i+1].off
			}
			if p.inserted {
				m.Hold(offset+p.off, lines.Position(s.src(p.at)))
			} else {
				text{s: t.s[p.off:end], at: p.at}.addTo(m, offset+p.off, s, lines)
			}
		}
		return
	}
	for from := 0; ; {
		end := len(t.s)
		i := sort.Search(len(s.cuts), func(i int) bool { return s.cuts[i].at > t.at+from })
		if i < len(s.cuts) {
			end = min(end, s.cuts[i].at-t.at)
		}
		m.AddText(offset+from, t.s[from:end], lines.Position(s.src(t.at+from)))
		if end >= len(t.s) {
			return
		}
		from = end
	}
}
