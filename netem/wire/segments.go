package wire

import (
	"encoding/binary"
	"math/bits"

	"testbed/netem"
)

// forwardSegments sends a super-segment on its way as the frames that it stands
// for, one of them corrupted: of a frame whose checksum is still to be computed a
// wrong bit would never be noticed. One that can't be cut crosses unharmed.
func (e *engine) forwardSegments(w passage, t transit, p packet) {
	if !p.cuttable(t.frame) {
		e.launch(w, t, p.wire)
		return
	}
	w.to.tally.add(netem.Counters{In: uint64(p.pieces - 1)})
	victim, place := bits.Mul64(w.place, uint64(p.pieces))
	for i := range p.pieces {
		frame := p.segment(t.frame, i)
		if i == int(victim) {
			flip(frame, p.network, place)
		}
		if e.launch(w, transit{frame: frame, slot: -1}, len(frame)-vnetLen) && i == int(victim) {
			w.to.tally.add(netem.Counters{Corrupted: 1})
		}
	}
}

// TCP's flags, at tcpFlags in its header.
const (
	tcpFIN, tcpPSH, tcpCWR = 0x01, 0x08, 0x80

	tcpSequence, tcpFlags = 4, 13
)

// cuttable tells whether segment can cut the super-segment: TCP and UDP over IP,
// whose headers are all there.
func (p packet) cuttable(b []byte) bool {
	header := 20
	switch p.kind {
	case etherIPv4:
	case etherIPv6:
		header = 40
	default:
		return false
	}
	eth := b[vnetLen:]
	if p.size == 0 || p.transport < p.network+header || p.payload > len(eth) {
		return false
	}
	switch b[1] &^ gsoECN {
	case gsoTCPv4, gsoTCPv6:
		return p.payload >= p.transport+20
	case gsoUDPL4:
		return p.payload >= p.transport+8
	}
	return false
}

// segment is the i-th frame that a super-segment stands for, as the kernel's
// tcp_gso_segment and udp_gso_segment make them, with its virtio_net_hdr, in a
// buffer of its own.
func (p packet) segment(b []byte, i int) []byte {
	eth := b[vnetLen:]
	from := p.payload + i*p.size
	piece := eth[from:min(len(eth), from+p.size)]
	s := make([]byte, vnetLen+p.payload+len(piece))
	copy(s[vnetLen:], eth[:p.payload])
	copy(s[vnetLen+p.payload:], piece)
	p.fixNetwork(s[vnetLen+p.network:], i)
	l4 := s[vnetLen+p.transport:]
	field, proto := 16, protoTCP
	if b[1]&^gsoECN == gsoUDPL4 {
		field, proto = 6, protoUDP
		binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
	} else {
		p.fixTCP(l4, i)
	}
	binary.BigEndian.PutUint16(l4[field:], p.pseudo(s[vnetLen+p.network:], proto, len(l4)))
	s[0] = vnetNeedsCsum
	binary.NativeEndian.PutUint16(s[6:], uint16(p.transport))
	binary.NativeEndian.PutUint16(s[8:], uint16(field))
	complete(s)
	return s
}

// fixNetwork gives the network header of the i-th segment its length, and an IPv4
// header its identification and checksum.
func (p packet) fixNetwork(l3 []byte, i int) {
	be := binary.BigEndian
	if p.kind == etherIPv6 {
		be.PutUint16(l3[4:], uint16(len(l3)-40))
		return
	}
	be.PutUint16(l3[2:], uint16(len(l3)))
	be.PutUint16(l3[4:], be.Uint16(l3[4:])+uint16(i))
	be.PutUint16(l3[10:], 0)
	be.PutUint16(l3[10:], ^fold(add(0, l3[:p.transport-p.network])))
}

// fixTCP gives the i-th segment its sequence number, and the flags that belong to
// the first or the last one alone.
func (p packet) fixTCP(l4 []byte, i int) {
	be := binary.BigEndian
	be.PutUint32(l4[tcpSequence:], be.Uint32(l4[tcpSequence:])+uint32(i*p.size))
	if i > 0 {
		l4[tcpFlags] &^= tcpCWR
	}
	if i < p.pieces-1 {
		l4[tcpFlags] &^= tcpFIN | tcpPSH
	}
}

// pseudo is the sum of the pseudo header of a transport checksum (RFC 9293
// section 3.1, RFC 8200 section 8.1).
func (p packet) pseudo(l3 []byte, proto, length int) uint16 {
	from, to := 8, 40
	if p.kind == etherIPv4 {
		from, to = 12, 20
	}
	return fold(add(uint64(proto)+uint64(length), l3[from:to]))
}
