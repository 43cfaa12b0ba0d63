package topo

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"testbed/netem"
)

// Plan is a topology worked out to the last address: what Build makes real. It
// is a pure function of the topology.
type Plan struct {
	Topology *Topology
	// Nodes and Links are parallel to the topology's.
	Nodes []PlanNode
	Links []PlanLink

	graph *graph
	// ends are the interfaces of each link, as node and index in its
	// Interfaces.
	ends [][2][2]int
}

// PlanNode is one namespace to build.
type PlanNode struct {
	Name       string
	Role       Role
	Interfaces []Interface
	Routes     []PlanRoute
	// Pins are the sysctls that the testbed sets before the interfaces exist, and
	// InterfacePins those that it sets on them. Sysctls are those of the node's
	// NAT and its synproxies, then its own, set when its rules are there: conntrack has none before.
	Pins          []Sysctl
	InterfacePins []Sysctl
	Sysctls       []Sysctl
	// CongestionControl is the TCP congestion control of the node's sockets.
	CongestionControl string
}

// PlanLink names what a link's ether side is made of.
type PlanLink struct {
	// Ether are the names of the two inner ends; MTU is the outer ends'.
	Ether [2]string
	MTU   int
	Down  bool
	// Toward is what happens to frames on their way to each end.
	Toward [2]netem.Impairment
}

// Interface is a node's end of a link.
type Interface struct {
	// Name is eth0, eth1, … in the order of the links.
	Name string
	// Link and Side say which end of which link it is; Peer is the neighbour's
	// name.
	Link int
	Side netem.Side
	Peer string
	MAC  net.HardwareAddr
	// Addresses are the IPv4 addresses, then the IPv6 ones. They mean the node
	// even while the interface can't have them (see Plan.HasIPv6).
	Addresses []netip.Prefix
	// Neighbours are the permanent entries for the other end's addresses.
	Neighbours []Neighbour
}

// Neighbour is a static neighbour entry (ARP or NDP).
type Neighbour struct {
	IP  netip.Addr
	MAC net.HardwareAddr
}

// PlanRoute is one route of a node's main table.
type PlanRoute struct {
	To   netip.Prefix
	Kind RouteKind
	// Interface indexes PlanNode.Interfaces, and Via is the gateway there; a
	// connected prefix has no Via. Interface is -1 unless Kind is Unicast.
	Interface int
	Via       netip.Addr
}

// HostEntry is a line of a node's /etc/hosts.
type HostEntry struct {
	Addr netip.Addr
	Name string
}

// MakePlan works a topology out. It is deterministic: the same topology gives
// the same addresses, whatever else the program does. It fails where the
// topology contradicts itself.
func MakePlan(t *Topology) (*Plan, error) {
	g, err := newGraph(t)
	if err != nil {
		return nil, err
	}
	p := &Plan{Topology: t, Nodes: make([]PlanNode, len(t.Nodes)), Links: make([]PlanLink, len(t.Links)), graph: g, ends: make([][2][2]int, len(t.Links))}
	for i := range t.Nodes {
		n := &t.Nodes[i]
		p.Nodes[i] = PlanNode{Name: n.Name, Role: n.Role, Pins: pins(n), Sysctls: slices.Concat(natSysctls(n.NAT), proxySysctls(n.Firewall), n.Sysctls), CongestionControl: congestionControl(n)}
	}
	inside, err := natInsides(t, g)
	if err != nil {
		return nil, err
	}
	for i := range t.Links {
		if err := p.planLink(i, inside); err != nil {
			return nil, err
		}
	}
	if err := p.writeOutAddresses(); err != nil {
		return nil, err
	}
	p.fillNeighbours()
	for i := range t.Nodes {
		if err := p.planRoutes(i, inside); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// planLink makes both ends of a link and gives them their assigned addresses.
func (p *Plan) planLink(i int, inside []nodeSet) error {
	l := &p.Topology.Links[i]
	mtu := l.MTU
	if mtu == 0 {
		mtu = DefaultMTU
	}
	p.Links[i] = PlanLink{
		Ether: [2]string{fmt.Sprintf("l%da", i), fmt.Sprintf("l%db", i)},
		MTU:   mtu, Down: l.Down, Toward: l.Toward,
	}
	private := false
	for _, s := range inside {
		private = private || s[p.graph.index[l.Ends[0]]] && s[p.graph.index[l.Ends[1]]]
	}
	v4, v6, err := linkPrefixes(i, private)
	if err != nil {
		return err
	}
	for side, name := range l.Ends {
		n := p.graph.index[name]
		node := &p.Nodes[n]
		p.ends[i][side] = [2]int{n, len(node.Interfaces)}
		eth := fmt.Sprintf("eth%d", len(node.Interfaces))
		node.InterfacePins = append(node.InterfacePins, interfacePins(eth)...)
		node.Interfaces = append(node.Interfaces, Interface{
			Name: eth,
			Link: i, Side: netem.Side(side), Peer: l.Ends[1-side], MAC: linkMAC(i, side),
			Addresses: []netip.Prefix{hostPrefix(v4, side+1), hostPrefix(v6, side+1)},
		})
	}
	return nil
}

// fillNeighbours gives every interface a permanent entry for each address at
// the other end of its link.
func (p *Plan) fillNeighbours() {
	for n := range p.Nodes {
		for i := range p.Nodes[n].Interfaces {
			f := &p.Nodes[n].Interfaces[i]
			peer := p.Interface(f.Link, f.Side.Other())
			for _, a := range p.Usable(peer) {
				f.Neighbours = append(f.Neighbours, Neighbour{IP: a.Addr(), MAC: peer.MAC})
			}
		}
	}
}

// Interface is the node's end of a link at a side.
func (p *Plan) Interface(link int, side netem.Side) *Interface {
	e := p.ends[link][side]
	return &p.Nodes[e[0]].Interfaces[e[1]]
}
