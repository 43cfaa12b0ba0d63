package run

import (
	"net/netip"
	"testing"
	"time"

	"testbed/observe"
	"testbed/topo"
)

// The kernel wakes a client before it sends the ACK of the handshake. A look
// between the two must not take the connection for settled.
func TestAHandshakeWithoutItsACKIsNotSettled(t *testing.T) {
	client, server := netip.MustParseAddrPort("198.18.0.1:40000"), netip.MustParseAddrPort("198.18.0.2:80")
	at := func(ms int) time.Time { return time.Unix(0, int64(ms)*1e6) }
	packet := func(from, to netip.AddrPort, flags topo.TCPFlags, sent, arrived int) observe.Journey {
		p := &observe.Packet{Src: from.Addr(), Dst: to.Addr(), TCP: &observe.TCP{SrcPort: from.Port(), DstPort: to.Port(), Flags: flags}}
		return observe.Journey{
			Sightings: []observe.Sighting{{Time: at(sent), Sent: true, Packet: p}, {Time: at(arrived), Packet: p}},
			Fate:      observe.Fate{Delivered: true},
		}
	}
	syn, synack := packet(client, server, topo.SYN, 0, 10), packet(server, client, topo.SYN|topo.ACK, 10, 20)
	ack := packet(client, server, topo.ACK, 20, 30)
	lost := synack
	lost.Fate = observe.Fate{}
	for name, c := range map[string]struct {
		js   []observe.Journey
		want bool
	}{
		"a SYN on its own":           {[]observe.Journey{syn}, false},
		"a SYN-ACK that has arrived": {[]observe.Journey{syn, synack}, true},
		"a SYN-ACK that was lost":    {[]observe.Journey{syn, lost}, false},
		"the whole handshake":        {[]observe.Journey{syn, synack, ack}, false},
		"a later SYN-ACK, again":     {[]observe.Journey{syn, synack, ack, packet(server, client, topo.SYN|topo.ACK, 1010, 1020)}, false},
	} {
		if got := unanswered(c.js, client); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
