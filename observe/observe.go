// Package observe is the vocabulary of what is seen: packets at the ends of
// links, what became of them, and the states of sockets. It makes no system
// call; what watches the kernel is in its sub-packages.
package observe

import (
	"net/netip"
	"strings"
	"time"

	"testbed/netem"
	"testbed/topo"
)

// Frame is an Ethernet frame seen at the inner end of a link, in the ether.
type Frame struct {
	// Time is the kernel's stamp (CLOCK_REALTIME).
	Time time.Time
	// Link is the link's ID, Side the end at which the frame was seen.
	Link int
	Side netem.Side
	// Sent is true for a frame that the node at that side sent, false for one
	// that is delivered to it.
	Sent bool
	// Data holds the first bytes of the frame, Length is the whole's length.
	Data   []byte
	Length int
}

// Packet is a decoded IP packet.
type Packet struct {
	Src, Dst netip.Addr
	// Proto is the transport protocol's number (IANA): 6 TCP, 17 UDP, 1 ICMP,
	// 58 ICMPv6.
	Proto uint8
	TTL   uint8
	// ID is the IPv4 identification field; zero in IPv6.
	ID uint16
	// Length of the IP packet in bytes.
	Length int
	// ECN is the codepoint of the header.
	ECN ECN
	// TCP, UDP and ICMP are nil but for the packet's own protocol.
	TCP  *TCP
	UDP  *UDP
	ICMP *ICMP
}

// TCP is what the testbed reads of a TCP header (RFC 9293, section 3.1).
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	// Flags holds FIN, SYN, RST, PSH and ACK.
	Flags  topo.TCPFlags
	Window uint16
	// Payload is the number of data bytes.
	Payload int
	// TSVal and TSEcr are the timestamps option's (RFC 7323); HasTS tells
	// whether it is there.
	TSVal, TSEcr uint32
	HasTS        bool
	// Options are the others.
	Options TCPOptions
	// ECE and CWR are the flags of explicit congestion notification (RFC 3168).
	ECE, CWR bool
}

// UDP is a UDP header.
type UDP struct {
	SrcPort, DstPort uint16
	Payload          int
	// DNS is the message in a datagram from or to port 53; nil if there is none.
	DNS *DNS
}

// DNS is what the testbed reads of a message (RFC 1035, section 4). Of one that was
// recorded in part, the answers that could be read are there.
type DNS struct {
	// Response is false for a question. Type is the question's, such as AAAA.
	Response   bool
	Name, Type string
	// RCode is a response's code by its name, such as NXDOMAIN.
	RCode     string
	Truncated bool
	Addresses []netip.Addr
}

// ICMP is an ICMP or ICMPv6 message.
type ICMP struct {
	Type, Code uint8
	// Quoted is the packet that an error message is about, nil otherwise. It may
	// be cut after the first eight bytes of its transport header.
	Quoted *Packet
}

// Sighting is a packet at one end of a link.
type Sighting struct {
	Time   time.Time
	Link   int
	Side   netem.Side
	Sent   bool
	Packet *Packet
	// Corrupted is true from where the packet came out of a link with a bit
	// flipped that a checksum covers. What it then says of itself may be wrong; where
	// it is no IP packet any more, Packet is what it was.
	Corrupted bool
}

// Journey is one packet from the node that sent it to where it ended, across
// hops and address translation.
type Journey struct {
	// Sightings are in order of time. The first is at the sender's interface.
	Sightings []Sighting
	// Sender is the node that sent it. It is empty where nobody saw the packet leave:
	// then a fault of a link made it, or it was on its way before the record begins,
	// and the first sighting is where it came out of a link.
	Sender string
	// Made is the fault that made the packet, in the name of whom its addresses
	// name; nil if a node sent it.
	Made *Strike
	// Strikes are the faults of links that befell the packet and did not end it.
	Strikes []Strike
	// Fate is how it ended.
	Fate Fate
	// Retransmission is true for a TCP segment whose sequence range and flags
	// were sent before.
	Retransmission bool
}

// Packet is the packet as its sender sent it.
func (j *Journey) Packet() *Packet { return j.Sightings[0].Packet }

// Last is the last sighting.
func (j *Journey) Last() *Sighting { return &j.Sightings[len(j.Sightings)-1] }

// SentAt is when the packet left its sender.
func (j *Journey) SentAt() time.Time { return j.Sightings[0].Time }

// Left tells whether the packet was sent while it was recorded, and not before.
func (j *Journey) Left() bool { return j.Made != nil || j.Sightings[0].Sent }

// Strike is a fault of a link that befell a packet, or made it.
type Strike struct {
	// Link is the pair of nodes that the link joins, from the sender of the packet
	// that the fault picked to its receiver.
	Link  [2]string
	Fault string
	Do    netem.FaultAction
	// By is netem.Fault's.
	By time.Duration
}

// Fate is how a packet ended.
type Fate struct {
	// Delivered is true when the packet reached the node that owns its
	// destination address and nothing there is known to have dropped it.
	Delivered bool
	// Pending is true when the packet was still on its way.
	Pending bool
	// Drop is set when it was neither.
	Drop Drop
	// Taken is set when it was delivered, but to a node that took it in its
	// receiver's place.
	Taken Taken
}

// Taken is who took a packet in its receiver's place: a synproxy.
type Taken struct {
	// Node is the node, Rule the name of its rule.
	Node, Rule string
}

// Cause is why a packet died: one of netem's causes for links, or one of those
// below.
type Cause string

// Why a packet dies on a link, beside netem's causes.
const (
	// Corrupted is a packet of which the link flipped a bit, so that a checksum is
	// wrong. The link delivered it, and routers may have sent it on.
	Corrupted Cause = "corrupted"
	// Burst is a loss that a link which loses frames in bursts makes in a burst.
	Burst Cause = "burst"
)

// Why a packet dies in a node.
const (
	// ByRule is a firewall rule that drops or rejects; Drop.Rule names it.
	ByRule Cause = "rule"
	// ByRuleset is what nothing else explains in a node that has a ruleset in the
	// language of nft or iptables.
	ByRuleset Cause = "ruleset"
	// ByNAT is a packet that a NAT cannot translate.
	ByNAT Cause = "untranslated"
	// ByFiltering is a packet for an outside port of a NAT which is nobody's, or
	// whose owner has not sent to where the packet comes from.
	ByFiltering Cause = "unsolicited"
	// ByExhaustion is a packet that would begin a mapping of a NAT without a free
	// port.
	ByExhaustion Cause = "no-port"
	// ByRoute causes are those of the node's routing table.
	ByBlackhole   Cause = "blackhole"
	ByUnreachable Cause = "unreachable"
	ByProhibit    Cause = "prohibit"
	ByNoRoute     Cause = "no-route"
	// ByNoNeighbour is an address on a link that nobody answers for.
	ByNoNeighbour Cause = "no-neighbour"
	// ByTTL is a hop limit that ran out.
	ByTTL Cause = "ttl"
	// ByMTU is a packet too big for the next link.
	ByMTU Cause = "too-big"
	// ByNoForwarding is a host that was asked to forward.
	ByNoForwarding Cause = "no-forwarding"
	// ByFullTable is a packet that would begin a flow for which connection tracking
	// has no room.
	ByFullTable Cause = "conntrack-full"
	// ByRPFilter is a packet from a source to which another interface leads (RFC
	// 3704).
	ByRPFilter Cause = "rp-filter"
	// ByFullQueue is a listener whose accept queue is full.
	ByFullQueue Cause = "accept-queue-full"
	// BySynQueue is a listener that has no place for one more half-open connection.
	BySynQueue Cause = "syn-queue-full"
	// Unknown means that no known reason fits.
	Unknown Cause = "unknown"
)

// Drop is where and why a packet died.
type Drop struct {
	// Node is the node where it died, empty when it died on a link.
	Node string
	// Link is the pair of nodes whose link lost it, from sender to receiver.
	Link [2]string
	// Cause is one of this package's or of netem's.
	Cause Cause
	// Rule is the firewall rule's name when Cause is ByRule, and that of the NAT's
	// own when it is one of a NAT's.
	Rule string
	// Or names other rules, where the record leaves open which one of them or Rule it
	// was: each on a line of its own, so that drops can be compared and be keys.
	Or string
	// Fault is the fault's name when it ended on a link by a fault, or was corrupted
	// by one.
	Fault string
	// Answer says how the node answered, such as "tcp-reset" or
	// "port-unreachable"; empty for silence.
	Answer string
}

// Rules names the rules that may have ended the packet: one, where that is known.
func (d *Drop) Rules() []string {
	switch {
	case d.Rule == "":
		return nil
	case d.Or == "":
		return []string{d.Rule}
	}
	return append([]string{d.Rule}, strings.Split(d.Or, "\n")...)
}

// RuleText is Rules in words: "first", or "first or rest".
func (d *Drop) RuleText() string { return strings.Join(d.Rules(), " or ") }

// State is a TCP connection state by its RFC 9293 name.
type State string

// The states (RFC 9293, section 3.3.2).
const (
	Listen      State = "LISTEN"
	SynSent     State = "SYN-SENT"
	SynReceived State = "SYN-RECEIVED"
	Established State = "ESTABLISHED"
	FinWait1    State = "FIN-WAIT-1"
	FinWait2    State = "FIN-WAIT-2"
	CloseWait   State = "CLOSE-WAIT"
	Closing     State = "CLOSING"
	LastAck     State = "LAST-ACK"
	TimeWait    State = "TIME-WAIT"
	Closed      State = "CLOSED"
)

// States lists every state.
var States = []State{Listen, SynSent, SynReceived, Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait, Closed}

// StateChange is a socket that entered a state.
type StateChange struct {
	Time  time.Time
	State State
}

// Source says where an observation comes from.
type Source string

// The sources, best first.
const (
	// FromTracepoint is the kernel's tracepoint sock:inet_sock_set_state.
	FromTracepoint Source = "tracepoint"
	// FromPackets is the kernel's packet stamps at the ends of the links.
	FromPackets Source = "packets"
	// FromAgent is the agent's own clock around its system calls.
	FromAgent Source = "agent"
	// FromCounters is a firewall rule's counter.
	FromCounters Source = "counters"
)

// RuleCount is how often a firewall rule matched.
type RuleCount struct {
	Node, Rule string
	Hook       topo.Hook
	Action     topo.Action
	Packets    uint64
	// Met is, for a rule with an nth, how many packets met its other conditions, and
	// Before how many had done so earlier: the next one was number Before + 1.
	Met, Before uint64
	// Since is when the rule began to count, where its node was given other rules
	// meanwhile, and Until when a rule of that name ended that was there before.
	Since, Until time.Time
}
