package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// chunk is how much of a list is written at a time.
const chunk = 32 << 10

// list writes an answer of the form {"items":[…],…} chunk by chunk. An eager one
// writes the first item at once, so that a client sees that there are some. The
// status is open until something is written.
type list struct {
	w       http.ResponseWriter
	eager   bool
	buf     []byte
	items   int
	started bool
	sent    func(items int)
	counted int
}

func newList(w http.ResponseWriter, sent func(items int)) *list {
	return &list{w: w, buf: append(make([]byte, 0, 2*chunk), `{"items":[`...), sent: sent}
}

// item adds an item, which render appends as JSON.
func (l *list) item(render func(b []byte) ([]byte, error)) error {
	if l.items > 0 {
		l.buf = append(l.buf, ',')
	}
	l.buf = append(l.buf, '\n')
	var err error
	if l.buf, err = render(l.buf); err != nil {
		return err
	}
	if l.items++; l.items == 1 && l.eager || len(l.buf) >= chunk {
		return l.flush()
	}
	return nil
}

// value adds an item that encoding/json renders.
func (l *list) value(v any) error {
	return l.item(func(b []byte) ([]byte, error) { return appendValue(b, v) })
}

// end ends the list. A negative total is unknown, a nil page all there is.
func (l *list) end(total int, g *page) error {
	if l.items > 0 {
		l.buf = append(l.buf, '\n')
	}
	l.buf = append(l.buf, ']')
	if total >= 0 {
		l.buf = strconv.AppendInt(append(l.buf, `,"total":`...), int64(total), 10)
	}
	if g != nil {
		l.buf = strconv.AppendInt(append(l.buf, `,"offset":`...), int64(g.offset), 10)
		l.buf = strconv.AppendInt(append(l.buf, `,"limit":`...), int64(g.limit), 10)
	}
	l.buf = append(l.buf, "}\n"...)
	return l.flush()
}

// fail ends a list that cannot go on: with a status if nothing was written yet,
// else with an error behind the items and a connection that breaks off, so that
// nobody takes the part for the whole.
func (l *list) fail(e *apiError) {
	if !l.started {
		writeError(l.w, e)
		return
	}
	l.buf = append(l.buf, "],"...)
	l.buf = append(l.buf, e.body()[1:]...)
	l.buf = append(l.buf, '\n')
	_ = l.flush() // it breaks off anyway
	panic(http.ErrAbortHandler)
}

func (l *list) flush() error {
	if !l.started {
		l.started = true
		head(l.w)
	}
	_, err := l.w.Write(l.buf)
	l.buf = l.buf[:0]
	l.sent(l.items - l.counted)
	l.counted = l.items
	if err == nil {
		err = http.NewResponseController(l.w).Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// appendValue appends a value as encoding/json renders it, HTML characters as
// they are.
func appendValue(b []byte, v any) ([]byte, error) {
	buf := appender{b}
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return b, err
	}
	return buf.b[:len(buf.b)-1], nil // the encoder's newline
}

type appender struct{ b []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
