package nft

import (
	"fmt"
	"net/netip"
)

// Names resolves the names that a node's firewall and NAT use.
type Names struct {
	// Interface maps a neighbour to the node's interface toward it.
	Interface map[string]string
	// Addresses maps every node to all its addresses, of both families; of each
	// family, the one that is nearest to this node comes first.
	Addresses map[string][]netip.Addr
	// Own maps a neighbour to the node's own addresses on the interface toward
	// it.
	Own map[string][]netip.Prefix
	// Inside are the prefixes that the node's NAT hides.
	Inside []netip.Prefix
}

func (n *Names) interfaceToward(neighbour string) (string, error) {
	if i, ok := n.Interface[neighbour]; ok {
		return i, nil
	}
	return "", fmt.Errorf("no link to %q", neighbour)
}

// ranges are the addresses of a node, or of a prefix, by family.
func (n *Names) ranges(nodeOrPrefix string) (byFamily, error) {
	if addrs, ok := n.Addresses[nodeOrPrefix]; ok {
		prefixes := make([]netip.Prefix, len(addrs))
		for i, a := range addrs {
			prefixes[i] = netip.PrefixFrom(a, a.BitLen())
		}
		return rangesOf(prefixes), nil
	}
	p, err := netip.ParsePrefix(nodeOrPrefix)
	if err == nil {
		return rangesOf([]netip.Prefix{p}), nil
	}
	a, err := netip.ParseAddr(nodeOrPrefix)
	if err == nil {
		return rangesOf([]netip.Prefix{netip.PrefixFrom(a, a.BitLen())}), nil
	}
	return byFamily{}, fmt.Errorf("%q is neither a node nor a prefix", nodeOrPrefix)
}

// ofFamily is the first address of a family.
func ofFamily(addrs []netip.Addr, f family) (netip.Addr, bool) {
	for _, a := range addrs {
		if a.Unmap().Is4() == (f == v4) {
			return a.Unmap(), true
		}
	}
	return netip.Addr{}, false
}
