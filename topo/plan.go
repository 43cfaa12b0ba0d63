package topo

import (
	"net"
	"net/netip"

	"testbed/netem"
)

// Plan is a topology worked out to the last address: what Build makes real. It
// is a pure function of the topology.
type Plan struct {
	Topology *Topology
	// Nodes and Links are parallel to the topology's.
	Nodes []PlanNode
	Links []PlanLink
}

// PlanNode is one namespace to build.
type PlanNode struct {
	Name       string
	Role       Role
	Interfaces []Interface
	Routes     []PlanRoute
	// Hosts are the names that the node resolves, each to its nearest addresses.
	Hosts []HostEntry
	// Sysctls are set in order: the testbed's pins, then the node's own.
	Sysctls []Sysctl
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
	// Addresses are the IPv4 addresses, then the IPv6 ones.
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
