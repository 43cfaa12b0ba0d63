package topo

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// DefaultMTU is that of an interface when its link names none.
const DefaultMTU = 1500

// MinMTUv6 is the least MTU of a link that carries IPv6 (RFC 8200, section 5).
// The kernel takes IPv6 away from an interface with less.
const MinMTUv6 = 1280

// HasIPv6 tells whether the interfaces at a link's ends have their IPv6
// addresses.
func (p *Plan) HasIPv6(link int) bool { return p.Links[link].MTU >= MinMTUv6 }

// Usable are the addresses that an interface has now.
func (p *Plan) Usable(f *Interface) []netip.Prefix {
	if p.HasIPv6(f.Link) {
		return f.Addresses
	}
	return family(f.Addresses, true)
}

// The prefixes that links are numbered from. Outside of every NAT they are the
// benchmarking network (RFC 2544, RFC 6815) and the documentation prefix (RFC
// 3849), which nothing real uses; inside they are private (RFC 1918, RFC 4193).
var (
	publicV4  = netip.MustParsePrefix("198.18.0.0/15")
	privateV4 = netip.MustParsePrefix("10.0.0.0/8")
	publicV6  = netip.MustParsePrefix("2001:db8::/32")
	privateV6 = netip.MustParsePrefix("fd00::/32")
)

// linkPrefixes are the i-th link's /30 and /64.
func linkPrefixes(i int, private bool) (v4, v6 netip.Prefix, err error) {
	base4, base6 := publicV4, publicV6
	if private {
		base4, base6 = privateV4, privateV6
	}
	if i >= 1<<(30-base4.Bits()) {
		return v4, v6, fmt.Errorf("number link %d: %s has no more /30 networks", i, base4)
	}
	b4 := base4.Addr().As4()
	binary.BigEndian.PutUint32(b4[:], binary.BigEndian.Uint32(b4[:])+uint32(i)*4)
	b6 := base6.Addr().As16()
	binary.BigEndian.PutUint32(b6[4:], uint32(i))
	return netip.PrefixFrom(netip.AddrFrom4(b4), 30), netip.PrefixFrom(netip.AddrFrom16(b6), 64), nil
}

// hostPrefix is the host-th address of a network, with the network's length.
func hostPrefix(network netip.Prefix, host int) netip.Prefix {
	a := network.Addr()
	for range host {
		a = a.Next()
	}
	return netip.PrefixFrom(a, network.Bits())
}

// linkMAC is a locally administered address (IEEE 802, section 8.4).
func linkMAC(link, side int) net.HardwareAddr {
	mac := net.HardwareAddr{0x02, 0, 0, 0, 0, byte(side + 1)}
	binary.BigEndian.PutUint32(mac[1:], uint32(link))
	return mac
}

// writeOutAddresses replaces assigned addresses by those that nodes write out,
// family by family. The other end of such a link, if it writes none out itself,
// gets another address of the same prefix.
func (p *Plan) writeOutAddresses() error {
	written := map[*Interface][]netip.Prefix{}
	for n := range p.Topology.Nodes {
		for _, a := range p.Topology.Nodes[n].Addresses {
			f := p.Nodes[n].Toward(a.Toward)
			if f == nil {
				return fmt.Errorf("node %s: address %s: no link toward %q", p.Nodes[n].Name, a.Prefix, a.Toward)
			}
			written[f] = append(written[f], a.Prefix)
		}
	}
	for f, own := range written {
		peer := p.Interface(f.Link, f.Side.Other())
		for _, v4 := range []bool{true, false} {
			if mine := family(own, v4); mine != nil {
				f.Addresses = append(family(f.Addresses, !v4), mine...)
				if family(written[peer], v4) == nil {
					next, err := nextHost(mine[0])
					if err != nil {
						return fmt.Errorf("node %s: %w", peer.Peer, err)
					}
					peer.Addresses = append(family(peer.Addresses, !v4), next)
				}
			}
		}
		sortV4First(f.Addresses)
		sortV4First(peer.Addresses)
	}
	return p.checkAddresses()
}

// Toward is the node's interface to a neighbour, or nil.
func (n *PlanNode) Toward(neighbour string) *Interface {
	for i := range n.Interfaces {
		if n.Interfaces[i].Peer == neighbour {
			return &n.Interfaces[i]
		}
	}
	return nil
}

// family selects the prefixes of one family; nil for none.
func family(prefixes []netip.Prefix, v4 bool) (of []netip.Prefix) {
	for _, a := range prefixes {
		if a.Addr().Is4() == v4 {
			of = append(of, a)
		}
	}
	return of
}

// sortV4First puts IPv4 before IPv6 and keeps the order otherwise.
func sortV4First(prefixes []netip.Prefix) {
	slices.SortStableFunc(prefixes, func(a, b netip.Prefix) int {
		return a.Addr().BitLen() - b.Addr().BitLen()
	})
}

// nextHost is a neighbour's address in the same prefix: the first host address
// that is not a's own, or the other one of a prefix with two (RFC 3021, RFC 6164).
// It fails where a's prefix holds no other.
func nextHost(a netip.Prefix) (netip.Prefix, error) {
	first := hostPrefix(a.Masked(), 1)
	switch {
	case a.IsSingleIP():
		return netip.Prefix{}, fmt.Errorf("address %s: its prefix has no other for the neighbour, so both ends must write theirs out", a)
	case first.Addr() != a.Addr():
		return first, nil
	case a.Bits() == a.Addr().BitLen()-1:
		return a.Masked(), nil
	}
	return hostPrefix(a.Masked(), 2), nil
}

// checkAddresses refuses an address that two interfaces have.
func (p *Plan) checkAddresses() error {
	owner := map[netip.Addr]string{}
	for n := range p.Nodes {
		for _, f := range p.Nodes[n].Interfaces {
			for _, a := range f.Addresses {
				if other, taken := owner[a.Addr()]; taken {
					return fmt.Errorf("address %s: both %s and %s have it", a.Addr(), other, p.Nodes[n].Name)
				}
				owner[a.Addr()] = p.Nodes[n].Name
			}
		}
	}
	return nil
}
