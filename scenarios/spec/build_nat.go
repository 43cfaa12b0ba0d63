package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"testbed/topo"
)

func (b *builder) nat(n *topo.Node, raw *rawNAT) *topo.NAT {
	if raw == nil {
		return nil
	}
	if n.Role != topo.Router {
		b.add(raw.mark, bad("nat on %q, which is no router", n.Name).want("nat with role: router"))
	}
	nat := &topo.NAT{}
	if b.neighbour("outside", n.Name, raw.Outside) {
		nat.Outside = raw.Outside.V
	}
	b.translation(n, nat, &raw.rawTranslation)
	return nat
}

// setNAT is the NAT of a node from now on. Where its outside is cannot change,
// because addresses follow from it.
func (b *builder) setNAT(n *topo.Node, raw *rawSetNAT) *topo.NAT {
	if n.NAT == nil {
		b.add(raw.mark, bad("nat: %q has none from the beginning", n.Name).want("a nat of the node, for a set to change"))
		return nil
	}
	if raw.Outside != nil && raw.Outside.V != n.NAT.Outside && n.NAT.Outside != "" {
		b.add(raw.Outside.mark, bad("outside: a set can't move it from %q to %s", n.NAT.Outside, quote(raw.Outside.V)).want("no outside, or "+n.NAT.Outside))
	}
	nat := &topo.NAT{Outside: n.NAT.Outside}
	b.translation(n, nat, &raw.rawTranslation)
	return nat
}

// translation reads what a NAT does. One key of a NAT by RFC 4787 makes it one.
func (b *builder) translation(n *topo.Node, nat *topo.NAT, raw *rawTranslation) {
	if raw.Mapping != nil || raw.Filtering != nil || raw.Ports != nil || raw.Hairpin != nil {
		nat.Mapping, nat.Filtering, nat.Ports = topo.EndpointIndependent, topo.AddressAndPortDependent, topo.DefaultPorts
	}
	if raw.Mapping != nil {
		nat.Mapping = raw.Mapping.V
	}
	if raw.Filtering != nil {
		nat.Filtering = raw.Filtering.V
	}
	if p := raw.Ports; p != nil && p.Range != nil {
		nat.Ports = topo.PortPool{PortRange: p.Range.V, Shuffle: p.Preserve != nil && !p.Preserve.V}
	}
	nat.Hairpin = raw.Hairpin != nil && raw.Hairpin.V
	nat.Forward = b.forwards(n, nat, raw.Forward)
	nat.Static = b.statics(n, nat, raw.Static)
	nat.Timeouts = b.natTimeouts(&raw.Timeouts)
}

func (b *builder) forwards(n *topo.Node, nat *topo.NAT, raw []*rawForward) (all []topo.PortForward) {
	used := map[uint16]bool{}
	for _, f := range raw {
		if f.Port == nil || f.To == nil {
			continue
		}
		if used[f.Port.V] {
			b.add(f.Port.mark, bad("port %d is forwarded already", f.Port.V).want("one forwarding of each port"))
		}
		used[f.Port.V] = true
		p := topo.PortForward{Port: f.Port.V, Node: f.To.V.Host, ToPort: f.To.V.Port}
		b.inside(n, nat, &ref{value[string]{mark: f.To.mark, V: p.Node}})
		if p.ToPort == 0 {
			p.ToPort = p.Port
		}
		all = append(all, p)
	}
	return all
}

// inside notes that a node is not on the inside of a NAT.
func (b *builder) inside(n *topo.Node, nat *topo.NAT, to *ref) {
	if !b.known("to", to) || !b.linked || nat.Outside == "" {
		return
	}
	if within := b.behind(n.Name, nat.Outside); !slices.Contains(within, to.V) {
		b.add(to.mark, bad("to: %q is not inside the nat", to.V).want(several("the nodes inside", within)).near(nearest(to.V, within)))
	}
}

// behind are the nodes that a NAT has on its inside: those it reaches otherwise than
// by its outside neighbour.
func (b *builder) behind(router, outside string) (within []string) {
	seen := map[string]bool{router: true, outside: true}
	for todo := []string{router}; len(todo) > 0; todo = todo[1:] {
		for _, next := range b.neighbours(todo[0]) {
			if !seen[next] {
				seen[next] = true
				within, todo = append(within, next), append(todo, next)
			}
		}
	}
	slices.Sort(within)
	return within
}

func (b *builder) statics(n *topo.Node, nat *topo.NAT, raw []*rawStatic) (all []topo.StaticNAT) {
	for _, r := range raw {
		if r.Address == nil || r.To == nil {
			continue
		}
		s := topo.StaticNAT{Node: r.To.V, Address: r.Address.V}
		b.inside(n, nat, r.To)
		if _, twice := nat.StaticFor(s.Address); twice || slices.ContainsFunc(all, func(o topo.StaticNAT) bool { return o.Address == s.Address }) {
			b.add(r.Address.mark, bad("address: %s is translated already", s.Address).want("one static translation of each address"))
		}
		if slices.ContainsFunc(all, func(o topo.StaticNAT) bool { return o.Node == s.Node && o.Address.Is4() == s.Address.Is4() }) {
			b.add(r.To.mark, bad("to: %q has an address already", s.Node).want("one address of each family for a node"))
		}
		b.spare(n, nat, r.Address)
		all = append(all, s)
	}
	return all
}

// spare notes that an address is not one that the node has for a static
// translation.
func (b *builder) spare(n *topo.Node, nat *topo.NAT, a *address) {
	var spares []string
	first := map[bool]bool{}
	for _, own := range n.Addresses {
		if ip := own.Prefix.Addr(); own.Toward == nat.Outside {
			if first[ip.Is4()] {
				spares = append(spares, ip.String())
			}
			first[ip.Is4()] = true
		}
	}
	if slices.Contains(spares, a.V.String()) || nat.Outside == "" {
		return
	}
	c := bad("address: %s is not a second address of %q toward %q", a.V, n.Name, nat.Outside)
	if len(spares) > 0 {
		b.add(a.mark, c.want(strings.Join(spares, ", ")).near(nearest(a.V.String(), spares)))
		return
	}
	b.add(a.mark, c.want(fmt.Sprintf("addresses: {%s: [198.51.100.1/24, %s]} of the node, the NAT's own first", nat.Outside, netip.PrefixFrom(a.V, a.V.BitLen()*3/4))))
}

func (b *builder) natTimeouts(raw *entries[seconds]) (all map[string]time.Duration) {
	for _, e := range raw.list {
		if _, ok := topo.NATTimeouts[e.key]; !ok {
			keys := sortedKeys(topo.NATTimeouts)
			b.add(e.at, bad("no timeout is named %s", quote(e.key)).want(join(keys)).near(nearest(e.key, keys)))
		} else if e.value != nil {
			if all == nil {
				all = map[string]time.Duration{}
			}
			all[e.key] = e.value.V
		}
	}
	return all
}

// natText is a NAT as a person would say it.
func natText(n *topo.NAT) string {
	if n.Mapping == "" {
		return "NAT as Linux does it"
	}
	text := fmt.Sprintf("NAT with %s mapping and %s filtering", n.Mapping, n.Filtering)
	if n.Ports.PortRange != topo.DefaultPorts.PortRange {
		text += fmt.Sprintf(", %s", plural(n.Ports.Size(), "port"))
	}
	if n.Hairpin {
		text += ", hairpinning"
	}
	return text
}
