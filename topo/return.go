package topo

import (
	"net/netip"
	"slices"
)

// Return is the way that answers take from the end of a walk back to the address
// that it began with, through the NATs that translated it. Where the routing
// tables lead answers elsewhere, it is the same way back.
func (p *Plan) Return(w Walk, source netip.Addr) Walk {
	back := Walk{Nodes: []int{w.Nodes[len(w.Nodes)-1]}}
	for _, to := range p.sources(w, source) {
		at := back.Nodes[len(back.Nodes)-1]
		leg := p.Walk(at, netip.AddrPortFrom(to, 0))
		if !leg.Arrived {
			return w.reverse()
		}
		back.Nodes = append(back.Nodes, leg.Nodes[1:]...)
		back.Links, back.To = append(back.Links, leg.Links...), append(back.To, leg.To...)
	}
	if back.Nodes[len(back.Nodes)-1] != w.Nodes[0] {
		return w.reverse()
	}
	back.Arrived = true
	return back
}

// sources are the source addresses that a packet had on a walk, the last first:
// each NAT that it leaves by its outside gives it another.
func (p *Plan) sources(w Walk, source netip.Addr) []netip.Addr {
	all := []netip.Addr{source}
	for i, link := range w.Links {
		nat := p.Topology.Nodes[w.Nodes[i]].NAT
		if nat == nil || i == 0 || p.Nodes[w.Nodes[i+1]].Name != nat.Outside {
			continue
		}
		f := p.Interface(link, w.To[i].Other())
		if own := firstOf(f.Addresses, source.Is4()); own.IsValid() {
			all = append(all, own)
		}
	}
	slices.Reverse(all)
	return all
}

// reverse is the walk backwards.
func (w Walk) reverse() Walk {
	r := Walk{Nodes: slices.Clone(w.Nodes), Links: slices.Clone(w.Links), Arrived: true}
	slices.Reverse(r.Nodes)
	slices.Reverse(r.Links)
	for i := range r.Links {
		r.To = append(r.To, w.To[len(w.To)-1-i].Other())
	}
	return r
}
