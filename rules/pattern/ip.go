package pattern

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// IP is the matcher of srcip and dstip: an address, a network, or any. It is a
// value; the zero IP matches nothing.
type IP struct {
	any    bool
	prefix netip.Prefix // an IPv4-mapped IPv6 network is kept as IPv4
	mask   uint32       // IPv4 only: a dotted mask need not be contiguous
	base   uint32
}

// ParseIP reads a.b.c.d, a.b.c.d/bits, a.b.c.d/mask, an IPv6 address with or
// without /bits, or any. IPv4-mapped addresses count as IPv4. A leading "!" is
// no part of the pattern: it means different things in different versions and
// is the caller's.
func ParseIP(text string) (IP, error) {
	if text == "any" {
		return IP{any: true}, nil
	}
	host, suffix, hasSuffix := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return IP{}, fmt.Errorf("ip pattern %q: %q is no IPv4 or IPv6 address; write an address, address/bits, address/mask or any", text, host)
	}
	length := addr.BitLen()
	if hasSuffix {
		if addr.Is4() && strings.Contains(suffix, ".") {
			mask, err := netip.ParseAddr(suffix)
			if err != nil || !mask.Is4() {
				return IP{}, fmt.Errorf("ip pattern %q: %q is no IPv4 mask", text, suffix)
			}
			return newIPv4(addr, beUint32(mask)), nil
		}
		n, err := strconv.ParseUint(suffix, 10, 8)
		if err != nil || int(n) > addr.BitLen() {
			return IP{}, fmt.Errorf("ip pattern %q: the network length %q is not a number from 0 to %d", text, suffix, addr.BitLen())
		}
		length = int(n)
	}
	if addr.Is4In6() && length >= 96 {
		addr, length = addr.Unmap(), length-96
	}
	if addr.Is4() {
		return newIPv4(addr, ^uint32(0)<<(32-length)), nil
	}
	return IP{prefix: netip.PrefixFrom(addr, length).Masked()}, nil
}

func newIPv4(addr netip.Addr, mask uint32) IP {
	return IP{
		prefix: netip.PrefixFrom(addr, bits.OnesCount32(mask)),
		mask:   mask,
		base:   beUint32(addr) & mask,
	}
}

func beUint32(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// Match tells whether value is an address inside the pattern's network. A
// value that is no address never matches, not even any.
func (p IP) Match(value string) bool {
	addr, err := netip.ParseAddr(value)
	if err != nil || addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	switch {
	case p.any:
		return true
	case !p.prefix.IsValid():
		return false
	case p.prefix.Addr().Is4():
		return addr.Is4() && beUint32(addr)&p.mask == p.base
	}
	return addr.Is6() && p.prefix.Contains(addr)
}
