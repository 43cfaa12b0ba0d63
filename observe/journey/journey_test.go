package journey_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo"
)

// chain is client – fw – server, the middle a router.
func chain(rules ...topo.Rule) topo.Topology {
	return topo.Topology{
		Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "fw", Role: topo.Router, Firewall: rules}, {Name: "server", Role: topo.Host}},
		Links: []topo.Link{{Ends: [2]string{"client", "fw"}}, {Ends: [2]string{"fw", "server"}}},
	}
}

// behindNAT is phone – nat – inet – server, phone inside.
func behindNAT(rules ...topo.Rule) topo.Topology {
	return topo.Topology{
		Nodes: []topo.Node{
			{Name: "phone", Role: topo.Host},
			{Name: "nat", Role: topo.Router, NAT: &topo.NAT{Outside: "inet", Forward: []topo.PortForward{{Port: 8080, Node: "phone", ToPort: 80}}}, Firewall: rules},
			{Name: "inet", Role: topo.Router},
			{Name: "server", Role: topo.Host},
		},
		Links: []topo.Link{{Ends: [2]string{"phone", "nat"}}, {Ends: [2]string{"nat", "inet"}}, {Ends: [2]string{"inet", "server"}}},
	}
}

// mappingNAT is behindNAT with the behaviours of RFC 4787.
func mappingNAT() topo.Topology {
	t := behindNAT()
	t.Nodes[1].NAT = &topo.NAT{
		Outside: "inet", Mapping: topo.EndpointIndependent, Filtering: topo.AddressDependent, Ports: topo.DefaultPorts,
	}
	return t
}

func withRoutes(t topo.Topology, node string, rs ...topo.Route) topo.Topology {
	t.Nodes[t.NodeIndex(node)].Routes = rs
	return t
}

func withRuleset(t topo.Topology, node string) topo.Topology {
	t.Nodes[t.NodeIndex(node)].Rulesets = []topo.Ruleset{{Tool: topo.Nftables, Text: "table ip x"}}
	return t
}

func withSysctl(t topo.Topology, node, name, value string) topo.Topology {
	t.Nodes[t.NodeIndex(node)].Sysctls = []topo.Sysctl{{Name: name, Value: value}}
	return t
}

func drop(name string, m topo.Match) topo.Rule {
	return topo.Rule{Name: name, Hook: topo.Forward, Match: m, Action: topo.DropPacket}
}

func input(name string, m topo.Match) topo.Rule {
	return topo.Rule{Name: name, Hook: topo.Input, Match: m, Action: topo.DropPacket}
}

func reject(name string, m topo.Match, with topo.RejectWith) topo.Rule {
	return topo.Rule{Name: name, Hook: topo.Forward, Match: m, Action: topo.Reject, With: with}
}

var web = topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}}

// syn is a SYN from client to server:80 in a chain.
func (r *record) syn() segment {
	return segment{src: r.addr("server", "client", 40000), dst: r.addr("client", "server", 80), flags: topo.SYN, seq: 100, ts: 1, id: 1}
}

// synAck answers a SYN.
func synAck(s segment) segment {
	return segment{src: s.dst, dst: s.src, flags: topo.SYN | topo.ACK, seq: 900, ack: s.seq + 1, ts: 50}
}

// outside is the NAT's outside address with a port.
func (r *record) outside(port uint16) netip.AddrPort { return r.addr("server", "nat", port) }

// phoneSYN is a SYN from inside, and what the NAT makes of it.
func (r *record) phoneSYN() (in, out segment) {
	in = segment{src: r.addr("nat", "phone", 40000), dst: r.addr("phone", "server", 443), flags: topo.SYN, seq: 100, ts: 1, id: 1}
	return in, in.from(r.outside(40000)).hop(1)
}

func TestTrace(t *testing.T) {
	for _, c := range []struct {
		name   string
		net    topo.Topology
		record func(r *record)
		want   []string
	}{
		{"a handshake across a router", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			r.path(segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101, ack: 901, ts: 2, id: 2}, "client", "fw", "server")
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered", "ACK client>fw>server delivered"}},
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
		{"lost on the second link", chain(), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.lose("fw", "server", s.hop(1), netem.Lost)
		}, []string{"SYN client>fw dead on fw>server: loss"}},
		{"too big for a link", chain(), func(r *record) {
			s := r.syn()
			s.flags, s.length = topo.ACK, 1300
			r.lose("client", "fw", s, netem.TooBig)
		}, []string{"ACK client dead on client>fw: mtu"}},
		{"one of two identical packets is lost", chain(), func(r *record) {
			s := r.syn()
			r.lose("client", "fw", s, netem.Lost)
			r.path(s, "client", "fw", "server")
		}, []string{"SYN client dead on client>fw: loss", "SYN again client>fw>server delivered"}},
		{"a link that is down", func() topo.Topology {
			n := chain()
			n.Links[1].Toward[1].Down = true
			return n
		}(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.leave("fw", "server", r.syn().hop(1))
		}, []string{"SYN client>fw dead on fw>server: link-down"}},
		{"on its way at the end", chain(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.leave("fw", "server", r.syn().hop(1))
			r.input.Until = r.now
		}, []string{"SYN client>fw pending"}},
		{"in the router at the end", chain(), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.input.Until = r.now
		}, []string{"SYN client>fw pending"}},
		{"never seen again, without a reason", chain(), func(r *record) {
			r.leave("client", "fw", r.syn())
		}, []string{"SYN client dead on client>fw: unknown"}},
		{"a link that duplicates", chain(), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arrive("client", "fw", s)
			r.arrive("client", "fw", s)
			r.leave("fw", "server", s.hop(1))
			r.leave("fw", "server", s.hop(1))
			r.arrive("fw", "server", s.hop(1))
			r.lose("fw", "server", segment{src: s.src, dst: s.dst, flags: topo.ACK, seq: 101}.hop(1), netem.Lost)
			r.arrive("fw", "server", s.hop(1))
		}, []string{"SYN client>fw>server delivered", "ACK fw dead on fw>server: loss"}},
		{"only one of two duplicates gets through", chain(drop("nth", topo.Match{Proto: "tcp", Nth: 2})), func(r *record) {
			s := r.syn()
			r.leave("client", "fw", s)
			r.arrive("client", "fw", s)
			r.pass("fw", "server", s.hop(1))
			r.arrive("client", "fw", s)
			r.count("fw", "nth", 1)
		}, []string{"SYN client>fw>server>fw delivered"}},
		{"blackhole route", withRoutes(chain(), "fw", topo.Route{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Blackhole}), func(r *record) {
			r.path(r.syn(), "client", "fw")
		}, []string{"SYN client>fw dead in fw: blackhole"}},
		{"prohibit route", withRoutes(chain(), "fw", topo.Route{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Prohibit}), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 13, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: prohibit, admin-prohibited", "ICMP 3/13 fw>client delivered"}},
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
		{"from where no route leads back", withSysctl(withRoutes(chain(), "fw", topo.Route{ToNode: "client", Kind: topo.Unicast, Via: "server"}), "fw", "net.ipv4.conf.eth0.rp_filter", "1"), func(r *record) {
			r.path(r.syn(), "client", "fw")
		}, []string{"SYN client>fw dead in fw: rp-filter"}},
		{"loosely filtered, from where another route leads back", withSysctl(withRoutes(chain(), "fw", topo.Route{ToNode: "client", Kind: topo.Unicast, Via: "server"}), "fw", "net.ipv4.conf.all.rp_filter", "2"), func(r *record) {
			r.path(r.syn(), "client", "fw", "server")
		}, []string{"SYN client>fw>server delivered"}},
		{"without its timestamps", chain(topo.Rule{Name: "no-ts", Hook: topo.Forward, Action: topo.Strip, Options: []topo.TCPOption{topo.OptionTimestamps}}), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			s.bare = true
			r.path(s.hop(1), "fw", "server")
			r.count("fw", "no-ts", 1)
		}, []string{"SYN client>fw>server delivered"}},
		{"only a ruleset in another language explains it", withRuleset(chain(), "fw"), func(r *record) {
			r.path(r.syn(), "client", "fw")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw dead in fw: ruleset"}},
		{"a ruleset in another language rejects", withRuleset(chain(), "fw"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(segment{src: s.dst, dst: s.src, flags: topo.RST | topo.ACK, ack: 101}, "fw", "client")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw dead in fw: ruleset, tcp-reset", "RST-ACK fw>client delivered"}},
		{"a host's ruleset in another language", withRuleset(chain(), "server"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw", "server")
			r.path(synAck(s), "server", "fw", "client")
			s.src, s.id = r.addr("server", "client", 40001), 9
			r.path(s, "client", "fw", "server")
			r.input.Until = r.now.Add(time.Second)
		}, []string{"SYN client>fw>server delivered", "SYN-ACK server>fw>client delivered", "SYN client>fw>server dead in server: ruleset"}},
		{"a ruleset in another language translates", withRuleset(chain(), "fw"), func(r *record) {
			s := r.syn()
			r.path(s, "client", "fw")
			r.path(s.from(r.addr("server", "fw", 1024)).hop(1), "fw", "server")
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
		{"no route", chain(), func(r *record) {
			s := r.syn().to(netip.MustParseAddrPort("203.0.113.1:80"))
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 0, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: no-route, net-unreachable", "ICMP 3/0 fw>client delivered"}},
		{"no such host on the last link", chain(), func(r *record) {
			who := netip.MustParseAddr("198.18.0.7")
			s := r.syn().to(netip.AddrPortFrom(who, 80))
			r.path(s, "client", "fw")
			r.ask("fw", "server", who)
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 1, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: no-neighbour, host-unreachable", "ICMP 3/1 fw>client delivered"}},
		{"a hop limit that runs out", chain(), func(r *record) {
			s := r.syn()
			s.ttl = 1
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 11, quoted: &q}, "fw", "client")
		}, []string{"SYN client>fw dead in fw: ttl, time-exceeded", "ICMP 11/0 fw>client delivered"}},
		{"too big for the next link's interface", func() topo.Topology {
			n := chain()
			n.Links[1].MTU = 1000
			return n
		}(), func(r *record) {
			s := r.syn()
			s.flags, s.length = topo.ACK, 1200
			r.path(s, "client", "fw")
			q := s
			r.path(segment{proto: 1, src: r.addr("client", "fw", 0), dst: s.src, kind: 3, code: 4, quoted: &q}, "fw", "client")
		}, []string{"ACK client>fw dead in fw: too-big, fragmentation-needed", "ICMP 3/4 fw>client delivered"}},
		{"a host does not forward", chain(), func(r *record) {
			s := r.syn().to(netip.MustParseAddrPort("203.0.113.1:80"))
			r.path(s, "client", "fw", "server")
		}, []string{"SYN client>fw>server dead in server: no-forwarding"}},
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
		{"an echo and its answer", chain(), func(r *record) {
			s := segment{proto: 1, src: r.addr("server", "client", 0), dst: r.addr("client", "server", 0), kind: 8, id: 5}
			r.path(s, "client", "fw", "server")
			r.path(segment{proto: 1, src: s.dst, dst: s.src, kind: 0, id: 6}, "server", "fw", "client")
		}, []string{"ICMP 8/0 client>fw>server delivered", "ICMP 0/0 server>fw>client delivered"}},
		{"sent before the record begins", chain(), func(r *record) {
			r.arrive("client", "fw", r.syn())
			r.pass("fw", "server", r.syn().hop(1))
		}, []string{"SYN fw>server delivered"}},
		{"data is sent again in other pieces", chain(), func(r *record) {
			s := r.syn()
			s.flags = topo.ACK
			for i, part := range []struct {
				seq    uint32
				length int
			}{{100, 10}, {110, 10}, {100, 20}, {120, 10}, {130, 0}} {
				s.seq, s.length, s.id = part.seq, part.length, uint16(i)
				r.path(s, "client", "fw", "server")
			}
		}, []string{"ACK client>fw>server delivered", "ACK client>fw>server delivered", "ACK again client>fw>server delivered", "ACK client>fw>server delivered", "ACK client>fw>server delivered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRecord(t, c.net)
			c.record(r)
			js := r.trace()
			if got := r.describe(js); !slices.Equal(got, c.want) {
				t.Errorf("journeys\n\t%q, want\n\t%q", got, c.want)
			}
			for _, j := range js {
				for i := 1; i < len(j.Sightings); i++ {
					if j.Sightings[i].Time.Before(j.Sightings[i-1].Time) {
						t.Errorf("sightings out of order in %s", r.one(&j))
					}
				}
			}
		})
	}
}

func TestIPv6IsFollowedLikeIPv4(t *testing.T) {
	r := newRecord(t, chain(drop("v6", topo.Match{To: "2001:db8:0:1::/64"})))
	v6 := func(from, node int, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(r.plan.Resolve(from, node, false), port)
	}
	s := segment{src: v6(2, 0, 40000), dst: v6(0, 2, 80), flags: topo.SYN, seq: 1}
	r.path(s, "client", "fw")
	r.path(segment{proto: 58, src: v6(0, 1, 0), dst: s.src, kind: 1, code: 1, quoted: &s}, "fw", "client")
	s.seq = 1000
	r.path(s, "client", "fw", "server")
	r.input.Until = r.now.Add(time.Minute)
	r.count("fw", "v6", 1)
	want := []string{"SYN client>fw dead in fw: rule v6", "ICMP 1/1 fw>client delivered", "SYN client>fw>server delivered"}
	if got := r.describe(r.trace()); !slices.Equal(got, want) {
		t.Errorf("journeys %q, want %q", got, want)
	}
}
