package decode_test

import (
	"encoding/hex"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
	"testbed/observe/decode"
	"testbed/topo"
)

var (
	a4, b4 = netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")
	a6, b6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func build(t testing.TB, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	check(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ls...))
	return b.Bytes()
}

func ether(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, EthernetType: kind}
}

func ip4(proto layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Id: 4711, Protocol: proto, SrcIP: a4.AsSlice(), DstIP: b4.AsSlice()}
}

func ip6(next layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 63, NextHeader: next, SrcIP: a6.AsSlice(), DstIP: b6.AsSlice()}
}

var data = gopacket.Payload("hello, world")

func segment() *layers.TCP {
	return &layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000, Ack: 2000, PSH: true, ACK: true, Window: 501, Options: []layers.TCPOption{
		{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindNop},
		{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{0, 0, 0, 9, 0, 0, 0, 8}},
	}}
}

func decoded(payload int) *observe.TCP {
	return &observe.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000, Ack: 2000, Flags: topo.PSH | topo.ACK, Window: 501, Payload: payload, HasTS: true, TSVal: 9, TSEcr: 8}
}

func unhex(s string) gopacket.Payload {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var decodeCases = []struct {
	name string
	// layers make the frame; cut is how many of its bytes are captured, 0 for all.
	layers func() []gopacket.SerializableLayer
	cut    int
	want   *observe.Packet
	err    bool
}{
	{name: "TCP over IPv4", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(6), segment(), data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 64, TCP: decoded(12)}},
	{name: "Ethernet padding is no payload", layers: func() []gopacket.SerializableLayer {
		short := build(t0, ip4(6), &layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 1, SYN: true})
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), gopacket.Payload(append(short, 0, 0, 0, 0, 0, 0))}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 40, TCP: &observe.TCP{SrcPort: 40000, DstPort: 80, Seq: 1, Flags: topo.SYN}}},
	{name: "cut in the payload", cut: 70, layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(6), segment(), data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 64, TCP: decoded(12)}},
	{name: "cut in the TCP options", cut: 14 + 20 + 24, layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(6), segment(), data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 64, TCP: &observe.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000, Ack: 2000, Flags: topo.PSH | topo.ACK, Window: 501, Payload: 12}}},
	{name: "cut in the TCP header", cut: 14 + 20 + 10, layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(6), segment(), data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 64, TCP: &observe.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000}}},
	{name: "cut in the IP header", cut: 14 + 12, err: true, layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(6), segment()}
	}},
	{name: "fragment after the first", layers: func() []gopacket.SerializableLayer {
		ip := ip4(6)
		ip.FragOffset = 185
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip, data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 32}},
	{name: "UDP", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(17), &layers.UDP{SrcPort: 53, DstPort: 5353}, data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 17, TTL: 64, ID: 4711, Length: 40, UDP: &observe.UDP{SrcPort: 53, DstPort: 5353, Payload: 12}}},
	{name: "echo request", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 1, Seq: 1}, data}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 1, TTL: 64, ID: 4711, Length: 40, ICMP: &observe.ICMP{Type: 8}}},
	{name: "an error that quotes eight bytes", layers: func() []gopacket.SerializableLayer {
		quoted := []byte{69, 0, 0, 64, 18, 103, 0, 0, 64, 6, 0, 0, 198, 18, 0, 2, 198, 18, 0, 1, 156, 64, 0, 80, 0, 0, 3, 232}
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip4(1), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 1)}, gopacket.Payload(quoted)}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 1, TTL: 64, ID: 4711, Length: 56, ICMP: &observe.ICMP{Type: 3, Code: 1, Quoted: &observe.Packet{
		Src: b4, Dst: a4, Proto: 6, TTL: 64, ID: 0x1267, Length: 64, TCP: &observe.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000}}}}},
	{name: "TCP over IPv6", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip6(6), segment(), data}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 84, TCP: decoded(12)}},
	{name: "behind hop-by-hop and destination options", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip6(0), unhex("3c00010400000000" + "0600010400000000"), segment(), data}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 100, TCP: decoded(12)}},
	{name: "first fragment of IPv6", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip6(44), unhex("0600000100000007"), segment(), data}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 92, TCP: decoded(12)}},
	{name: "later fragment of IPv6", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip6(44), unhex("0600010000000007"), data}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 60}},
	{name: "ICMPv6 error", layers: func() []gopacket.SerializableLayer {
		quoted := build(t0, ip6(6), segment())
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip6(58), unhex("0103000000000000"), gopacket.Payload(quoted)}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 58, TTL: 63, Length: 120, ICMP: &observe.ICMP{Type: 1, Code: 3, Quoted: &observe.Packet{
		Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 72, TCP: decoded(0)}}}},
	{name: "the options of a SYN, and ECN", layers: func() []gopacket.SerializableLayer {
		ip, syn := ip4(6), &layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 1, SYN: true, ECE: true, CWR: true, Options: []layers.TCPOption{
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}},
			{OptionType: layers.TCPOptionKindSACKPermitted, OptionLength: 2},
			{OptionType: layers.TCPOptionKindNop},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 3, OptionData: []byte{7}},
			{OptionType: 34, OptionLength: 2},
		}}
		ip.TOS = 3
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip, syn}
	}, want: &observe.Packet{Src: a4, Dst: b4, Proto: 6, TTL: 64, ID: 4711, Length: 52, ECN: observe.CE, TCP: &observe.TCP{
		SrcPort: 40000, DstPort: 80, Seq: 1, Flags: topo.SYN, ECE: true, CWR: true,
		Options: observe.TCPOptions{MSS: 1460, SACKPermitted: true, HasWindowScale: true, WindowScale: 7, FastOpen: observe.FastOpenRequest}}}},
	{name: "a cookie, and options of wrong lengths", layers: func() []gopacket.SerializableLayer {
		ip := ip6(6)
		ip.TrafficClass = 2
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv6), ip, &layers.TCP{SrcPort: 40000, DstPort: 80, Seq: 1, SYN: true, Options: []layers.TCPOption{
			{OptionType: 34, OptionLength: 10, OptionData: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
			{OptionType: layers.TCPOptionKindMSS, OptionLength: 5, OptionData: []byte{5, 0xb4, 0}},
			{OptionType: layers.TCPOptionKindWindowScale, OptionLength: 2},
		}}}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 80, ECN: observe.ECT0, TCP: &observe.TCP{
		SrcPort: 40000, DstPort: 80, Seq: 1, Flags: topo.SYN, Options: observe.TCPOptions{FastOpen: observe.FastOpenCookie}}}},
	{name: "ARP", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeARP), data}
	}},
	{name: "an IPv6 header in an IPv4 frame", layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), ip6(6), segment()}
	}, want: &observe.Packet{Src: a6, Dst: b6, Proto: 6, TTL: 63, Length: 72, TCP: decoded(0)}},
	{name: "IP version 5", err: true, layers: func() []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{ether(layers.EthernetTypeIPv4), unhex("50")}
	}},
}

const etherHeader = 14

// t0 serves where layers are made outside of a test.
var t0 = &testing.T{}

func TestFrame(t *testing.T) {
	for _, c := range decodeCases {
		t.Run(c.name, func(t *testing.T) {
			b := build(t, c.layers()...)
			f := observe.Frame{Data: b, Length: len(b)}
			if c.cut > 0 {
				f.Data = b[:c.cut]
			}
			got, err := decode.Frame(f)
			if (err != nil) != c.err {
				t.Fatalf("error %v, want one: %v", err, c.err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("decoded %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSolicited(t *testing.T) {
	arp := func(op uint16) []byte {
		return build(t, ether(layers.EthernetTypeARP), &layers.ARP{AddrType: 1, Protocol: 0x800, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
			SourceHwAddress: make([]byte, 6), DstHwAddress: make([]byte, 6), SourceProtAddress: a4.AsSlice(), DstProtAddress: b4.AsSlice()})
	}
	for _, c := range []struct {
		name string
		data []byte
		want netip.Addr
	}{
		{"ARP request", arp(1), b4},
		{"ARP reply", arp(2), netip.Addr{}},
		{"cut ARP request", arp(1)[:30], netip.Addr{}},
		{"neighbour solicitation", build(t, ether(layers.EthernetTypeIPv6), ip6(58), unhex("8700000000000000"), gopacket.Payload(b6.AsSlice())), b6},
		{"neighbour advertisement", build(t, ether(layers.EthernetTypeIPv6), ip6(58), unhex("8800000000000000"), gopacket.Payload(b6.AsSlice())), netip.Addr{}},
		{"TCP", build(t, ether(layers.EthernetTypeIPv4), ip4(6), segment()), netip.Addr{}},
		{"nothing", nil, netip.Addr{}},
	} {
		if got, ok := decode.Solicited(observe.Frame{Data: c.data}); got != c.want || ok != c.want.IsValid() {
			t.Errorf("%s: %v, %v, want %v", c.name, got, ok, c.want)
		}
	}
}

// A decoder of frames never panics, whatever it is given.
func FuzzFrame(f *testing.F) {
	for _, c := range decodeCases {
		b := build(f, c.layers()...)
		f.Add(b, len(b))
		if c.cut > 0 {
			f.Add(b[:c.cut], len(b))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, length int) {
		decode.Solicited(observe.Frame{Data: b})
		p, err := decode.Frame(observe.Frame{Data: b, Length: length})
		if p != nil && err != nil {
			t.Errorf("both a packet and an error: %+v, %v", p, err)
		}
		if p != nil && p.TCP != nil && p.TCP.HasTS && len(b) < etherHeader+40+10 {
			t.Errorf("a time stamp in %d bytes: %+v", len(b), p.TCP)
		}
		if p != nil && (!p.Src.IsValid() || !p.Dst.IsValid()) {
			t.Errorf("packet without addresses: %+v", p)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	frame := build(b, ether(layers.EthernetTypeIPv4), ip4(6), segment(), data)
	for b.Loop() {
		if _, err := decode.Frame(observe.Frame{Data: frame, Length: len(frame)}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestEnds holds the quick look at a frame against decoding it.
func TestEnds(t *testing.T) {
	tcp6, tcp4 := build(t, ether(layers.EthernetTypeIPv6), ip6(layers.IPProtocolTCP), segment(), data), build(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolTCP), segment(), data)
	from, to := uint16(40000), uint16(80)
	quoting4 := build(t, ether(layers.EthernetTypeIPv4), &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: b4.AsSlice(), DstIP: a4.AsSlice()},
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, 0)}, gopacket.Payload(tcp4[14:]))
	for name, c := range map[string]struct {
		frame    []byte
		src, dst netip.AddrPort
		ok       bool
	}{
		"IPv4":    {tcp4, netip.AddrPortFrom(a4, from), netip.AddrPortFrom(b4, to), true},
		"IPv6":    {tcp6, netip.AddrPortFrom(a6, from), netip.AddrPortFrom(b6, to), true},
		"quoted":  {quoting4, netip.AddrPortFrom(a4, from), netip.AddrPortFrom(b4, to), true},
		"UDP":     {frame: build(t, ether(layers.EthernetTypeIPv4), ip4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2})},
		"ARP":     {frame: build(t, ether(layers.EthernetTypeARP), data)},
		"nothing": {},
	} {
		src, dst, ok := decode.Ends(observe.Frame{Data: c.frame, Length: len(c.frame)})
		if src != c.src || dst != c.dst || ok != c.ok {
			t.Errorf("%s: %s – %s, %t", name, src, dst, ok)
		}
		for n := range c.frame { // cut frames must not end it
			decode.Ends(observe.Frame{Data: c.frame[:n], Length: len(c.frame)})
		}
	}
}
