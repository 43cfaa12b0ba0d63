package wire

import (
	"encoding/binary"
	"math/bits"
)

// complete computes the transport checksum that a frame's virtio_net_hdr says is
// still to do, as skb_checksum_help does, and says that it is done.
func complete(b []byte) {
	if len(b) < vnetLen || b[0]&vnetNeedsCsum == 0 {
		return
	}
	b[0] &^= vnetNeedsCsum
	start := vnetLen + int(binary.NativeEndian.Uint16(b[6:]))
	field := start + int(binary.NativeEndian.Uint16(b[8:]))
	if field+2 > len(b) {
		return
	}
	// The field holds the sum of the pseudo header.
	sum := ^fold(add(0, b[start:]))
	if sum == 0 {
		sum = 0xffff // 0 would mean that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[field:], sum)
}

// add adds 16-bit words (RFC 1071).
func add(sum uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

func fold(sum uint64) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// flip flips one bit of the network-layer packet, which begins that far into the
// Ethernet frame: the one at place, a fraction of 2^64, of its length.
func flip(b []byte, network int, place uint64) {
	packet := b[vnetLen+network:]
	bit, _ := bits.Mul64(place, uint64(len(packet))*8)
	packet[bit/8] ^= 1 << (bit % 8)
}
