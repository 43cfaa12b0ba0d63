package wire

import (
	"encoding/binary"

	"testbed/netem"
)

// Further fields of a TCP header.
const tcpSYN, tcpRST, tcpACK, tcpAckNumber = 0x02, 0x04, 0x10, 8

// reset answers a packet as a fault says. The receiver gets its RST when it would
// have got the packet; the sender as if it came from the far end.
func (e *engine) reset(x *netem.Fault, w *passage, a arrival, p packet) (answers []netem.Answer) {
	eth := a.frame[vnetLen:]
	h := headerOf(eth, p)
	if h.proto != protoTCP || !h.ported || h.flags&tcpRST != 0 {
		return nil
	}
	d, back := w.to, w.to.back
	if x.Answer != netem.ResetSender && h.flags&(tcpSYN|tcpACK) != tcpSYN {
		rst := resetFrame(eth, p, h, true)
		answers = append(answers, netem.Answer{To: d.to, Frame: rst[vnetLen:]})
		d.tally.add(netem.Counters{In: 1})
		e.hold(passage{fate: fate{delay: w.delay}, to: d, by: w.by}, rst, w.entered)
	}
	if x.Answer != netem.ResetReceiver {
		rst := resetFrame(eth, p, h, false)
		answers = append(answers, netem.Answer{To: back.to, Frame: rst[vnetLen:]})
		by := back.at(a.stamp)
		back.tally.add(netem.Counters{In: 1})
		e.hold(passage{fate: fate{delay: by.Delay}, to: back, by: by}, rst, w.entered+int64(w.delay))
	}
	return answers
}

// resetFrame is a RST about a TCP segment, with its virtio_net_hdr: in the place of
// the segment, or in answer to it (RFC 9293, section 3.5.2).
func resetFrame(eth []byte, p packet, h header, inPlace bool) []byte {
	ip := 20
	if p.kind == etherIPv6 {
		ip = 40
	}
	f := make([]byte, vnetLen+p.network+ip+20)
	out := f[vnetLen:]
	copy(out, eth[:p.network])
	from := eth[p.network:]
	if !inPlace {
		copy(out, eth[6:12])
		copy(out[6:], eth[:6])
	}
	l3 := out[p.network:]
	resetNetwork(l3, from, p.kind, !inPlace)
	resetTransport(l3[ip:], eth[h.transport:], h, inPlace)
	q := packet{kind: p.kind, network: p.network, transport: p.network + ip}
	binary.BigEndian.PutUint16(l3[ip+16:], ^fold(uint64(q.pseudo(l3, protoTCP, 20))+add(0, l3[ip:])))
	if p.kind == etherIPv4 {
		binary.BigEndian.PutUint16(l3[10:], ^fold(add(0, l3[:20])))
	}
	return f
}

// hops is the TTL that the RST begins with.
const hops = 64

// resetNetwork fills a network header without options in, its addresses those of
// another packet or swapped.
func resetNetwork(l3, from []byte, kind uint16, swap bool) {
	src, size := 12, 4
	if kind == etherIPv4 {
		l3[0], l3[3], l3[6], l3[8], l3[9] = 0x45, 40, 0x40, hops, protoTCP
	} else {
		l3[0], l3[5], l3[6], l3[7] = 0x60, 20, protoTCP, hops
		src, size = 8, 16
	}
	a, b := src, src+size
	if swap {
		a, b = b, a
	}
	copy(l3[src:], from[a:a+size])
	copy(l3[src+size:], from[b:b+size])
}

// resetTransport fills in a TCP header of 20 bytes, but for its checksum.
func resetTransport(l4, from []byte, h header, inPlace bool) {
	be := binary.BigEndian
	l4[12], l4[tcpFlags] = 5<<4, tcpRST
	if inPlace {
		copy(l4[:8], from[:8]) // ports and sequence number
		if h.flags&tcpACK != 0 {
			l4[tcpFlags] |= tcpACK
			copy(l4[tcpAckNumber:], from[tcpAckNumber:tcpAckNumber+4])
		}
		return
	}
	copy(l4[:2], from[2:4])
	copy(l4[2:4], from[:2])
	if h.flags&tcpACK != 0 {
		copy(l4[tcpSequence:], from[tcpAckNumber:tcpAckNumber+4])
		return
	}
	length := uint32(h.payload)
	if h.flags&tcpSYN != 0 {
		length++
	}
	if h.flags&tcpFIN != 0 {
		length++
	}
	l4[tcpFlags] |= tcpACK
	be.PutUint32(l4[tcpAckNumber:], be.Uint32(from[tcpSequence:])+length)
}
