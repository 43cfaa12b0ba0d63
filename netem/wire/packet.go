package wire

import "encoding/binary"

// vnetLen is the length of struct virtio_net_hdr, which precedes each frame on a
// packet socket with PACKET_VNET_HDR (include/uapi/linux/virtio_net.h). Its
// fields are in the machine's byte order.
const vnetLen = 10

// Values of struct virtio_net_hdr.
const (
	vnetNeedsCsum = 1    // flags: csum_start and csum_offset are valid
	gsoNone       = 0    // gso_type
	gsoTCPv4      = 1    // gso_type
	gsoTCPv6      = 4    // gso_type
	gsoUDPL4      = 5    // gso_type
	gsoECN        = 0x80 // gso_type: or-ed to it
)

// EtherTypes and protocol numbers that the wire tells apart.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	protoHopByHop = 0
	protoIGMP     = 2
	protoTCP      = 6
	protoUDP      = 17
	protoICMPv6   = 58
)

const etherLen, vlanLen = 14, 4

// packet is what the wire must know of a frame. Offsets count from the Ethernet
// header.
type packet struct {
	// length of the network-layer packet, in bytes; of a GSO super-segment, that
	// of the largest packet it will be cut into.
	length int
	// upkeep is true for the network's own housekeeping: whatever is not IP
	// (ARP, LLDP), neighbour discovery, and group membership.
	upkeep bool
	// wire is how many bytes of Ethernet frames it is, once it is cut.
	wire int
	// kind is the EtherType, network where the network header begins.
	kind    uint16
	network int
	// super says that it is a super-segment. Its transport header begins at
	// transport, its payload at payload, which is cut into pieces of size bytes.
	super                            bool
	transport, payload, size, pieces int
}

// inspect parses a frame that begins with its virtio_net_hdr. It accepts
// anything.
func inspect(b []byte) packet {
	if len(b) < vnetLen+etherLen {
		return packet{upkeep: true, wire: max(0, len(b)-vnetLen)}
	}
	eth := b[vnetLen:]
	kind, l3 := network(eth)
	p := packet{length: len(eth) - l3, wire: len(eth), kind: kind, network: l3}
	proto, l4 := transport(kind, eth, l3)
	p.upkeep = isUpkeep(kind, proto, eth, l4)
	gso := b[1] &^ gsoECN
	if gso == gsoNone {
		return p
	}
	if b[0]&vnetNeedsCsum != 0 {
		if start := int(binary.NativeEndian.Uint16(b[6:])); start > l3 && start < len(eth) {
			l4 = start
		}
	}
	p.super, p.transport, p.size = true, l4, int(binary.NativeEndian.Uint16(b[4:]))
	p.payload = l4 + transportHeader(gso, eth, l4)
	p.length = min(p.length, p.payload-l3+p.size)
	p.pieces = max(1, (len(eth)-p.payload+p.size-1)/max(1, p.size))
	p.wire += (p.pieces - 1) * p.payload
	return p
}

// network finds the EtherType behind VLAN tags, and where the network header
// begins.
func network(eth []byte) (kind uint16, at int) {
	at = etherLen
	kind = binary.BigEndian.Uint16(eth[at-2:])
	for (kind == etherVLAN || kind == etherQinQ) && at+vlanLen <= len(eth) {
		at += vlanLen
		kind = binary.BigEndian.Uint16(eth[at-2:])
	}
	return kind, at
}

// transport finds the IP protocol, and where its header begins; -1 if there is
// none to be found.
func transport(kind uint16, eth []byte, at int) (proto, next int) {
	switch kind {
	case etherIPv4:
		if at+20 > len(eth) {
			return -1, len(eth)
		}
		return int(eth[at+9]), min(len(eth), at+int(eth[at]&15)*4)
	case etherIPv6:
		if at+40 > len(eth) {
			return -1, len(eth)
		}
		return skipOptions(int(eth[at+6]), eth, at+40)
	}
	return -1, at
}

// skipOptions passes an IPv6 hop-by-hop header, behind which multicast listener
// reports are (RFC 3810 section 5).
func skipOptions(proto int, eth []byte, at int) (int, int) {
	if proto != protoHopByHop || at+8 > len(eth) {
		return proto, at
	}
	return int(eth[at]), min(len(eth), at+8+int(eth[at+1])*8)
}

// isUpkeep tells housekeeping from traffic; see packet.
func isUpkeep(kind uint16, proto int, eth []byte, l4 int) bool {
	switch {
	case kind == etherIPv4:
		return proto == protoIGMP
	case kind != etherIPv6:
		return true
	case proto != protoICMPv6 || l4 >= len(eth):
		return false
	}
	t := eth[l4]
	// MLD 130 to 132 (RFC 2710) and 143 (RFC 3810); neighbour discovery 133 to
	// 137 (RFC 4861).
	return t >= 130 && t <= 137 || t == 143
}

// transportHeader is the length of the transport header of a super-segment.
func transportHeader(gso byte, eth []byte, l4 int) int {
	const udp = 8
	if gso == gsoUDPL4 || l4+13 > len(eth) {
		return udp
	}
	return int(eth[l4+12]>>4) * 4
}

// putVLAN puts back the tag that the kernel took off a frame, which begins with
// its virtio_net_hdr and whose capacity has room for vlanLen bytes more.
func putVLAN(b []byte, tpid, tci uint16) []byte {
	const at = vnetLen + 12
	if len(b) < at {
		return b
	}
	b = b[:len(b)+vlanLen]
	copy(b[at+vlanLen:], b[at:])
	binary.BigEndian.PutUint16(b[at:], tpid)
	binary.BigEndian.PutUint16(b[at+2:], tci)
	shift(b[2:], b[1] != gsoNone)
	shift(b[6:], b[0]&vnetNeedsCsum != 0)
	return b
}

// shift moves an offset of a virtio_net_hdr behind the tag.
func shift(field []byte, valid bool) {
	if valid {
		binary.NativeEndian.PutUint16(field, binary.NativeEndian.Uint16(field)+vlanLen)
	}
}
