package report

import (
	"strconv"

	"testbed/observe"
)

// IANA's protocol numbers of the two ICMPs.
const (
	protoICMP   = 1
	protoICMPv6 = 58
)

type icmpKey struct{ proto, kind, code uint8 }

// icmpNames are the error messages that end or disturb a TCP connection
// (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443).
func icmpName(p *observe.Packet) string {
	switch (icmpKey{p.Proto, p.ICMP.Type, p.ICMP.Code}) {
	case icmpKey{protoICMP, 3, 0}:
		return "ICMP network unreachable"
	case icmpKey{protoICMP, 3, 1}:
		return "ICMP host unreachable"
	case icmpKey{protoICMP, 3, 2}:
		return "ICMP protocol unreachable"
	case icmpKey{protoICMP, 3, 3}:
		return "ICMP port unreachable"
	case icmpKey{protoICMP, 3, 4}:
		return "ICMP fragmentation needed"
	case icmpKey{protoICMP, 3, 9}:
		return "ICMP network administratively prohibited"
	case icmpKey{protoICMP, 3, 10}:
		return "ICMP host administratively prohibited"
	case icmpKey{protoICMP, 3, 13}:
		return "ICMP communication administratively prohibited"
	case icmpKey{protoICMPv6, 1, 0}:
		return "ICMPv6 no route to destination"
	case icmpKey{protoICMPv6, 1, 1}:
		return "ICMPv6 administratively prohibited"
	case icmpKey{protoICMPv6, 1, 3}:
		return "ICMPv6 address unreachable"
	case icmpKey{protoICMPv6, 1, 4}:
		return "ICMPv6 port unreachable"
	case icmpKey{protoICMPv6, 1, 5}:
		return "ICMPv6 source address failed policy"
	case icmpKey{protoICMPv6, 1, 6}:
		return "ICMPv6 reject route to destination"
	}
	return icmpClass(p)
}

func icmpClass(p *observe.Packet) string {
	switch (icmpKey{p.Proto, p.ICMP.Type, 0}) {
	case icmpKey{protoICMP, 3, 0}:
		return "ICMP destination unreachable"
	case icmpKey{protoICMP, 11, 0}:
		return "ICMP time exceeded"
	case icmpKey{protoICMPv6, 1, 0}:
		return "ICMPv6 destination unreachable"
	case icmpKey{protoICMPv6, 2, 0}:
		return "ICMPv6 packet too big"
	case icmpKey{protoICMPv6, 3, 0}:
		return "ICMPv6 time exceeded"
	}
	return "an ICMP error"
}

// protocol is a transport protocol's name.
func protocol(number uint8) string {
	switch number {
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case protoICMP:
		return "icmp"
	case protoICMPv6:
		return "icmpv6"
	}
	return strconv.Itoa(int(number))
}
