package ladder

import (
	"fmt"
	"slices"
	"strings"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// name says what a packet is.
func name(p *observe.Packet) string {
	switch {
	case p.TCP != nil:
		if s := p.TCP.Flags.String(); s != "" {
			return s
		}
		return "TCP"
	case p.UDP != nil && p.UDP.DNS != nil:
		return dns(p.UDP.DNS)
	case p.UDP != nil:
		return "UDP"
	case p.ICMP == nil:
		return fmt.Sprintf("IP protocol %d", p.Proto)
	case p.Proto == 58:
		return "ICMPv6 " + icmpv6(p.ICMP)
	}
	return "ICMP " + icmpv4(p.ICMP)
}

// dns is a question or an answer in short.
func dns(m *observe.DNS) string {
	switch {
	case !m.Response:
		return fmt.Sprintf("%s? %s", m.Type, m.Name)
	case m.RCode != "NOERROR":
		return fmt.Sprintf("%s %s", m.Type, m.RCode)
	case m.Truncated:
		return m.Type + " truncated"
	case len(m.Addresses) == 0:
		return m.Type + " none"
	}
	s := fmt.Sprintf("%s %s", m.Type, m.Addresses[0])
	if n := len(m.Addresses) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}

// icmpv4 is the message in words (IANA's registry of ICMP parameters).
func icmpv4(m *observe.ICMP) string {
	switch m.Type {
	case 0:
		return "echo reply"
	case 3:
		return unreachable(m.Code)
	case 5:
		return "redirect"
	case 8:
		return "echo request"
	case 11:
		return "TTL exceeded"
	}
	return fmt.Sprintf("type %d code %d", m.Type, m.Code)
}

// unreachable is the code of an ICMP destination unreachable message.
func unreachable(code uint8) string {
	switch code {
	case 0:
		return "net unreachable"
	case 1:
		return "host unreachable"
	case 2:
		return "protocol unreachable"
	case 3:
		return "port unreachable"
	case 4:
		return "fragmentation needed"
	case 9:
		return "net prohibited"
	case 10:
		return "host prohibited"
	case 13:
		return "admin prohibited"
	}
	return fmt.Sprintf("unreachable, code %d", code)
}

// icmpv6 is the message in words (RFC 4443, RFC 4861).
func icmpv6(m *observe.ICMP) string {
	switch m.Type {
	case 1:
		switch m.Code {
		case 0:
			return "no route"
		case 1:
			return "admin prohibited"
		case 3:
			return "address unreachable"
		case 4:
			return "port unreachable"
		case 6:
			return "route rejected"
		}
		return fmt.Sprintf("unreachable, code %d", m.Code)
	case 2:
		return "packet too big"
	case 3:
		return "hop limit exceeded"
	case 128:
		return "echo request"
	case 129:
		return "echo reply"
	case 135:
		return "neighbour solicitation"
	case 136:
		return "neighbour advertisement"
	}
	return fmt.Sprintf("type %d code %d", m.Type, m.Code)
}

// killed says where a packet died and of what.
func killed(j *observe.Journey) string {
	d := &j.Fate.Drop
	if d.Node == "" {
		return onLink(d)
	}
	what := string(d.Cause)
	switch d.Cause {
	case observe.ByRule:
		how := "drop"
		if d.Answer != "" {
			how = "reject with " + d.Answer
		}
		what = fmt.Sprintf("rule %s (%s)", d.RuleText(), how)
	case observe.ByNAT:
		what = "no translation"
	case observe.ByExhaustion:
		what = "no free port"
	case observe.ByBlackhole, observe.ByUnreachable, observe.ByProhibit:
		what += " route"
	case observe.ByNoRoute:
		what = "no route"
	case observe.ByNoNeighbour:
		what = fmt.Sprintf("nobody answers for %s", j.Last().Packet.Dst)
	case observe.ByTTL:
		what = "TTL ran out"
	case observe.ByMTU:
		what = "too big for the next link"
	case observe.ByNoForwarding:
		what = "does not forward"
	case observe.ByFullQueue:
		what = "accept queue full"
	case observe.ByRuleset:
		if what = "the node's ruleset (drop)"; d.Answer != "" {
			what = fmt.Sprintf("the node's ruleset (reject with %s)", d.Answer)
		}
	case observe.BySynQueue:
		what = "SYN queue full"
	case observe.ByFullTable:
		what = "conntrack table full"
	case observe.ByRPFilter:
		what = "rp_filter"
	case observe.Unknown, "":
		what = "lost for an unknown reason"
	}
	return d.Node + ": " + what
}

func onLink(d *observe.Drop) string {
	link := d.Link[0] + " – " + d.Link[1]
	switch d.Cause {
	case observe.Corrupted:
		return "bad checksum, corrupted on " + link + byFault(d.Fault)
	case observe.Burst:
		return "lost in a burst on " + link
	}
	switch netem.Cause(d.Cause) {
	case netem.Lost:
		return "lost on " + link
	case netem.Faulted:
		if d.Answer != "" {
			return "reset on " + link + byFault(d.Fault)
		}
		return "lost on " + link + byFault(d.Fault)
	case netem.TooBig:
		return "too big for " + link
	case netem.LinkDown:
		return link + " is down"
	case netem.Overflow:
		return "queue full on " + link
	}
	return fmt.Sprintf("died on %s (%s)", link, d.Cause)
}

// remarks says what the i-th packet's own header does not.
func (b *builder) remarks(js []*observe.Journey, routes []route, i int) []string {
	var s []string
	if t := js[i].Fate.Taken; t.Node != "" {
		s = append(s, "taken by rule "+t.Rule)
	}
	if js[i].Retransmission {
		s = append(s, "retransmission")
	}
	if b.closedPort(js, routes, i) {
		s = append(s, "closed port")
	}
	if routes[i].twice {
		s = append(s, "arrived twice")
	}
	s = append(s, rewritten(js[i].Rewrites(b.nodeAt))...)
	s = append(s, struck(js[i])...)
	switch n := b.overtook[i]; n {
	case 0:
	case 1:
		s = append(s, "overtook a packet")
	default:
		s = append(s, fmt.Sprintf("overtook %d packets", n))
	}
	return s
}

// rewritten says what one node or several changed in a packet: the values of one
// field, the names of several.
func rewritten(all []observe.Rewrite) (s []string) {
	for i := 0; i < len(all); {
		node, names := all[i].Node, []string{}
		text := all[i].Text() + " at " + node
		for ; i < len(all) && all[i].Node == node; i++ {
			names = append(names, string(all[i].Field))
		}
		if len(names) > 1 {
			text = node + " changed " + strings.Join(names, ", ")
		}
		s = append(s, text)
	}
	return s
}

// closedPort tells whether the i-th packet is a RST with which the node that a
// SYN was for answers that SYN, before any SYN-ACK.
func (b *builder) closedPort(js []*observe.Journey, routes []route, i int) bool {
	t := js[i].Packet().TCP
	if t == nil || t.Flags&topo.RST == 0 {
		return false
	}
	d := b.numbers.Direction(js[i])
	for k, j := range slices.Backward(js[:i]) {
		p := j.Packet()
		if p.TCP == nil || p.TCP.Flags&topo.SYN == 0 {
			continue
		}
		if b.numbers.Direction(j) == d || p.TCP.Flags&topo.ACK != 0 {
			return false
		}
		return j.Fate.Delivered && routes[k].last().node == routes[i].hops[0].node
	}
	return false
}
