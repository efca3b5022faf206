package state

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxListLine is the longest line of a list's text, in bytes. A longer one is
// read as several, as the original does.
const maxListLine = 65_534

// listText reads a list's text: a key, a colon and a value a line, either of
// them in double quotes. There are no comments and no escapes, and nothing is
// trimmed: bytes count. In the kinds that the original has not, a line without a
// colon is a key, and so is a prefix or an address in kind cidr, colons or not.
type listText struct {
	r       *bufio.Reader
	kind    ListKind
	dropped int // lines that are neither empty nor a record
}

func newListText(r io.Reader, kind ListKind) *listText {
	return &listText{r: bufio.NewReaderSize(r, maxListLine), kind: kind}
}

// next returns the next record, io.EOF after the last one. Key and value are
// valid until the next call.
func (t *listText) next() (key, value []byte, err error) {
	for {
		line, err := t.line()
		if err != nil {
			return nil, nil, err
		}
		if len(line) == 0 {
			continue
		}
		if t.isKey(line) {
			return line, nil, nil
		}
		if key, value, ok := splitRecord(line); ok {
			return key, value, nil
		}
		t.dropped++
	}
}

// isKey reports whether the whole line is a key.
func (t *listText) isKey(line []byte) bool {
	switch t.kind {
	case ListCIDR:
		_, ok := parsePrefix(string(line))
		return ok
	case ListPrefix:
		return !bytes.ContainsAny(line, `:"`)
	}
	return false
}

// line returns the next line up to its first CR or LF.
func (t *listText) line() ([]byte, error) {
	line, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		err = nil // the rest is the next line
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if i := bytes.IndexByte(line, '\r'); i >= 0 {
		line = line[:i]
	}
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return line, nil
}

// splitRecord takes a line apart; ok is false if it is no record.
func splitRecord(line []byte) (key, value []byte, ok bool) {
	rest := line
	colon, quote := bytes.IndexByte(line, ':'), bytes.IndexByte(line, '"')
	quoted := quote >= 0 && quote < colon
	if quoted {
		rest = line[quote+1:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 {
			return nil, nil, false
		}
		key, rest = rest[:end], rest[end+1:]
		colon = bytes.IndexByte(rest, ':')
	}
	if colon < 0 {
		return nil, nil, false
	}
	if !quoted {
		key = rest[:colon]
	}
	value = rest[colon+1:]
	if open := bytes.IndexByte(value, '"'); open >= 0 {
		value = value[open+1:]
		end := bytes.IndexByte(value, '"')
		if end < 0 {
			return nil, nil, false
		}
		value = value[:end]
	}
	return key, value, true
}

// foldASCII returns s with ASCII capitals in lower case.
func foldASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return lowerFrom(s, i)
		}
	}
	return s
}

func lowerFrom(s string, at int) string {
	b := []byte(s)
	for i := at; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}
