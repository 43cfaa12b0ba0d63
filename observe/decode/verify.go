package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
)

// Fault is what of a frame is wrong, so that whoever it is for discards it.
type Fault int

// The faults.
const (
	// Sound is a frame without a fault that its bytes can tell.
	Sound Fault = iota
	// BadNetwork is an IP header whose checksum (RFC 791) or form is wrong, or a
	// frame that is not IP: the next node discards it, whether it is a router or the
	// destination.
	BadNetwork
	// BadTransport is a wrong checksum of TCP, UDP or ICMP: the destination
	// discards the packet, and routers do not look at it.
	BadTransport
)

// Verify finds the first fault of a frame that should hold an IP packet. Of a
// frame that was cut, and of fragments, only the IP header is verified.
func Verify(f observe.Frame) Fault {
	if len(f.Data) < etherHeader+20 {
		return BadNetwork
	}
	b := f.Data[etherHeader:]
	whole := f.Length - etherHeader
	kind := layers.EthernetType(binary.BigEndian.Uint16(f.Data[12:]))
	switch version := b[0] >> 4; {
	case kind == layers.EthernetTypeIPv4 && version == 4:
		return verifyIPv4(b, whole)
	case kind == layers.EthernetTypeIPv6 && version == 6 && len(b) >= 40:
		return verifyIPv6(b, whole)
	}
	return BadNetwork
}

func verifyIPv4(b []byte, whole int) Fault {
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || header > len(b) || length < header || length > whole || fold(sum(b[:header])) != 0xffff {
		return BadNetwork
	}
	const moreFragments, offset = 0x2000, 0x1fff
	if binary.BigEndian.Uint16(b[6:])&(moreFragments|offset) != 0 || length > len(b) {
		return Sound
	}
	pseudo := sum(b[12:20]) + uint64(b[9]) + uint64(length-header)
	return verifyTransport(layers.IPProtocol(b[9]), b[header:length], pseudo)
}

// verifyIPv6 looks at packets without extension headers alone.
func verifyIPv6(b []byte, whole int) Fault {
	length := 40 + int(binary.BigEndian.Uint16(b[4:]))
	if length > whole {
		return BadNetwork
	}
	if length > len(b) {
		return Sound
	}
	pseudo := sum(b[8:40]) + uint64(b[6]) + uint64(length-40)
	return verifyTransport(layers.IPProtocol(b[6]), b[40:length], pseudo)
}

// verifyTransport verifies a whole segment, datagram or message; pseudo is the
// sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
func verifyTransport(proto layers.IPProtocol, b []byte, pseudo uint64) Fault {
	switch proto {
	case layers.IPProtocolTCP, layers.IPProtocolICMPv6:
	case layers.IPProtocolUDP:
		if len(b) >= 8 && binary.BigEndian.Uint16(b[6:]) == 0 { // none (RFC 768)
			return Sound
		}
	case layers.IPProtocolICMPv4:
		pseudo = 0
	default:
		return Sound
	}
	if fold(pseudo+sum(b)) != 0xffff {
		return BadTransport
	}
	return Sound
}

// sum adds the 16-bit words of b (RFC 1071).
func sum(b []byte) (s uint64) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold is a sum in ones' complement.
func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
