package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"testbed/observe"
	"testbed/topo"
)

// transmission identifies a segment among its retransmissions.
type transmission struct {
	src      netip.AddrPort
	flags    topo.TCPFlags
	seq, ack uint32
	payload  int
}

// transmissions are the connection's segments in the order in which they left
// their senders, without retransmissions.
func (j *judge) transmissions() (all []*observe.Journey) {
	seen := map[transmission]bool{}
	for i := range j.o.Journeys {
		p := j.o.Journeys[i].Packet()
		if p.TCP == nil || j.o.Journeys[i].Retransmission || !j.o.Journeys[i].Left() {
			continue
		}
		id := transmission{netip.AddrPortFrom(p.Src, p.TCP.SrcPort), p.TCP.Flags, p.TCP.Seq, p.TCP.Ack, p.TCP.Payload}
		if !seen[id] {
			seen[id] = true
			all = append(all, &j.o.Journeys[i])
		}
	}
	return all
}

// opening are those of the transmissions up to the end of the handshake, but at
// least n if there are as many. A handshake ends with the client's first ACK that
// answers a SYN-ACK, or with a RST. A segment that died on its way is one of them:
// it left its sender.
func (j *judge) opening(n int) []*observe.Journey {
	client, answered := j.client(), false
	all := j.transmissions()
	for i, t := range all {
		p := t.Packet()
		f := p.TCP.Flags
		answered = answered || is(f, topo.SYN|topo.ACK)
		if f&topo.RST != 0 || answered && netip.AddrPortFrom(p.Src, p.TCP.SrcPort) == client && is(f, topo.ACK) {
			return all[:min(len(all), max(n, i+1))]
		}
	}
	return all
}

// client is the connecting end's address as its packets have it: the sender of
// the first SYN, or the socket's own address when no SYN was seen.
func (j *judge) client() netip.AddrPort {
	for i := range j.o.Journeys {
		if p := j.o.Journeys[i].Packet(); p.TCP != nil && is(p.TCP.Flags, topo.SYN) {
			return netip.AddrPortFrom(p.Src, p.TCP.SrcPort)
		}
	}
	return j.o.Local
}

// is tells whether exactly those of SYN, ACK, FIN and RST are set.
func is(f, want topo.TCPFlags) bool {
	return f&(topo.SYN|topo.ACK|topo.FIN|topo.RST) == want
}

func (j *judge) handshake(want []string) Check {
	segments := j.opening(len(want))
	got := make([]string, len(segments))
	for i, s := range segments {
		got[i] = s.Packet().TCP.Flags.String()
	}
	c := Check{Key: "handshake", Expected: strings.Join(want, ", "), Observed: list(got)}
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			c.Note = fmt.Sprintf("expected %s as segment %d, observed no more", want[i], i+1)
		case i >= len(want):
			c.Note = fmt.Sprintf("expected nothing after segment %d, observed %s", i, got[i])
		case !sameFlags(want[i], got[i]):
			c.Note = fmt.Sprintf("expected %s as segment %d, observed %s", want[i], i+1, got[i])
		default:
			continue
		}
		c.Note = j.withUnseen(c.Note)
		return c
	}
	c.OK = true
	return c
}

// sameFlags compares flag names; RST and FIN also stand for RST-ACK and
// FIN-ACK.
func sameFlags(want, got string) bool {
	want = strings.ToUpper(want)
	return want == got || (want == "RST" || want == "FIN") && got == want+"-ACK"
}

func list(s []string) string {
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
