package verdict

import (
	"strings"
	"testing"

	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// from names the sender of a segment and gives it an acknowledgement number.
func from(node string, j observe.Journey, ack uint32) observe.Journey {
	j.Sender = node
	j.Packet().TCP.Ack = ack
	return j
}

func number(n int) *spec.Count { return &spec.Count{Value: n} }

func TestSegments(t *testing.T) {
	const S, A, F, P = topo.SYN, topo.ACK, topo.FIN, topo.PSH
	syn := from("client", sent(0, client, server, S, 4294967295, 0), 0)
	syn.Packet().TCP.Options = observe.TCPOptions{MSS: 1460, HasWindowScale: true, WindowScale: 7}
	synAck := from("server", sent(100*ms, server, client, S|A, 500, 0), 0)
	ack := from("client", sent(200*ms, client, server, A, 0, 0), 501)
	hello := from("client", sent(201*ms, client, server, A|P, 0, 5), 501)
	lost := again(from("client", sent(401*ms, client, server, A|P, 0, 5), 501))
	echo := from("server", sent(300*ms, server, client, A|P, 501, 5), 5)
	fin := from("server", sent(500*ms, server, client, F|A, 506, 0), 5)
	early := observe.Journey{Sightings: sent(0, server, client, A, 77, 0).Sightings[1:]}
	made := from("", observe.Journey{Sightings: sent(0, server, client, topo.RST|A, 0, 0).Sightings[1:], Made: &observe.Strike{Link: [2]string{"server", "client"}}}, 0)
	handshake, exchange := []observe.Journey{syn, synAck, ack}, []observe.Journey{early, hello, lost, echo, fin}
	three := []spec.Segment{
		{Flags: "SYN", From: "client", Seq: number(0), Dport: topo.PortRange{First: 80, Last: 80}, Options: &spec.Options{MSS: &spec.Optional{Count: *number(1460)}, WScale: &spec.Optional{Count: *number(7)}, SACK: ptr(false)}},
		{Flags: "SYN-ACK", From: "server", Seq: number(0), Ack: number(1), Saddr: server.Addr(), Daddr: client.Addr(), Sport: topo.PortRange{First: 80, Last: 80}, Options: &spec.Options{MSS: &spec.Optional{None: true}}},
		{Flags: "ACK", From: "client", Seq: number(1), Ack: number(1), Payload: number(0)},
	}
	change := func(i int, f func(*spec.Segment)) []spec.Segment {
		all := append([]spec.Segment(nil), three...)
		f(&all[i])
		return all
	}
	data := spec.Segment{Text: "data", From: "client", Seq: number(1), Ack: number(1), Payload: number(5)}
	answer := spec.Segment{Text: "answer", From: "server", Seq: number(1), Ack: number(6), Payload: number(5)}
	end := spec.Segment{Text: "end", Flags: "FIN", Seq: number(6)}
	gap := spec.Segment{Any: true}
	for _, c := range []struct {
		name             string
		kind             Kind
		earlier, journey []observe.Journey
		want             []spec.Segment
		note             string
	}{
		{"a handshake", Connect, nil, append(handshake, hello), three, ""},
		{"one too many", Connect, nil, handshake, three[:2], "expected nothing after segment 2, observed ACK from client seq=1 ack=1"},
		{"one too few", Connect, nil, handshake, append(three[:3:3], data), "expected data as segment 4, observed no more"},
		{"another number", Connect, nil, handshake, change(1, func(s *spec.Segment) { s.Ack = number(2) }), "expected segment 2 with ack 2, observed ack 1"},
		{"another sender", Connect, nil, handshake, change(2, func(s *spec.Segment) { s.From = "fw" }), "expected segment 3 with from fw, observed from client"},
		{"a node, and not the link", Connect, nil, handshake, change(1, func(s *spec.Segment) { s.From, s.Link = "", &[2]string{"client", "server"} }), "expected segment 2 with from client – server, observed from server"},
		{"the link", Connect, nil, []observe.Journey{syn, made}, []spec.Segment{three[0], {Flags: "RST", Link: &[2]string{"client", "server"}, Ack: number(1)}}, ""},
		{"another port", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.Sport = topo.PortRange{First: 1, Last: 99} }), "segment 1 with sport 1-99, observed sport 40000"},
		{"another source", Connect, nil, handshake, change(1, func(s *spec.Segment) { s.Saddr = client.Addr() }), "segment 2 with saddr 10.0.0.1, observed saddr 10.0.0.2"},
		{"another destination", Connect, nil, handshake, change(1, func(s *spec.Segment) { s.Daddr = server.Addr() }), "segment 2 with daddr 10.0.0.2, observed daddr 10.0.0.1"},
		{"no number", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.Ack = number(0) }), "ack 0, observed ack none"},
		{"an option that is there", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.Options = &spec.Options{MSS: &spec.Optional{None: true}} }), "mss none, observed mss 1460"},
		{"an option that is not there", Connect, nil, handshake, change(1, func(s *spec.Segment) { s.Options = &spec.Options{WScale: &spec.Optional{Count: *number(7)}} }), "wscale 7, observed wscale none"},
		{"a flag", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.ECE = ptr(true) }), "ece=true, observed ece=false"},
		{"a codepoint", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.ECN = ptr(observe.CE) }), "ecn=ce, observed ecn=not-ect"},
		{"a cookie", Connect, nil, handshake, change(0, func(s *spec.Segment) { s.Options = &spec.Options{FastOpen: ptr(observe.FastOpenCookie)} }), "fast_open=cookie, observed fast_open=none"},
		{"an exchange goes on from its handshake", Exchange, handshake, exchange, []spec.Segment{data, answer, end}, ""},
		{"an exchange without its handshake", Exchange, nil, exchange, []spec.Segment{data, answer, end}, ""},
		{"gaps at both ends", Exchange, handshake, exchange, []spec.Segment{gap, answer, gap}, ""},
		{"a gap in the middle", Exchange, handshake, exchange, []spec.Segment{data, gap, end}, ""},
		{"an empty gap", Exchange, handshake, exchange, []spec.Segment{data, answer, gap, end}, ""},
		{"only a gap", Exchange, handshake, nil, []spec.Segment{gap}, ""},
		{"not in this order", Exchange, handshake, exchange, []spec.Segment{gap, answer, gap, data, gap}, "expected data after segment 2, observed none such"},
		{"too few for both blocks", Exchange, handshake, exchange, []spec.Segment{data, answer, gap, answer, end}, "expected answer, end after segment 2, observed 1 segment after it"},
		{"another end", Exchange, handshake, exchange, []spec.Segment{gap, answer}, "of the last segments, expected segment 1 with seq 1, observed seq 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := judge{o: &Observation{Kind: c.kind, Local: client, Earlier: c.earlier, Journeys: c.journey}}
			got := j.segments(c.want)
			if got.OK != (c.note == "") || !strings.Contains(got.Note, c.note) {
				t.Errorf("%+v, want the note %q", got, c.note)
			}
		})
	}
}
