package syscollector

import (
	"math"
	"math/bits"
	"strconv"
)

// Value is one typed value of a row: Str for String columns, Int for Integer
// columns, and math.Float64bits in Int for Real ones.
type Value struct {
	Str string
	Int int64
}

// Row is one inventory row with typed values and a presence bit a column.
// Values of absent columns are undefined. Column numbers are Field.Number.
type Row struct {
	Table   Table
	Present uint64
	Values  [MaxColumns]Value

	// Blank are the columns that came without a value: null, "", one blank, a
	// text that is no number. They are not Present.
	Blank uint64

	// What the wire says of the row itself; none of it is a column.
	ScanID   int64  // ID of the scan that reported it, 0 for 4.x rows
	ScanTime string // as sent: timestamp of the scan message, scan_time of the row
	Checksum string // of 4.x rows, "" if not sent
}

// Reset makes every column absent.
func (r *Row) Reset(t Table) {
	r.Table, r.Present, r.Blank = t, 0, 0
	r.ScanID, r.ScanTime, r.Checksum = 0, "", ""
}

// Has reports whether column n is present.
func (r *Row) Has(n uint8) bool { return r.Present&(1<<n) != 0 }

// Str returns the text of a String column, "" if it is absent.
func (r *Row) Str(n uint8) string {
	if !r.Has(n) {
		return ""
	}
	return r.Values[n].Str
}

// Int returns the value of an Integer column, 0 if it is absent.
func (r *Row) Int(n uint8) int64 {
	if !r.Has(n) {
		return 0
	}
	return r.Values[n].Int
}

// Float returns the value of a Real column, 0 if it is absent.
func (r *Row) Float(n uint8) float64 {
	if !r.Has(n) {
		return 0
	}
	return math.Float64frombits(uint64(r.Values[n].Int))
}

// SetStr sets a String column.
func (r *Row) SetStr(n uint8, v string) {
	r.Values[n].Str = v
	r.Present |= 1 << n
}

// SetInt sets an Integer column.
func (r *Row) SetInt(n uint8, v int64) {
	r.Values[n].Int = v
	r.Present |= 1 << n
}

// SetFloat sets a Real column.
func (r *Row) SetFloat(n uint8, v float64) { r.SetInt(n, int64(math.Float64bits(v))) }

// Clear makes column n absent.
func (r *Row) Clear(n uint8) { r.Present &^= 1 << n }

// Merge takes over the columns of a newer row of the same table that came, and
// its scan and checksum: what MODIFIED does to a stored row. A column that came
// without a value becomes absent.
func (r *Row) Merge(newer *Row) {
	for set := newer.Present; set != 0; set &= set - 1 {
		n := bits.TrailingZeros64(set)
		r.Values[n] = newer.Values[n]
	}
	r.Present = r.Present&^newer.Blank | newer.Present
	r.ScanID = newer.ScanID
	if newer.ScanTime != "" {
		r.ScanTime = newer.ScanTime
	}
	if newer.Checksum != "" {
		r.Checksum = newer.Checksum
	}
}

// Diff returns the columns in which two rows of one table differ: present in
// one only, or with another value.
func Diff(a, b *Row) uint64 {
	diff := a.Present ^ b.Present
	text := a.Table.Masks().Text
	for both := a.Present & b.Present; both != 0; both &= both - 1 {
		n := bits.TrailingZeros64(both)
		x, y := &a.Values[n], &b.Values[n]
		if text&(1<<n) != 0 {
			if x.Str != y.Str {
				diff |= 1 << n
			}
		} else if x.Int != y.Int {
			diff |= 1 << n
		}
	}
	return diff
}

// Any returns the value of column n as rules see it: string, int64 or float64,
// nil if it is absent.
func (r *Row) Any(n uint8) any {
	f := r.Table.Column(n)
	if f == nil || !r.Has(n) {
		return nil
	}
	switch f.Type {
	case Integer:
		return r.Values[n].Int
	case Real:
		return r.Float(n)
	}
	return r.Values[n].Str
}

// AppendText appends the text of column n: integers in decimal, reals in the
// shortest form that keeps their value, without an exponent; nothing if it is
// absent.
func (r *Row) AppendText(b []byte, n uint8) []byte {
	f := r.Table.Column(n)
	if f == nil || !r.Has(n) {
		return b
	}
	switch f.Type {
	case Integer:
		return strconv.AppendInt(b, r.Values[n].Int, 10)
	case Real:
		return strconv.AppendFloat(b, r.Float(n), 'f', -1, 64)
	}
	return append(b, r.Values[n].Str...)
}

// Text returns what AppendText appends.
func (r *Row) Text(n uint8) string {
	if f := r.Table.Column(n); f != nil && f.Type == String {
		return r.Str(n)
	}
	return string(r.AppendText(nil, n))
}
