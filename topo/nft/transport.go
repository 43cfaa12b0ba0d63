package nft

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// transports are the values of Match.Proto: nft's name and the protocol number.
var transports = map[string]struct {
	name   string
	number byte
}{
	"tcp":    {"tcp", unix.IPPROTO_TCP},
	"udp":    {"udp", unix.IPPROTO_UDP},
	"icmp":   {"icmp", unix.IPPROTO_ICMP},
	"icmpv6": {"ipv6-icmp", unix.IPPROTO_ICMPV6},
}

// handshakeFlags are the flags that a match on flags looks at.
const handshakeFlags = topo.FIN | topo.SYN | topo.RST | topo.ACK

// transport are the conditions Proto, Sport, Dport and Flags. Only SYNs and
// SYN-ACKs have an MSS to clamp.
func (c *compiler) transport(r *topo.Rule) ([]statement, error) {
	m, proto := &r.Match, r.Match.Proto
	if ofTCP(r) || m.Flags != 0 {
		if proto != "" && proto != "tcp" {
			return nil, fmt.Errorf("match proto %s: TCP flags, tcp-reset, clamp-mss, strip and synproxy are TCP's", proto)
		}
		proto = "tcp"
	}
	ports, err := portMatches(m, proto)
	if err != nil {
		return nil, err
	}
	if m.Flags&^handshakeFlags != 0 {
		return nil, fmt.Errorf("match flags: only SYN, ACK, FIN and RST can be matched")
	}
	if m.Flags != 0 {
		ports = append(ports, flagsMatch(m.Flags))
	} else if r.Action == topo.ClampMSS {
		ports = append(ports, isSYN())
	}
	switch {
	case proto == "" && len(ports) == 0:
		return nil, nil
	case proto == "":
		return append([]statement{c.tcpOrUDP()}, ports...), nil
	}
	is, err := isProto(proto)
	if err != nil {
		return nil, err
	}
	if len(ports) > 0 {
		is.text = "" // `tcp dport` implies it
	}
	return append([]statement{is}, ports...), nil
}

// isProto is `meta l4proto tcp`.
func isProto(proto string) (statement, error) {
	t, ok := transports[proto]
	if !ok {
		return statement{}, fmt.Errorf("match proto: %q is none of tcp, udp, icmp, icmpv6", proto)
	}
	return statement{
		text:  "meta l4proto " + t.name,
		exprs: []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{t.number})},
	}, nil
}

// tcpOrUDP is `meta l4proto { tcp, udp }`: what has ports, where no protocol is
// named.
func (c *compiler) tcpOrUDP() statement {
	s := statement{text: "meta l4proto { tcp, udp }", set: c.newSet(nftables.TypeInetProto)}
	s.set.elements = []nftables.SetElement{{Key: []byte{unix.IPPROTO_TCP}}, {Key: []byte{unix.IPPROTO_UDP}}}
	s.exprs = []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, s.set.lookup()}
	return s
}

func portMatches(m *topo.Match, proto string) ([]statement, error) {
	var parts []statement
	for _, p := range []struct {
		keyword string
		ports   topo.PortRange
		offset  uint32
	}{{"sport", m.Sport, 0}, {"dport", m.Dport, 2}} {
		if p.ports.IsZero() {
			continue
		}
		if proto == "icmp" || proto == "icmpv6" {
			return nil, fmt.Errorf("match %s: %s has no ports", p.keyword, proto)
		}
		if p.ports.First > p.ports.Last {
			return nil, fmt.Errorf("match %s: %d-%d is no range", p.keyword, p.ports.First, p.ports.Last)
		}
		if proto == "" {
			proto = "th"
		}
		parts = append(parts, portMatch(proto+" "+p.keyword, p.offset, p.ports))
	}
	return parts, nil
}

// portMatch is `tcp dport 80` or `tcp dport 20-25`.
func portMatch(keyword string, offset uint32, ports topo.PortRange) statement {
	load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}
	first := binary.BigEndian.AppendUint16(nil, ports.First)
	if ports.First == ports.Last {
		return statement{text: fmt.Sprintf("%s %d", keyword, ports.First), exprs: []expr.Any{load, equal(first)}}
	}
	last := binary.BigEndian.AppendUint16(nil, ports.Last)
	return statement{
		text: fmt.Sprintf("%s %d-%d", keyword, ports.First, ports.Last),
		exprs: []expr.Any{
			load,
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: first},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: last},
		},
	}
}

// flagsMatch is `tcp flags syn / fin,syn,rst,ack`: of the four, exactly these.
func flagsMatch(f topo.TCPFlags) statement {
	var names []string
	for _, n := range []struct {
		flag topo.TCPFlags
		name string
	}{{topo.FIN, "fin"}, {topo.SYN, "syn"}, {topo.RST, "rst"}, {topo.ACK, "ack"}} {
		if f&n.flag != 0 {
			names = append(names, n.name)
		}
	}
	return statement{
		text: "tcp flags " + strings.Join(names, ",") + " / fin,syn,rst,ack",
		exprs: []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			masked([]byte{byte(handshakeFlags)}),
			equal([]byte{byte(f)}),
		},
	}
}
