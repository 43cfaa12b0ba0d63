package topo

import (
	"fmt"
	"net/netip"
	"slices"

	"testbed/netem"
)

// routeTable collects a node's routes; the first for a prefix wins.
type routeTable struct {
	plan   *Plan
	node   *PlanNode
	routes []PlanRoute
	seen   map[netip.Prefix]bool
}

func (t *routeTable) add(r PlanRoute) {
	if !t.seen[r.To] {
		t.seen[r.To] = true
		t.routes = append(t.routes, r)
	}
}

// via adds a route through the neighbour at an interface, if it has an address
// of that family.
func (t *routeTable) via(to netip.Prefix, out int) {
	f := &t.node.Interfaces[out]
	if via := firstOf(t.plan.Usable(t.plan.Interface(f.Link, f.Side.Other())), to.Addr().Is4()); via.IsValid() {
		t.add(PlanRoute{To: to, Kind: Unicast, Interface: out, Via: via})
	}
}

// planRoutes fills a node's routing table: what it writes out, its connected
// prefixes, a default route for a host behind one router, and the shortest path
// to every other prefix that no NAT hides.
func (p *Plan) planRoutes(n int, inside []nodeSet) error {
	t := &routeTable{plan: p, node: &p.Nodes[n], seen: map[netip.Prefix]bool{}}
	for _, r := range p.Topology.Nodes[n].Routes {
		if err := t.written(r); err != nil {
			return fmt.Errorf("node %s: route to %s: %w", t.node.Name, r.Destination(), err)
		}
	}
	for i := range t.node.Interfaces {
		f := &t.node.Interfaces[i]
		for _, a := range p.Usable(f) {
			t.add(PlanRoute{To: a.Masked(), Kind: Unicast, Interface: i})
		}
		// A prefix of one address does not hold the neighbour's.
		for _, a := range p.Usable(p.Interface(f.Link, f.Side.Other())) {
			if a.IsSingleIP() {
				t.add(PlanRoute{To: a, Kind: Unicast, Interface: i})
			}
		}
	}
	if p.behindOneRouter(n) {
		t.via(netip.PrefixFrom(netip.IPv4Unspecified(), 0), 0)
		t.via(netip.PrefixFrom(netip.IPv6Unspecified(), 0), 0)
	} else {
		t.shortest(n, inside)
	}
	t.node.Routes = t.routes
	return nil
}

// Destination is what a route leads to: a prefix, or a node's name.
func (r *Route) Destination() string {
	if r.ToNode != "" {
		return r.ToNode
	}
	return r.To.String()
}

// written adds a route of the topology, or one for each address of the node that
// it leads to.
func (t *routeTable) written(r Route) error {
	out := slices.IndexFunc(t.node.Interfaces, func(f Interface) bool { return f.Peer == r.Via })
	if r.Kind == Unicast && out < 0 {
		return fmt.Errorf("no link to %q", r.Via)
	}
	to, err := t.destinations(r)
	for _, prefix := range to {
		switch {
		case r.Kind != Unicast:
			t.add(PlanRoute{To: prefix, Kind: r.Kind, Interface: -1})
		case t.isNeighbours(prefix, out):
			t.add(PlanRoute{To: prefix, Kind: Unicast, Interface: out})
		default:
			t.via(prefix, out)
		}
	}
	return err
}

// destinations are the prefixes that a route leads to.
func (t *routeTable) destinations(r Route) (all []netip.Prefix, err error) {
	if r.ToNode == "" {
		return []netip.Prefix{r.To.Masked()}, nil
	}
	n := t.plan.Topology.NodeIndex(r.ToNode)
	if n < 0 {
		return nil, fmt.Errorf("no node %q", r.ToNode)
	}
	for i := range t.plan.Nodes[n].Interfaces {
		for _, a := range t.plan.Usable(&t.plan.Nodes[n].Interfaces[i]) {
			all = append(all, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
		}
	}
	return all, nil
}

// isNeighbours tells whether a prefix is an address at the other end of an
// interface's link, to which no gateway leads.
func (t *routeTable) isNeighbours(p netip.Prefix, out int) bool {
	f := &t.node.Interfaces[out]
	return p.IsSingleIP() && hasAddress(t.plan.Interface(f.Link, f.Side.Other()), p.Addr())
}

// behindOneRouter tells whether a node is a host whose only neighbour is a
// router.
func (p *Plan) behindOneRouter(n int) bool {
	e := p.graph.edges[n]
	return !p.graph.router[n] && len(e) == 1 && p.graph.router[e[0].node]
}

// shortest adds the shortest path to each link's prefixes, through the router at
// its nearer end.
func (t *routeTable) shortest(n int, inside []nodeSet) {
	p, reach := t.plan, t.plan.graph.reach(n)
	for link := range p.Links {
		a, b := p.graph.index[p.Topology.Links[link].Ends[0]], p.graph.index[p.Topology.Links[link].Ends[1]]
		hidden := slices.ContainsFunc(inside, func(s nodeSet) bool { return s[a] && s[b] && !s[n] })
		if hidden || reach[a].dist == 0 || reach[b].dist == 0 {
			continue
		}
		near := hop{dist: -1}
		for _, end := range []int{a, b} {
			if h := reach[end]; p.graph.router[end] && h.dist > 0 && (near.dist < 0 || h.dist < near.dist) {
				near = h
			}
		}
		if near.dist < 0 {
			continue
		}
		out := slices.IndexFunc(t.node.Interfaces, func(f Interface) bool { return f.Link == near.first })
		for _, side := range []netem.Side{0, 1} {
			for _, addr := range p.Usable(p.Interface(link, side)) {
				t.via(addr.Masked(), out)
			}
		}
	}
}

// firstOf is the first address of a family, or the zero Addr.
func firstOf(prefixes []netip.Prefix, v4 bool) netip.Addr {
	for _, a := range prefixes {
		if a.Addr().Is4() == v4 {
			return a.Addr()
		}
	}
	return netip.Addr{}
}
