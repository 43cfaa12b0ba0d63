package relative_test

import (
	"net/netip"
	"testing"

	"testbed/observe"
	"testbed/observe/relative"
	"testbed/topo"
)

// TestNumbersOfAnEarlierConnection wants an old duplicate to change nothing.
func TestNumbersOfAnEarlierConnection(t *testing.T) {
	client, server := netip.MustParseAddrPort("198.18.0.1:40000"), netip.MustParseAddrPort("198.18.0.2:80")
	syn := func(seq uint32, sent bool) *observe.Journey {
		return &observe.Journey{Sightings: []observe.Sighting{{Sent: sent, Packet: &observe.Packet{
			Src: client.Addr(), Dst: server.Addr(), Proto: 6, TCP: &observe.TCP{SrcPort: client.Port(), DstPort: server.Port(), Flags: topo.SYN, Seq: seq},
		}}}}
	}
	n := relative.New()
	n.Of(syn(5000, true))
	if seq, _ := n.Of(syn(3000, false)); int32(seq) != -2000 {
		t.Errorf("the old SYN has number %d, want -2000", int32(seq))
	}
	if seq, _ := n.Of(syn(5000, true)); seq != 0 {
		t.Errorf("after it the SYN has number %d, want 0", seq)
	}
}

// TestNumbersAcrossAProxy wants numbers to be relative to the initial one of
// whichever server they belong to, the proxy's or the real one's.
func TestNumbersAcrossAProxy(t *testing.T) {
	client, server := netip.MustParseAddrPort("198.18.0.1:40000"), netip.MustParseAddrPort("198.18.0.6:80")
	segment := func(from, to netip.AddrPort, f topo.TCPFlags, seq, ack uint32) *observe.Journey {
		return &observe.Journey{Sightings: []observe.Sighting{{Sent: true, Packet: &observe.Packet{
			Src: from.Addr(), Dst: to.Addr(), Proto: 6, TCP: &observe.TCP{SrcPort: from.Port(), DstPort: to.Port(), Flags: f, Seq: seq, Ack: ack},
		}}}}
	}
	const cookie, real = 3_000_000_000, 1000
	n := relative.New()
	for i, s := range []struct {
		j        *observe.Journey
		seq, ack uint32
	}{
		{segment(client, server, topo.SYN, 100, 0), 0, 0},
		{segment(server, client, topo.SYN|topo.ACK, cookie, 101), 0, 1},
		{segment(client, server, topo.ACK, 101, cookie+1), 1, 1},
		{segment(client, server, topo.SYN, 100, 0), 0, 0},
		{segment(server, client, topo.SYN|topo.ACK, real, 101), 0, 1},
		{segment(client, server, topo.ACK, 106, cookie+1), 6, 1},
		{segment(server, client, topo.ACK, real+1, 106), 1, 6},
		{segment(client, server, topo.ACK, 106, cookie+6), 6, 6},
		{segment(client, server, topo.SYN, 70_000, 0), 0, 0},
		{segment(server, client, topo.SYN|topo.ACK, real+9, 70_001), 0, 1},
	} {
		seq, ack := n.Of(s.j)
		if s.j.Packet().TCP.Flags&topo.ACK == 0 {
			ack = 0
		}
		if seq != s.seq || ack != s.ack {
			t.Errorf("segment %d: seq=%d ack=%d, want seq=%d ack=%d", i+1, seq, ack, s.seq, s.ack)
		}
	}
}
