package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// layersOf are the headers of a segment, and the transport header's length.
type layersOf func(i int, last bool) ([]gopacket.SerializableLayer, int)

var ethernetTo = layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}}

func overIPv4(proto layers.IPProtocol, i int) (*layers.Ethernet, *layers.IPv4) {
	eth := ethernetTo
	eth.EthernetType = layers.EthernetTypeIPv4
	return &eth, &layers.IPv4{
		Version: 4, TTL: 64, Id: uint16(0xfffe + i), Protocol: proto,
		SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2},
	}
}

func overIPv6(proto layers.IPProtocol) (*layers.Ethernet, *layers.IPv6) {
	eth := ethernetTo
	eth.EthernetType = layers.EthernetTypeIPv6
	return &eth, &layers.IPv6{
		Version: 6, HopLimit: 64, NextHeader: proto,
		SrcIP: net.ParseIP("fd00::1"), DstIP: net.ParseIP("fd00::2"),
	}
}

const pieceSize = 1000

func tcpSegment(i int, last bool) *layers.TCP {
	return &layers.TCP{
		SrcPort: 1, DstPort: 2, Seq: 0xfffffff0 + uint32(i*pieceSize), ACK: true, Window: 9,
		CWR: i == 0, PSH: last, FIN: last,
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}},
	}
}

var supers = []struct {
	name   string
	gso    byte
	field  uint16
	layers layersOf
}{
	{"TCP over IPv4", gsoTCPv4 | gsoECN, 16, func(i int, last bool) ([]gopacket.SerializableLayer, int) {
		eth, ip := overIPv4(layers.IPProtocolTCP, i)
		tcp := tcpSegment(i, last)
		tcp.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{eth, ip, tcp}, 24
	}},
	{"TCP over IPv6", gsoTCPv6, 16, func(i int, last bool) ([]gopacket.SerializableLayer, int) {
		eth, ip := overIPv6(layers.IPProtocolTCP)
		tcp := tcpSegment(i, last)
		tcp.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{eth, ip, tcp}, 24
	}},
	{"UDP over IPv4", gsoUDPL4, 6, func(i int, last bool) ([]gopacket.SerializableLayer, int) {
		eth, ip := overIPv4(layers.IPProtocolUDP, i)
		udp := &layers.UDP{SrcPort: 1, DstPort: 2}
		udp.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{eth, ip, udp}, 8
	}},
	{"UDP over IPv6", gsoUDPL4, 6, func(i int, last bool) ([]gopacket.SerializableLayer, int) {
		eth, ip := overIPv6(layers.IPProtocolUDP)
		udp := &layers.UDP{SrcPort: 1, DstPort: 2}
		udp.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{eth, ip, udp}, 8
	}},
}

// whole serializes a frame with all its lengths and checksums.
func whole(t *testing.T, headers []gopacket.SerializableLayer, payload []byte) []byte {
	t.Helper()
	buffer := gopacket.NewSerializeBuffer()
	all := append(headers, gopacket.Payload(payload))
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, all...); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// TestSegmentsAreThoseOfTheKernel compares with what gopacket makes of the same
// headers, when it computes lengths and checksums.
func TestSegmentsAreThoseOfTheKernel(t *testing.T) {
	payload := make([]byte, 2*pieceSize+501)
	for i := range payload {
		payload[i] = byte(i * 7)
	}
	for _, c := range supers {
		t.Run(c.name, func(t *testing.T) {
			headers, l4len := c.layers(0, true)
			eth := whole(t, headers, payload)
			l4 := len(eth) - len(payload) - l4len
			b := append(vnet(vnetNeedsCsum, c.gso, pieceSize, uint16(l4)), eth...)
			binary.NativeEndian.PutUint16(b[8:], c.field)
			p := inspect(b)
			if !p.cuttable(b) || p.pieces != 3 {
				t.Fatalf("%+v can't be cut in 3", p)
			}
			for i := range p.pieces {
				headers, _ := c.layers(i, i == 2)
				want := whole(t, headers, payload[i*pieceSize:min(len(payload), (i+1)*pieceSize)])
				got := p.segment(b, i)
				if !bytes.Equal(got[vnetLen:], want) {
					t.Errorf("segment %d is\n%x, want\n%x", i, got[vnetLen:], want)
				}
				if got[0] != 0 || got[1] != gsoNone {
					t.Errorf("segment %d still has something to be done: %x", i, got[:vnetLen])
				}
			}
		})
	}
}

func TestCompleteComputesTheChecksum(t *testing.T) {
	for _, payload := range [][]byte{[]byte("even"), []byte("odd"), {}} {
		eth, ip := overIPv4(layers.IPProtocolUDP, 0)
		udp := &layers.UDP{SrcPort: 1, DstPort: 2}
		udp.SetNetworkLayerForChecksum(ip)
		want := whole(t, []gopacket.SerializableLayer{eth, ip, udp}, payload)
		b := append(vnet(vnetNeedsCsum, gsoNone, 0, 34), want...)
		binary.NativeEndian.PutUint16(b[8:], 6)
		p := packet{kind: etherIPv4}
		binary.BigEndian.PutUint16(b[vnetLen+40:], p.pseudo(b[vnetLen+14:], protoUDP, 8+len(payload)))
		complete(b)
		if !bytes.Equal(b[vnetLen:], want) || b[0] != 0 {
			t.Errorf("completed to\n%x, want\n%x", b[vnetLen:], want)
		}
	}
}

func TestFlipFlipsOneBitOfTheNetworkLayer(t *testing.T) {
	const network, length = 14, 20
	seen := map[int]bool{}
	for i := range 8 * length {
		b := make([]byte, vnetLen+network+length)
		place, _ := bits.Div64(uint64(i), 1<<63, 8*length)
		flip(b, network, place)
		n := 0
		for at, x := range b {
			n += bits.OnesCount8(x)
			if x != 0 {
				seen[at*8+bits.TrailingZeros8(x)] = true
			}
		}
		if n != 1 || bytes.IndexFunc(b[:vnetLen+network], func(r rune) bool { return r != 0 }) >= 0 {
			t.Fatalf("place %d flips %x", i, b)
		}
	}
	if len(seen) != 8*length {
		t.Errorf("%d different bits, want %d", len(seen), 8*length)
	}
}

func FuzzSegments(f *testing.F) {
	f.Add(join(vnet(vnetNeedsCsum, gsoTCPv4, 500, 34), ethernet(etherIPv4), ipv4(protoTCP), tcp(), make([]byte, 2000)))
	f.Add(join(vnet(vnetNeedsCsum, gsoTCPv6, 500, 54), ethernet(etherIPv6), ipv6(protoTCP), tcp(), make([]byte, 700)))
	f.Add(join(vnet(0, gsoUDPL4, 1, 0), ethernet(etherVLAN, etherIPv4), ipv4(protoUDP), make([]byte, 20)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		p := inspect(frame)
		if !p.super || !p.cuttable(frame) {
			return
		}
		total := 0
		for i := range p.pieces {
			total += len(p.segment(frame, i)) - vnetLen - p.payload
		}
		if want := len(frame) - vnetLen - p.payload; total != want {
			t.Errorf("%d bytes of payload in %d pieces, want %d", total, p.pieces, want)
		}
	})
}
