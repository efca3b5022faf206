package source

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

const bom = "\ufeff"

// Position returns the place of the byte at offset; an offset outside the file
// is moved to its nearest end. A byte order mark has no column. Each call reads
// the file from its start: to place many offsets use Lines.
func (f File) Position(offset int) Position { return f.Lines().Position(offset) }

// Line returns line n, counted from 1, without its line end; "" if there is
// none.
func (f File) Line(n int) string {
	rest := f.Data
	for ; n > 1; n-- {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return ""
		}
		rest = rest[i+1:]
	}
	if n < 1 {
		return ""
	}
	return trimLine(rest)
}

func trimLine(rest []byte) string {
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	return strings.TrimPrefix(strings.TrimSuffix(string(rest), "\r"), bom)
}

// Diagnostic returns a finding about the file at pos, with the line it points
// into.
func (f File) Diagnostic(pos Position, s Severity, format string, args ...any) Diagnostic {
	d := Diagnostic{Pos: pos, Severity: s, Message: sprintf(format, args)}
	if pos.File == f.Name {
		d.Line = f.Line(pos.Line)
	}
	return d
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

// Lines is a file's line table: it places offsets and gives lines without
// reading the file again. One goroutine uses it.
type Lines struct {
	file   File
	starts []int // offset of each line
	// The last answer: a near offset on the same line is counted from here.
	offset int
	pos    Position
	// The last line given out: findings of one line share its text.
	line int
	text string
}

// Lines returns the line table of f.
func (f File) Lines() *Lines {
	l := &Lines{file: f, starts: []int{0}}
	if bytes.HasPrefix(f.Data, []byte(bom)) {
		l.starts[0] = len(bom)
	}
	for i := 0; ; {
		n := bytes.IndexByte(f.Data[i:], '\n')
		if n < 0 {
			break
		}
		i += n + 1
		l.starts = append(l.starts, i)
	}
	l.offset, l.pos = l.starts[0], Position{f.Name, 1, 1}
	return l
}

// Position returns the place of the byte at offset; an offset outside the file
// is moved to its nearest end.
func (l *Lines) Position(offset int) Position {
	offset = min(offset, len(l.file.Data))
	line := max(1, sort.SearchInts(l.starts, offset+1))
	start := l.starts[line-1]
	if offset <= start {
		return Position{l.file.Name, line, 1}
	}
	whole := offset == len(l.file.Data) || utf8.RuneStart(l.file.Data[offset])
	column := 1
	switch known := line == l.pos.Line; {
	case known && offset >= l.offset:
		column = l.pos.Column + utf8.RuneCount(l.file.Data[l.offset:offset])
	case known && whole && l.offset-offset < offset-start:
		column = l.pos.Column - utf8.RuneCount(l.file.Data[offset:l.offset])
	default:
		column += utf8.RuneCount(l.file.Data[start:offset])
	}
	pos := Position{l.file.Name, line, column}
	if whole {
		l.offset, l.pos = offset, pos
	}
	return pos
}

// Line returns line n, counted from 1, without its line end; "" if there is
// none.
func (l *Lines) Line(n int) string {
	if n < 1 || n > len(l.starts) {
		return ""
	}
	if n != l.line {
		l.line, l.text = n, trimLine(l.file.Data[l.starts[n-1]:])
	}
	return l.text
}

// Count returns the number of lines.
func (l *Lines) Count() int { return len(l.starts) }

// Diagnostic returns a finding about the file at pos, with the line it points
// into.
func (l *Lines) Diagnostic(pos Position, s Severity, format string, args ...any) Diagnostic {
	return Diagnostic{Pos: pos, Severity: s, Message: sprintf(format, args), Line: l.Line(pos.Line)}
}

// Fill gives each finding that stands in one of files and has no line yet the
// line that it points into.
func (ds Diagnostics) Fill(files ...File) {
	lines := make(map[string]*Lines, len(files))
	for i := range ds {
		d := &ds[i]
		if d.Line != "" || d.Pos.Line == 0 {
			continue
		}
		l, ok := lines[d.Pos.File]
		if !ok {
			for _, f := range files {
				if f.Name == d.Pos.File {
					l = f.Lines()
					break
				}
			}
			lines[d.Pos.File] = l
		}
		if l != nil {
			d.Line = l.Line(d.Pos.Line)
		}
	}
}
