package topo

import "time"

// Hook is where in a node's packet path a rule applies (netfilter's hooks).
type Hook string

// The hooks.
const (
	Forward Hook = "forward"
	Input   Hook = "input"
	Output  Hook = "output"
)

// Action is what a rule does with what it matches.
type Action string

// The actions.
const (
	Accept Action = "accept"
	// DropPacket discards silently.
	DropPacket Action = "drop"
	// Reject discards and answers.
	Reject Action = "reject"
	// ClampMSS, Strip and BleachECN rewrite what they match and let it go on to
	// the next rule; see Passes.
	ClampMSS  Action = "clamp-mss"
	Strip     Action = "strip"
	BleachECN Action = "bleach-ecn"
	// Synproxy answers SYNs in the server's name, and opens the connection to the
	// server once the client has completed its handshake.
	Synproxy Action = "synproxy"
)

// Discards tells whether what a rule with the action matches is discarded.
func (a Action) Discards() bool { return a == DropPacket || a == Reject }

// Passes tells whether what a rule with the action matches meets the next rules.
func (a Action) Passes() bool { return a == ClampMSS || a == Strip || a == BleachECN }

// RejectWith is how a rejecting rule answers.
type RejectWith string

// The answers. All but TCPReset are ICMP or ICMPv6 destination unreachable with
// the matching code.
const (
	TCPReset        RejectWith = "tcp-reset"
	PortUnreachable RejectWith = "port-unreachable"
	HostUnreachable RejectWith = "host-unreachable"
	NetUnreachable  RejectWith = "net-unreachable"
	AdminProhibited RejectWith = "admin-prohibited"
)

// Rule is one firewall rule.
type Rule struct {
	// Name identifies the rule in reports; unique within its node.
	Name   string
	Hook   Hook
	Match  Match
	Action Action
	// With is set when Action is Reject.
	With RejectWith
	// MSS is what ClampMSS lowers the option to; zero means what fits the MTU of the
	// packet's route.
	MSS uint16
	// Options are what Strip takes away.
	Options []TCPOption
	// Proxy is set when Action is Synproxy.
	Proxy *Proxy
}

// Match is a conjunction: a packet matches when it meets every field that is
// not zero.
type Match struct {
	// Proto is tcp, udp, icmp or icmpv6.
	Proto string
	// Sport and Dport are inclusive ranges of ports; a zero range is not a
	// condition.
	Sport, Dport PortRange
	// From and To are a node's name (any of its addresses) or a prefix.
	From, To string
	// In and Out name the neighbour whose link the packet came or leaves by.
	In, Out string
	// Flags are the TCP flags that are set; those of SYN, ACK, FIN and RST that
	// are not in it are clear. Zero is not a condition.
	Flags TCPFlags
	// State is conntrack's: new, established, related or invalid.
	State string
	// Nth matches only the n-th packet, counted from 1, that meets the other
	// conditions.
	Nth int
	// Probability, 0 to 1, is drawn by the kernel for each packet; zero is not a
	// condition.
	Probability float64
	// Rate matches while packets come no faster than this.
	Rate Rate
}

// PortRange is an inclusive range of ports.
type PortRange struct{ First, Last uint16 }

// IsZero tells whether the range is no condition.
func (r PortRange) IsZero() bool { return r == PortRange{} }

// Rate is a number of packets in a unit of time ("second", "minute", "hour",
// "day"). The zero value is no condition.
type Rate struct {
	Packets uint64
	Per     string
	// Burst is how many packets may come at once before the rate counts; zero
	// means nft's default, 5.
	Burst uint32
}

// units are how long the units of a Rate are.
var units = map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}

// Due is when the n-th packet, counted from 0, comes that is sent at this rate,
// from the first on. The rate must not be zero.
func (r Rate) Due(n int) time.Duration {
	whole, rest := uint64(n)/r.Packets, uint64(n)%r.Packets
	return time.Duration(whole)*units[r.Per] + time.Duration(rest*uint64(units[r.Per])/r.Packets)
}

// PerSecond is how many packets that are in a second.
func (r Rate) PerSecond() float64 { return float64(r.Packets) / units[r.Per].Seconds() }

// TCPFlags is a set of TCP flags, as in the header's fourteenth byte (RFC 9293,
// section 3.1).
type TCPFlags uint8

// The flags that the testbed names.
const (
	FIN TCPFlags = 1 << 0
	SYN TCPFlags = 1 << 1
	RST TCPFlags = 1 << 2
	PSH TCPFlags = 1 << 3
	ACK TCPFlags = 1 << 4
)

// String names the flags of SYN, FIN, RST and ACK that are set, joined by
// hyphens: "SYN-ACK". PSH is left out.
func (f TCPFlags) String() string {
	s := ""
	for _, n := range []struct {
		f    TCPFlags
		name string
	}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {ACK, "ACK"}} {
		if f&n.f != 0 {
			if s != "" {
				s += "-"
			}
			s += n.name
		}
	}
	return s
}
