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
	// MSS is the option's value.
	MSS uint16
	// Timestamps tells whether it has time stamps. The two others are only announced
	// with them, because the cookie keeps them there (net/netfilter/
	// nf_synproxy_core.c, synproxy_init_timestamp_cookie).
	Timestamps bool
	// WindowScale is the shift of the server's window; SACK permits selective
	// acknowledgements.
	WindowScale uint8
	SACK        bool
}

// DefaultProxy works with every kernel. Its cookie is the sequence number alone,
// so that it says nothing of windows and SACK.
var DefaultProxy = Proxy{MSS: 1460, WindowScale: 7, SACK: true}
