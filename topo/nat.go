package topo

import (
	"net/netip"
	"slices"
	"time"
)

// NAT makes a router translate the source of what leaves toward its outside
// neighbour to its own address there (RFC 5382 terms: a NAPT).
//
// With Mapping empty it is Linux's own source NAT: it keeps the source port of
// TCP and UDP where that leaves no two flows alike, so that two inside endpoints
// with different destinations may share a port, and lets in what belongs to a flow
// that the inside began.
type NAT struct {
	// Outside names the neighbour beyond which the inside is unknown.
	Outside string
	// Mapping says for which destinations an inside endpoint keeps its outside
	// port (RFC 4787, section 4.1), and Filtering what may come in to that port
	// (section 5), both for TCP and UDP. Filtering, Ports and Hairpin are only
	// looked at where Mapping is not empty.
	Mapping, Filtering Dependence
	// Ports are those of the outside address that mappings are made from.
	Ports PortPool
	// Hairpin lets the inside reach the inside by outside addresses (section 6).
	Hairpin bool
	// Forward are port forwardings from the outside address (destination NAT).
	Forward []PortForward
	// Static give inside nodes an outside address of their own.
	Static []StaticNAT
	// Timeouts are conntrack's, by the name of the state, in whole seconds: the
	// key tcp_established is the sysctl nf_conntrack_tcp_timeout_established. Those
	// that are not in it are DefaultNATTimeouts.
	Timeouts map[string]time.Duration
}

// Dependence is how much of the outside endpoint a NAT looks at, in the words of
// RFC 4787 and RFC 5382.
type Dependence string

// The dependences, the most permissive first.
const (
	EndpointIndependent     Dependence = "endpoint-independent"
	AddressDependent        Dependence = "address-dependent"
	AddressAndPortDependent Dependence = "address-and-port-dependent"
)

// Dependences lists every one.
var Dependences = []Dependence{EndpointIndependent, AddressDependent, AddressAndPortDependent}

// PortPool are the outside ports of a NAT.
type PortPool struct {
	PortRange
	// Shuffle does not keep the inside's port even where it is free: ports are
	// taken in turn.
	Shuffle bool
}

// DefaultPorts are those that no well-known service has (RFC 6335, section 6).
var DefaultPorts = PortPool{PortRange: PortRange{First: 1024, Last: 65535}}

// PortForward maps a TCP and UDP port of the outside address to an inside
// node.
type PortForward struct {
	Port uint16
	// Node is an inside node's name, ToPort the port there.
	Node   string
	ToPort uint16
}

// StaticNAT translates between an inside node and an outside address, whatever
// the protocol and port (RFC 2663, section 4.1.1, without a time limit).
type StaticNAT struct {
	// Node is an inside node's name.
	Node string
	// Address is one of the router's own toward the outside.
	Address netip.Addr
}

// StaticFor is the static translation of an outside address.
func (n *NAT) StaticFor(outside netip.Addr) (StaticNAT, bool) {
	i := slices.IndexFunc(n.Static, func(s StaticNAT) bool { return s.Address == outside })
	if i < 0 {
		return StaticNAT{}, false
	}
	return n.Static[i], true
}

// Timeout is the lifetime of idle flows in a state.
func (n *NAT) Timeout(state string) time.Duration {
	if d, ok := n.Timeouts[state]; ok {
		return d
	}
	return DefaultNATTimeouts[state]
}

// NATTimeouts maps each key of NAT.Timeouts to its sysctl.
var NATTimeouts = map[string]string{
	"tcp_syn_sent":       "net.netfilter.nf_conntrack_tcp_timeout_syn_sent",
	"tcp_syn_recv":       "net.netfilter.nf_conntrack_tcp_timeout_syn_recv",
	"tcp_established":    "net.netfilter.nf_conntrack_tcp_timeout_established",
	"tcp_fin_wait":       "net.netfilter.nf_conntrack_tcp_timeout_fin_wait",
	"tcp_close_wait":     "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
	"tcp_last_ack":       "net.netfilter.nf_conntrack_tcp_timeout_last_ack",
	"tcp_time_wait":      "net.netfilter.nf_conntrack_tcp_timeout_time_wait",
	"tcp_close":          "net.netfilter.nf_conntrack_tcp_timeout_close",
	"tcp_max_retrans":    "net.netfilter.nf_conntrack_tcp_timeout_max_retrans",
	"tcp_unacknowledged": "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged",
	"udp":                "net.netfilter.nf_conntrack_udp_timeout",
	"udp_stream":         "net.netfilter.nf_conntrack_udp_timeout_stream",
	"icmp":               "net.netfilter.nf_conntrack_icmp_timeout",
	"icmpv6":             "net.netfilter.nf_conntrack_icmpv6_timeout",
	"generic":            "net.netfilter.nf_conntrack_generic_timeout",
}

// DefaultNATTimeouts are the kernel's (net/netfilter/nf_conntrack_proto_tcp.c,
// tcp_timeouts, and its neighbours).
var DefaultNATTimeouts = map[string]time.Duration{
	"tcp_syn_sent":       2 * time.Minute,
	"tcp_syn_recv":       time.Minute,
	"tcp_established":    5 * 24 * time.Hour,
	"tcp_fin_wait":       2 * time.Minute,
	"tcp_close_wait":     time.Minute,
	"tcp_last_ack":       30 * time.Second,
	"tcp_time_wait":      2 * time.Minute,
	"tcp_close":          10 * time.Second,
	"tcp_max_retrans":    5 * time.Minute,
	"tcp_unacknowledged": 5 * time.Minute,
	"udp":                30 * time.Second,
	"udp_stream":         2 * time.Minute,
	"icmp":               30 * time.Second,
	"icmpv6":             30 * time.Second,
	"generic":            10 * time.Minute,
}

// Size is the number of ports in a range.
func (r PortRange) Size() int { return int(r.Last) - int(r.First) + 1 }
