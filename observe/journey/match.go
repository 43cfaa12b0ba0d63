package journey

import (
	"net/netip"
	"slices"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// endpoints are the two ends that a packet names. ICMP has no ports.
type endpoints struct{ src, dst netip.AddrPort }

func (e endpoints) reverse() endpoints { return endpoints{e.dst, e.src} }

func endpointsOf(p *observe.Packet) endpoints {
	var sport, dport uint16
	switch {
	case p.TCP != nil:
		sport, dport = p.TCP.SrcPort, p.TCP.DstPort
	case p.UDP != nil:
		sport, dport = p.UDP.SrcPort, p.UDP.DstPort
	}
	return endpoints{netip.AddrPortFrom(p.Src, sport), netip.AddrPortFrom(p.Dst, dport)}
}

// constant is what routers and NATs leave alone.
type constant struct {
	proto        uint8
	id           uint16
	length       int
	seq, ack     uint32
	flags        topo.TCPFlags
	window       uint16
	tsval, tsecr uint32
	// kind and code are ICMP's, quoted the sequence number in what it quotes.
	kind, code uint8
	quoted     uint32
}

func constantOf(p *observe.Packet) constant {
	c := constant{proto: p.Proto, id: p.ID, length: p.Length}
	if t := p.TCP; t != nil {
		c.seq, c.ack, c.flags, c.window, c.tsval, c.tsecr = t.Seq, t.Ack, t.Flags, t.Window, t.TSVal, t.TSEcr
	}
	if i := p.ICMP; i != nil {
		c.kind, c.code = i.Type, i.Code
		if i.Quoted != nil && i.Quoted.TCP != nil {
			c.quoted = i.Quoted.TCP.Seq
		}
	}
	return c
}

// linkKey finds a packet on a link, where nothing of it changes.
type linkKey struct {
	link int
	to   netem.Side
	ttl  uint8
	endpoints
	constant
}

func keyOnLink(link int, to netem.Side, p *observe.Packet) linkKey {
	return linkKey{link, to, p.TTL, endpointsOf(p), constantOf(p)}
}

// nodeKey finds a packet that a node may forward.
type nodeKey struct {
	node int
	ttl  uint8
	constant
}

// keyAtNode leaves out what the node's rules may change on the way.
func (t *tracer) keyAtNode(node int, p *observe.Packet) nodeKey {
	k := nodeKey{node, p.TTL, constantOf(p)}
	firewall := t.plan.Topology.Nodes[node].Firewall
	if p.Src.Is4() && t.proxies(node) {
		k.seq, k.ack, k.tsval, k.tsecr = 0, 0, 0, 0
	}
	if t.hasRuleset(node) || slices.ContainsFunc(firewall, func(r topo.Rule) bool { return slices.Contains(r.Options, topo.OptionTimestamps) }) {
		k.tsval, k.tsecr = 0, 0
	}
	return k
}

// forwarded takes the copy out of a node's that leaves it again as s, or nil if
// the node itself is the sender. Of several the one that arrived last is taken:
// a router is done with a packet before the sender repeats it.
func (t *tracer) forwarded(node int, s observe.Sighting) *replica {
	if t.plan.Nodes[node].Role != topo.Router || s.Packet.TTL == 255 {
		return nil
	}
	k := t.keyAtNode(node, s.Packet)
	k.ttl++
	held, nat := t.atNode[k], t.plan.Topology.Nodes[node].NAT != nil || t.hasRuleset(node)
	best, most := -1, 0
	out := endpointsOf(s.Packet)
	for i, c := range held {
		if score := likeness(endpointsOf(c.last.Packet), out); score >= most && (nat || score == alike) {
			best, most = i, score
		}
	}
	if best < 0 {
		return nil
	}
	c := held[best]
	t.atNode[k] = slices.Delete(held, best, best+1)
	return c
}

const alike = 10

// likeness tells how much of the ends is the same, alike for all.
func likeness(a, b endpoints) (score int) {
	for _, same := range []struct {
		ok     bool
		weight int
	}{
		{a.src.Addr() == b.src.Addr(), 3}, {a.dst.Addr() == b.dst.Addr(), 3},
		{a.src.Port() == b.src.Port(), 2}, {a.dst.Port() == b.dst.Port(), 2},
	} {
		if same.ok {
			score += same.weight
		}
	}
	return score
}

// mappingKey are a packet's ends as it comes to a NAT.
type mappingKey struct {
	node  int
	proto uint8
	endpoints
}

// learn notes how a NAT translated a packet, and thereby how it translates the
// answers.
func (t *tracer) learn(node int, in, out *observe.Packet) {
	before, after := endpointsOf(in), endpointsOf(out)
	if before == after {
		return
	}
	t.mappings[mappingKey{node, in.Proto, before}] = after
	t.mappings[mappingKey{node, in.Proto, after.reverse()}] = before.reverse()
}

// translated is a packet as a node's firewall and routing see it after the
// destination translation, and whether that differs from how it came.
func (t *tracer) translated(node int, s observe.Sighting) (*observe.Packet, bool) {
	p := s.Packet
	e := endpointsOf(p)
	after, ok := t.mappings[mappingKey{node, p.Proto, e}]
	if !ok {
		after, ok = t.portForward(node, s)
	}
	if !ok || after.dst == e.dst {
		return p, false
	}
	q := *p
	q.Dst = after.dst.Addr()
	switch {
	case p.TCP != nil:
		h := *p.TCP
		h.DstPort, q.TCP = after.dst.Port(), &h
	case p.UDP != nil:
		h := *p.UDP
		h.DstPort, q.UDP = after.dst.Port(), &h
	}
	return &q, true
}

// neighbour is the node at the other end of a sighting's link.
func (t *tracer) neighbour(s observe.Sighting) string {
	return t.plan.Topology.Links[s.Link].Ends[s.Side.Other()]
}

// owns tells whether an address is one of the node's, or one that every node
// listens to.
func (t *tracer) owns(node int, a netip.Addr) bool {
	if a.IsMulticast() || a.IsLinkLocalUnicast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	for _, f := range t.plan.Nodes[node].Interfaces {
		if slices.ContainsFunc(f.Addresses, func(own netip.Prefix) bool { return own.Addr() == a }) {
			return true
		}
	}
	return false
}
