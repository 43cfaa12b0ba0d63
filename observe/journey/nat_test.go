package journey_test

import (
	"testing"

	"testbed/topo"
)

func TestTraceThroughNAT(t *testing.T) {
	testTraces(t, []traced{
		{"through a NAT and back", behindNAT(), func(r *record) {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet", "server")
			back := synAck(out)
			r.path(back, "server", "inet", "nat")
			r.pass("nat", "phone", back.to(in.src).hop(2))
		}, []string{"SYN phone>nat>inet>server delivered", "SYN-ACK server>inet>nat>phone delivered"}},
		{"an answer has come to the NAT only just now", behindNAT(), func(r *record) {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet", "server")
			r.path(synAck(out), "server", "inet", "nat")
			r.input.Until = r.now
		}, []string{"SYN phone>nat>inet>server delivered", "SYN-ACK server>inet>nat pending"}},
		{"an answer dies in the NAT after it was translated back", behindNAT(drop("no-answers", topo.Match{To: "phone", Flags: topo.SYN | topo.ACK})), func(r *record) {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet", "server")
			r.path(synAck(out), "server", "inet", "nat")
			r.count("nat", "no-answers", 1)
		}, []string{"SYN phone>nat>inet>server delivered", "SYN-ACK server>inet>nat dead in nat: rule no-answers"}},
		{"what the NAT has forgotten is dropped by a rule", behindNAT(drop("unknown-flow", topo.Match{Proto: "tcp", State: "invalid"})), func(r *record) {
			in, _ := r.phoneSYN()
			in.flags, in.length = topo.ACK, 5
			r.path(in, "phone", "nat")
			r.count("nat", "unknown-flow", 1)
		}, []string{"ACK phone>nat dead in nat: rule unknown-flow"}},
		{"what the NAT cannot translate", behindNAT(), func(r *record) {
			in, _ := r.phoneSYN()
			in.flags = topo.ACK
			r.path(in, "phone", "nat")
			r.count("nat", "nat:untranslated", 1)
		}, []string{"ACK phone>nat dead in nat: untranslated nat:untranslated"}},
		{"what nobody inside has asked for", behindNAT(), func(r *record) {
			s := segment{src: r.addr("nat", "server", 5000), dst: r.addr("nat", "phone", 22), flags: topo.SYN}
			r.path(s, "inet", "nat")
			r.count("nat", "nat:unsolicited", 1)
		}, []string{"SYN inet>nat dead in nat: unsolicited nat:unsolicited"}},
		{"no port is free, and then a segment of no flow", mappingNAT(), func(r *record) {
			in, _ := r.phoneSYN()
			r.path(in, "phone", "nat")
			in.flags, in.seq = topo.ACK, 500
			r.path(in, "phone", "nat")
			r.count("nat", "nat:exhausted", 1)
			r.count("nat", "nat:untranslated", 1)
		}, []string{"SYN phone>nat dead in nat: no-port nat:exhausted", "ACK phone>nat dead in nat: untranslated nat:untranslated"}},
		{"unsolicited for a port of the NAT's, and for one that is mapped for others", mappingNAT(), func(r *record) {
			s := segment{src: r.addr("nat", "server", 5000), dst: r.outside(9), flags: topo.SYN, seq: 1}
			r.path(s, "server", "inet", "nat")
			s.flags, s.seq, s.ack = topo.ACK, 7, 7
			r.path(s, "server", "inet", "nat")
			r.count("nat", "nat:filtered", 1)
			r.count("nat", "nat:unsolicited", 1)
		}, []string{"SYN server>inet>nat dead in nat: unsolicited nat:filtered", "ACK server>inet>nat dead in nat: unsolicited nat:unsolicited"}},
		{"for a program of the NAT's own", mappingNAT(), func(r *record) {
			s := segment{src: r.addr("nat", "server", 5000), dst: r.outside(22), flags: topo.SYN, seq: 1}
			r.path(s, "server", "inet", "nat")
		}, []string{"SYN server>inet>nat delivered"}},
		{"for the NAT itself, once it has forgotten the flow", behindNAT(), func(r *record) {
			in, out := r.phoneSYN()
			r.pass("phone", "nat", in)
			r.path(out, "nat", "inet", "server")
			data := segment{src: out.dst, dst: out.src, flags: topo.ACK, seq: 901, ack: 101, length: 5}
			r.path(data, "server", "inet", "nat")
			r.path(segment{src: out.src, dst: out.dst, flags: topo.RST, seq: 101}, "nat", "inet", "server")
		}, []string{"SYN phone>nat>inet>server delivered", "ACK server>inet>nat delivered", "RST nat>inet>server delivered"}},
		{"through a port forwarding", behindNAT(drop("closed", topo.Match{Dport: topo.PortRange{First: 80, Last: 80}})), func(r *record) {
			s := segment{src: r.addr("nat", "server", 5000), dst: r.outside(8080), flags: topo.SYN, seq: 1}
			r.path(s, "server", "inet", "nat")
			s.seq = 1000
			r.path(s, "server", "inet", "nat")
			r.pass("nat", "phone", s.to(r.addr("nat", "phone", 80)).hop(2))
			r.count("nat", "closed", 1)
		}, []string{"SYN server>inet>nat dead in nat: rule closed", "SYN server>inet>nat>phone delivered"}},
		{"two inside hosts' identical datagrams keep apart", func() topo.Topology {
			n := behindNAT()
			n.Nodes = append(n.Nodes, topo.Node{Name: "tablet", Role: topo.Host})
			n.Links = append(n.Links, topo.Link{Ends: [2]string{"tablet", "nat"}})
			return n
		}(), func(r *record) {
			a := segment{proto: 17, src: r.addr("nat", "phone", 40000), dst: r.addr("phone", "server", 53), length: 20}
			b := a.from(r.addr("nat", "tablet", 50000))
			r.pass("phone", "nat", a)
			r.pass("tablet", "nat", b)
			r.path(a.from(r.outside(40000)).hop(1), "nat", "inet", "server")
			r.path(b.from(r.outside(50000)).hop(1), "nat", "inet", "server")
		}, []string{"UDP phone>nat>inet>server delivered", "UDP tablet>nat>inet>server delivered"}},
	})
}
