package decode

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"testbed/observe"
)

// dnsPort is the one that resolvers listen on.
const dnsPort = 53

// rcodes are the names of response codes (RFC 1035, section 4.1.1).
var rcodes = []string{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"}

// decodeDNS reads as much of a message as was recorded; nil if that is not even its
// question.
func decodeDNS(data []byte) *observe.DNS {
	var p dnsmessage.Parser
	h, err := p.Start(data)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil || p.SkipAllQuestions() != nil {
		return nil
	}
	m := &observe.DNS{
		Response: h.Response, Truncated: h.Truncated,
		Name: strings.TrimSuffix(q.Name.String(), "."), Type: strings.TrimPrefix(q.Type.String(), "Type"),
	}
	if !h.Response {
		return m
	}
	if m.RCode = fmt.Sprintf("RCODE %d", h.RCode); int(h.RCode) < len(rcodes) {
		m.RCode = rcodes[h.RCode]
	}
	for {
		r, err := p.Answer()
		if err != nil {
			return m
		}
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			m.Addresses = append(m.Addresses, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			m.Addresses = append(m.Addresses, netip.AddrFrom16(body.AAAA))
		}
	}
}
