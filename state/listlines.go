package state

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
)

// ListLine is one line of a list's text, as loading it would take it.
type ListLine struct {
	Number int    // from 1
	Text   string // without its end
	Entry  bool   // it is a record, else it is dropped
	Key    string // as stored: of kind cidr a prefix in canonical form
	Value  string
	Quoted bool // the key is in quotes
	Rest   bool // it continues a line that was longer than the limit
}

// ListLines yields the lines of a list's text, empty ones left out, and ends
// with an error if r fails. Load takes the lines that are entries, of those
// with the same key the first.
func ListLines(r io.Reader, kind ListKind) iter.Seq2[ListLine, error] {
	return func(yield func(ListLine, error) bool) {
		t := newListText(r, kind)
		l := newList(nil, ListInfo{Kind: kind}, 0)
		rest := false
		for n := 1; ; {
			raw, err := t.r.ReadSlice('\n')
			long := errors.Is(err, bufio.ErrBufferFull)
			if err != nil && !long && !errors.Is(err, io.EOF) {
				yield(ListLine{}, err)
				return
			}
			if len(raw) == 0 {
				return
			}
			line := ListLine{Number: n, Rest: rest}
			if rest = long; !long {
				n++
			}
			text := raw
			if end := bytes.IndexAny(raw, "\r\n"); end >= 0 {
				text = raw[:end]
			}
			if len(text) == 0 {
				continue
			}
			line.Text = string(text)
			t.take(&line, text, l)
			if !yield(line, nil) {
				return
			}
		}
	}
}

// take reads the record in a line.
func (t *listText) take(line *ListLine, text []byte, l *list) {
	key, value, ok := text, []byte(nil), true
	if !t.isKey(text) {
		key, value, ok = splitRecord(text)
		quote, colon := bytes.IndexByte(text, '"'), bytes.IndexByte(text, ':')
		line.Quoted = ok && quote >= 0 && quote < colon
	}
	if ok {
		line.Key, line.Entry = l.normal(string(key))
		line.Value = string(value)
	}
}
