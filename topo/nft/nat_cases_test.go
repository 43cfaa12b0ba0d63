package nft

import (
	"net/netip"
	"time"

	"testbed/topo"
)

// natCases are NATs with behaviours.
func natCases() []rulesetCase {
	nat := func(n topo.NAT) topo.Node {
		n.Outside = "server"
		if n.Mapping != "" && n.Ports == (topo.PortPool{}) {
			n.Ports = topo.DefaultPorts
		}
		return topo.Node{Name: "router", Role: topo.Router, NAT: &n}
	}
	two := topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40001}, Shuffle: true}
	return []rulesetCase{
		{"nat-independent", nat(topo.NAT{Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: two})},
		{"nat-address", nat(topo.NAT{
			Mapping: topo.AddressDependent, Filtering: topo.AddressDependent, Hairpin: true,
			Timeouts: map[string]time.Duration{"tcp_established": 5 * time.Second},
			Forward:  []topo.PortForward{{Port: 80, Node: "client", ToPort: 8080}},
		})},
		{"nat-symmetric", nat(topo.NAT{Mapping: topo.AddressAndPortDependent, Filtering: topo.AddressAndPortDependent})},
		{"nat-static", nat(topo.NAT{
			Mapping: topo.EndpointIndependent, Filtering: topo.AddressAndPortDependent, Hairpin: true, Ports: two,
			Static: []topo.StaticNAT{{Node: "client", Address: netip.MustParseAddr("198.18.0.9")}},
		})},
		{"nat-static-alone", nat(topo.NAT{Static: []topo.StaticNAT{{Node: "client", Address: netip.MustParseAddr("198.18.0.9")}}})},
	}
}
