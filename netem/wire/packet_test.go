package wire

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// vnet makes a virtio_net_hdr.
func vnet(flags, gso byte, size, csumStart uint16) []byte {
	b := []byte{flags, gso}
	for _, v := range []uint16{0, size, csumStart, 16} {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func ethernet(kinds ...uint16) []byte {
	b := make([]byte, 12)
	for i, k := range kinds {
		if i > 0 {
			b = append(b, 0, 7) // the tag of the one before
		}
		b = binary.BigEndian.AppendUint16(b, k)
	}
	return b
}

func ipv4(proto byte) []byte {
	b := make([]byte, 20)
	b[0], b[9] = 0x45, proto
	return b
}

func ipv6(next byte) []byte {
	b := make([]byte, 40)
	b[0], b[6] = 0x60, next
	return b
}

// tcp is a header of 32 bytes.
func tcp() []byte {
	b := make([]byte, 32)
	b[12] = 8 << 4
	return b
}

// sized is what TestInspect looks at.
type sized struct {
	length       int
	upkeep       bool
	wire, pieces int
}

func TestInspect(t *testing.T) {
	plain := vnet(0, gsoNone, 0, 0)
	payload := make([]byte, 5000)
	hop := []byte{protoICMPv6, 0, 5, 2, 0, 0, 1, 0} // router alert
	for _, c := range []struct {
		name  string
		frame []byte
		want  sized
	}{
		{"nothing", nil, sized{upkeep: true}},
		{"no Ethernet header", vnet(0, 0, 0, 0), sized{upkeep: true}},
		{"ARP", join(plain, ethernet(etherARP), make([]byte, 28)), sized{28, true, 42, 0}},
		{"UDP", join(plain, ethernet(etherIPv4), ipv4(protoUDP), make([]byte, 8)), sized{28, false, 42, 0}},
		{"cut IPv4", join(plain, ethernet(etherIPv4), ipv4(protoUDP)[:10]), sized{10, false, 24, 0}},
		{"IGMP", join(plain, ethernet(etherIPv4), ipv4(protoIGMP), make([]byte, 8)), sized{28, true, 42, 0}},
		{"behind two tags", join(plain, ethernet(etherQinQ, etherVLAN, etherIPv4), ipv4(protoUDP)), sized{20, false, 42, 0}},
		{"TCP over IPv6", join(plain, ethernet(etherIPv6), ipv6(protoTCP), tcp()), sized{72, false, 86, 0}},
		{"echo request", join(plain, ethernet(etherIPv6), ipv6(protoICMPv6), []byte{128}), sized{41, false, 55, 0}},
		{"neighbour solicitation", join(plain, ethernet(etherIPv6), ipv6(protoICMPv6), []byte{135}), sized{41, true, 55, 0}},
		{"listener report", join(plain, ethernet(etherIPv6), ipv6(protoHopByHop), hop, []byte{143}), sized{49, true, 63, 0}},
		{"ICMPv6 without a type", join(plain, ethernet(etherIPv6), ipv6(protoICMPv6)), sized{40, false, 54, 0}},
		{"super-segment", join(vnet(vnetNeedsCsum, 1, 1448, 34), ethernet(etherIPv4), ipv4(protoTCP), tcp(), payload), sized{1500, false, 5264, 4}},
		{"super-segment with ECN", join(vnet(vnetNeedsCsum, 4|gsoECN, 1428, 54), ethernet(etherIPv6), ipv6(protoTCP), tcp(), payload), sized{1500, false, 5344, 4}},
		{"super-segment without checksum offload", join(vnet(0, 1, 1448, 0), ethernet(etherIPv4), ipv4(protoTCP), tcp(), payload), sized{1500, false, 5264, 4}},
		{"UDP super-segment", join(vnet(vnetNeedsCsum, gsoUDPL4, 1000, 34), ethernet(etherIPv4), ipv4(protoUDP), make([]byte, 8), payload), sized{1028, false, 5210, 5}},
		{"super-segment no larger than one", join(vnet(vnetNeedsCsum, 1, 1448, 34), ethernet(etherIPv4), ipv4(protoTCP), tcp(), payload[:100]), sized{152, false, 166, 1}},
		{"checksum beyond the end", join(vnet(vnetNeedsCsum, 1, 1448, 60000), ethernet(etherIPv4), ipv4(protoTCP), tcp(), payload), sized{1500, false, 5264, 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := inspect(c.frame)
			if got := (sized{p.length, p.upkeep, p.wire, p.pieces}); got != c.want {
				t.Errorf("inspect() = %+v, want %+v", got, c.want)
			}
		})
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(join(vnet(vnetNeedsCsum, 1, 1448, 34), ethernet(etherIPv4), ipv4(protoTCP), tcp(), make([]byte, 2000)))
	f.Add(join(vnet(0, 0, 0, 0), ethernet(etherQinQ, etherIPv6), ipv6(0), []byte{protoICMPv6, 200, 0, 0, 0, 0, 0, 0, 135}))
	f.Add(join(vnet(1, 5, 65535, 1), ethernet(etherIPv4), ipv4(protoUDP)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		p := inspect(frame)
		if p.length < 0 || p.length > len(frame) || p.wire < 0 || p.super && p.pieces < 1 {
			t.Errorf("%+v of a frame of %d bytes", p, len(frame))
		}
		if !bytes.Equal(frame, before) {
			t.Error("inspect changed the frame")
		}
	})
}

func TestPutVLAN(t *testing.T) {
	head, body := ethernet(etherIPv4), join(ipv4(protoTCP), tcp(), []byte("payload"))
	frame := join(vnet(vnetNeedsCsum, 1, 1448, 34), head, body)
	binary.NativeEndian.PutUint16(frame[2:], 66)
	want := join(vnet(vnetNeedsCsum, 1, 1448, 38), head[:12], []byte{0x81, 0, 0x20, 0x05}, head[12:], body)
	binary.NativeEndian.PutUint16(want[2:], 70)
	room := append(make([]byte, 0, 200), frame...)
	if got := putVLAN(room, etherVLAN, 0x2005); !bytes.Equal(got, want) {
		t.Errorf("putVLAN() =\n%x, want\n%x", got, want)
	}
	if got := putVLAN(make([]byte, 5), etherVLAN, 1); len(got) != 5 {
		t.Errorf("putVLAN() of a stump has %d bytes", len(got))
	}
}

func TestAncillary(t *testing.T) {
	ne := binary.NativeEndian
	message := func(level, kind uint32, data []byte) []byte {
		b := ne.AppendUint64(nil, uint64(16+len(data)))
		b = ne.AppendUint32(ne.AppendUint32(b, level), kind)
		b = append(b, data...)
		return append(b, make([]byte, -len(b)&7)...)
	}
	stamp := message(1, 0x40, ne.AppendUint64(ne.AppendUint64(nil, 7), 9))
	aux := make([]byte, 20)
	ne.PutUint32(aux, 0x50)
	ne.PutUint16(aux[16:], 5)
	ne.PutUint16(aux[18:], etherQinQ)
	for _, c := range []struct {
		name string
		b    []byte
		want extra
	}{
		{"none", nil, extra{tpid: etherVLAN}},
		{"stamp", stamp, extra{stamp: 7e9 + 9, tpid: etherVLAN}},
		{"both", join(message(263, 8, aux), stamp), extra{stamp: 7e9 + 9, tagged: true, tpid: etherQinQ, tci: 5}},
		{"cut short", stamp[:20], extra{tpid: etherVLAN}},
	} {
		if got := ancillary(c.b); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
