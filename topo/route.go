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
			return fmt.Errorf("node %s: route to %s: %w", t.node.Name, r.To, err)
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

// written adds a route of the topology.
func (t *routeTable) written(r Route) error {
	if r.Kind != Unicast {
		t.add(PlanRoute{To: r.To.Masked(), Kind: r.Kind, Interface: -1})
		return nil
	}
	out := slices.IndexFunc(t.node.Interfaces, func(f Interface) bool { return f.Peer == r.Via })
	if out < 0 {
		return fmt.Errorf("no link to %q", r.Via)
	}
	t.via(r.To.Masked(), out)
	return nil
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
