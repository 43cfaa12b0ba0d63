package observe

// TCPOptions are the options of a TCP header that negotiate how a connection
// works. The zero value is a header without them.
type TCPOptions struct {
	// MSS is the largest segment, in bytes of data, that the sender takes (RFC
	// 9293, section 3.7.1); zero where the option is missing.
	MSS uint16
	// WindowScale is by how many bits the sender shifts its windows (RFC 7323,
	// section 2). HasWindowScale tells whether it offers to.
	WindowScale    uint8
	HasWindowScale bool
	// SACKPermitted says that selective acknowledgements may be sent (RFC 2018).
	SACKPermitted bool
	// FastOpen is what the header says of TCP Fast Open (RFC 7413).
	FastOpen FastOpen
}

// FastOpen is the content of a Fast Open option.
type FastOpen string

// The contents of a Fast Open option; the empty value is no option.
const (
	// FastOpenRequest asks for a cookie.
	FastOpenRequest FastOpen = "request"
	// FastOpenCookie carries one.
	FastOpenCookie FastOpen = "cookie"
)

// FastOpens lists the contents.
var FastOpens = []FastOpen{FastOpenRequest, FastOpenCookie}

// ECN is the codepoint of an IP header (RFC 3168, section 5).
type ECN string

// The codepoints.
const (
	// NotECT is that of a packet whose sender does not take part.
	NotECT ECN = ""
	ECT0   ECN = "ect0"
	ECT1   ECN = "ect1"
	// CE is what a congested router makes of ECT0 and ECT1.
	CE ECN = "ce"
)

// ECNs lists the codepoints by their numbers in the header.
var ECNs = []ECN{NotECT, ECT1, ECT0, CE}
