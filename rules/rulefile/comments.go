package rulefile

import (
	"strings"
	"unicode"

	"invigil/config/source"
)

// noteMark starts a comment line that is a note.
const noteMark = "!"

// CommentLine returns s as one comment line that can be written and read back:
// without blanks at its end, and with ? for what is not printable.
func CommentLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar:
			return r
		}
		return '?'
	}, s)
	return strings.TrimRight(s, " \t")
}

// commentLine returns the comment that a line of YAML consists of.
func commentLine(line string) (text string, indent int, ok bool) {
	rest := strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(rest, "#") {
		return "", 0, false
	}
	return rest[1:], len(line) - len(rest), true
}

// comments shares out the file's comment lines: what stands before the rules
// is the header; what stands in a rule, or between it and the one before, is
// that rule's; what stands after the last rule is the trailer. first is the
// line of the key rules, 0 if there is none, last the line of the key behind
// it, 0 if it is the last one.
func (f *File) comments(lines *source.Lines, first, last int) {
	collect := func(from, to, indent int, comment, notes *[]string) {
		for n := from; n < to; n++ {
			text, at, ok := commentLine(lines.Line(n))
			if !ok || at > indent {
				continue
			}
			to, text := comment, text
			if note, isNote := strings.CutPrefix(text, noteMark); isNote && notes != nil {
				to, text = notes, note
			}
			*to = append(*to, CommentLine(strings.TrimPrefix(text, " ")))
		}
	}
	end := lines.Count() + 1
	if first == 0 {
		first = end
	}
	collect(1, first, 0, &f.Header, nil)
	from := first + 1
	for i, r := range f.Rules {
		indent := r.Pos.Column - 1
		collect(from, r.Pos.Line, indent, &r.Comment, &r.Notes)
		next := end
		if last > 0 {
			next = last
		}
		if i+1 < len(f.Rules) {
			next = f.Rules[i+1].Pos.Line
		}
		// What stands behind the rule's last line belongs to what follows.
		from = next
		for from > r.Pos.Line+1 {
			line := lines.Line(from - 1)
			_, at, isComment := commentLine(line)
			if strings.TrimSpace(line) != "" && !(isComment && at <= indent) {
				break
			}
			from--
		}
		collect(r.Pos.Line+1, from, indent, &r.Comment, &r.Notes)
	}
	if len(f.Rules) > 0 {
		collect(from, end, 1<<30, &f.Trailer, nil)
	}
}
