package topo

import (
	"net/netip"
	"slices"
	"strconv"
)

// FiltersSource tells whether a node drops a packet with a source that it receives
// from a neighbour, because of rp_filter (RFC 3704; net/ipv4/fib_frontend.c,
// fib_validate_source): strictly, where the route to the source leads to another
// neighbour, or loosely, where none does. There is no such thing for IPv6.
func (p *Plan) FiltersSource(node int, from string, source netip.Addr) bool {
	f := p.Nodes[node].Toward(from)
	if f == nil || !source.Unmap().Is4() {
		return false
	}
	mode := p.rpFilter(node, f.Name)
	r, ok := p.Lookup(node, source)
	back := ok && r.Kind == Unicast
	switch {
	case mode == 0 || back && p.Nodes[node].Interfaces[r.Interface].Peer == from:
		return false
	case mode == 1:
		return true
	}
	return !back
}

// rpFilter is the larger of rp_filter for all interfaces and for one, as its
// node's sysctls have it (Documentation/networking/ip-sysctl.rst). New interfaces
// have the default's, which they get before a node's own sysctls are set.
func (p *Plan) rpFilter(node int, name string) (mode int) {
	for _, conf := range []string{"all", name} {
		for _, s := range slices.Backward(p.Nodes[node].Sysctls) {
			if s.Name == "net.ipv4.conf."+conf+".rp_filter" {
				n, _ := strconv.Atoi(s.Value)
				mode = max(mode, n)
				break
			}
		}
	}
	return mode
}
