package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
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

// nthModulus is the largest that numgen takes: the count starts over only after
// so many packets.
const nthModulus = math.MaxUint32

// probabilityModulus is the resolution of a probability.
const probabilityModulus = 1_000_000_000

// defaultBurst is nft's: how many packets may come at once before a rate counts.
const defaultBurst = 5

// ifname compares an interface's name: `iifname "eth0"`.
func ifname(key expr.MetaKey, keyword, name string) statement {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return statement{
		text:  fmt.Sprintf("%s %q", keyword, name),
		exprs: []expr.Any{&expr.Meta{Key: key, Register: 1}, equal(b)},
	}
}

// interfaces are the conditions In and Out.
func (c *compiler) interfaces(r *topo.Rule, hook topo.Hook) ([]statement, error) {
	var parts []statement
	for _, side := range []struct {
		field, neighbour, keyword string
		key                       expr.MetaKey
		never                     topo.Hook
	}{
		{"in", r.Match.In, "iifname", expr.MetaKeyIIFNAME, topo.Output},
		{"out", r.Match.Out, "oifname", expr.MetaKeyOIFNAME, topo.Input},
	} {
		if side.neighbour == "" {
			continue
		}
		if hook == side.never {
			return nil, fmt.Errorf("match %s: a packet at hook %s has no such interface", side.field, hook)
		}
		name, err := c.names.interfaceToward(side.neighbour)
		if err != nil {
			return nil, fmt.Errorf("match %s: %w", side.field, err)
		}
		parts = append(parts, ifname(side.key, side.keyword, name))
	}
	return parts, nil
}

// addresses are the conditions From and To: one alternative for each family that
// can meet both. No condition at all is one empty alternative.
func (c *compiler) addresses(m *topo.Match) ([][]statement, error) {
	if m.From == "" && m.To == "" {
		return [][]statement{nil}, nil
	}
	var sides []addressSide
	for _, s := range []struct{ field, value, keyword string }{{"from", m.From, "saddr"}, {"to", m.To, "daddr"}} {
		if s.value == "" {
			continue
		}
		rs, err := c.names.ranges(s.value)
		if err != nil {
			return nil, fmt.Errorf("match %s: %w", s.field, err)
		}
		sides = append(sides, addressSide{s.keyword, rs})
	}
	alternatives := c.alternatives(sides...)
	if len(alternatives) == 0 {
		return nil, fmt.Errorf("match from %q to %q: no address family has both", m.From, m.To)
	}
	return alternatives, nil
}

// addressSide is one end of a packet and the addresses that it may have.
type addressSide struct {
	keyword string
	ranges  byFamily
}

// alternatives are the families in which every side has addresses, each with its
// conditions.
func (c *compiler) alternatives(sides ...addressSide) [][]statement {
	var all [][]statement
	for f := v4; f <= v6; f++ {
		parts := []statement{isFamily(f)}
		possible, shown := true, false
		for _, s := range sides {
			possible = possible && len(s.ranges[f]) > 0
			if possible {
				p := c.addressMatch(f, s.keyword, s.ranges[f])
				shown = shown || p.text != ""
				parts = append(parts, p)
			}
		}
		if shown {
			parts[0].text = "" // `ip saddr` implies it
		}
		if possible {
			all = append(all, parts)
		}
	}
	return all
}

// isFamily is `meta nfproto ipv4`.
func isFamily(f family) statement {
	return statement{
		text:  "meta nfproto " + families[f].name,
		exprs: []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{families[f].nfproto})},
	}
}

// transport are the conditions Proto, Sport, Dport and Flags.
func (c *compiler) transport(m *topo.Match, needTCP bool) ([]statement, error) {
	proto := m.Proto
	if needTCP || m.Flags != 0 {
		if proto != "" && proto != "tcp" {
			return nil, fmt.Errorf("match proto %s: TCP flags and tcp-reset are TCP's", proto)
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

// ctStates are the values of Match.State, as bits.
var ctStates = map[string]uint32{
	"new":         expr.CtStateBitNEW,
	"established": expr.CtStateBitESTABLISHED,
	"related":     expr.CtStateBitRELATED,
	"invalid":     expr.CtStateBitINVALID,
}

// ctState is `ct state invalid`.
func ctState(text string, bits uint32) statement {
	return ctBits(expr.CtKeySTATE, "ct state "+text, bits, expr.CmpOpNeq)
}

// ctBits compares some bits of a conntrack key with zero.
func ctBits(key expr.CtKey, text string, bits uint32, op expr.CmpOp) statement {
	return statement{text: text, exprs: []expr.Any{
		&expr.Ct{Key: key, Register: 1},
		masked(binaryutil.NativeEndian.PutUint32(bits)),
		&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)},
	}}
}

// counting are the conditions State, Probability, Rate and Nth. They come after
// all others, and Nth last, so that it counts only the packets that meet them.
func counting(m *topo.Match) ([]statement, error) {
	var parts []statement
	if m.State != "" {
		bits, ok := ctStates[m.State]
		if !ok {
			return nil, fmt.Errorf("match state: %q is none of new, established, related, invalid", m.State)
		}
		parts = append(parts, ctState(m.State, bits))
	}
	if m.Probability != 0 {
		if !(m.Probability > 0 && m.Probability <= 1) {
			return nil, fmt.Errorf("match probability: %v is not between 0 and 1", m.Probability)
		}
		if m.Probability < 1 {
			parts = append(parts, probability(m.Probability))
		}
	}
	if m.Rate != (topo.Rate{}) {
		s, err := limit(m.Rate)
		if err != nil {
			return nil, err
		}
		parts = append(parts, s)
	}
	if m.Nth != 0 {
		if m.Nth < 1 || int64(m.Nth) > nthModulus {
			return nil, fmt.Errorf("match nth: %d is not between 1 and %d", m.Nth, int64(nthModulus))
		}
		parts = append(parts, nth(uint32(m.Nth-1)))
	}
	return parts, nil
}

// probability is `numgen random mod 1000000000 < 250000000`. The kernel draws in
// its own byte order and compares in the network's.
func probability(p float64) statement {
	below := min(uint32(math.Round(p*probabilityModulus)), probabilityModulus-1)
	return statement{
		text: fmt.Sprintf("numgen random mod %d < %d", probabilityModulus, below),
		exprs: []expr.Any{
			&expr.Numgen{Register: 1, Modulus: probabilityModulus, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binary.BigEndian.AppendUint32(nil, below)},
		},
	}
}

// nth is `numgen inc mod 4294967295 2`: the third packet that gets here.
func nth(before uint32) statement {
	return statement{
		text: fmt.Sprintf("numgen inc mod %d %d", uint32(nthModulus), before),
		exprs: []expr.Any{
			&expr.Numgen{Register: 1, Modulus: nthModulus, Type: unix.NFT_NG_INCREMENTAL},
			equal(binaryutil.NativeEndian.PutUint32(before)),
		},
	}
}

// limit is `limit rate 10/second burst 5 packets`.
func limit(r topo.Rate) (statement, error) {
	units := map[string]expr.LimitTime{
		"second": expr.LimitTimeSecond, "minute": expr.LimitTimeMinute, "hour": expr.LimitTimeHour, "day": expr.LimitTimeDay,
	}
	unit, ok := units[r.Per]
	if !ok {
		return statement{}, fmt.Errorf("match rate: per %q is none of second, minute, hour, day", r.Per)
	}
	if r.Packets == 0 {
		return statement{}, errors.New("match rate: no packets")
	}
	return statement{
		text:  fmt.Sprintf("limit rate %d/%s burst %d packets", r.Packets, r.Per, defaultBurst),
		exprs: []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: r.Packets, Unit: unit, Burst: defaultBurst}},
	}, nil
}

// equal compares register 1 with data.
func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}
