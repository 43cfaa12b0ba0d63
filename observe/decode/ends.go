package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
)

// Ends are the two ends of the TCP segment in a frame, or of the segment that an
// ICMP error in it is about, without decoding the rest. Segments behind IPv6
// extension headers, and fragments, are not found.
func Ends(f observe.Frame) (src, dst netip.AddrPort, ok bool) {
	if len(f.Data) < etherHeader {
		return src, dst, false
	}
	switch layers.EthernetType(binary.BigEndian.Uint16(f.Data[12:])) {
	case layers.EthernetTypeIPv4, layers.EthernetTypeIPv6:
		return ends(f.Data[etherHeader:], true)
	}
	return src, dst, false
}

func ends(b []byte, outer bool) (src, dst netip.AddrPort, ok bool) {
	var from, to netip.Addr
	var proto layers.IPProtocol
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		proto, b = layers.IPProtocol(b[9]), b[min(int(b[0]&0xf)*4, len(b)):]
	case len(b) >= 40 && b[0]>>4 == 6:
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		proto, b = layers.IPProtocol(b[6]), b[40:]
	default:
		return src, dst, false
	}
	switch {
	case proto == layers.IPProtocolTCP && len(b) >= 4:
		return netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)), netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])), true
	case (proto == layers.IPProtocolICMPv4 || proto == layers.IPProtocolICMPv6) && outer && len(b) > 8 && quotes(uint8(proto), b[0]):
		return ends(b[8:], false)
	}
	return src, dst, false
}
