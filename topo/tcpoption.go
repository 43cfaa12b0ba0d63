package topo

// TCPOption is something in a TCP header that a middlebox may take away: an
// option, by its name in IANA's registry in short, or ECNSetup.
type TCPOption string

// What Strip takes away.
const (
	// OptionMSS is the maximum segment size (RFC 9293, section 3.7.1).
	OptionMSS TCPOption = "mss"
	// OptionWindowScale and OptionTimestamps are RFC 7323's.
	OptionWindowScale TCPOption = "wscale"
	OptionTimestamps  TCPOption = "timestamps"
	// OptionSACK is the permission of RFC 2018, section 2.
	OptionSACK TCPOption = "sack"
	// OptionFastOpen is RFC 7413's cookie.
	OptionFastOpen TCPOption = "fast_open"
	// ECNSetup is no option, but the flags ECE and CWR of a SYN and ECE of a SYN-ACK,
	// by which both ends agree on ECN (RFC 3168, section 6.1.1).
	ECNSetup TCPOption = "ecn_setup"
)

// TCPOptions lists them all.
var TCPOptions = []TCPOption{OptionMSS, OptionWindowScale, OptionSACK, OptionTimestamps, OptionFastOpen, ECNSetup}

// Proxy is what a Synproxy rule announces in the server's name, which it cannot
// ask: the options of its SYN-ACK.
type Proxy struct {
	// MSS is the option's value. WindowScale is the shift of the server's window.
	MSS         uint16
	WindowScale uint8
	// Timestamps and SACK tell whether the server is taken to know these options.
	Timestamps, SACK bool
}

// DefaultProxy is what Linux itself announces over Ethernet, with the buffers that
// every node has.
var DefaultProxy = Proxy{MSS: 1460, WindowScale: 7, Timestamps: true, SACK: true}
