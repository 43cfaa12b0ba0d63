package spec

import (
	"fmt"
	"reflect"
	"strings"

	"testbed/topo"
)

// set folds a change into the state of the network as the steps before left
// it.
func (b *builder) set(raw *rawSet) *Set {
	s := &Set{Link: -1}
	switch {
	case raw == nil:
		b.unsure = true
	case raw.link != nil:
		b.setLink(s, raw.link)
	case raw.node != nil:
		b.setNode(s, raw.node)
	}
	return s
}

func (b *builder) setLink(s *Set, r *rawSetLink) {
	if r.rawImpairment == (rawImpairment{}) && r.Toward.line == 0 && !r.partial {
		b.add(r.mark, bad("a set that changes nothing").want("one of "+strings.Join(b.keys(reflect.TypeFor[rawSetLink]())[1:], ", ")))
	}
	b.unsure = b.unsure || r.partial
	if r.Link == nil || !b.knownPair("link", r.Link) {
		b.unsure = true
		return
	}
	ends := r.Link.names()
	i := b.sc.Topology.LinkIndex(ends[0], ends[1])
	if i < 0 {
		b.unsure = true
		if b.linked {
			b.add(r.Link.mark, bad("no link joins %q and %q", ends[0], ends[1]).want(several("the neighbours of "+ends[0], b.neighbours(ends[0]))))
		}
		return
	}
	l := &b.links[i]
	b.vague[l.Ends] = b.vague[l.Ends] || r.partial
	b.impair(l, &r.rawImpairment, &r.Toward)
	s.Link, s.Toward, s.MTU, s.Down = i, l.Toward, l.MTU, l.Down
	s.Text = linkText(ends, r)
}

func (b *builder) setNode(s *Set, r *rawSetNode) {
	if r.Listen == nil && r.Resolver == nil && r.Firewall == nil && r.Sysctls == nil && r.Routes == nil && r.Conntrack == nil && r.NAT == nil && r.Flush == nil && r.Nftables == nil && r.Iptables == nil && r.IP6tables == nil && !r.partial {
		b.add(r.mark, bad("a set that changes nothing").want("one of listen, resolver, firewall, nftables, iptables, ip6tables, conntrack, nat, flush, sysctls, routes"))
	}
	if !b.known("node", r.Node) {
		return
	}
	s.Node = r.Node.V
	n := b.sc.Topology.Nodes[b.sc.Topology.NodeIndex(s.Node)]
	var changes []string
	if r.Listen != nil {
		listeners := nonNil(b.listeners(*r.Listen))
		s.Listen = &listeners
		changes = append(changes, listenText(listeners))
	}
	if r.Firewall != nil {
		rules := nonNil(b.firewall(&n, *r.Firewall))
		s.Firewall = &rules
		changes = append(changes, fmt.Sprintf("firewall with %s", plural(len(rules), "rule")))
	}
	if s.Rulesets = rulesets(r.Nftables, r.Iptables, r.IP6tables); s.Rulesets != nil {
		for _, x := range s.Rulesets {
			changes = append(changes, rulesetText(x))
		}
	}
	if most := flows(r.Conntrack); most > 0 {
		s.Flows = &most
		changes = append(changes, fmt.Sprintf("room for %s", plural(int(most), "flow")))
	}
	if r.Resolver != nil {
		s.Resolver = b.resolver(&n, r.Resolver)
		b.learn(s.Node, r.Resolver.partial, s.Resolver)
		changes = append(changes, fmt.Sprintf("resolver with %s", plural(len(s.Resolver.Records), "record")))
	}
	changes = append(changes, b.setTranslation(s, &n, r)...)
	if r.Sysctls != nil {
		sysctls := nonNil(b.sysctls(r.Sysctls))
		s.Sysctls = &sysctls
		for _, x := range sysctls {
			changes = append(changes, x.Name+" = "+x.Value)
		}
	}
	if r.Routes != nil {
		routes := nonNil(b.routes(&n, *r.Routes))
		s.Routes = &routes
		changes = append(changes, plural(len(routes), "route"))
	}
	s.Text = fmt.Sprintf("node %s: %s", s.Node, strings.Join(changes, ", "))
}

func rulesetText(r topo.Ruleset) string {
	if r.Text == "" {
		return "no ruleset of " + string(r.Tool)
	}
	return "another ruleset of " + string(r.Tool)
}

// setTranslation changes or flushes a node's NAT.
func (b *builder) setTranslation(s *Set, n *topo.Node, r *rawSetNode) (changes []string) {
	if r.NAT != nil {
		if s.NAT = b.setNAT(n, r.NAT); s.NAT != nil {
			changes = append(changes, natText(s.NAT))
		}
	}
	if r.Flush != nil {
		if s.FlushNAT = true; n.NAT == nil {
			b.add(r.Flush.mark, bad("flush: %q has no nat", n.Name).want("a node with nat"))
		}
		changes = append(changes, "the NAT forgets all")
	}
	return changes
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func listenText(listeners []topo.Listener) string {
	if len(listeners) == 0 {
		return "listens no more"
	}
	var parts []string
	for _, l := range listeners {
		parts = append(parts, fmt.Sprintf("%s on %d", l.Serve, l.Port))
	}
	return "listens: " + strings.Join(parts, ", ")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
