package decode_test

import (
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
	"testbed/observe/decode"
)

// summed is a frame with its checksums.
func summed(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...))
	return b.Bytes()
}

func frameOf(b []byte) observe.Frame { return observe.Frame{Data: b, Length: len(b)} }

// frames are whole frames of each kind, by name.
func frames(t testing.TB) map[string][]byte {
	over := func(ip gopacket.NetworkLayer, l interface {
		gopacket.SerializableLayer
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}) gopacket.SerializableLayer {
		check(t, l.SetNetworkLayerForChecksum(ip))
		return l
	}
	tcp4, udp4, tcp6, icmp6 := ip4(layers.IPProtocolTCP), ip4(layers.IPProtocolUDP), ip6(layers.IPProtocolTCP), ip6(layers.IPProtocolICMPv6)
	odd, long := gopacket.Payload("odd"), gopacket.Payload("more than an Ethernet frame is padded to, and even")
	echo6 := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	return map[string][]byte{
		"TCP":    summed(t, ether(layers.EthernetTypeIPv4), tcp4, over(tcp4, segment()), odd),
		"UDP":    summed(t, ether(layers.EthernetTypeIPv4), udp4, over(udp4, &layers.UDP{SrcPort: 40000, DstPort: 53}), long),
		"ICMP":   summed(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 1}, long),
		"TCP6":   summed(t, ether(layers.EthernetTypeIPv6), tcp6, over(tcp6, segment()), data),
		"ICMPv6": summed(t, ether(layers.EthernetTypeIPv6), icmp6, over(icmp6, echo6), gopacket.Payload(make([]byte, 8))),
	}
}

// TestVerifyFindsEveryFlippedBit flips each bit from the IP header on. A checksum
// of ones' complement finds every single one that it covers.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	for name, b := range frames(t) {
		if got := decode.Verify(frameOf(b)); got != decode.Sound {
			t.Errorf("%s as it is: %v", name, got)
		}
		for bit := 14 * 8; bit < len(b)*8; bit++ {
			b[bit/8] ^= 128 >> (bit % 8)
			got := decode.Verify(frameOf(b))
			b[bit/8] ^= 128 >> (bit % 8)
			at, six := bit-14*8, b[12] == 0x86
			switch {
			case six && (at >= 4 && at < 32 || at >= 56 && at < 64): // traffic class, flow label, hop limit
				if got != decode.Sound {
					t.Errorf("%s, bit %d, which nothing covers: %v", name, at, got)
				}
			case six && at >= 48 && at < 56: // another protocol, which may have no checksum
			case !six && at < 160:
				if got != decode.BadNetwork {
					t.Errorf("%s, bit %d of the IPv4 header: %v", name, at, got)
				}
			default:
				if got == decode.Sound {
					t.Errorf("%s, bit %d: sound", name, at)
				}
			}
		}
	}
}

func TestVerifyKnowsItsLimits(t *testing.T) {
	whole := frames(t)["TCP"]
	fragment := ip4(layers.IPProtocolTCP)
	fragment.FragOffset = 100
	none := ip4(layers.IPProtocolUDP)
	broken := summed(t, ether(layers.EthernetTypeIPv4), none, gopacket.Payload([]byte{1, 2, 3, 4, 0, 20, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}))
	for name, c := range map[string]struct {
		frame observe.Frame
		want  decode.Fault
	}{
		"a cut frame":                {observe.Frame{Data: whole[:50], Length: len(whole)}, decode.Sound},
		"a fragment":                 {frameOf(summed(t, ether(layers.EthernetTypeIPv4), fragment, data)), decode.Sound},
		"a UDP datagram without one": {frameOf(broken), decode.Sound},
		"another protocol":           {frameOf(summed(t, ether(layers.EthernetTypeIPv4), ip4(132), data)), decode.Sound},
		"padding":                    {frameOf(append(append([]byte{}, whole...), 1, 2, 3)), decode.Sound},
		"longer than its frame":      {observe.Frame{Data: whole[:len(whole)-1], Length: len(whole) - 1}, decode.BadNetwork},
		"no IP":                      {frameOf(make([]byte, 60)), decode.BadNetwork},
		"nothing":                    {observe.Frame{}, decode.BadNetwork},
	} {
		if got := decode.Verify(c.frame); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, b := range frames(f) {
		f.Add(b, len(b))
	}
	f.Fuzz(func(_ *testing.T, b []byte, length int) {
		decode.Verify(observe.Frame{Data: b, Length: length})
	})
}
