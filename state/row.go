package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"invigil/pipeline/syscollector"
)

// A row's value, format 1:
//
//	format(1) flags(1)
//	[scan id: varint]                     if flagScan
//	[count: uvarint, 8 bytes each]        active fingerprints, if flagActive
//	[length: uvarint, bytes]              scan time as sent, if flagTime
//	length of fixed: uvarint
//	fixed: mask: uvarint, values          columns that are not volatile
//	volatile: mask: uvarint, values       the rest
//
// The key's columns are in the key only. A mask has the bits of the present
// columns; values follow in the order of column numbers: strings with a length
// (uvarint), integers as varints, reals in 8 bytes.
const rowFormat = 1

const (
	flagScan      = 1 << iota // written in a scan
	flagActive                // onset rules stand on the row
	flagContinued             // another row continued this one: its removal is silent
	flagTime                  // a scan time was sent
	flagFirst                 // the scan was the first to report the row
	flagRepeated              // the scan found no change but of volatile columns: its mark says that it reported the row
	flagsKnown    = flagScan | flagActive | flagContinued | flagTime | flagFirst | flagRepeated
)

var errRow = errors.New("row is damaged")

// head is what leads a row's value.
type head struct {
	flags  byte
	scan   int64
	active []byte // 8 bytes a fingerprint
	time   []byte // scan time as sent
}

func (h *head) continued() bool { return h.flags&flagContinued != 0 }

// of reports whether the head says that the scan reported the row. Of rows that
// it repeated, marks do.
func (h *head) of(scan int64) bool {
	return h.flags&(flagScan|flagRepeated) == flagScan && h.scan == scan
}

// claimed reports whether the head says what only a read can keep: that a scan
// reported the row, or that another row continued it.
func (h *head) claimed() bool {
	return h.flags&(flagContinued|flagFirst) != 0 || h.flags&(flagScan|flagRepeated) == flagScan
}

// appendHead appends everything before the sections.
func appendHead(b []byte, h *head) []byte {
	flags := h.flags &^ (flagActive | flagTime)
	if len(h.active) > 0 {
		flags |= flagActive
	}
	if len(h.time) > 0 {
		flags |= flagTime
	}
	b = append(b, rowFormat, flags)
	if flags&flagScan != 0 {
		b = binary.AppendVarint(b, h.scan)
	}
	if flags&flagActive != 0 {
		b = binary.AppendUvarint(b, uint64(len(h.active)/8))
		b = append(b, h.active...)
	}
	if flags&flagTime != 0 {
		b = binary.AppendUvarint(b, uint64(len(h.time)))
		b = append(b, h.time...)
	}
	return b
}

// appendRow appends a whole value.
func appendRow(b []byte, h *head, fixed, volatile []byte) []byte {
	b = appendHead(b, h)
	b = binary.AppendUvarint(b, uint64(len(fixed)))
	b = append(b, fixed...)
	return append(b, volatile...)
}

// appendSection appends the columns of the mask that the row has.
func (l *layout) appendSection(b []byte, r *syscollector.Row, mask uint64) []byte {
	mask &= r.Present
	b = binary.AppendUvarint(b, mask)
	for ; mask != 0; mask &= mask - 1 {
		c := bits.TrailingZeros64(mask)
		v := &r.Values[c]
		switch {
		case l.text&(1<<c) != 0:
			b = binary.AppendUvarint(b, uint64(len(v.Str)))
			b = append(b, v.Str...)
		case l.real&(1<<c) != 0:
			b = binary.LittleEndian.AppendUint64(b, uint64(v.Int))
		default:
			b = binary.AppendVarint(b, v.Int)
		}
	}
	return b
}

// fixedMask returns the columns of the fixed section.
func (l *layout) fixedMask(scan bool) uint64 { return l.all &^ l.volatile &^ l.inKey(scan) }

// splitRow takes a value apart without decoding its columns. The parts are
// views into it.
func splitRow(value []byte) (h head, fixed, volatile []byte, err error) {
	if len(value) < 2 {
		return h, nil, nil, errRow
	}
	if value[0] != rowFormat {
		return h, nil, nil, fmt.Errorf("row has format %d, this version reads %d: use the version that wrote it or a newer one", value[0], rowFormat)
	}
	if h.flags = value[1]; h.flags&^byte(flagsKnown) != 0 {
		return h, nil, nil, errRow
	}
	c := cursor{rest: value[2:]}
	if h.flags&flagScan != 0 {
		h.scan = c.varint()
	}
	if h.flags&flagActive != 0 {
		n := c.uvarint()
		if n == 0 || n > uint64(len(c.rest)/8) {
			return h, nil, nil, errRow
		}
		h.active = c.bytes(8 * n)
	}
	if h.flags&flagTime != 0 {
		if h.time = c.bytes(c.uvarint()); len(h.time) == 0 {
			return h, nil, nil, errRow
		}
	}
	fixed = c.bytes(c.uvarint())
	if c.bad {
		return h, nil, nil, errRow
	}
	return h, fixed, c.rest, nil
}

// decodeRow decodes a row and returns the head of its value. The row's strings
// are parts of item or of a copy of the value; the head is a view into it.
func (l *layout) decodeRow(r *syscollector.Row, item string, value []byte) (h head, err error) {
	return l.decodeText(r, item, value, string(value))
}

// decodeText is decodeRow with the copy of the value given.
func (l *layout) decodeText(r *syscollector.Row, item string, value []byte, text string) (h head, err error) {
	r.Table, r.Present = l.table, 0
	scan, err := l.decodeItem(r, item)
	if err != nil {
		return h, err
	}
	h, fixed, volatile, err := splitRow(value)
	if err != nil {
		return h, err
	}
	text = text[len(text)-len(volatile)-len(fixed):]
	if err := l.decodeSection(r, text[:len(fixed)], l.fixedMask(scan)); err != nil {
		return h, err
	}
	return h, l.decodeSection(r, text[len(fixed):], l.volatile)
}

// texts copies bytes into strings, many to an allocation.
type texts struct{ b strings.Builder }

const textsChunk = 64 << 10

// join returns the bytes of both parts as one string.
func (t *texts) join(a, b []byte) string {
	n := len(a) + len(b)
	if t.b.Cap()-t.b.Len() < n {
		t.b = strings.Builder{} // the old one stays with its strings
		t.b.Grow(max(n, textsChunk))
	}
	at := t.b.Len()
	t.b.Write(a)
	t.b.Write(b)
	return t.b.String()[at:]
}

func (l *layout) decodeSection(r *syscollector.Row, s string, allowed uint64) error {
	c := textCursor{rest: s}
	mask := c.uvarint()
	if mask&^allowed != 0 {
		return fmt.Errorf("%w: it has columns %x, which table %d has not in this version", errRow, mask&^allowed, l.table)
	}
	r.Present |= mask
	for ; mask != 0; mask &= mask - 1 {
		n := bits.TrailingZeros64(mask)
		v := &r.Values[n]
		switch {
		case l.text&(1<<n) != 0:
			*v = syscollector.Value{Str: c.text(c.uvarint())}
		case l.real&(1<<n) != 0:
			*v = syscollector.Value{Int: c.real()}
		default:
			*v = syscollector.Value{Int: c.varint()}
		}
	}
	if c.bad || c.rest != "" {
		return errRow
	}
	return nil
}

// cursor reads from the front of bytes; a failure sticks.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	u, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.rest = c.rest[n:]
	return u
}

func (c *cursor) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.fail()
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) text() string { return string(c.bytes(c.uvarint())) }

func (c *cursor) fail() { c.bad, c.rest = true, nil }

// textCursor is a cursor over a string, so that decoded columns are parts of
// it.
type textCursor struct {
	rest string
	bad  bool
}

func (c *textCursor) uvarint() (u uint64) {
	for i := 0; i < len(c.rest) && i < binary.MaxVarintLen64; i++ {
		b := c.rest[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break
		}
		u |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.rest = c.rest[i+1:]
			return u
		}
	}
	c.fail()
	return 0
}

func (c *textCursor) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (c *textCursor) text(n uint64) string {
	if n > uint64(len(c.rest)) {
		c.fail()
		return ""
	}
	s := c.rest[:n]
	c.rest = c.rest[n:]
	return s
}

func (c *textCursor) real() int64 {
	s := c.text(8)
	if len(s) < 8 {
		return 0
	}
	u := uint64(0)
	for i := range 8 {
		u |= uint64(s[i]) << (8 * i)
	}
	return int64(u)
}

func (c *textCursor) fail() { c.bad, c.rest = true, "" }
