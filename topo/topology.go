// Package topo is the vocabulary of networks: nodes, the links between them,
// firewalls, NAT, and the plan that gives every interface its name, MAC
// address, IP addresses, routes and neighbours. It makes no system call; what
// makes a plan real is in its sub-packages.
package topo

import (
	"net/netip"
	"time"

	"testbed/netem"
)

// Topology is a network as its author describes it.
type Topology struct {
	// Seed drives every random choice of the emulation.
	Seed  uint64
	Nodes []Node
	Links []Link
}

// Role says what a node is for.
type Role string

// The roles. A router forwards packets, a host does not.
const (
	Host   Role = "host"
	Router Role = "router"
)

// Node is one network namespace.
type Node struct {
	// Name is a host name (RFC 1123 label); the other nodes resolve it.
	Name string
	Role Role
	// Listen are the servers that run on the node.
	Listen []Listener
	// Resolver is nil on a node that answers no questions for names. Stub is whom
	// its programs ask.
	Resolver *Resolver
	Stub     Stub
	// Firewall are the rules, tried in order within their hook. What no rule
	// matches is accepted.
	Firewall []Rule
	// Rulesets are in the languages of other tools, beside Firewall; at most one for
	// each tool, in the order of Tools.
	Rulesets []Ruleset
	// NAT is nil on a node that translates nothing.
	NAT *NAT
	// Flows is how many flows the node's connection tracking has room for; what
	// would begin another one is dropped. Zero means enough for all.
	Flows   uint32
	Sysctls []Sysctl
	// Addresses replace those that the plan would assign on a link.
	Addresses []Address
	// Routes are added to those that the plan computes, and win over them for
	// the same prefix.
	Routes []Route
}

// Sysctl is a kernel parameter of the node's network namespace.
type Sysctl struct {
	// Name is dotted, as in net.ipv4.tcp_syn_retries.
	Name, Value string
	// Optional tolerates a kernel that does not have it.
	Optional bool
}

// Address is an interface address written out.
type Address struct {
	// Toward names the neighbour at the other end of the link.
	Toward string
	// Prefix is the address with its prefix length.
	Prefix netip.Prefix
}

// Route is a route written out.
type Route struct {
	// To is a prefix, unless ToNode names a node, all of whose addresses are meant.
	To     netip.Prefix
	ToNode string
	// Kind is Unicast, or what the kernel does with packets of that prefix.
	Kind RouteKind
	// Via names the neighbour that a Unicast route leads to.
	Via string
}

// RouteKind is a route's type (rtnetlink(7), RTN_*).
type RouteKind string

// The route kinds.
const (
	// Unicast forwards.
	Unicast RouteKind = "unicast"
	// Blackhole discards silently.
	Blackhole RouteKind = "blackhole"
	// Unreachable discards and answers with ICMP host unreachable.
	Unreachable RouteKind = "unreachable"
	// Prohibit discards and answers with ICMP administratively prohibited.
	Prohibit RouteKind = "prohibit"
)

// Link joins two nodes.
type Link struct {
	// Ends are the names of the two nodes.
	Ends [2]string
	// Toward says what happens to frames on their way to Ends[side].
	Toward [2]netem.Impairment
	// MTU of the interfaces at both ends, in bytes; zero means 1500.
	MTU int
	// Down says that both interfaces are administratively down.
	Down bool
}

// Serve is what a listener does with a connection.
type Serve string

// The kinds of server.
const (
	// ServeEcho sends back every byte.
	ServeEcho Serve = "echo"
	// ServeHTTP answers HTTP/1.1 requests with 200.
	ServeHTTP Serve = "http"
	// ServeHTTPS is ServeHTTP over TLS.
	ServeHTTPS Serve = "https"
	// ServeTLS is ServeEcho over TLS.
	ServeTLS Serve = "tls"
	// ServeBanner sends a line first, then echoes.
	ServeBanner Serve = "banner"
	// ServeSilent accepts, reads and never answers.
	ServeSilent Serve = "silent"
	// ServeHold accepts, reads, never answers and never closes.
	ServeHold Serve = "hold"
	// ServeReset accepts, then sends RST.
	ServeReset Serve = "reset"
	// ServeClose accepts, then sends FIN.
	ServeClose Serve = "close"
	// ServeNoAccept listens and never calls accept, so that the accept queue
	// fills.
	ServeNoAccept Serve = "no-accept"
	// ServeNoRead accepts and never reads, so that the receive window closes.
	ServeNoRead Serve = "no-read"
	// ServeCollect reads until the client has closed its side, then sends all of it
	// back and closes.
	ServeCollect Serve = "collect"
	// ServeSource reads numbers, a line each, and sends as many bytes.
	ServeSource Serve = "source"
)

// Serves lists every kind of server.
var Serves = []Serve{ServeEcho, ServeHTTP, ServeHTTPS, ServeTLS, ServeBanner, ServeSilent, ServeHold, ServeReset, ServeClose, ServeNoAccept, ServeNoRead, ServeCollect, ServeSource}

// Listener is a TCP server on every address of a node, IPv4 and IPv6.
type Listener struct {
	Port  uint16
	Serve Serve
	// TLS is the only version that a ServeHTTPS or ServeTLS listener speaks,
	// "1.2" or "1.3"; empty means 1.3 at most and 1.2 at least.
	TLS string
	// Banner is the line that ServeBanner sends, without its line end.
	Banner string
	// Backlog is listen(2)'s; zero means 1 for ServeNoAccept and 4096 otherwise.
	Backlog int
	// Tickets lets the clients of a ServeHTTPS or ServeTLS listener resume their
	// sessions.
	Tickets bool
	// After is how long after accepting a ServeClose, ServeReset or ServeNoRead
	// listener ends the connection. Zero means at once, and never for ServeNoRead.
	After time.Duration
}

// NodeIndex is the index of the node with that name, or -1.
func (t *Topology) NodeIndex(name string) int {
	for i := range t.Nodes {
		if t.Nodes[i].Name == name {
			return i
		}
	}
	return -1
}

// LinkIndex is the index of the link that joins two nodes, in either order, or
// -1.
func (t *Topology) LinkIndex(a, b string) int {
	for i := range t.Links {
		e := t.Links[i].Ends
		if e == [2]string{a, b} || e == [2]string{b, a} {
			return i
		}
	}
	return -1
}
