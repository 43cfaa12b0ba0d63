package journey

import (
	"slices"

	"testbed/observe"
	"testbed/topo"
)

// answerKey finds answers by who gave them and what they are about.
type answerKey struct {
	node  int
	proto uint8
	endpoints
}

// noteAnswer keeps a journey that began at a node, if it may be an answer.
func (t *tracer) noteAnswer(tr *travel) {
	p := tr.Packet()
	switch {
	case p.ICMP != nil && p.ICMP.Quoted != nil:
		k := answerKey{tr.origin, p.ICMP.Quoted.Proto, endpointsOf(p.ICMP.Quoted)}
		t.answers[k] = append(t.answers[k], tr)
	case p.TCP != nil && p.TCP.Flags&topo.RST != 0:
		k := answerKey{tr.origin, p.Proto, endpointsOf(p).reverse()}
		t.answers[k] = append(t.answers[k], tr)
	}
}

// takeAnswer is findAnswer for answers that are taken once.
func (t *tracer) takeAnswer(c *replica, translated *observe.Packet) *travel {
	k, i := t.answerTo(c, translated)
	if i < 0 {
		return nil
	}
	a := t.answers[k][i]
	t.answers[k] = slices.Delete(t.answers[k], i, i+1)
	return a
}

// findAnswer finds what a node answered to a packet that it held, as it came or as
// the node translated it; nil for silence.
func (t *tracer) findAnswer(c *replica, translated *observe.Packet) *travel {
	k, i := t.answerTo(c, translated)
	if i < 0 {
		return nil
	}
	return t.answers[k][i]
}

// answerTo is where an answer is among the others, at -1 if there is none.
func (t *tracer) answerTo(c *replica, translated *observe.Packet) (answerKey, int) {
	for _, p := range []*observe.Packet{c.last.Packet, translated} {
		k := answerKey{c.node, p.Proto, endpointsOf(p)}
		for i, a := range t.answers[k] {
			if !a.SentAt().Before(c.last.Time) && about(a.Packet(), p) {
				return k, i
			}
		}
	}
	return answerKey{}, -1
}

// about tells whether an answer to packets of these ends is about this one.
func about(answer, p *observe.Packet) bool {
	if answer.ICMP == nil {
		return p.TCP != nil && resets(answer.TCP, p.TCP)
	}
	q := answer.ICMP.Quoted
	return q.ID == p.ID && (q.TCP == nil || p.TCP == nil || q.TCP.Seq == p.TCP.Seq)
}

// resets tells whether a RST answers a segment (RFC 9293, section 3.5.2).
func resets(rst, h *observe.TCP) bool {
	if h.Flags&topo.ACK != 0 {
		return rst.Seq == h.Ack
	}
	return rst.Ack == h.Seq+segmentLength(h)
}

// explain names an answer, and the cause that it tells where cause leaves it
// open. ICMP's numbers are those of RFC 792, RFC 1812 section 5.2.7.1 and RFC
// 4443 section 3.
func explain(answer *observe.Packet, cause observe.Cause) (string, observe.Cause) {
	m := answer.ICMP
	if m == nil {
		return string(topo.TCPReset), cause
	}
	name, told := icmpv4(m.Type, m.Code)
	if answer.Proto == 58 {
		name, told = icmpv6(m.Type, m.Code)
	}
	if cause == observe.Unknown {
		cause = told
	}
	return name, cause
}

func icmpv4(kind, code uint8) (string, observe.Cause) {
	switch kind {
	case 3:
		switch code {
		case 0, 6:
			return string(topo.NetUnreachable), observe.ByNoRoute
		case 1, 7:
			return string(topo.HostUnreachable), observe.ByNoNeighbour
		case 3:
			return string(topo.PortUnreachable), observe.Unknown
		case 4:
			return "fragmentation-needed", observe.ByMTU
		case 9, 10, 13:
			return string(topo.AdminProhibited), observe.Unknown
		}
		return "unreachable", observe.Unknown
	case 11:
		return "time-exceeded", observe.ByTTL
	}
	return "icmp", observe.Unknown
}

func icmpv6(kind, code uint8) (string, observe.Cause) {
	switch kind {
	case 1:
		switch code {
		case 0:
			return string(topo.NetUnreachable), observe.ByNoRoute
		case 1:
			return string(topo.AdminProhibited), observe.Unknown
		case 3:
			return string(topo.HostUnreachable), observe.ByNoNeighbour
		case 4:
			return string(topo.PortUnreachable), observe.Unknown
		}
		return "unreachable", observe.Unknown
	case 2:
		return "packet-too-big", observe.ByMTU
	case 3:
		return "time-exceeded", observe.ByTTL
	}
	return "icmpv6", observe.Unknown
}
