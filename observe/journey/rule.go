package journey

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"testbed/observe"
	"testbed/topo"
)

type ruleKey struct {
	node int
	name string
}

// passage is a packet on its way through a node, as its firewall sees it.
type passage struct {
	node int
	hook topo.Hook
	// in and out are the neighbours it comes from and leaves to; out is empty
	// where it stays or no route leads on.
	in, out string
	packet  *observe.Packet
}

// fits tells whether a packet meets the conditions of a rule that its headers
// and its way decide. The others (state, nth, probability, rate) are open.
func (t *tracer) fits(r *topo.Rule, p passage) bool {
	m, e := &r.Match, endpointsOf(p.packet)
	switch {
	case r.Hook != p.hook,
		m.Proto != "" && m.Proto != protocol(p.packet.Proto),
		!within(m.Sport, e.src.Port()), !within(m.Dport, e.dst.Port()),
		m.From != "" && !t.names(m.From, p.packet.Src), m.To != "" && !t.names(m.To, p.packet.Dst),
		m.In != "" && m.In != p.in, m.Out != "" && m.Out != p.out:
		return false
	}
	const named = topo.SYN | topo.ACK | topo.FIN | topo.RST
	return m.Flags == 0 || p.packet.TCP != nil && p.packet.TCP.Flags&named == m.Flags&named
}

// closed tells whether fits decides all of a rule's conditions.
func closed(m *topo.Match) bool {
	return m.State == "" && m.Nth == 0 && m.Probability == 0 && m.Rate == topo.Rate{}
}

func protocol(p uint8) string {
	switch p {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 58:
		return "icmpv6"
	}
	return ""
}

func within(r topo.PortRange, port uint16) bool {
	return r.IsZero() || r.First <= port && port <= r.Last
}

// names tells whether a rule's from or to, a node's name or a prefix, means an
// address.
func (t *tracer) names(who string, a netip.Addr) bool {
	if n, ok := t.nodes[who]; ok {
		return t.owns(n, a)
	}
	if p, err := netip.ParsePrefix(who); err == nil {
		return p.Contains(a)
	}
	own, err := netip.ParseAddr(who)
	return err == nil && own == a
}

// candidates are the rules of a node that may have ended a passage, in their
// order: those that drop or reject, fit, and stand before the first that surely
// accepts.
func (t *tracer) candidates(p passage) (rs []*topo.Rule) {
	firewall := t.plan.Topology.Nodes[p.node].Firewall
	for i := range firewall {
		r := &firewall[i]
		switch {
		case !t.fits(r, p):
		case r.Action == topo.Accept && closed(&r.Match):
			return rs
		case r.Action.Discards():
			rs = append(rs, r)
		}
	}
	return rs
}

// byRule is the fate of a packet that a rule ended, or one of several.
func (t *tracer) byRule(node int, rules ...*topo.Rule) observe.Fate {
	d := observe.Drop{Node: t.plan.Nodes[node].Name, Cause: observe.ByRule, Rule: rules[0].Name, Answer: answerOf(rules[0])}
	var others []string
	for _, r := range rules[1:] {
		others = append(others, r.Name)
		if answerOf(r) != d.Answer {
			d.Answer = ""
		}
	}
	d.Or = strings.Join(others, "\n")
	return observe.Fate{Drop: d}
}

// answerOf is how a rule answers; empty for silence.
func answerOf(r *topo.Rule) string {
	if r.Action != topo.Reject {
		return ""
	}
	return string(cmp.Or(r.With, topo.PortUnreachable))
}

// filterInput gives the matches of input rules to packets that reached their
// owner, of which the record does not tell which ones its firewall let in. A SYN that was
// answered with a SYN-ACK was let in.
func (t *tracer) filterInput(arrived []*replica) {
	answered := t.answeredSYNs(arrived)
	for n := range t.plan.Nodes {
		mine := slices.DeleteFunc(slices.Clone(arrived), func(c *replica) bool { return c.node != n })
		firewall := t.plan.Topology.Nodes[n].Firewall
		for i := range firewall {
			r := &firewall[i]
			k := ruleKey{n, r.Name}
			if !r.Action.Discards() || r.Hook != topo.Input || t.counts[k] == 0 {
				continue
			}
			var fitting []*replica
			for _, c := range mine {
				if c.fate.Delivered && (!answered[c] || r.Match.Nth > 0) && slices.Contains(t.candidates(t.input(c)), r) {
					fitting = append(fitting, c)
				}
			}
			for _, c := range choose(fitting, r.Match.Nth-int(t.numbering[k].Before), t.counts[k]) {
				c.fate = t.byRule(n, r)
				t.counts[k]--
			}
		}
	}
}

// synKey is a SYN as it arrived at a node, and the answer to it.
type synKey struct {
	node int
	endpoints
	seq uint32
}

// answeredSYNs are those SYNs after which the node sent a SYN-ACK, before the same
// SYN came again.
func (t *tracer) answeredSYNs(arrived []*replica) map[*replica]bool {
	const kinds = topo.SYN | topo.ACK | topo.RST
	answers := map[synKey][]time.Time{}
	for _, tr := range t.travels {
		if p := tr.Packet(); p.TCP != nil && p.TCP.Flags&kinds == topo.SYN|topo.ACK {
			k := synKey{tr.origin, endpointsOf(p).reverse(), p.TCP.Ack - 1}
			answers[k] = append(answers[k], tr.SentAt())
		}
	}
	latest, answered := map[synKey]*replica{}, map[*replica]bool{}
	settle := func(k synKey, c *replica, until time.Time) {
		answered[c] = slices.ContainsFunc(answers[k], func(at time.Time) bool {
			return !at.Before(c.last.Time) && (until.IsZero() || at.Before(until))
		})
	}
	for _, c := range arrived { // in order of time
		if p := c.last.Packet; p.TCP != nil && p.TCP.Flags&kinds == topo.SYN {
			k := synKey{c.node, endpointsOf(p), p.TCP.Seq}
			if before := latest[k]; before != nil {
				settle(k, before, c.last.Time)
			}
			latest[k] = c
		}
	}
	for k, c := range latest {
		settle(k, c, time.Time{})
	}
	return answered
}

func (t *tracer) input(c *replica) passage {
	return passage{node: c.node, hook: topo.Input, in: t.neighbour(c.last), packet: c.last.Packet}
}

// choose picks n of the packets that a rule may have dropped: the nth of them if it
// drops one by number, else first those that their sender sent again.
func choose(fitting []*replica, nth int, n uint64) []*replica {
	if uint64(len(fitting)) <= n {
		return fitting
	}
	if nth > 0 && n == 1 && nth <= len(fitting) {
		return fitting[nth-1 : nth]
	}
	slices.SortStableFunc(fitting, func(a, b *replica) int {
		switch {
		case a.travel.resent == b.travel.resent:
			return 0
		case a.travel.resent:
			return -1
		}
		return 1
	})
	return fitting[:n]
}
