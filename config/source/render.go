package source

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// excerptWidth is how many runes of a line an excerpt shows. A line longer than
// maxExcerpt bytes, which no one wrote, shows none: to find a column in it takes
// reading it.
const (
	excerptWidth = 120
	maxExcerpt   = 64 << 10
)

// Render writes the diagnostic for people: the one-line form without its hint,
// the offending line, a caret under the place, and the hint.
func (d Diagnostic) Render(w io.Writer) error {
	b := bufio.NewWriter(w)
	hint := d.Hint
	d.Hint = ""
	fmt.Fprintln(b, d.Error())
	if d.Line != "" && len(d.Line) <= maxExcerpt && d.Pos.Line > 0 {
		gutter := fmt.Sprintf("%5d | ", d.Pos.Line)
		text, column := excerpt(d.Line, d.Pos.Column)
		fmt.Fprintf(b, "%s%s\n", gutter, string(text))
		if column > 0 {
			under := []rune(strings.Repeat(" ", len(gutter)-2) + "| ")
			for _, r := range text[:min(column-1, len(text))] {
				if r != '\t' {
					r = ' '
				}
				under = append(under, r)
			}
			width := max(1, min(d.Width, len(text)-column+1))
			fmt.Fprintf(b, "%s^%s\n", string(under), strings.Repeat("~", width-1))
		}
	}
	if hint != "" {
		fmt.Fprintf(b, "        hint: %s\n", hint)
	}
	return b.Flush()
}

// Render writes all findings for people, one after the other.
func (ds Diagnostics) Render(w io.Writer) error {
	for _, d := range ds {
		if err := d.Render(w); err != nil {
			return err
		}
	}
	return nil
}

// excerpt cuts a long line around the column and makes control characters
// visible as blanks; it returns the column in what is left, 0 if unknown.
func excerpt(line string, column int) ([]rune, int) {
	text := []rune(line)
	for i, r := range text {
		if r < ' ' && r != '\t' || r == 0x7f {
			text[i] = ' '
		}
	}
	if column > len(text)+1 {
		column = len(text) + 1
	}
	if len(text) <= excerptWidth {
		return text, column
	}
	from := max(0, min(column-excerptWidth/2, len(text)-excerptWidth))
	to := from + excerptWidth
	out := append([]rune(nil), text[from:to]...)
	if from > 0 {
		out[0] = '…'
	}
	if to < len(text) {
		out[len(out)-1] = '…'
	}
	return out, max(0, column-from)
}
