package topo

import (
	"slices"
	"strconv"
	"strings"
)

// IsNodeSysctl tells whether a name can be that of a node's kernel parameter:
// dotted, under net, each part of letters, digits, "_" and "-". Any other name,
// and any that /proc/sys would read as a path of its own, is the host's.
func IsNodeSysctl(name string) bool {
	parts := strings.Split(name, ".")
	return len(parts) > 1 && parts[0] == "net" && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.ContainsFunc(part, func(r rune) bool {
			letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
			return !letter && !('0' <= r && r <= '9') && r != '_' && r != '-'
		})
	})
}

// DefaultCongestionControl is the congestion control of every node that sets
// none: the kernel's own default, whatever this host's is.
const DefaultCongestionControl = "cubic"

// CongestionSysctl is set apart, because a network namespace may not choose a
// congestion control that the host restricts (see rtnl).
const CongestionSysctl = "net.ipv4.tcp_congestion_control"

// hostPins are set in every node: what timings depend on has the kernel's own
// default, and what would add packets of its own is off. Not all of it is so in a
// fresh network namespace: that takes some values over from the host's (net/ipv4/
// tcp_ipv4.c, tcp_sk_init; net/ipv4/devinet.c, devinet_init_net).
var hostPins = []Sysctl{
	{Name: "net.ipv4.tcp_syn_retries", Value: "6"},
	{Name: "net.ipv4.tcp_synack_retries", Value: "5"},
	{Name: "net.ipv4.tcp_syn_linear_timeouts", Value: "4", Optional: true}, // since Linux 6.5
	{Name: "net.ipv4.tcp_retries1", Value: "3"},
	{Name: "net.ipv4.tcp_retries2", Value: "15"},
	{Name: "net.ipv4.tcp_timestamps", Value: "1"},
	{Name: "net.ipv4.tcp_ecn", Value: "2"},
	{Name: "net.ipv4.tcp_sack", Value: "1"},
	{Name: "net.ipv4.tcp_window_scaling", Value: "1"},
	// The defaults of tcp(7) on a machine with memory enough. The kernel's own
	// follow from its memory and version, and with them the window scale.
	{Name: "net.ipv4.tcp_rmem", Value: "4096 131072 6291456"},
	{Name: "net.ipv4.tcp_wmem", Value: "4096 16384 4194304"},
	// Programs that ask for MPTCP by default get TCP.
	{Name: "net.mptcp.enabled", Value: "0", Optional: true},
	// A route must not remember the last connection's RTT.
	{Name: "net.ipv4.tcp_no_metrics_save", Value: "1"},
	// Every rejected packet is answered, not six and then one a second. With a rate
	// limit of 0, kernels before 6.14 would take away what the routing code's own
	// limit allows (net/ipv4/inetpeer.c, inet_peer_xrlim_allow; net/ipv4/route.c,
	// ip_error); with a mask that limits no type they leave it alone.
	{Name: "net.ipv4.icmp_ratemask", Value: "0"},
	{Name: "net.ipv6.icmp.ratelimit", Value: "0"},
	// Addresses are usable at once, and only those of the plan exist.
	{Name: "net.ipv6.conf.all.disable_ipv6", Value: "0"},
	{Name: "net.ipv6.conf.default.disable_ipv6", Value: "0"},
	{Name: "net.ipv6.conf.default.accept_dad", Value: "0"},
	{Name: "net.ipv6.conf.default.accept_ra", Value: "0"},
	{Name: "net.ipv6.conf.default.router_solicitations", Value: "0"},
	{Name: "net.ipv6.conf.default.addr_gen_mode", Value: "1"},
	{Name: "net.ipv6.conf.all.keep_addr_on_down", Value: "1"},
	{Name: "net.ipv6.conf.default.keep_addr_on_down", Value: "1"},
}

// offPins are off on every interface: which packets a node takes and answers, for
// whose addresses, depends on its addresses, routes and rules alone.
var offPins = []string{
	"accept_local", "arp_accept", "arp_announce", "arp_filter", "arp_ignore", "arp_notify",
	"ignore_routes_with_linkdown", "proxy_arp", "route_localnet", "rp_filter", "send_redirects",
}

// neighbourPins are set on every interface, and decide how long an address that
// nobody has is asked for: three times, a second apart (RFC 4861, section 10). New
// interfaces take the host's values over (net/core/neighbour.c, neigh_parms_alloc).
var neighbourPins = []Sysctl{
	{Name: "mcast_solicit", Value: "3"}, {Name: "app_solicit", Value: "0"}, {Name: "retrans_time_ms", Value: "1000"},
}

// interfacePins are the sysctls that the testbed sets on an interface. It may
// have no IPv6 (see HasIPv6), and then has none of its sysctls.
func interfacePins(name string) (s []Sysctl) {
	for _, pin := range neighbourPins {
		s = append(s, Sysctl{Name: "net.ipv4.neigh." + name + "." + pin.Name, Value: pin.Value},
			Sysctl{Name: "net.ipv6.neigh." + name + "." + pin.Name, Value: pin.Value, Optional: true})
	}
	return s
}

// pins are the sysctls that the testbed sets on a node before its own.
func pins(n *Node) []Sysctl {
	s := slices.Clone(hostPins)
	for _, name := range offPins {
		s = append(s, Sysctl{Name: "net.ipv4.conf.all." + name, Value: "0"}, Sysctl{Name: "net.ipv4.conf.default." + name, Value: "0"})
	}
	forward := "0"
	if n.Role == Router {
		forward = "1"
	}
	return append(s,
		Sysctl{Name: "net.ipv4.ip_forward", Value: forward},
		Sysctl{Name: "net.ipv6.conf.all.forwarding", Value: forward},
		Sysctl{Name: "net.ipv6.conf.default.forwarding", Value: forward})
}

// proxySysctls are what a synproxy needs (nft(8), SYNPROXY STATEMENT): the ACK that
// completes a client's handshake must belong to no flow.
func proxySysctls(rules []Rule) []Sysctl {
	if !slices.ContainsFunc(rules, func(r Rule) bool { return r.Action == Synproxy }) {
		return nil
	}
	return []Sysctl{{Name: "net.netfilter.nf_conntrack_tcp_loose", Value: "0"}, {Name: "net.ipv4.tcp_syncookies", Value: "1"}}
}

// natSysctls make conntrack forget as the NAT says, and never pick a flow up in
// its middle.
func natSysctls(nat *NAT) []Sysctl {
	if nat == nil {
		return nil
	}
	s := []Sysctl{{Name: "net.netfilter.nf_conntrack_tcp_loose", Value: "0"}}
	for key := range nat.Timeouts {
		s = append(s, nat.timeoutSysctl(key))
	}
	slices.SortFunc(s, func(a, b Sysctl) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return s
}

// timeoutSysctl is the parameter for a state's timeout.
func (n *NAT) timeoutSysctl(state string) Sysctl {
	return Sysctl{Name: NATTimeouts[state], Value: strconv.Itoa(int(n.Timeout(state).Seconds()))}
}

// TimeoutSysctls are the parameters for every state's timeout, those that are not
// named with the kernel's defaults.
func (n *NAT) TimeoutSysctls() (all []Sysctl) {
	for state := range NATTimeouts {
		all = append(all, n.timeoutSysctl(state))
	}
	return all
}

// congestionControl is the node's TCP congestion control.
func congestionControl(n *Node) string {
	name := DefaultCongestionControl
	for _, s := range n.Sysctls {
		if s.Name == CongestionSysctl {
			name = s.Value
		}
	}
	return name
}
