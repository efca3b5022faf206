package source

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// YAML is one YAML file while it is decoded strictly: nodes are asked for what
// they must be, and whatever is wrong is collected as a finding, so that one
// run tells all problems of the file. One goroutine uses it.
type YAML struct {
	file    File
	lines   *Lines
	breaks  []int // offsets of the lines as YAML counts them
	last    place // asked for last: columns behind it are counted from there
	root    *Node
	aliases int
	about   string // the rule that findings concern
	errors  int
	found   Diagnostics
}

// place is a YAML line and column, both from 1, and the offset of it.
type place struct{ line, column, offset int }

// ParseYAML reads f, which must hold at most one document. It never fails:
// syntax errors are findings, and Root is nil then.
func ParseYAML(f File) *YAML {
	y := &YAML{file: f, lines: f.Lines()}
	if at := invalidUTF8(f.Data); at >= 0 {
		y.Report(y.lines.Diagnostic(y.lines.Position(at), Error, "the file is not UTF-8 text"))
		return y
	}
	y.breaks = yamlLines(f.Data)
	dec := yaml.NewDecoder(bytes.NewReader(f.Data))
	var doc, second yaml.Node
	if err := decodeNode(dec, &doc); err != nil {
		if !errors.Is(err, io.EOF) {
			y.Report(y.syntaxError(err))
		}
		return y
	}
	if len(doc.Content) > 0 {
		y.root = &Node{y: y, yaml: doc.Content[0]}
	}
	switch err := decodeNode(dec, &second); {
	case err == nil:
		d := y.lines.Diagnostic(y.position(second.Line, second.Column), Error, "a second document starts here")
		d.Hint = "write one document a file"
		y.Report(d)
	case !errors.Is(err, io.EOF):
		y.Report(y.syntaxError(err))
	}
	return y
}

// decodeNode reads the next document; a panic of the parser is an error.
func decodeNode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("yaml: the parser cannot read this file")
		}
	}()
	return dec.Decode(n)
}

// Root returns the document's node, nil if the file is empty or not YAML.
func (y *YAML) Root() *Node { return y.root }

// File returns the file that is decoded.
func (y *YAML) File() File { return y.file }

// Lines returns the file's line table.
func (y *YAML) Lines() *Lines { return y.lines }

// About says which rule the findings from now on concern, "" = none.
func (y *YAML) About(rule string) { y.about = rule }

// Errors returns the number of errors so far.
func (y *YAML) Errors() int { return y.errors }

// Report adds a finding.
func (y *YAML) Report(d Diagnostic) {
	if d.Rule == "" {
		d.Rule = y.about
	}
	if d.Severity == Error {
		y.errors++
	}
	if d.Line == "" && d.Pos.File == y.file.Name {
		d.Line = y.lines.Line(d.Pos.Line)
	}
	y.found = append(y.found, d)
}

// Diagnostics returns the findings so far, in the file's order.
func (y *YAML) Diagnostics() Diagnostics {
	y.found.Sort()
	return y.found
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// yamlLines returns where lines start as YAML counts them: after CR LF, CR, LF,
// NEL, LS and PS.
func yamlLines(b []byte) []int {
	starts := []int{0}
	if bytes.HasPrefix(b, []byte(bom)) {
		starts[0] = len(bom)
	}
	for i := 0; i < len(b); {
		if n := breakLen(b[i:]); n > 0 {
			i += n
			starts = append(starts, i)
			continue
		}
		i++
	}
	return starts
}

// breakLen returns the length of the line break that b starts with, 0 if none.
func breakLen(b []byte) int {
	switch {
	case len(b) == 0:
	case b[0] == '\n':
		return 1
	case b[0] == '\r':
		if len(b) > 1 && b[1] == '\n' {
			return 2
		}
		return 1
	case len(b) > 1 && b[0] == 0xc2 && b[1] == 0x85:
		return 2
	case len(b) > 2 && b[0] == 0xe2 && b[1] == 0x80 && (b[2] == 0xa8 || b[2] == 0xa9):
		return 3
	}
	return 0
}

// offset returns the byte offset of a YAML line and column, both from 1.
func (y *YAML) offset(line, column int) int {
	if line < 1 || line > len(y.breaks) {
		return len(y.file.Data)
	}
	at := place{line, 1, y.breaks[line-1]}
	if y.last.line == line && y.last.column <= column {
		at = y.last
	}
	for ; at.column < column && at.offset < len(y.file.Data); at.column++ {
		_, size := utf8.DecodeRune(y.file.Data[at.offset:])
		at.offset += size
	}
	y.last = at
	return at.offset
}

func (y *YAML) position(line, column int) Position {
	return y.lines.Position(y.offset(line, column))
}

var yamlErrorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntaxError turns an error of the YAML parser, which knows a line at most,
// into a finding with a place and advice.
func (y *YAML) syntaxError(err error) Diagnostic {
	m := yamlErrorLine.FindStringSubmatch(strings.SplitN(err.Error(), "\n", 2)[0])
	line, what := 0, err.Error()
	if m != nil {
		line, _ = strconv.Atoi(m[1])
		what = m[2]
	}
	hint, column := "", 0
	at := func(n int) string {
		if n < 1 || n > len(y.breaks) {
			return ""
		}
		return trimLine(y.file.Data[y.breaks[n-1]:])
	}
	switch {
	case strings.Contains(what, "mapping values are not allowed"):
		// The parser names the line of the second colon or the one before it.
		for _, n := range []int{line, line + 1, line - 1} {
			if c := secondColon(at(n)); c > 0 {
				line, column = n, c
				break
			}
		}
		hint = `a text with ": " in it must be in quotes: quote it`
		if column == 0 {
			hint = "check the indentation: this line is deeper than the one it follows"
		}
	case strings.Contains(what, "did not find expected ',' or '}'"), strings.Contains(what, "did not find expected ',' or ']'"):
		hint = "inside { } and [ ] a text with , [ ] { } or : must be in quotes: quote it, or write a key a line"
	case strings.Contains(what, "cannot start any token"):
		for _, n := range []int{line, line + 1, line - 1} {
			if c := strings.IndexByte(at(n), '\t'); c >= 0 && strings.TrimSpace(at(n)[:c]) == "" {
				line, column, hint = n, c+1, "indent with blanks, not with tabs"
				break
			}
			if c := reservedStart(at(n)); c > 0 {
				line, column, hint = n, c, "a text that starts with @ or ` or % must be in quotes: quote it"
				break
			}
		}
	case strings.Contains(what, "did not find expected alphabetic or numeric character"):
		hint = "a text that starts with * or & must be in quotes: quote it"
		column = 1 + max(0, strings.IndexAny(at(line), "*&"))
	case strings.Contains(what, "control characters"):
		if i := bytes.IndexFunc(y.file.Data, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }); i >= 0 {
			return y.lines.Diagnostic(y.lines.Position(i), Error, "not YAML: %s: %#x", what, y.file.Data[i])
		}
	case strings.Contains(what, "unknown escape character"):
		hint = `in double quotes a backslash is written \\; single quotes keep it as it is`
	case strings.Contains(what, "did not find expected key"), strings.Contains(what, "could not find expected ':'"), strings.Contains(what, "did not find expected '-' indicator"):
		hint = "check the indentation, and quote texts that hold : # [ ] { } or quotes"
	case strings.Contains(what, "found unexpected end of stream"), strings.Contains(what, "unexpected document indicator"):
		hint = "a quote or a bracket is not closed"
	}
	for line > 1 && strings.TrimSpace(at(line)) == "" {
		line--
	}
	line = max(1, line)
	if column == 0 {
		text := at(line)
		column = 1 + len(text) - len(strings.TrimLeft(text, " "))
	}
	d := y.lines.Diagnostic(y.position(line, column), Error, "not YAML: %s", what)
	d.Hint = hint
	return d
}

// secondColon returns the column of a ": " behind the first one of a line, 0 if
// there is none.
func secondColon(line string) int {
	first := strings.Index(line, ": ")
	if first < 0 {
		return 0
	}
	second := strings.Index(line[first+2:], ": ")
	if second < 0 {
		if strings.HasSuffix(line[first+2:], ":") {
			return utf8.RuneCountInString(line)
		}
		return 0
	}
	return 1 + utf8.RuneCountInString(line[:first+2+second])
}

// reservedStart returns the column of a value that starts with a reserved
// character, 0 if there is none.
func reservedStart(line string) int {
	text := line
	if i := strings.Index(line, ": "); i >= 0 {
		text = line[i+2:]
	}
	text = strings.TrimLeft(strings.TrimLeft(text, " "), "- ")
	if text == "" || !strings.ContainsRune("@`%", rune(text[0])) {
		return 0
	}
	return 1 + utf8.RuneCountInString(line[:len(line)-len(text)])
}
