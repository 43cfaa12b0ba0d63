// Package relative tells the two directions of a TCP connection apart, and makes
// sequence numbers relative to those that they begin with. It makes no system call.
package relative

import (
	"math"
	"net/netip"
	"slices"

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

// Numbers knows the directions and the numbers that they begin with. It is not
// safe for concurrent use.
type Numbers struct {
	directions map[flow]int
	// bases are each direction's sequence numbers that are shown as 0: one, or
	// another of a proxy in the middle.
	bases map[int][]uint32
}

// New knows no connection yet.
func New() *Numbers {
	return &Numbers{directions: map[flow]int{}, bases: map[int][]uint32{}}
}

// Direction finds a journey's direction by any of its sightings, and remembers
// all of them with their reverses. Directions are numbered in order of first
// occurrence so that those of one connection differ in the lowest bit: a
// connection's first packet has an even one. The journey must be one of TCP.
func (n *Numbers) Direction(j *observe.Journey) int {
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
// another connection, and a SYN-ACK with another number is that of a server beyond a
// proxy which has answered in its name. Without a SYN, the first number seen is shown
// as 1, as it would be right after a handshake; that of a RST as 0, since what refuses
// a SYN has no number of its own.
func (n *Numbers) learn(d int, t *observe.TCP) {
	known := len(n.bases[d]) > 0
	switch {
	case t.Flags&(topo.SYN|topo.ACK) == topo.SYN && !slices.Contains(n.bases[d], t.Seq):
		delete(n.bases, d^1)
		n.bases[d] = []uint32{t.Seq}
	case t.Flags&topo.SYN != 0 && !slices.Contains(n.bases[d], t.Seq), !known && t.Flags&topo.RST != 0:
		n.bases[d] = append(n.bases[d], t.Seq)
	case !known:
		n.bases[d] = []uint32{t.Seq - 1}
	}
	if len(n.bases[d^1]) == 0 && t.Flags&topo.ACK != 0 {
		n.bases[d^1] = []uint32{t.Ack - 1}
	}
}

// relative is a number of a direction since the nearest base below it.
func (n *Numbers) relative(d int, number uint32) uint32 {
	nearest := uint32(math.MaxUint32)
	for _, base := range n.bases[d] {
		nearest = min(nearest, number-base)
	}
	return nearest
}

// Of are a packet's sequence and acknowledgement numbers, relative to those that
// its two directions begin with; ack means nothing without the ACK flag. Packets
// must be of TCP and come in order of sending. One that was sent before the record
// begins may be an earlier connection's, and nothing is learnt from it.
func (n *Numbers) Of(j *observe.Journey) (seq, ack uint32) {
	d, t := n.Direction(j), j.Packet().TCP
	if j.Left() || len(n.bases[d]) == 0 {
		n.learn(d, t)
	}
	return n.relative(d, t.Seq), n.relative(d^1, t.Ack)
}
