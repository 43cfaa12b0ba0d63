// Package raw makes TCP segments by hand and sends them past the kernel's TCP,
// from raw(7) sockets in a node's namespace. That takes CAP_NET_RAW there, which
// an ordinary user has in a user namespace of his own.
package raw

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// SYN is what tells one connection request from another.
type SYN struct {
	// Source and Target are of one family.
	Source, Target netip.AddrPort
	Seq            uint32
	// ID is IPv4's identification; where it is zero, the kernel chooses one.
	ID uint16
}

// The layout of what Packet makes: headers without options, but for TCP's maximum
// segment size, without which its header is tcpMinimum long.
const (
	ipv4Header = 20
	ipv6Header = 40
	tcpHeader  = 24
	tcpMinimum = 20
	hopLimit   = 64
	window     = 64240
	mss        = 1460
)

// Packet is the IP packet of a connection request, with its checksums.
func (s SYN) Packet() []byte {
	if s.Target.Addr().Is4() {
		return s.ipv4()
	}
	return s.ipv6()
}

// ipv4 leaves the header's checksum to the kernel (raw(7)).
func (s SYN) ipv4() []byte {
	b := make([]byte, ipv4Header+tcpHeader)
	src, dst := s.Source.Addr().As4(), s.Target.Addr().As4()
	b[0] = 4<<4 | ipv4Header/4
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[4:], s.ID)
	b[6] = 1 << 6 // don't fragment
	b[8], b[9] = hopLimit, unix.IPPROTO_TCP
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	s.tcp(b[ipv4Header:], src[:], dst[:])
	return b
}

func (s SYN) ipv6() []byte {
	b := make([]byte, ipv6Header+tcpHeader)
	src, dst := s.Source.Addr().As16(), s.Target.Addr().As16()
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], tcpHeader)
	b[6], b[7] = unix.IPPROTO_TCP, hopLimit
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	s.tcp(b[ipv6Header:], src[:], dst[:])
	return b
}

// tcp writes the header (RFC 9293, section 3.1) with the option of its section
// 3.2.
func (s SYN) tcp(b, src, dst []byte) {
	const syn = 1 << 1
	binary.BigEndian.PutUint16(b, s.Source.Port())
	binary.BigEndian.PutUint16(b[2:], s.Target.Port())
	binary.BigEndian.PutUint32(b[4:], s.Seq)
	b[12], b[13] = tcpHeader/4<<4, syn
	binary.BigEndian.PutUint16(b[14:], window)
	b[20], b[21] = 2, 4
	binary.BigEndian.PutUint16(b[22:], mss)
	binary.BigEndian.PutUint16(b[16:], checksum(src, dst, b))
}

// checksum is that of a segment and its pseudo header (RFC 1071), 0 where the
// segment's own is in it and right.
func checksum(src, dst, segment []byte) uint16 {
	return ^fold(pseudo(src, dst, len(segment)) + words(segment))
}

// pseudo is the sum of the pseudo header of so long a segment (RFC 9293, section
// 3.1).
func pseudo(src, dst []byte, length int) uint32 {
	return words(src) + words(dst) + unix.IPPROTO_TCP + uint32(length)
}

// words is the sum of the 16-bit words of at most 64 KiB, a last odd byte being the
// first of its word.
func words(b []byte) (sum uint32) {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold is a sum in ones' complement.
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
