package report

// JourneyDocument is one packet, as its sender sent it, and where it came.
type JourneyDocument struct {
	Packet PacketDocument `json:"packet"`
	// Sender is the node that sent it, left out where a link made it, which is in
	// Made, or it was sent before it was recorded.
	Sender string          `json:"sender,omitempty"`
	Made   *StrikeDocument `json:"made,omitempty"`
	// Strikes are the faults of links that befell it and did not end it.
	Strikes        []StrikeDocument   `json:"strikes,omitempty"`
	Retransmission bool               `json:"retransmission,omitempty"`
	Fate           FateDocument       `json:"fate"`
	Sightings      []SightingDocument `json:"sightings"`
}

// PacketDocument is an IP packet. Protocol is "tcp", "udp", "icmp", "icmpv6"
// or a number.
type PacketDocument struct {
	Protocol string `json:"protocol"`
	Src      string `json:"src"`
	Dst      string `json:"dst"`
	TTL      uint8  `json:"ttl,omitempty"`
	// Length is the IP packet's, in bytes.
	Length int `json:"length"`
	// Flags are TCP's, such as SYN-ACK; Seq and Ack are as on the wire; Payload
	// is the number of data bytes.
	Flags   string  `json:"flags,omitempty"`
	Seq     *uint32 `json:"seq,omitempty"`
	Ack     *uint32 `json:"ack,omitempty"`
	Payload int     `json:"payload,omitempty"`
	// Options are TCP's. ECE and CWR are flags, ECN is the codepoint of the IP
	// header: "ect0", "ect1" or "ce", and left out where there is none.
	Options *OptionsDocument `json:"options,omitempty"`
	ECE     bool             `json:"ece,omitempty"`
	CWR     bool             `json:"cwr,omitempty"`
	ECN     string           `json:"ecn,omitempty"`
	// ICMP is the message's name, Type and Code its numbers; Quoted is the packet
	// that an error is about.
	ICMP   string          `json:"icmp,omitempty"`
	Type   *uint8          `json:"type,omitempty"`
	Code   *uint8          `json:"code,omitempty"`
	Quoted *PacketDocument `json:"quoted,omitempty"`
	// DNS is there for messages of port 53 over UDP.
	DNS *DNSDocument `json:"dns,omitempty"`
}

// DNSDocument is a question, or an answer if it has an RCode.
type DNSDocument struct {
	Name      string   `json:"name"`
	Type      string   `json:"type"`
	RCode     string   `json:"rcode,omitempty"`
	Truncated bool     `json:"truncated,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// QueryDocument is a question to a resolver. Reply is a response code, an errno's
// name, "timed-out", "truncated" or "abandoned".
type QueryDocument struct {
	AtNS      int64    `json:"at_ns"`
	ElapsedNS int64    `json:"elapsed_ns"`
	Type      string   `json:"type"`
	Server    string   `json:"server"`
	Node      string   `json:"node,omitempty"`
	TCP       bool     `json:"tcp,omitempty"`
	Reply     string   `json:"reply"`
	Addresses []string `json:"addresses,omitempty"`
}

// AttemptDocument is one of the addresses that were tried.
type AttemptDocument struct {
	AtNS      int64  `json:"at_ns"`
	ElapsedNS int64  `json:"elapsed_ns"`
	To        string `json:"to"`
	Node      string `json:"node,omitempty"`
	Local     string `json:"local,omitempty"`
	Outcome   string `json:"outcome"`
	Errno     string `json:"errno,omitempty"`
}

// OptionsDocument are the TCP options of a segment; what is left out is not there.
type OptionsDocument struct {
	MSS        uint16 `json:"mss,omitempty"`
	WScale     *uint8 `json:"wscale,omitempty"`
	SACK       bool   `json:"sack,omitempty"`
	Timestamps bool   `json:"timestamps,omitempty"`
	// FastOpen is "request" or "cookie".
	FastOpen string `json:"fast_open,omitempty"`
}

// FateDocument is how a packet ended: "delivered", "pending", "dropped", or "taken" by
// a synproxy, in its receiver's place.
type FateDocument struct {
	End string `json:"end"`
	// Node or Link (from, to) is where it died or was taken; both are empty if not known.
	Node  string   `json:"node,omitempty"`
	Link  []string `json:"link,omitempty"`
	Cause string   `json:"cause,omitempty"`
	Rule  string   `json:"rule,omitempty"`
	// OrRules are others, where the record leaves open which one of them or Rule it was.
	OrRules []string `json:"or_rules,omitempty"`
	Fault   string   `json:"fault,omitempty"`
	Answer  string   `json:"answer,omitempty"`
}

// StrikeDocument is a fault of a link that befell a packet, or made it.
type StrikeDocument struct {
	// Link is from the sender of the packet that the fault picked to its receiver.
	Link  []string `json:"link"`
	Fault string   `json:"fault"`
	// Do is "delay", "duplicate", "corrupt" or "reset".
	Do   string `json:"do"`
	ByNS int64  `json:"by_ns,omitempty"`
}

// SightingDocument is a packet at one end of a link. Sent is true where the
// node sent it, false where it arrived.
type SightingDocument struct {
	AtNS int64  `json:"at_ns"`
	Link int    `json:"link"`
	Node string `json:"node,omitempty"`
	Sent bool   `json:"sent"`
	// Corrupted is true from where a link had flipped a bit that a checksum covers.
	Corrupted bool `json:"corrupted,omitempty"`
	// Src and Dst are there where translation has changed them.
	Src string `json:"src,omitempty"`
	Dst string `json:"dst,omitempty"`
}
