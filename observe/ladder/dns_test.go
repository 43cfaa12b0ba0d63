package ladder

import (
	"net/netip"
	"testing"

	"testbed/observe"
)

func TestDNSMessagesAreNamed(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for want, m := range map[string]observe.DNS{
		"AAAA? www.example":      {Type: "AAAA", Name: "www.example"},
		"A 192.0.2.1":            {Type: "A", Response: true, RCode: "NOERROR", Addresses: []netip.Addr{one}},
		"A 192.0.2.1 and 1 more": {Type: "A", Response: true, RCode: "NOERROR", Addresses: []netip.Addr{one, two}},
		"A none":                 {Type: "A", Response: true, RCode: "NOERROR"},
		"A truncated":            {Type: "A", Response: true, RCode: "NOERROR", Truncated: true},
		"AAAA NXDOMAIN":          {Type: "AAAA", Response: true, RCode: "NXDOMAIN"},
	} {
		if got := name(&observe.Packet{UDP: &observe.UDP{DNS: &m}}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := name(&observe.Packet{UDP: &observe.UDP{}}); got != "UDP" {
		t.Errorf("a datagram is %q", got)
	}
}
