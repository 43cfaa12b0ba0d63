package topo

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"testbed/netem"
)

// Owner is the index of the node that has an address, or -1.
func (p *Plan) Owner(a netip.Addr) int {
	for n := range p.Nodes {
		for _, f := range p.Nodes[n].Interfaces {
			for _, own := range f.Addresses {
				if own.Addr() == a {
					return n
				}
			}
		}
	}
	return -1
}

// Resolve is the address that a node's name means to another node: that of the
// interface by which the shortest path enters, whether or not a route leads
// there. It is invalid when the named node has no address of the family.
func (p *Plan) Resolve(from, name int, v4 bool) netip.Addr {
	return p.nearest(p.graph.reach(from)[name], name, v4)
}

// nearest is the address of a node by which a path enters, or its first.
func (p *Plan) nearest(h hop, name int, v4 bool) netip.Addr {
	if h.dist > 0 {
		if a := firstOf(p.Interface(h.last, h.lastSide).Addresses, v4); a.IsValid() {
			return a
		}
	}
	for _, f := range p.Nodes[name].Interfaces {
		if a := firstOf(f.Addresses, v4); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

// Hosts are the lines of a node's /etc/hosts: localhost, then every node's
// nearest addresses.
func (p *Plan) Hosts(from int) []HostEntry {
	hosts := []HostEntry{
		{netip.MustParseAddr("127.0.0.1"), "localhost"},
		{netip.MustParseAddr("::1"), "localhost"},
	}
	reach := p.graph.reach(from)
	for n := range p.Nodes {
		for _, v4 := range []bool{true, false} {
			if a := p.nearest(reach[n], n, v4); a.IsValid() {
				hosts = append(hosts, HostEntry{a, p.Nodes[n].Name})
			}
		}
	}
	return hosts
}

// Lookup is the route that a node takes to an address: the one with the longest
// prefix. ok is false when there is none.
func (p *Plan) Lookup(node int, to netip.Addr) (r PlanRoute, ok bool) {
	for _, c := range p.Nodes[node].Routes {
		if c.To.Contains(to) && (!ok || c.To.Bits() > r.To.Bits()) {
			r, ok = c, true
		}
	}
	return r, ok
}

// Walk is the way that packets take by the routing tables.
type Walk struct {
	// Nodes are the nodes passed, the start first; Links[i] leads from Nodes[i]
	// to Nodes[i+1], toward its side To[i].
	Nodes []int
	Links []int
	To    []netem.Side
	// Arrived is true when the last node is the address's owner.
	Arrived bool
}

// Walk follows the routing tables from a node to an address, and through the
// port forwarding of a NAT at its end. It stops where the tables end.
func (p *Plan) Walk(from int, to netip.AddrPort) Walk {
	w := Walk{Nodes: []int{from}}
	at, dst := from, to.Addr()
	for range len(p.Nodes) * 2 {
		if p.owns(at, dst) {
			next := p.forwarded(at, netip.AddrPortFrom(dst, to.Port()), w.lastPeer(p))
			if !next.Addr().IsValid() {
				w.Arrived = true
				return w
			}
			dst, to = next.Addr(), next
		}
		r, ok := p.Lookup(at, dst)
		if !ok || r.Kind != Unicast || at != from && p.Nodes[at].Role != Router {
			return w
		}
		f := &p.Nodes[at].Interfaces[r.Interface]
		if far := p.Interface(f.Link, f.Side.Other()); !r.Via.IsValid() && !hasAddress(far, dst) {
			return w
		}
		at = p.graph.index[f.Peer]
		w.Nodes, w.Links, w.To = append(w.Nodes, at), append(w.Links, f.Link), append(w.To, f.Side.Other())
	}
	return w
}

// lastPeer is the name of the node before the last, or empty.
func (w *Walk) lastPeer(p *Plan) string {
	if len(w.Nodes) < 2 {
		return ""
	}
	return p.Nodes[w.Nodes[len(w.Nodes)-2]].Name
}

// forwarded is where a NAT sends what comes for one of its own addresses and
// ports, from its outside or, if it hairpins, from its inside; invalid when it does
// not, or only as its mappings are by then.
func (p *Plan) forwarded(node int, to netip.AddrPort, from string) netip.AddrPort {
	nat := p.Topology.Nodes[node].NAT
	if nat == nil || from == "" || from != nat.Outside && !nat.Hairpin {
		return netip.AddrPort{}
	}
	return p.Forwarded(node, to)
}

// Forwarded is where a node's NAT forwards one of its addresses and ports for
// good; invalid where it does not.
func (p *Plan) Forwarded(node int, to netip.AddrPort) netip.AddrPort {
	nat, v4 := p.Topology.Nodes[node].NAT, to.Addr().Is4()
	if nat == nil {
		return netip.AddrPort{}
	}
	if s, ok := nat.StaticFor(to.Addr()); ok {
		return netip.AddrPortFrom(p.Resolve(node, p.graph.index[s.Node], v4), to.Port())
	}
	outside := p.Nodes[node].Toward(nat.Outside)
	if outside == nil || to.Addr() != firstOf(outside.Addresses, v4) {
		return netip.AddrPort{}
	}
	for _, f := range nat.Forward {
		if f.Port == to.Port() && f.Port != 0 {
			return netip.AddrPortFrom(p.Resolve(node, p.graph.index[f.Node], v4), cmp.Or(f.ToPort, f.Port))
		}
	}
	return netip.AddrPort{}
}

// Fronts are the nodes whose NAT forwards a port or an address to a node, straight or through
// another NAT.
func (p *Plan) Fronts(node int) (all []int) {
	for todo := []int{node}; len(todo) > 0; todo = todo[1:] {
		to := p.Nodes[todo[0]].Name
		for i := range p.Topology.Nodes {
			nat := p.Topology.Nodes[i].NAT
			if nat == nil || i == node || slices.Contains(all, i) {
				continue
			}
			if slices.ContainsFunc(nat.Forward, func(f PortForward) bool { return f.Node == to }) ||
				slices.ContainsFunc(nat.Static, func(s StaticNAT) bool { return s.Node == to }) {
				all, todo = append(all, i), append(todo, i)
			}
		}
	}
	return all
}

// owns tells whether a node takes packets to an address.
func (p *Plan) owns(node int, a netip.Addr) bool {
	return slices.ContainsFunc(p.Nodes[node].Interfaces, func(f Interface) bool {
		return hasAddress(&f, a) && (a.Is4() || p.HasIPv6(f.Link))
	})
}

func hasAddress(f *Interface, a netip.Addr) bool {
	return slices.ContainsFunc(f.Addresses, func(own netip.Prefix) bool { return own.Addr() == a })
}

// Delays are the configured delays of a walk's links, in its direction.
func (p *Plan) Delays(w Walk) (ds []time.Duration) {
	for i, link := range w.Links {
		ds = append(ds, p.Links[link].Toward[w.To[i]].Delay)
	}
	return ds
}

// Source is the address that a node's packets to another have: its own on the
// interface that the route leads to, or invalid without a route.
func (p *Plan) Source(node int, to netip.Addr) netip.Addr {
	r, ok := p.Lookup(node, to)
	if !ok || r.Kind != Unicast {
		return netip.Addr{}
	}
	return firstOf(p.Nodes[node].Interfaces[r.Interface].Addresses, to.Is4())
}
