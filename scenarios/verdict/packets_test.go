package verdict

import (
	"net/netip"
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

var (
	client = netip.MustParseAddrPort("10.0.0.1:40000")
	server = netip.MustParseAddrPort("10.0.0.2:80")
	public = netip.MustParseAddrPort("192.0.2.1:61000")
	epoch  = time.Unix(1_700_000_000, 0)
)

func ptr[T any](v T) *T { return &v }

func segment(src, dst netip.AddrPort, f topo.TCPFlags, seq uint32, payload int) *observe.Packet {
	return &observe.Packet{Src: src.Addr(), Dst: dst.Addr(), Proto: 6, TCP: &observe.TCP{
		SrcPort: src.Port(), DstPort: dst.Port(), Flags: f, Seq: seq, Payload: payload,
	}}
}

// sent is a segment that arrived over one link.
func sent(at time.Duration, src, dst netip.AddrPort, f topo.TCPFlags, seq uint32, payload int) observe.Journey {
	p := segment(src, dst, f, seq, payload)
	return observe.Journey{
		Sightings: []observe.Sighting{
			{Time: epoch.Add(at), Sent: true, Packet: p},
			{Time: epoch.Add(at + 100*ms), Side: 1, Packet: p},
		},
		Fate: observe.Fate{Delivered: true},
	}
}

// translated adds the sightings of a segment beyond a NAT.
func translated(j observe.Journey, src, dst netip.AddrPort) observe.Journey {
	t := j.Packet().TCP
	p := segment(src, dst, t.Flags, t.Seq, t.Payload)
	at := j.Last().Time
	j.Sightings = append(j.Sightings,
		observe.Sighting{Time: at, Link: 1, Sent: true, Packet: p},
		observe.Sighting{Time: at.Add(5 * ms), Link: 1, Side: 1, Packet: p})
	return j
}

func again(j observe.Journey) observe.Journey {
	j.Retransmission = true
	return j
}

func changes(states ...observe.State) []observe.StateChange {
	var c []observe.StateChange
	for i, s := range states {
		c = append(c, observe.StateChange{Time: epoch.Add(time.Duration(i) * ms), State: s})
	}
	return c
}

func TestHandshake(t *testing.T) {
	const S, A, R, F, P = topo.SYN, topo.ACK, topo.RST, topo.FIN, topo.PSH
	syn := sent(0, client, server, S, 100, 0)
	synAck := sent(100*ms, server, client, S|A, 500, 0)
	ack := sent(200*ms, client, server, A, 101, 0)
	data := sent(201*ms, client, server, A|P, 101, 50)
	open := []observe.Journey{syn, synAck, ack, data, sent(300*ms, server, client, F|A, 501, 0)}
	icmp := observe.Journey{Sightings: []observe.Sighting{{
		Time: epoch, Sent: true, Packet: &observe.Packet{Proto: 1, ICMP: &observe.ICMP{Type: 3, Code: 3, Quoted: syn.Packet()}},
	}}}
	for _, c := range []struct {
		name     string
		journeys []observe.Journey
		want     []string
		observed string
		note     string
	}{
		{"established", open, []string{"SYN", "SYN-ACK", "ACK"}, "SYN, SYN-ACK, ACK", ""},
		{"lower case", open, []string{"syn", "syn-ack", "ack"}, "SYN, SYN-ACK, ACK", ""},
		{"ended by data", []observe.Journey{syn, synAck, data}, []string{"SYN", "SYN-ACK", "ACK"}, "SYN, SYN-ACK, ACK", ""},
		{"longer than the handshake", open, []string{"SYN", "SYN-ACK", "ACK", "ACK", "FIN"}, "SYN, SYN-ACK, ACK, ACK, FIN-ACK", ""},
		{
			"too little expected", open, []string{"SYN"}, "SYN, SYN-ACK, ACK",
			"expected nothing after segment 1, observed SYN-ACK",
		},
		{
			"refused", []observe.Journey{syn, sent(100*ms, server, client, R|A, 0, 0)},
			[]string{"SYN", "RST"}, "SYN, RST-ACK", "",
		},
		{
			"refused, later tried again", []observe.Journey{syn, sent(100*ms, server, client, R|A, 0, 0), sent(200*ms, client, server, S, 900, 0)},
			[]string{"SYN", "RST-ACK"}, "SYN, RST-ACK", "",
		},
		{
			"RST-ACK does not match a plain RST", []observe.Journey{syn, sent(100*ms, server, client, R, 0, 0)},
			[]string{"SYN", "RST-ACK"}, "SYN, RST", "expected RST-ACK as segment 2, observed RST",
		},
		{
			"refused in place of established", []observe.Journey{syn, sent(100*ms, server, client, R|A, 0, 0)},
			[]string{"SYN", "SYN-ACK", "ACK"}, "SYN, RST-ACK", "expected SYN-ACK as segment 2, observed RST-ACK",
		},
		{
			"retransmitted SYN and SYN-ACK", []observe.Journey{syn, again(syn), synAck, again(synAck), ack, again(ack)},
			[]string{"SYN", "SYN-ACK", "ACK"}, "SYN, SYN-ACK, ACK", "",
		},
		{
			"retransmissions that nobody marked", []observe.Journey{syn, syn, synAck, synAck, ack},
			[]string{"SYN", "SYN-ACK", "ACK"}, "SYN, SYN-ACK, ACK", "",
		},
		{"a SYN that died", []observe.Journey{syn, again(syn)}, []string{"SYN"}, "SYN", ""},
		{"an ICMP error is none", []observe.Journey{syn, icmp}, []string{"SYN"}, "SYN", ""},
		{
			"no answer", []observe.Journey{syn}, []string{"SYN", "SYN-ACK"}, "SYN",
			"expected SYN-ACK as segment 2, observed no more",
		},
		{"nothing seen", nil, []string{"SYN"}, "none", "expected SYN as segment 1, observed no more"},
		{
			"through a NAT", []observe.Journey{
				translated(syn, public, server),
				translated(sent(110*ms, server, public, S|A, 500, 0), server, client),
				translated(ack, public, server),
			},
			[]string{"SYN", "SYN-ACK", "ACK"}, "SYN, SYN-ACK, ACK", "",
		},
		{
			"a challenge ACK", []observe.Journey{syn, sent(ms, server, client, A, 7, 0), sent(2*ms, client, server, R, 9, 0)},
			[]string{"SYN", "ACK", "RST"}, "SYN, ACK, RST", "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := judge{e: &spec.Expect{}, o: &Observation{Local: client, Journeys: c.journeys}}
			got := j.handshake(c.want)
			if got.Observed != c.observed || got.Note != c.note || got.OK != (c.note == "") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestCounts counts what left the senders, each segment once however often it
// was seen.
func TestCounts(t *testing.T) {
	syn := translated(sent(0, client, server, topo.SYN, 100, 0), public, server)
	syn.Sightings = append(syn.Sightings, syn.Sightings[3])
	j := judge{e: &spec.Expect{}, o: &Observation{Journeys: []observe.Journey{
		syn, again(syn),
		sent(0, server, public, topo.SYN|topo.ACK, 500, 0),
		sent(0, client, server, topo.ACK, 101, 0),
		sent(0, client, server, topo.ACK|topo.PSH, 101, 9),
		sent(0, client, server, topo.FIN|topo.ACK, 110, 0),
		sent(0, server, client, topo.RST|topo.ACK, 501, 0),
		sent(0, server, client, topo.RST, 501, 0),
	}}}
	want := map[string]spec.Count{"syn": {Value: 2}, "syn_ack": {Value: 1}, "ack": {Value: 2}, "rst": {Value: 2}, "fin": {Value: 1}}
	if c := j.counts(want); !c.OK {
		t.Errorf("got %+v", c)
	}
}

// TestClient takes the connecting end from the socket when no SYN was seen.
func TestClient(t *testing.T) {
	j := judge{o: &Observation{Local: client, Journeys: []observe.Journey{sent(0, server, public, topo.ACK, 1, 1)}}}
	if got := j.client(); got != client {
		t.Errorf("got %v", got)
	}
	j.o.Journeys = append(j.o.Journeys, sent(0, public, server, topo.SYN, 1, 0))
	if got := j.client(); got != public {
		t.Errorf("got %v", got)
	}
}
