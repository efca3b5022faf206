package syscollector

import (
	"math"
	"strconv"
)

// smallInt parses the digits of an integer of at most 18 digits; ok is false
// for every other text.
func smallInt(t string) (v int64, ok bool) {
	i := 0
	if len(t) > 0 && t[0] == '-' {
		i = 1
	}
	if len(t) == i || len(t)-i > 18 {
		return 0, false
	}
	for ; i < len(t); i++ {
		c := t[i] - '0'
		if c > 9 {
			return 0, false
		}
		v = v*10 + int64(c)
	}
	if t[0] == '-' {
		v = -v
	}
	return v, true
}

// double returns the value of a JSON number, an infinity beyond the range.
func double(t string) float64 {
	if v, ok := smallInt(t); ok {
		if v == 0 && t[0] == '-' {
			return math.Copysign(0, -1)
		}
		return float64(v)
	}
	f, _ := strconv.ParseFloat(t, 64)
	return f
}

// integer returns the value of a JSON number as an integer, its fraction cut
// off; ok is false beyond 64 bits.
func integer(t string) (v int64, ok bool) {
	if v, ok = smallInt(t); ok {
		return v, true
	}
	if v, err := strconv.ParseInt(t, 10, 64); err == nil {
		return v, true
	}
	f := math.Trunc(double(t))
	if f < -1<<63 || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// saturated returns the value of a JSON number as the original's int: cut off
// and held within 32 bits.
func saturated(t string) int64 {
	if v, ok := smallInt(t); ok {
		return min(max(v, math.MinInt32), math.MaxInt32)
	}
	return int64(min(max(math.Trunc(double(t)), math.MinInt32), math.MaxInt32))
}

// canonical reports whether the number is written as an integer is printed.
func canonical(t string) bool {
	if t[0] == '-' {
		t = t[1:]
		return t != "0" && canonicalDigits(t)
	}
	return canonicalDigits(t)
}

func canonicalDigits(t string) bool {
	if t == "" || t[0] == '0' && len(t) > 1 {
		return false
	}
	return digitsLength(t) == len(t)
}

// intText prints the number as a scan message's integer column shows it.
func (a *arena) intText(t string) string {
	v := saturated(t)
	if w, ok := smallInt(t); ok && v == w && canonical(t) {
		return t
	}
	return a.formatInt(v)
}

func (a *arena) formatInt(v int64) string {
	b := a.alloc(20)
	return text(a.shrink(b, len(strconv.AppendInt(b[:0], v, 10))))
}

// realText prints the number with six decimals.
func (a *arena) realText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	const longest = 1 + 309 + 1 + 6
	b := a.alloc(longest)
	return text(a.shrink(b, len(strconv.AppendFloat(b[:0], f, 'f', 6, 64))))
}

// deltaText prints the number as a dbsync message's column shows it: an
// integer of 32 bits as such, anything else with six decimals.
func (a *arena) deltaText(t string) string {
	if v, ok := smallInt(t); ok && v >= math.MinInt32 && v <= math.MaxInt32 {
		if canonical(t) {
			return t
		}
		return a.formatInt(v)
	}
	f := double(t)
	if v := int64(min(max(math.Trunc(f), math.MinInt32), math.MaxInt32)); float64(v) == f {
		return a.formatInt(v)
	}
	return a.realText(f)
}

// appendJSONNumber prints a number inside an array as the original's JSON
// printer does: integers of 32 bits as such, others with 15 digits, or 17
// where 15 lose something.
func appendJSONNumber(b []byte, t string) []byte {
	f := double(t)
	if math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if v := saturated(t); float64(v) == f {
		return strconv.AppendInt(b, v, 10)
	}
	n := len(b)
	b = strconv.AppendFloat(b, f, 'g', 15, 64)
	if g, err := strconv.ParseFloat(string(b[n:]), 64); err == nil && g == f {
		return b
	}
	return strconv.AppendFloat(b[:n], f, 'g', 17, 64)
}
