package spec

import (
	"net/netip"
	"strings"

	"testbed/topo"
)

const wantAddress = "an address with its prefix length, such as 192.0.2.1/24 or 2001:db8::1/64"

func (v *prefix) parse(s scalar) *complaint {
	p, err := netip.ParsePrefix(s.text)
	if err != nil {
		c := bad("%s is no address with a prefix length", quote(s.text)).want(wantAddress)
		if a, err := netip.ParseAddr(s.text); err == nil && a.Zone() == "" {
			c = bad("%s has no prefix length", quote(s.text)).want(wantAddress)
		}
		return c
	}
	if c := assignable(p); c != nil {
		return c.want(wantAddress)
	}
	v.V = p
	return nil
}

// assignable refuses what no interface can have as its address.
func assignable(p netip.Prefix) *complaint {
	a := p.Addr()
	switch {
	case a.Is4In6():
		return bad("%s is an IPv4 address in IPv6 notation", p)
	case a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return bad("%s is an address that no interface can have", p)
	case a.Is4() && p.Bits() == 0:
		return bad("%s has the prefix length 0", p)
	case a.Is4() && p.Bits() < 31 && p.Masked().Addr() == a:
		return bad("%s is the address of the network itself", p)
	case a.Is4() && p.Bits() < 31 && isBroadcast(p):
		return bad("%s is the network's broadcast address", p)
	}
	return nil
}

func isBroadcast(p netip.Prefix) bool {
	b := p.Addr().As4()
	host := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	mask := uint32(1)<<(32-p.Bits()) - 1
	return host&mask == mask
}

// parseNetwork reads a prefix without host bits, or an address, which stands
// for the prefix that holds it alone.
func parseNetwork(s string) (netip.Prefix, *complaint) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, bad("%s is no prefix", quote(s))
	}
	if p.Masked() != p {
		return netip.Prefix{}, bad("%s has bits beyond its prefix length", quote(s)).near(p.Masked().String())
	}
	return p, nil
}

// looksNumeric tells whether a text is meant to be an address or a prefix and
// no node's name.
func looksNumeric(s string) bool {
	return strings.ContainsAny(s, ":/") || s != "" && strings.Trim(s, "0123456789.") == ""
}

// defaultRoutes are what the word default stands for.
var defaultRoutes = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// nodeName is why a name cannot be a node's, or nil. RFC 1123, section 2.1.
func nodeName(s string) *complaint {
	const valid = "1 to 63 letters, digits and hyphens, with a letter in it, no hyphen at either end"
	reserved := []string{"localhost", "default", string(topo.Blackhole), string(topo.Unreachable), string(topo.Prohibit)}
	for _, r := range reserved {
		if strings.EqualFold(s, r) {
			return bad("a node cannot be named %s: the word has a meaning of its own", quote(s)).want("any other name")
		}
	}
	wrong := strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && r != '-' }) >= 0
	if wrong || s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' || strings.Trim(s, "0123456789-") == "" {
		c := bad("%s cannot be a node's name", quote(s)).want(valid)
		if fixed := strings.NewReplacer("_", "-", " ", "-", ".", "-").Replace(s); wrong && fixed != s && nodeName(fixed) == nil {
			c.near(fixed)
		}
		return c
	}
	return nil
}
