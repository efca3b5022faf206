package source

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var durationUnits = []struct {
	name string
	size time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second},
	{"ms", time.Millisecond}, {"us", time.Microsecond}, {"ns", time.Nanosecond},
}

// ParseDuration reads a duration of one or more numbers with a unit: w, d, h,
// m, s, ms, us or ns, as in 10m, 1h30m, 7d. It is never negative; "0" needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	fail := func(why string) (time.Duration, error) {
		return 0, fmt.Errorf("%q is no duration: %s", s, why)
	}
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return fail("write a number and a unit, as 10m, 1h or 7d")
	}
	var total time.Duration
	for rest := s; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n < 0 {
			return fail("a unit is missing, write " + s + "s, " + s + "m, " + s + "h or " + s + "d")
		}
		number, err := strconv.ParseFloat(rest[:n], 64)
		if n == 0 || err != nil {
			return fail("write a number and a unit, as 10m, 1h or 7d")
		}
		digits := rest[:n]
		rest = rest[n:]
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' })
		if end < 0 {
			end = len(rest)
		}
		var size time.Duration
		for _, u := range durationUnits {
			if u.name == rest[:end] || u.name == "us" && rest[:end] == "µs" {
				size = u.size
			}
		}
		if size == 0 {
			return fail(fmt.Sprintf("unknown unit %q, use w, d, h, m, s or ms", rest[:end]))
		}
		var value time.Duration
		if whole, err := strconv.ParseInt(digits, 10, 64); err == nil && whole <= math.MaxInt64/int64(size) {
			value = time.Duration(whole) * size
		} else if part := number * float64(size); part < math.MaxInt64 {
			value = time.Duration(part)
		} else {
			return fail("it is too long")
		}
		if total > math.MaxInt64-value {
			return fail("it is too long")
		}
		total += value
		rest = rest[end:]
	}
	return total, nil
}

// FormatDuration returns the shortest text that ParseDuration reads as d: a
// number of the largest unit that divides it. Weeks are written in days.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	for _, u := range durationUnits[1:] {
		if d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return d.String()
}
