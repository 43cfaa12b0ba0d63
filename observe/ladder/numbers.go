package ladder

import (
	"fmt"
	"net/netip"

	"testbed/observe"
	"testbed/topo"
)

// flow is a direction of a TCP connection as one sighting has it; a NAT gives
// one direction several of them.
type flow struct{ src, dst netip.AddrPort }

func flowOf(p *observe.Packet) flow {
	return flow{netip.AddrPortFrom(p.Src, p.TCP.SrcPort), netip.AddrPortFrom(p.Dst, p.TCP.DstPort)}
}

func (f flow) reverse() flow { return flow{f.dst, f.src} }

// numbers makes sequence numbers relative. Directions are numbered so that
// those of one connection differ in the lowest bit.
type numbers struct {
	directions map[flow]int
	// base is each direction's sequence number that is shown as 0.
	base map[int]uint32
}

func newNumbers() numbers {
	return numbers{directions: map[flow]int{}, base: map[int]uint32{}}
}

// direction finds a journey's direction by any of its sightings, and remembers
// all of them with their reverses.
func (n numbers) direction(j *observe.Journey) int {
	d := len(n.directions)
	for i := len(j.Sightings) - 1; i >= 0; i-- {
		if p := j.Sightings[i].Packet; p.TCP == nil || j.Sightings[i].Corrupted {
			continue
		} else if known, ok := n.directions[flowOf(p)]; ok {
			d = known
		}
	}
	for i := range j.Sightings {
		if p := j.Sightings[i].Packet; p.TCP != nil && !j.Sightings[i].Corrupted {
			n.directions[flowOf(p)], n.directions[flowOf(p).reverse()] = d, d^1
		}
	}
	return d
}

// learn takes a direction's base from its SYN; a SYN with another number begins
// another connection. Without a SYN, the first number seen is shown as 1, as it
// would be right after a handshake; that of a RST as 0, since what refuses a SYN
// has no number of its own.
func (n numbers) learn(d int, t *observe.TCP) {
	base, known := n.base[d]
	switch {
	case t.Flags&(topo.SYN|topo.ACK) == topo.SYN && base != t.Seq:
		delete(n.base, d^1)
		n.base[d] = t.Seq
	case t.Flags&topo.SYN != 0 || !known && t.Flags&topo.RST != 0:
		n.base[d] = t.Seq
	case !known:
		n.base[d] = t.Seq - 1
	}
	if _, known := n.base[d^1]; !known && t.Flags&topo.ACK != 0 {
		n.base[d^1] = t.Ack - 1
	}
}

// of writes a packet's relative numbers and its length. Packets must come in
// order of sending.
func (n numbers) of(j *observe.Journey) string {
	p := j.Packet()
	switch {
	case p.TCP != nil:
	case p.UDP != nil:
		return fmt.Sprintf("len=%d", p.UDP.Payload)
	default:
		return ""
	}
	d, t := n.direction(j), p.TCP
	n.learn(d, t)
	s := fmt.Sprintf("seq=%d", t.Seq-n.base[d])
	if t.Flags&topo.ACK != 0 {
		s += fmt.Sprintf(" ack=%d", t.Ack-n.base[d^1])
	}
	if t.Payload > 0 {
		s += fmt.Sprintf(" len=%d", t.Payload)
	}
	return s
}
