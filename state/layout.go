package state

import (
	"fmt"
	"math/bits"

	"invigil/pipeline/syscollector"
)

// layout is what the field table says about storing a table's rows: which
// columns make the key, in which order, and which the value holds in which
// section.
type layout struct {
	table syscollector.Table
	key   []uint8 // key columns: those marked same first, then by number
	scan  []uint8 // further key columns of the scan family
	text  uint64  // string columns
	real  uint64

	keyMask, scanMask uint64
	same              uint64
	volatile          uint64 // without key columns
	all               uint64
	siblings          bool // two rows can be the same thing: some key column is not same
}

type layouts [syscollector.NumTables]layout

// newLayouts derives the layouts from the field table.
func newLayouts() *layouts {
	ls := new(layouts)
	for t := syscollector.NoTable + 1; t < syscollector.NumTables; t++ {
		m := t.Masks()
		l := &ls[t]
		l.table = t
		l.all, l.text, l.same = m.All, m.Text, m.Same
		l.keyMask, l.scanMask = m.Key, m.ScanKey&^m.Key
		l.volatile = m.Volatile &^ (m.Key | m.ScanKey)
		l.key = columns(nil, m.Key&m.Same)
		l.key = columns(l.key, m.Key&^m.Same)
		l.scan = columns(nil, l.scanMask)
		for _, f := range syscollector.Fields(t) {
			if f.Type == syscollector.Real {
				l.real |= 1 << f.Number
			}
		}
		l.siblings = m.Same != 0 && m.Key&^m.Same != 0
	}
	return ls
}

// columns appends the numbers of a mask's columns, ascending.
func columns(to []uint8, mask uint64) []uint8 {
	for ; mask != 0; mask &= mask - 1 {
		to = append(to, uint8(bits.TrailingZeros64(mask)))
	}
	return to
}

// single reports whether an agent has one row of the table.
func (l *layout) single() bool { return l.keyMask == 0 }

// inKey returns the columns that a row's key holds.
func (l *layout) inKey(scan bool) uint64 {
	if scan {
		return l.keyMask | l.scanMask
	}
	return l.keyMask
}

// appendItem appends the item of a row: its key columns. scan says whether to
// add the scan family's.
func (l *layout) appendItem(b []byte, r *syscollector.Row, scan bool) []byte {
	b = l.appendColumns(b, r, l.key)
	if scan {
		b = l.appendColumns(b, r, l.scan)
	}
	return b
}

func (l *layout) appendColumns(b []byte, r *syscollector.Row, cols []uint8) []byte {
	for _, c := range cols {
		switch {
		case l.text&(1<<c) == 0 && r.Has(c):
			b = appendInt(b, r.Values[c].Int)
		case l.text&(1<<c) != 0 && r.Has(c):
			b = appendString(b, r.Values[c].Str)
		default: // an absent number, and the end of an empty string
			b = append(b, 0)
		}
	}
	return b
}

// decodeItem sets a row's key columns from an item and reports whether it is
// one of the scan family. An empty string is an absent one.
func (l *layout) decodeItem(r *syscollector.Row, item string) (scan bool, err error) {
	if item, err = l.decodeColumns(r, item, l.key); err != nil {
		return false, err
	}
	if item != "" && len(l.scan) > 0 {
		scan = true
		if item, err = l.decodeColumns(r, item, l.scan); err != nil {
			return false, err
		}
	}
	if item != "" {
		return false, fmt.Errorf("row %w", errKey)
	}
	return scan, nil
}

func (l *layout) decodeColumns(r *syscollector.Row, item string, cols []uint8) (rest string, err error) {
	for _, c := range cols {
		present, v := false, syscollector.Value{}
		if l.text&(1<<c) != 0 {
			v.Str, item, err = cutString(item)
			present = v.Str != ""
		} else {
			v.Int, present, item, err = cutInt(item)
		}
		if err != nil {
			return "", err
		}
		if present {
			r.Values[c] = v
			r.Present |= 1 << c
		}
	}
	return item, nil
}

// isScanItem reports whether an item carries the scan family's columns.
func (l *layout) isScanItem(item []byte) bool {
	if len(l.scan) == 0 {
		return false
	}
	for _, c := range l.key {
		n := 0
		if l.text&(1<<c) != 0 {
			for n < len(item) && item[n] != 0 {
				n++
			}
			n++
		} else if len(item) > 0 {
			n = 1
			if k := int(item[0]) - int(intZero); item[0] != 0 {
				n += max(k, -k)
			}
		}
		if n > len(item) {
			return false
		}
		item = item[n:]
	}
	return len(item) > 0
}

// appendSame appends what makes a row the same thing to a user; "" and absent
// are one.
func (l *layout) appendSame(b []byte, r *syscollector.Row) []byte {
	for m := l.same; m != 0; m &= m - 1 {
		c := uint8(bits.TrailingZeros64(m))
		switch {
		case !r.Has(c):
			b = append(b, 0)
		case l.text&(1<<c) != 0:
			b = appendString(b, r.Values[c].Str)
		default:
			b = appendInt(b, r.Values[c].Int)
		}
	}
	return b
}

// differ returns the columns in which two rows differ.
func (l *layout) differ(a, b *syscollector.Row) uint64 {
	d := (a.Present ^ b.Present) & l.all
	for m := a.Present & b.Present & l.all; m != 0; m &= m - 1 {
		c := bits.TrailingZeros64(m)
		if l.text&(1<<c) != 0 {
			if a.Values[c].Str != b.Values[c].Str {
				d |= 1 << c
			}
		} else if a.Values[c].Int != b.Values[c].Int {
			d |= 1 << c
		}
	}
	return d
}
