package journey

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/decode"
	"testbed/topo"
)

const (
	// late is how long after its due time a frame is still taken to be on its
	// way: the medium may be behind.
	late = time.Second
	// transit is how long a packet is taken to be on its way through a node.
	transit = 10 * time.Millisecond
)

// solicitation is a node that asked, on a link, who has an address.
type solicitation struct {
	node, link int
	addr       netip.Addr
	at         time.Time
}

// decide gives every copy its fate, in order of the last sightings, and every
// journey that of the copy that got furthest.
func (t *tracer) decide() {
	var all, arrived []*replica
	var held []*heldAt
	for _, tr := range t.travels {
		all = append(all, tr.copies...)
	}
	slices.SortStableFunc(all, func(a, b *replica) int { return a.last.Time.Compare(b.last.Time) })
	for _, c := range all {
		switch {
		case c.fate != observe.Fate{}: // a link dropped it
		case c.node < 0:
			c.fate = t.onItsWay(c)
		case c.damage.is(decode.BadNetwork):
			c.fate = c.damage.fate
		default:
			var h *heldAt
			if c.fate, h = t.inNode(c); h != nil {
				held = append(held, h)
			}
		}
	}
	t.blame(held)
	for _, h := range held {
		h.copy.fate = t.pastRules(h)
	}
	for _, c := range all {
		if c.fate.Delivered {
			arrived = append(arrived, c)
		}
	}
	t.filterInput(arrived)
	for _, c := range all {
		// Until now it was like any other to those that do not verify its checksum,
		// so that the rules which it matched are accounted for.
		if c.damage.is(decode.BadTransport) && c.node >= 0 && !c.fate.Pending {
			c.fate = c.damage.fate
		}
	}
	for _, tr := range t.travels {
		best := slices.MaxFunc(tr.copies, func(a, b *replica) int {
			return cmp.Or(cmp.Compare(rank(a.fate), rank(b.fate)), a.last.Time.Compare(b.last.Time))
		})
		tr.Fate = best.fate
	}
}

func rank(f observe.Fate) int {
	switch {
	case f.Delivered:
		return 2
	case f.Pending:
		return 1
	}
	return 0
}

// onItsWay is the fate of what a link took and neither delivered nor dropped.
func (t *tracer) onItsWay(c *replica) observe.Fate {
	l, to := t.plan.Links[c.last.Link], c.last.Side.Other()
	toward := l.Toward[to]
	counted := t.silent(way{c.last.Link, to})
	switch {
	case l.Down || toward.Down:
		return t.lostOnLink(c, observe.Cause(netem.LinkDown))
	case counted != nil && c.last.Time.Before(counted.AtRest):
	case c.ready.Add(toward.Delay + toward.MaxJitter() + late).After(t.in.Until):
		return observe.Fate{Pending: true}
	}
	return t.lostOnLink(c, swallowed(c.last.Packet, &toward, counted))
}

func (t *tracer) lostOnLink(c *replica, cause observe.Cause) observe.Fate {
	ends := t.plan.Topology.Links[c.last.Link].Ends
	bursts := t.plan.Links[c.last.Link].Toward[c.last.Side.Other()].Bursts
	if cause == observe.Cause(netem.Lost) && bursts != (netem.GilbertElliott{}) && bursts.LossGood == 0 {
		cause = observe.Burst
	}
	return observe.Fate{Drop: observe.Drop{Link: [2]string{ends[c.last.Side], ends[c.last.Side.Other()]}, Cause: cause}}
}

// heldAt is a packet that was to be forwarded and was not: by the node's rules, or
// its routing.
type heldAt struct {
	copy *replica
	passage
	// owner is true where it came for an address of the node. routed tells whether route is
	// where it was to go.
	owner, routed bool
	route         topo.PlanRoute
	// rules are those that may have ended it; none if none did.
	rules []*topo.Rule
}

// inNode is the fate of what was delivered to a node and not forwarded, as far as it
// is not up to the rules on the forward hook.
func (t *tracer) inNode(c *replica) (observe.Fate, *heldAt) {
	p, changed := t.translated(c.node, c.last)
	if d, ok := t.atEntrance(c); ok {
		return observe.Fate{Drop: d}, nil
	}
	owner := t.owns(c.node, c.last.Packet.Dst)
	if d, ok := t.refusedByNAT(c, owner); ok {
		return observe.Fate{Drop: d}, nil
	}
	if owner && (!changed || t.owns(c.node, p.Dst)) {
		return t.atOwner(c), nil
	}
	pass := passage{node: c.node, hook: topo.Forward, in: t.neighbour(c.last), packet: p}
	r, routed := t.plan.Lookup(c.node, p.Dst)
	if routed && r.Kind == topo.Unicast {
		pass.out = t.plan.Nodes[c.node].Interfaces[r.Interface].Peer
	}
	if taken := t.takenBy(pass, owner); taken != nil {
		return observe.Fate{Delivered: true, Taken: *taken}, nil
	}
	return observe.Fate{}, &heldAt{copy: c, passage: pass, owner: owner, route: r, routed: routed}
}

// pastRules is the fate of what was not forwarded, once it is known which rules may
// have ended it.
func (t *tracer) pastRules(h *heldAt) observe.Fate {
	c, p, pass, owner := h.copy, h.packet, h.passage, h.owner
	if len(h.rules) > 0 {
		t.takeAnswer(c, p)
		return t.byRule(c.node, h.rules...)
	}
	d := observe.Drop{Node: t.plan.Nodes[c.node].Name, Cause: t.routingCause(c, p, h.route, h.routed)}
	if owner && d.Cause == observe.Unknown {
		if t.inTransit(c) {
			return observe.Fate{Pending: true}
		}
		return observe.Fate{Delivered: true} // the NAT has forgotten the flow
	}
	if d, ok := t.untranslatable(pass); ok {
		return observe.Fate{Drop: d}
	}
	if answer := t.takeAnswer(c, p); answer != nil {
		d.Answer, d.Cause = explain(answer.Packet(), d.Cause)
		if rule := t.rejecting(pass, d.Answer); rule != "" && (d.Cause == observe.Unknown) {
			d.Cause, d.Rule = observe.ByRule, rule
		}
	}
	if d.Cause == observe.Unknown && t.inTransit(c) {
		return observe.Fate{Pending: true}
	}
	if d.Cause == observe.Unknown && t.hasRuleset(c.node) {
		d.Cause = observe.ByRuleset
	}
	return observe.Fate{Drop: d}
}

// atOwner is the fate of what reached the node that has its address. A ruleset there
// may have dropped a SYN that nobody answered.
func (t *tracer) atOwner(c *replica) observe.Fate {
	h := c.last.Packet.TCP
	if h == nil || h.Flags&(topo.SYN|topo.ACK|topo.RST) != topo.SYN || !t.hasRuleset(c.node) || t.answered(c) {
		return observe.Fate{Delivered: true}
	}
	if t.inTransit(c) {
		return observe.Fate{Pending: true}
	}
	d := observe.Drop{Node: t.plan.Nodes[c.node].Name, Cause: observe.ByRuleset}
	if answer := t.takeAnswer(c, c.last.Packet); answer != nil {
		d.Answer, _ = explain(answer.Packet(), d.Cause)
	}
	return observe.Fate{Drop: d}
}

// inTransit tells whether a packet has come to its node only just now.
func (t *tracer) inTransit(c *replica) bool { return c.last.Time.Add(transit).After(t.in.Until) }

func (t *tracer) hasRuleset(node int) bool { return len(t.plan.Topology.Nodes[node].Rulesets) > 0 }

// rejecting is the rule that gives an answer, whatever its count.
func (t *tracer) rejecting(p passage, answer string) string {
	for _, r := range t.candidates(p) {
		if r.Action == topo.Reject && answerOf(r) == answer {
			return r.Name
		}
	}
	return ""
}

// routingCause is why a node's routing does not send a packet on, as far as the
// plan and the neighbour solicitations tell.
func (t *tracer) routingCause(c *replica, p *observe.Packet, r topo.PlanRoute, routed bool) observe.Cause {
	n := &t.plan.Nodes[c.node]
	switch {
	case n.Role != topo.Router:
		return observe.ByNoForwarding
	case p.TTL <= 1:
		return observe.ByTTL
	case !routed:
		return observe.ByNoRoute
	case r.Kind == topo.Blackhole:
		return observe.ByBlackhole
	case r.Kind == topo.Unreachable:
		return observe.ByUnreachable
	case r.Kind == topo.Prohibit:
		return observe.ByProhibit
	}
	f := &n.Interfaces[r.Interface]
	next := r.Via
	if !next.IsValid() {
		next = p.Dst
	}
	known := slices.ContainsFunc(f.Neighbours, func(nb topo.Neighbour) bool { return nb.IP == next })
	asked := slices.ContainsFunc(t.solicited, func(s solicitation) bool {
		return s.node == c.node && s.link == f.Link && s.addr == next && !s.at.Before(c.last.Time.Add(-late))
	})
	switch {
	case t.plan.Links[f.Link].Down:
		return observe.ByNoRoute
	case p.Length > t.plan.Links[f.Link].MTU:
		return observe.ByMTU
	case !known, asked:
		return observe.ByNoNeighbour
	}
	return observe.Unknown
}
