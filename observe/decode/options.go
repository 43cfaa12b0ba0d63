package decode

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"

	"testbed/observe"
)

// kindFastOpen is the number of the Fast Open option (RFC 7413, section 4.1.1).
const kindFastOpen = 34

// decodeOption notes an option of which the length is what its RFC says; one of
// another length is none.
func decodeOption(t *observe.TCP, o layers.TCPOption) {
	b, is := o.OptionData, &t.Options
	switch {
	case o.OptionType == layers.TCPOptionKindTimestamps && len(b) == 8:
		t.HasTS, t.TSVal, t.TSEcr = true, binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	case o.OptionType == layers.TCPOptionKindMSS && len(b) == 2:
		is.MSS = binary.BigEndian.Uint16(b)
	case o.OptionType == layers.TCPOptionKindWindowScale && len(b) == 1:
		is.HasWindowScale, is.WindowScale = true, b[0]
	case o.OptionType == layers.TCPOptionKindSACKPermitted && len(b) == 0:
		is.SACKPermitted = true
	case o.OptionType == kindFastOpen && len(b) == 0:
		is.FastOpen = observe.FastOpenRequest
	case o.OptionType == kindFastOpen && len(b) >= 4 && len(b) <= 16:
		is.FastOpen = observe.FastOpenCookie
	}
}
