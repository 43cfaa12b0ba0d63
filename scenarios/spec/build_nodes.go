package spec

import (
	"net/netip"
	"slices"
	"strings"

	"testbed/topo"
)

func (b *builder) node(n *topo.Node, raw *rawNode) {
	n.Listen = b.listeners(raw.Listen)
	n.Resolver = b.resolver(n, raw.Resolver)
	n.Stub = b.stub(raw.Asks)
	n.Firewall = b.firewall(n, raw.Firewall)
	n.Rulesets = topo.WithRulesets(nil, rulesets(raw.Nftables, raw.Iptables, raw.IP6tables))
	n.Flows = flows(raw.Conntrack)
	n.Sysctls = b.sysctls(&raw.Sysctls)
	n.Addresses = b.addresses(n, raw.Addresses)
	n.NAT = b.nat(n, raw.NAT)
	n.Routes = b.routes(n, raw.Routes)
}

func flows(raw *rawConntrack) uint32 {
	if raw == nil || raw.Max == nil {
		return 0
	}
	return uint32(raw.Max.V)
}

func (b *builder) listeners(raw []*rawListener) (ls []topo.Listener) {
	used := map[uint16]int{}
	for _, r := range raw {
		if r.Port == nil || r.Serve == nil {
			continue
		}
		if line, dup := used[r.Port.V]; dup {
			b.add(r.Port.mark, bad("port %d again: it has a listener on line %d", r.Port.V, line).want("one listener on each port"))
		}
		used[r.Port.V] = r.Port.line
		ls = append(ls, b.listener(r))
	}
	return ls
}

func (b *builder) listener(r *rawListener) topo.Listener {
	l := topo.Listener{Port: r.Port.V, Serve: r.Serve.V}
	if r.TLS != nil {
		l.TLS = r.TLS.V
		if l.Serve != topo.ServeHTTPS && l.Serve != topo.ServeTLS {
			b.add(r.TLS.mark, bad("tls is not for serve: %s", l.Serve).want("tls with serve: https or serve: tls"))
		}
	}
	if l.Serve == topo.ServeBanner {
		l.Banner = "220 ready"
	}
	if r.Banner != nil {
		l.Banner = strings.TrimRight(r.Banner.V, "\r\n")
		if l.Serve != topo.ServeBanner {
			b.add(r.Banner.mark, bad("banner is not for serve: %s", l.Serve).want("banner with serve: banner"))
		} else if strings.ContainsAny(l.Banner, "\r\n") {
			b.add(r.Banner.mark, bad("the banner has more than one line").want("one line"))
		}
	}
	if r.Backlog != nil {
		l.Backlog = r.Backlog.V
	}
	b.ends(&l, r)
	b.tickets(&l, r)
	return l
}

func (b *builder) sysctls(raw *entries[setting]) (all []topo.Sysctl) {
	seen := map[string]bool{}
	for _, e := range raw.list {
		name, optional := strings.CutSuffix(e.key, "?")
		switch {
		case len(name) > maxSysctl || !topo.IsNodeSysctl(name):
			c := bad("%s is no sysctl of a node", quote(e.key)).want("net.… names with dots, such as net.ipv4.tcp_syn_retries: a node has no others of its own")
			if fixed := strings.ReplaceAll(name, "/", "."); fixed != name && topo.IsNodeSysctl(fixed) {
				c.near(fixed)
			}
			b.add(e.at, c)
		case seen[name]:
			b.add(e.at, bad("the sysctl %s again", name).want("each sysctl once, with ? or without"))
		}
		seen[name] = true
		if e.value != nil {
			all = append(all, topo.Sysctl{Name: name, Value: e.value.V, Optional: optional})
		}
	}
	return all
}

// maxSysctl bounds the name of a kernel parameter, in bytes.
const maxSysctl = 200

func (b *builder) addresses(n *topo.Node, raw *rawAddresses) (all []topo.Address) {
	if raw == nil {
		return nil
	}
	if raw.list != nil {
		around := b.neighbours(n.Name)
		if len(around) != 1 {
			if b.linked {
				c := bad("a list of addresses on %q, which has %d links", n.Name, len(around))
				b.add(raw.mark, c.want("a map from neighbour to addresses, such as {"+example(around)+": 192.0.2.1/24}"))
			}
			return nil
		}
		return towardAll(around[0], raw.list)
	}
	for _, e := range raw.byNeighbour.list {
		r := &ref{value[string]{mark: e.at, V: e.key}}
		if b.neighbour("addresses", n.Name, r) && e.value != nil {
			all = append(all, towardAll(e.key, e.value.list)...)
		}
	}
	return all
}

func example(names []string) string {
	if len(names) == 0 {
		return "neighbour"
	}
	return names[0]
}

func towardAll(neighbour string, list []*prefix) (all []topo.Address) {
	for _, p := range list {
		all = append(all, topo.Address{Toward: neighbour, Prefix: p.V})
	}
	return all
}

// uniqueAddresses notes addresses that are written out twice.
func (b *builder) uniqueAddresses(raw *rawScenario) {
	first := map[netip.Addr]int{}
	check := func(list []*prefix) {
		for _, p := range list {
			if line, dup := first[p.V.Addr()]; dup {
				b.add(p.mark, bad("the address %s again: it is already on line %d", p.V.Addr(), line).want("each address once in the network"))
			}
			first[p.V.Addr()] = p.line
		}
	}
	for _, e := range raw.Nodes.list {
		if e.value == nil || e.value.Addresses == nil {
			continue
		}
		check(e.value.Addresses.list)
		for _, n := range e.value.Addresses.byNeighbour.list {
			if n.value != nil {
				check(n.value.list)
			}
		}
	}
}

func (b *builder) routes(n *topo.Node, raw []*rawRoute) (all []topo.Route) {
	used, named := map[netip.Prefix]bool{}, map[string]bool{}
	for _, r := range raw {
		if r.To == nil || r.Via == nil {
			continue
		}
		to, c := b.destination(n, r.To)
		if c != nil {
			c.message = "to: " + c.message
			b.add(r.To.mark, c)
		}
		route := topo.Route{Kind: topo.RouteKind(r.Via.V)}
		if !slices.Contains([]topo.RouteKind{topo.Blackhole, topo.Unreachable, topo.Prohibit}, route.Kind) {
			route.Kind, route.Via = topo.Unicast, r.Via.V
			b.via(n, r.Via)
		}
		if slices.Contains(b.names, r.To.V) {
			if named[r.To.V] {
				b.add(r.To.mark, bad("a second route to %s", r.To.V).want("one route to each node"))
			}
			named[r.To.V], route.ToNode = true, r.To.V
			all = append(all, route)
		}
		for _, route.To = range to {
			if used[route.To] {
				b.add(r.To.mark, bad("a second route to %s", route.To).want("one route to each prefix"))
			}
			used[route.To] = true
			all = append(all, route)
		}
	}
	return all
}

// via notes that a route leads to no neighbour.
func (b *builder) via(n *topo.Node, r *ref) {
	if slices.Contains(b.names, r.V) {
		b.adjacent("via", n.Name, r.V, r.mark)
		return
	}
	around := append(b.neighbours(n.Name), string(topo.Blackhole), string(topo.Unreachable), string(topo.Prohibit))
	if len(b.names) > 0 {
		b.add(r.mark, bad("via: %s is neither a node nor a kind of route", quote(r.V)).want(join(around)).near(nearest(r.V, around)))
	}
}

// destination are the prefixes that a route's to means; none for a node's name.
func (b *builder) destination(n *topo.Node, r *ref) ([]netip.Prefix, *complaint) {
	if r.V == "default" {
		return defaultRoutes, nil
	}
	const valid = "a node's name, a prefix such as 192.0.2.0/24, an address, or default"
	switch {
	case r.V == n.Name:
		return nil, bad("%s itself needs no route to itself", r.V).want(valid)
	case slices.Contains(b.names, r.V):
		return nil, nil
	}
	p, c := parseNetwork(r.V)
	if c != nil {
		if c.nearest == "" {
			c.near(nearest(r.V, append(slices.Clone(b.names), "default")))
		}
		return nil, c.want(valid)
	}
	return []netip.Prefix{p}, nil
}
