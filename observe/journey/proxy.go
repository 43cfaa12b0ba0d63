package journey

import (
	"slices"

	"testbed/observe"
	"testbed/topo"
)

// proxies tells whether a node stands in for servers as a synproxy, and so shifts
// sequence numbers and time stamps, of IPv4.
func (t *tracer) proxies(node int) bool {
	return slices.ContainsFunc(t.plan.Topology.Nodes[node].Firewall, func(r topo.Rule) bool { return r.Action == topo.Synproxy })
}

// takenBy tells which synproxy of a node took a segment that it did not send on:
// the SYN and the ACK of a client's handshake, and the SYN-ACK of the server to it.
// Others are nil.
func (t *tracer) takenBy(p passage, owner bool) *observe.Taken {
	h := p.packet.TCP
	if h == nil || owner || !p.packet.Src.Is4() || !t.proxies(p.node) {
		return nil
	}
	answer := h.Flags&(topo.SYN|topo.ACK) == topo.SYN|topo.ACK
	if answer {
		p = t.reversed(p)
	}
	for i := range t.plan.Topology.Nodes[p.node].Firewall {
		r := &t.plan.Topology.Nodes[p.node].Firewall[i]
		if r.Action != topo.Synproxy || !t.fits(r, p) {
			continue
		}
		k := ruleKey{p.node, r.Name}
		switch {
		case answer:
		case h.Flags&(topo.RST|topo.FIN) != 0 || t.counts[k] == 0:
			continue
		default:
			t.counts[k]--
		}
		return &observe.Taken{Node: t.plan.Nodes[p.node].Name, Rule: r.Name}
	}
	return nil
}

// reversed is the way of what a packet answers.
func (t *tracer) reversed(p passage) passage {
	q, h := *p.packet, *p.packet.TCP
	q.Src, q.Dst = q.Dst, q.Src
	h.SrcPort, h.DstPort = h.DstPort, h.SrcPort
	q.TCP = &h
	p.packet, p.in, p.out = &q, p.out, p.in
	return p
}
