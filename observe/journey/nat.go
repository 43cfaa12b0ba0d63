package journey

import (
	"testbed/observe"
	"testbed/topo"
)

// A NAT's own rules, by name, as topo/nft counts them.
const (
	natUntranslated = "nat:untranslated"
	natUnsolicited  = "nat:unsolicited"
	natFiltered     = "nat:filtered"
	natExhausted    = "nat:exhausted"
)

var natCauses = map[string]observe.Cause{
	natUntranslated: observe.ByNAT,
	natUnsolicited:  observe.ByFiltering,
	natFiltered:     observe.ByFiltering,
	natExhausted:    observe.ByExhaustion,
}

// takeNAT uses up one match of the first of a NAT's own rules that has one left.
func (t *tracer) takeNAT(node int, names ...string) (observe.Drop, bool) {
	for _, name := range names {
		if k := (ruleKey{node, name}); t.counts[k] > 0 {
			t.counts[k]--
			return observe.Drop{Node: t.plan.Nodes[node].Name, Cause: natCauses[name], Rule: name}, true
		}
	}
	return observe.Drop{}, false
}

// beginsFlow tells whether a packet may begin a flow: conntrack takes up no
// connection in its middle.
func beginsFlow(p *observe.Packet) bool {
	return p.TCP == nil || p.TCP.Flags&(topo.SYN|topo.ACK) == topo.SYN
}

// untranslatable is the drop of what a NAT's own rules did not let through: from
// the outside what nobody asked for, from the inside what belongs to no flow or would
// begin one without a port.
func (t *tracer) untranslatable(p passage) (observe.Drop, bool) {
	nat := t.plan.Topology.Nodes[p.node].NAT
	switch {
	case nat == nil:
		return observe.Drop{}, false
	case p.in == nat.Outside:
		return t.takeNAT(p.node, natFiltered, natUnsolicited)
	case beginsFlow(p.packet):
		return t.takeNAT(p.node, natExhausted, natUntranslated)
	}
	return t.takeNAT(p.node, natUntranslated)
}

// refusedByNAT is the drop of what came for a NAT's own address and was for
// nobody inside. owner is true where it is the node's address.
func (t *tracer) refusedByNAT(c *replica, owner bool) (observe.Drop, bool) {
	nat, p := t.plan.Topology.Nodes[c.node].NAT, c.last.Packet
	if nat == nil || nat.Mapping == "" || !owner || p.TCP == nil && p.UDP == nil {
		return observe.Drop{}, false
	}
	var names []string
	if beginsFlow(p) {
		names = append(names, natFiltered)
	}
	switch {
	case t.neighbour(c.last) == nat.Outside:
		names = append(names, natUnsolicited)
	case beginsFlow(p):
		names = append(names, natExhausted)
	}
	return t.takeNAT(c.node, names...)
}

// portForward applies a NAT's port forwarding, and static translation, to what
// comes for one of its addresses.
func (t *tracer) portForward(node int, s observe.Sighting) (endpoints, bool) {
	nat, e := t.plan.Topology.Nodes[node].NAT, endpointsOf(s.Packet)
	if nat == nil || t.neighbour(s) != nat.Outside && !nat.Hairpin || !t.owns(node, s.Packet.Dst) {
		return e, false
	}
	to := t.plan.Forwarded(node, e.dst)
	return endpoints{e.src, to}, to.Addr().IsValid()
}
