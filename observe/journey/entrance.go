package journey

import (
	"testbed/observe"
	"testbed/topo"
)

// tableFull is the rule that stands for a full table of flows, as topo/nft counts
// it.
const tableFull = "conntrack:full"

// atEntrance is why a node drops a packet before its rules or its routing see it.
func (t *tracer) atEntrance(c *replica) (observe.Drop, bool) {
	d := observe.Drop{Node: t.plan.Nodes[c.node].Name}
	switch {
	case t.takeRoom(c):
		d.Cause = observe.ByFullTable
	case t.plan.FiltersSource(c.node, t.plan.Topology.Links[c.last.Link].Ends[c.last.Side.Other()], c.last.Packet.Src):
		d.Cause = observe.ByRPFilter
	default:
		return d, false
	}
	return d, true
}

// takeRoom uses up one match of the rule that stands for a full table, if a packet
// may begin a flow and nothing follows from it.
func (t *tracer) takeRoom(c *replica) bool {
	k := ruleKey{c.node, tableFull}
	p := c.last.Packet
	if t.counts[k] == 0 || p.TCP != nil && p.TCP.Flags&(topo.SYN|topo.ACK|topo.RST) != topo.SYN || p.ICMP != nil && !isEcho(p) {
		return false
	}
	if t.owns(c.node, p.Dst) && t.answered(c) {
		return false
	}
	t.counts[k]--
	return true
}

// isEcho tells whether an ICMP or ICMPv6 message asks for an echo, and so begins a
// flow.
func isEcho(p *observe.Packet) bool { return p.ICMP.Type == 8 || p.ICMP.Type == 128 }

// answered tells whether a SYN's receiver has answered it.
func (t *tracer) answered(c *replica) bool {
	p := c.last.Packet
	if p.TCP == nil {
		return false
	}
	want := endpointsOf(p).reverse()
	for _, tr := range t.travels {
		q := tr.Packet()
		if q.TCP != nil && tr.origin == c.node && endpointsOf(q) == want && q.TCP.Flags&topo.ACK != 0 && q.TCP.Ack == p.TCP.Seq+1 && !tr.SentAt().Before(c.last.Time) {
			return true
		}
	}
	return false
}
