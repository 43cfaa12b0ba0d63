package spec

import (
	"net/netip"

	"testbed/observe"
	"testbed/topo"
)

// Segment is a TCP segment that must have left its sender. What is nil or zero is
// not compared.
type Segment struct {
	// Any stands for any number of segments, also none. Nothing else is set then.
	Any bool
	// Flags is a name such as SYN-ACK. RST and FIN also stand for RST-ACK and
	// FIN-ACK.
	Flags string
	// From is the node that sent it, or Link the nodes of the link that did.
	From string
	Link *[2]string
	// Seq and Ack are relative to the initial sequence numbers of its sender and of
	// the other end. Payload is in bytes, Window as in the header, not scaled.
	Seq, Ack, Payload, Window *Count
	// Saddr and Daddr are the addresses, Sport and Dport the ports, as its sender
	// sent them.
	Saddr, Daddr netip.Addr
	Sport, Dport topo.PortRange
	Options      *Options
	// ECE and CWR are flags, ECN the codepoint of the IP header.
	ECE, CWR *bool
	ECN      *observe.ECN
	// Text is the segment in words: "SYN-ACK from server seq 0 ack 1".
	Text string
}

// Options are the TCP options of a segment. What is nil is not compared.
type Options struct {
	// MSS and WScale are values; None in their place expects no such option.
	MSS, WScale      *Optional
	SACK, Timestamps *bool
	// FastOpen points to the empty value where no such option is expected.
	FastOpen *observe.FastOpen
}

// Optional is a number, or nothing.
type Optional struct {
	None bool
	Count
}

// Negotiated is what the ends of a connection must have agreed on. What is nil is
// not compared.
type Negotiated struct {
	// MSS is the smaller of the two that were announced.
	MSS                           *Count
	WScale, SACK, Timestamps, ECN *bool
}
