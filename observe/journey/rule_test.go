package journey_test

import (
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
	"testbed/topo"
)

// syns are SYNs that come to the firewall, of which those whose number is in passing go
// on to the server.
func (r *record) syns(n int, passing ...int) {
	for i := 1; i <= n; i++ {
		s := r.syn()
		s.seq, s.id = uint32(i)*1000, uint16(i)
		r.path(s, "client", "fw")
		if slices.Contains(passing, i) {
			r.pass("fw", "server", s.hop(1))
		}
	}
}

// TestWhichRule tells several rules apart, each of which fits the packets.
func TestWhichRule(t *testing.T) {
	const passed, dead = "SYN client>fw>server delivered", "SYN client>fw dead in fw: "
	by := func(rule string) string { return dead + "rule " + rule }
	nth := func(n int) topo.Match { m := web; m.Nth = n; return m }
	half := web
	half.Probability = 0.5
	accept := func(m topo.Match) topo.Rule {
		return topo.Rule{Name: "let", Hook: topo.Forward, Match: m, Action: topo.Accept}
	}
	testTraces(t, []traced{
		{"the second packet, before a rule for all", chain(drop("second", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(3)
			r.number("fw", "second", 1, 3, 0)
			r.count("fw", "rest", 2)
		}, []string{by("rest"), by("second"), by("rest")}},
		{"the third packet, of which one came before the record", chain(drop("third", nth(3)), drop("rest", web)), func(r *record) {
			r.syns(3)
			r.number("fw", "third", 1, 3, 1)
			r.count("fw", "rest", 2)
		}, []string{by("rest"), by("third"), by("rest")}},
		{"the second packet, where the first goes on", chain(drop("second", nth(2)), drop("some", half)), func(r *record) {
			r.syns(4, 1)
			r.number("fw", "second", 1, 4, 0)
			r.count("fw", "some", 2)
		}, []string{passed, by("second"), by("some"), by("some")}},
		{"the second packet that an earlier rule for one leaves", chain(drop("first", nth(1)), drop("second", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(4)
			r.number("fw", "first", 1, 4, 0)
			r.number("fw", "second", 1, 3, 0)
			r.count("fw", "rest", 2)
		}, []string{by("first"), by("rest"), by("second"), by("rest")}},
		{"one that a rule lets through by number", chain(accept(nth(2)), drop("third", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(3, 2)
			r.number("fw", "let", 1, 3, 0)
			r.number("fw", "third", 1, 2, 0)
			r.count("fw", "rest", 1)
		}, []string{by("rest"), passed, by("third")}},
		{"two rules by chance", chain(drop("one", half), drop("two", half)), func(r *record) {
			r.syns(4, 2)
			r.count("fw", "one", 1)
			r.count("fw", "two", 2)
		}, []string{by("one or two"), passed, by("one or two"), by("one or two")}},
		{"a rule by chance, whose matches are those of others", chain(drop("some", half), drop("rest", topo.Match{})), func(r *record) {
			r.syns(1)
			udp := r.syn()
			udp.proto, udp.flags = layers.IPProtocolUDP, 0
			r.path(udp, "client", "fw")
			r.count("fw", "some", 1)
			r.count("fw", "rest", 1)
		}, []string{by("some"), "UDP client>fw dead in fw: rule rest"}},
		{"a number after a rule by chance", chain(drop("some", half), drop("second", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(4)
			r.count("fw", "some", 1)
			r.number("fw", "second", 1, 3, 0)
			r.count("fw", "rest", 2)
		}, []string{by("some or rest"), by("some or second or rest"), by("some or second or rest"), by("some or rest")}},
		{"a number after a rule by chance that matched nothing", chain(drop("some", half), drop("second", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(3)
			r.number("fw", "second", 1, 3, 0)
			r.count("fw", "rest", 2)
		}, []string{by("rest"), by("second"), by("rest")}},
		{"a number of which not all packets were seen", chain(drop("second", nth(2)), drop("rest", web)), func(r *record) {
			r.syns(2)
			r.number("fw", "second", 1, 3, 0)
			r.count("fw", "rest", 2)
		}, []string{by("second or rest"), by("second or rest")}},
		{"one that answers and one that does not", chain(reject("some", half, topo.TCPReset), drop("rest", web)), func(r *record) {
			r.syns(1)
			s := r.syn()
			s.id = 9
			r.path(s, "client", "fw")
			r.path(segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: s.seq + 1}, "fw", "client")
			r.count("fw", "some", 1)
			r.count("fw", "rest", 1)
		}, []string{by("rest"), by("some") + ", tcp-reset", "RST-ACK fw>client delivered"}},
		{"one that had no hop left before it came to the rules", chain(drop("all", web)), func(r *record) {
			s := r.syn()
			s.ttl = 1
			r.path(s, "client", "fw")
			r.syns(1)
			r.count("fw", "all", 1)
		}, []string{dead + "ttl", by("all")}},
		{"what came before the rules counted", chain(drop("all", web)), func(r *record) {
			r.syns(1)
			since := r.tick()
			s := r.syn()
			s.id = 9
			r.path(s, "client", "fw")
			r.input.Rules = append(r.input.Rules, observe.RuleCount{Node: "fw", Rule: "all", Packets: 1, Since: since})
		}, []string{dead + "unknown", by("all")}},
		{"what rules counted before and after a change", chain(drop("second", nth(2)), drop("all", web)), func(r *record) {
			r.syns(2)
			since := r.tick()
			for i := range uint32(2) {
				s := r.syn()
				s.seq, s.id = 9000+i, 9
				r.path(s, "client", "fw")
			}
			r.input.Rules = []observe.RuleCount{
				{Node: "fw", Rule: "second", Packets: 1, Met: 2, Since: since}, {Node: "fw", Rule: "all", Packets: 1, Since: since},
				{Node: "fw", Rule: "all", Packets: 2, Until: since},
			}
		}, []string{by("all"), by("all"), by("all"), by("second")}},
		{"the second packet at a host, of which one came before the record", func() topo.Topology {
			n := chain()
			n.Nodes[2].Firewall = []topo.Rule{input("third", nth(3))}
			return n
		}(), func(r *record) {
			r.syns(3, 1, 2, 3)
			r.number("server", "third", 1, 3, 1)
		}, []string{passed, "SYN client>fw>server dead in server: rule third", passed}},
	})
}

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
