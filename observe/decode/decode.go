// Package decode reads the network and transport headers of recorded frames. It
// makes no system call.
package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
	"testbed/topo"
)

const etherHeader = 14

// Frame is the IP packet in a frame, as far as its headers tell. It is nil for
// what is not IP, such as ARP. Frames may be cut: lengths come from the headers, and
// what was cut is left zero. A transport header that is not there at all, as in
// a fragment after the first, leaves Packet's TCP, UDP and ICMP nil. It fails
// where the IP header itself is cut or malformed.
func Frame(f observe.Frame) (*observe.Packet, error) {
	if len(f.Data) < etherHeader {
		return nil, fmt.Errorf("decode frame of %d bytes: no Ethernet header", len(f.Data))
	}
	switch layers.EthernetType(binary.BigEndian.Uint16(f.Data[12:])) {
	case layers.EthernetTypeIPv4, layers.EthernetTypeIPv6:
	default:
		return nil, nil
	}
	p, err := decodeIP(f.Data[etherHeader:], f.Length-etherHeader, true)
	if err != nil {
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	return p, nil
}

// Solicited is the address that a frame asks for, if it is an ARP request (RFC
// 826) or a neighbour solicitation (RFC 4861, section 4.3). The second kind is
// found without extension headers only, as RFC 6980 wants it.
func Solicited(f observe.Frame) (netip.Addr, bool) {
	if len(f.Data) < etherHeader {
		return netip.Addr{}, false
	}
	b := f.Data[etherHeader:]
	switch layers.EthernetType(binary.BigEndian.Uint16(f.Data[12:])) {
	case layers.EthernetTypeARP:
		if len(b) >= 28 && binary.BigEndian.Uint16(b[6:]) == layers.ARPRequest {
			return netip.AddrFrom4([4]byte(b[24:])), true
		}
	case layers.EthernetTypeIPv6:
		if len(b) >= 64 && layers.IPProtocol(b[6]) == layers.IPProtocolICMPv6 && b[40] == layers.ICMPv6TypeNeighborSolicitation {
			return netip.AddrFrom16([16]byte(b[48:])), true
		}
	}
	return netip.Addr{}, false
}

// decodeIP decodes a packet of which data are the first bytes. whole is its
// length on the wire, used where the header holds none (RFC 2675, and what the
// kernel calls BIG TCP). Only an outer packet may quote another one.
func decodeIP(data []byte, whole int, outer bool) (*observe.Packet, error) {
	if len(data) == 0 {
		return nil, errors.New("empty IP packet")
	}
	switch data[0] >> 4 {
	case 4:
		return decodeIPv4(data, whole, outer)
	case 6:
		return decodeIPv6(data, whole, outer)
	}
	return nil, fmt.Errorf("IP version %d", data[0]>>4)
}

func decodeIPv4(data []byte, whole int, outer bool) (*observe.Packet, error) {
	var ip layers.IPv4
	if err := ip.DecodeFromBytes(data, gopacket.NilDecodeFeedback); err != nil {
		return nil, fmt.Errorf("IPv4: %w", err)
	}
	p := &observe.Packet{Proto: uint8(ip.Protocol), TTL: ip.TTL, ID: ip.Id, Length: int(binary.BigEndian.Uint16(data[2:])), ECN: observe.ECNs[ip.TOS&3]}
	if p.Length == 0 {
		p.Length = whole
	}
	p.Src, _ = netip.AddrFromSlice(ip.SrcIP)
	p.Dst, _ = netip.AddrFromSlice(ip.DstIP)
	if ip.FragOffset == 0 {
		decodeTransport(p, ip.Payload, p.Length-len(ip.Contents), outer)
	}
	return p, nil
}

// decodeIPv6 skips the extension headers of RFC 8200, section 4.
func decodeIPv6(data []byte, whole int, outer bool) (*observe.Packet, error) {
	if len(data) < 40 {
		return nil, fmt.Errorf("IPv6: %d bytes of a header of 40", len(data))
	}
	p := &observe.Packet{Proto: data[6], TTL: data[7], Length: 40 + int(binary.BigEndian.Uint16(data[4:])), ECN: observe.ECNs[data[1]>>4&3]}
	if p.Length == 40 && layers.IPProtocol(p.Proto) != layers.IPProtocolNoNextHeader {
		p.Length = whole
	}
	p.Src, _ = netip.AddrFromSlice(data[8:24])
	p.Dst, _ = netip.AddrFromSlice(data[24:40])
	rest := data[40:min(len(data), max(p.Length, 40))]
	length := p.Length - 40
	for isExtension(p.Proto) && len(rest) >= 8 {
		if layers.IPProtocol(p.Proto) == layers.IPProtocolIPv6Fragment {
			first := binary.BigEndian.Uint16(rest[2:])>>3 == 0
			p.Proto, rest, length = rest[0], rest[8:], length-8
			if !first {
				return p, nil
			}
			continue
		}
		var e layers.IPv6ExtensionSkipper
		if e.DecodeFromBytes(rest, gopacket.NilDecodeFeedback) != nil {
			return p, nil
		}
		p.Proto, rest, length = uint8(e.NextHeader), e.Payload, length-len(e.Contents)
	}
	if !isExtension(p.Proto) {
		decodeTransport(p, rest, length, outer)
	}
	return p, nil
}

func isExtension(proto uint8) bool {
	switch layers.IPProtocol(proto) {
	case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Fragment, layers.IPProtocolIPv6Destination:
		return true
	}
	return false
}

// decodeTransport decodes the transport header at the beginning of data; length
// is that of header and payload on the wire.
func decodeTransport(p *observe.Packet, data []byte, length int, outer bool) {
	switch layers.IPProtocol(p.Proto) {
	case layers.IPProtocolTCP:
		p.TCP = decodeTCP(data, length)
	case layers.IPProtocolUDP:
		if len(data) >= 8 {
			p.UDP = &observe.UDP{SrcPort: binary.BigEndian.Uint16(data), DstPort: binary.BigEndian.Uint16(data[2:]), Payload: max(length-8, 0)}
			if p.UDP.SrcPort == dnsPort || p.UDP.DstPort == dnsPort {
				p.UDP.DNS = decodeDNS(data[8:])
			}
		}
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		p.ICMP = decodeICMP(p.Proto, data, length, outer)
	}
}

// decodeTCP takes what there is of a header: an ICMP error quotes eight bytes
// at least.
func decodeTCP(data []byte, length int) *observe.TCP {
	if len(data) < 8 {
		return nil
	}
	t := &observe.TCP{SrcPort: binary.BigEndian.Uint16(data), DstPort: binary.BigEndian.Uint16(data[2:]), Seq: binary.BigEndian.Uint32(data[4:])}
	var h layers.TCP
	if len(data) < 20 {
		return t
	}
	// On an error the fixed header is decoded all the same.
	_ = h.DecodeFromBytes(data, gopacket.NilDecodeFeedback)
	t.Ack, t.Window = h.Ack, h.Window
	t.Flags = topo.TCPFlags(data[13]) & (topo.FIN | topo.SYN | topo.RST | topo.PSH | topo.ACK)
	t.Payload = max(length-int(h.DataOffset)*4, 0)
	t.ECE, t.CWR = h.ECE, h.CWR
	for _, o := range h.Options {
		decodeOption(t, o)
	}
	return t
}

// decodeICMP reads a message, and what an error message quotes after its eight
// bytes (RFC 792, RFC 4443 section 3).
func decodeICMP(proto uint8, data []byte, length int, outer bool) *observe.ICMP {
	if len(data) < 2 {
		return nil
	}
	m := &observe.ICMP{Type: data[0], Code: data[1]}
	if outer && len(data) > 8 && quotes(proto, m.Type) {
		m.Quoted, _ = decodeIP(data[8:], length-8, false)
	}
	return m
}

func quotes(proto, kind uint8) bool {
	if layers.IPProtocol(proto) == layers.IPProtocolICMPv6 {
		return kind < 128
	}
	switch kind {
	case layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4TypeSourceQuench, layers.ICMPv4TypeRedirect,
		layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem:
		return true
	}
	return false
}
