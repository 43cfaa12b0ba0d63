package journey_test

import (
	"net/netip"

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
