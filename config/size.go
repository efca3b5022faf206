package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"invigil/config/source"
)

// Size is a number of bytes, written plain or with a unit: 1MiB, 64KiB, 2GB.
type Size int64

var sizeUnits = []struct {
	name string
	size int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads a Size.
func ParseSize(s string) (Size, error) {
	end := strings.LastIndexAny(s, "0123456789") + 1
	n, err := strconv.ParseInt(s[:end], 10, 64)
	unit := strings.TrimSpace(s[end:])
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no size: write a number and a unit, as 1MiB", s)
	}
	for _, u := range sizeUnits {
		if u.name != unit {
			continue
		}
		if n > math.MaxInt64/u.size {
			return 0, fmt.Errorf("%q is no size: it is too large", s)
		}
		return Size(n * u.size), nil
	}
	return 0, fmt.Errorf("%q is no size: unknown unit %q, use KiB, MiB or GiB", s, unit)
}

// String returns the shortest text that ParseSize reads as z.
func (z Size) String() string {
	for i := 3; i >= 0; i-- {
		if u := sizeUnits[i]; z > 0 && int64(z)%u.size == 0 {
			return strconv.FormatInt(int64(z)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(z), 10)
}

// DecodeYAML reads a size.
func (z *Size) DecodeYAML(n *source.Node) {
	s, ok := n.Text()
	if !ok {
		return
	}
	v, err := ParseSize(s)
	if err != nil {
		n.Errorf("%v", err)
		return
	}
	*z = v
}
