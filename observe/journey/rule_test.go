package journey_test

import (
	"testing"

	"testbed/topo"
)

func TestTraceToRules(t *testing.T) {
	testTraces(t, []traced{
		{"a SYN that a rule drops, three times", chain(drop("block-web", web)), func(r *record) {
			for i := range uint32(3) {
				s := r.syn()
				s.ts, s.id = i, uint16(i)
				r.path(s, "client", "fw")
			}
			r.count("fw", "block-web", 3)
		}, []string{"SYN client>fw dead in fw: rule block-web", "SYN again client>fw dead in fw: rule block-web", "SYN again client>fw dead in fw: rule block-web"}},
		{"the first rule whose count is not used up", chain(drop("one", web), drop("two", web)), func(r *record) {
			for i := range uint16(2) {
				s := r.syn()
				s.seq, s.id = uint32(i)*1000, i
				r.path(s, "client", "fw")
			}
			r.count("fw", "one", 1)
			r.count("fw", "two", 1)
		}, []string{"SYN client>fw dead in fw: rule one", "SYN client>fw dead in fw: rule two"}},
		{"a rule that counted but does not fit the headers", chain(drop("other-port", topo.Match{Dport: topo.PortRange{First: 81, Last: 90}}), drop("flags", topo.Match{Flags: topo.SYN | topo.ACK}),
			drop("from", topo.Match{From: "server"}), drop("in", topo.Match{In: "server"}), drop("out", topo.Match{Out: "client"}), drop("prefix", topo.Match{To: "10.0.0.0/8"}), drop("right", topo.Match{From: "client", To: "server", In: "client", Out: "server", Flags: topo.SYN})), func(r *record) {
			r.path(r.syn(), "client", "fw")
			for _, n := range []string{"other-port", "flags", "from", "in", "out", "prefix", "right"} {
				r.count("fw", n, 5)
			}
		}, []string{"SYN client>fw dead in fw: rule right"}},
		{"an accept before the drop", chain(topo.Rule{Name: "let", Hook: topo.Forward, Match: web, Action: topo.Accept}, drop("rest", topo.Match{})), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.count("fw", "rest", 1)
		}, []string{"SYN client>fw dead in fw: unknown"}},
		{"an answer that a rule drops", chain(drop("no-answers", topo.Match{Flags: topo.SYN | topo.ACK})), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw")
			r.count("fw", "no-answers", 1)
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw dead in fw: rule no-answers"}},
		{"rejected with a RST", chain(reject("no-web", web, topo.TCPReset)), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: 101}, "fw", "client")
			r.count("fw", "no-web", 1)
		}, []string{"SYN client>fw dead in fw: rule no-web, tcp-reset", "RST-ACK fw>client delivered"}},
		{"rejected with ICMP, by default port-unreachable", chain(reject("no-web", web, "")), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 3, quoted: &q}, "fw", "client")
			r.count("fw", "no-web", 1)
		}, []string{"SYN client>fw dead in fw: rule no-web, port-unreachable", "ICMP 3/3 fw>client delivered"}},
		{"rejected, without counts", chain(reject("no-web", web, topo.AdminProhibited)), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 13, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: rule no-web, admin-prohibited", "ICMP 3/13 fw>client delivered"}},
		{"a host's input rule drops a SYN that is sent again", func() topo.Topology {
			n := chain()
			n.Nodes[2].Firewall = []topo.Rule{input("once", topo.Match{Proto: "tcp", Probability: 0.5})}
			return n
		}(), func(r *record) {
			other := r.syn()
			other.src, other.id = r.addr("server", "client", 40001), 7
			r.path(other, "client", "fw", "server")
			s := r.syn()
			r.path(s, "client", "fw", "server")
			s.ts, s.id = 1000, 8
			r.path(s, "client", "fw", "server")
			r.count("server", "once", 1)
		}, []string{"SYN client>fw>server delivered", "SYN client>fw>server dead in server: rule once", "SYN again client>fw>server delivered"}},
		{"a host's input rule drops others' packets, and a SYN, but not one that is answered", func() topo.Topology {
			n := chain()
			n.Nodes[2].Firewall = []topo.Rule{input("too-many", topo.Match{Flags: topo.SYN})}
			return n
		}(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			s.ts, s.id = 1000, 8
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			r.count("server", "too-many", 500)
		}, []string{"SYN client>fw>server dead in server: rule too-many", "SYN again client>fw>server delivered", "SYN-ACK server>fw>client delivered"}},
		{"a host's input rule drops the second packet", func() topo.Topology {
			n := chain()
			n.Nodes[2].Firewall = []topo.Rule{input("second", topo.Match{Proto: "tcp", Nth: 2})}
			return n
		}(), func(r *record) {
			for i := range uint16(3) {
				s := r.syn()
				s.seq, s.id = uint32(i)*1000, i
				r.path(s, "client", "fw", "server")
			}
			r.count("server", "second", 1)
		}, []string{"SYN client>fw>server delivered", "SYN client>fw>server dead in server: rule second", "SYN client>fw>server delivered"}},
		{"no room for another flow", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			s.src = r.addr("server", "client", 40001)
			r.path(s, "client", "fw")
			r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, ts: 2, id: 2}, "client", "fw", "server")
			r.count("fw", "conntrack:full", 1)
		}, []string{"SYN client>fw>server delivered", "SYN client>fw dead in fw: conntrack-full", "ACK client>fw>server delivered"}},
		{"no room at the server for one of two flows", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			s.src, s.id = r.addr("server", "client", 40001), 9
			r.path(s, "client", "fw", "server")
			r.count("server", "conntrack:full", 1)
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered", "SYN client>fw>server dead in server: conntrack-full"}},
		{"without its timestamps", chain(topo.Rule{Name: "no-ts", Hook: topo.Forward, Action: topo.Strip, Options: []topo.TCPOption{topo.OptionTimestamps}}), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			s.bare = true
			r.path(s.hop(1), "fw", "server")
			r.count("fw", "no-ts", 1)
		}, []string{"SYN client>fw>server delivered"}},
		{"a synproxy in the server's place", chain(topo.Rule{Name: "guard", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}, In: "client"}, Action: topo.Synproxy, Proxy: &topo.DefaultProxy}), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			cookie := synAck(s)
			r.path(cookie, "fw", "client")
			r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, ts: 2, id: 2}, "client", "fw")
			r.path(s, "fw", "server")
			answer := synAck(s)
			answer.seq = 5000
			r.path(answer, "server", "fw")
			r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 5001}, "fw", "server")
			data := segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, length: 5, id: 3}
			r.path(data, "client", "fw")
			data.ack = 5001
			r.path(data.hop(1), "fw", "server")
			r.count("fw", "guard", 2)
		}, []string{
			"SYN client>fw taken by guard in fw", "SYN-ACK fw>client delivered", "ACK client>fw taken by guard in fw",
			"SYN fw>server delivered", "SYN-ACK server>fw taken by guard in fw", "ACK fw>server delivered", "ACK client>fw>server delivered",
		}},
	})
}
