package file

import (
	"bytes"
	"io"
)

const (
	chunk   = 1 << 20  // bytes read at a time
	maxLine = 64 << 20 // a longer line is cut here
)

// lines cuts a stream into lines. The lines that next returns are views into
// its buffer, valid until fill.
type lines struct {
	r        io.Reader
	buf      []byte // read, not yet handed out: buf[start:]
	start    int
	scanned  int   // no newline before buf[scanned]
	offset   int64 // of the stream, at the end of buf
	dropping bool  // inside the rest of a line that was cut
	cut      int64 // lines cut so far
	max      int
}

func newLines(r io.Reader, offset int64) *lines { return &lines{r: r, offset: offset, max: maxLine} }

// position is where the next line begins in the stream.
func (l *lines) position() int64 { return l.offset - int64(len(l.buf)-l.start) }

// next returns the next whole line of the buffer, without its end.
func (l *lines) next() ([]byte, bool) {
	for {
		i := bytes.IndexByte(l.buf[l.scanned:], '\n')
		if i < 0 {
			l.scanned = len(l.buf)
			if l.dropping {
				l.start = len(l.buf)
			} else if len(l.buf)-l.start >= l.max {
				line := l.buf[l.start : l.start+l.max]
				l.start, l.scanned = len(l.buf), len(l.buf)
				l.dropping = true
				l.cut++
				return line, true
			}
			return nil, false
		}
		line := l.buf[l.start : l.scanned+i]
		l.start = l.scanned + i + 1
		l.scanned = l.start
		if l.dropping {
			l.dropping = false
			continue
		}
		if len(line) > l.max {
			l.cut++
			line = line[:l.max]
		}
		return bytes.TrimSuffix(line, []byte{'\r'}), true
	}
}

// rest returns what stands behind the last newline, at the end of a stream.
func (l *lines) rest() ([]byte, bool) {
	line := l.buf[l.start:]
	dropped := l.dropping
	l.start, l.scanned, l.dropping = len(l.buf), len(l.buf), false
	return line, len(line) > 0 && !dropped
}

// fill reads more. Bytes may come together with io.EOF or an error.
func (l *lines) fill() error {
	held := len(l.buf) - l.start
	if cap(l.buf) > 8*chunk && held < chunk {
		l.buf = append(make([]byte, 0, 2*chunk), l.buf[l.start:]...) // let go of a giant
	} else {
		l.buf = l.buf[:copy(l.buf, l.buf[l.start:])]
	}
	l.scanned -= l.start
	l.start = 0
	if cap(l.buf)-held < chunk {
		grown := make([]byte, held, max(2*cap(l.buf), 2*chunk))
		copy(grown, l.buf)
		l.buf = grown
	}
	n, err := l.r.Read(l.buf[held : held+chunk])
	l.buf = l.buf[:held+n]
	l.offset += int64(n)
	return err
}
