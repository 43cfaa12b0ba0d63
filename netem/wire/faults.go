package wire

import (
	"encoding/binary"
	"time"

	"testbed/netem"
)

// faults are those of a direction as they are now, and what each has counted. It
// belongs to the engine's goroutine.
type faults struct {
	list *netem.Faults
	// since is when they began, on CLOCK_REALTIME.
	since int64
	seen  []int
}

// begin makes the faults be these. They count anew unless they are the same, and
// have not begun again.
func (f *faults) begin(list *netem.Faults, since int64) {
	if f.list == list && f.since == since {
		return
	}
	*f = faults{list: list, since: since}
	if list != nil {
		f.seen = make([]int, len(*list))
	}
}

// strike is the first fault that picks a packet which came in at stamp, nil if none
// does. Each counts it for itself.
func (f *faults) strike(b []byte, p packet, stamp int64) (first *netem.Fault) {
	if f.list == nil || p.upkeep {
		return nil
	}
	h, age := headerOf(b[vnetLen:], p), time.Duration(stamp-f.since)
	for i := range *f.list {
		x := &(*f.list)[i]
		if !fits(&x.Pick, h, age) {
			continue
		}
		f.seen[i]++
		if first == nil && x.Pick.Nth.Holds(f.seen[i]) {
			first = x
		}
	}
	return first
}

// fits tells whether a packet meets all conditions but its number.
func fits(p *netem.Pick, h header, age time.Duration) bool {
	switch {
	case p.Proto != "" && p.Proto != protocolNames[h.proto],
		p.Flags != 0 && (h.proto != protoTCP || h.flags&named != p.Flags),
		(p.Sport.Limited || p.Dport.Limited || p.Payload.Limited) && !h.ported,
		!p.Sport.Holds(h.sport), !p.Dport.Holds(h.dport), !p.Payload.Holds(h.payload),
		age < p.After, p.Until > 0 && age >= p.Until:
		return false
	}
	return true
}

// named are the flags that a pick names.
const named = tcpFIN | tcpSYN | tcpRST | tcpACK

const protoICMP = 1

var protocolNames = map[int]string{protoTCP: "tcp", protoUDP: "udp", protoICMP: "icmp", protoICMPv6: "icmpv6"}

// header is what faults look at.
type header struct {
	proto int
	// transport is where the transport header begins. The rest is there if ported
	// is true.
	transport    int
	ported       bool
	flags        uint8
	sport, dport int
	payload      int
}

// headerOf reads an Ethernet frame. Fragments after the first have no ports.
func headerOf(eth []byte, p packet) (h header) {
	h.proto, h.transport = transport(p.kind, eth, p.network)
	l4 := eth[min(h.transport, len(eth)):]
	if p.kind == etherIPv4 && p.network+20 <= len(eth) {
		const offset = 0x1fff
		if binary.BigEndian.Uint16(eth[p.network+6:])&offset != 0 {
			return h
		}
		end := p.network + int(binary.BigEndian.Uint16(eth[p.network+2:]))
		if end > h.transport && end < len(eth) {
			l4 = eth[h.transport:end] // without padding
		}
	}
	length := 8
	switch {
	case h.proto == protoTCP && len(l4) >= 20:
		h.flags, length = l4[tcpFlags], int(l4[12]>>4)*4
	case h.proto == protoUDP && len(l4) >= 8:
	default:
		return h
	}
	h.ported, h.payload = true, max(0, len(l4)-length)
	h.sport, h.dport = int(binary.BigEndian.Uint16(l4)), int(binary.BigEndian.Uint16(l4[2:]))
	return h
}
