package journey_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"testbed/netem"
	"testbed/observe"
	"testbed/observe/journey"
	"testbed/topo"
)

// record is a made-up record of a network. Its clock advances by a millisecond
// with each entry.
type record struct {
	t     testing.TB
	plan  *topo.Plan
	now   time.Time
	input journey.Input
}

func newRecord(t testing.TB, net topo.Topology) *record {
	t.Helper()
	plan, err := topo.MakePlan(&net)
	if err != nil {
		t.Fatal(err)
	}
	return &record{t: t, plan: plan, now: time.Unix(1_800_000_000, 0), input: journey.Input{Plan: plan}}
}

// segment is a packet to make up.
type segment struct {
	src, dst netip.AddrPort
	proto    layers.IPProtocol // TCP if zero
	flags    topo.TCPFlags
	seq, ack uint32
	length   int
	ts       uint32
	// bare has NOPs where others have their timestamps.
	bare bool
	id   uint16
	ttl  uint8 // 64 if zero
	// kind, code and quoted are ICMP's.
	kind, code uint8
	quoted     *segment
}

// hop is the segment after n routers.
func (s segment) hop(n uint8) segment {
	if s.ttl == 0 {
		s.ttl = 64
	}
	s.ttl -= n
	return s
}

func (s segment) from(a netip.AddrPort) segment { s.src = a; return s }
func (s segment) to(a netip.AddrPort) segment   { s.dst = a; return s }

// ip are the packet's bytes from the IP header on.
func (s segment) ip() []byte {
	if s.ttl == 0 {
		s.ttl = 64
	}
	if s.proto == 0 {
		s.proto = layers.IPProtocolTCP
	}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if s.src.Addr().Is4() {
		ip = &layers.IPv4{Version: 4, IHL: 5, TTL: s.ttl, Id: s.id, Protocol: s.proto, SrcIP: s.src.Addr().AsSlice(), DstIP: s.dst.Addr().AsSlice()}
	} else {
		ip = &layers.IPv6{Version: 6, HopLimit: s.ttl, NextHeader: s.proto, SrcIP: s.src.Addr().AsSlice(), DstIP: s.dst.Addr().AsSlice()}
	}
	b := gopacket.NewSerializeBuffer()
	ls := append([]gopacket.SerializableLayer{ip}, s.transport(ip)...)
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (s segment) transport(ip gopacket.NetworkLayer) []gopacket.SerializableLayer {
	payload := gopacket.Payload(make([]byte, s.length))
	switch s.proto {
	case layers.IPProtocolUDP:
		h := &layers.UDP{SrcPort: layers.UDPPort(s.src.Port()), DstPort: layers.UDPPort(s.dst.Port())}
		_ = h.SetNetworkLayerForChecksum(ip)
		return []gopacket.SerializableLayer{h, payload}
	case layers.IPProtocolICMPv4, layers.IPProtocolICMPv6:
		head := []byte{s.kind, s.code, 0, 0, 0, 0, 0, 0}
		if s.quoted != nil {
			head = append(head, s.quoted.ip()...)
		}
		return []gopacket.SerializableLayer{gopacket.Payload(head), payload}
	}
	has := func(f topo.TCPFlags) bool { return s.flags&f != 0 }
	h := &layers.TCP{
		SrcPort: layers.TCPPort(s.src.Port()), DstPort: layers.TCPPort(s.dst.Port()), Seq: s.seq, Ack: s.ack,
		SYN: has(topo.SYN), ACK: has(topo.ACK), FIN: has(topo.FIN), RST: has(topo.RST),
		Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindTimestamps, OptionLength: 10, OptionData: []byte{byte(s.ts >> 24), byte(s.ts >> 16), byte(s.ts >> 8), byte(s.ts), 0, 0, 0, 0}}},
	}
	if s.bare {
		h.Options = slices.Repeat([]layers.TCPOption{{OptionType: layers.TCPOptionKindNop, OptionLength: 1}}, 12)
	}
	_ = h.SetNetworkLayerForChecksum(ip)
	return []gopacket.SerializableLayer{h, payload}
}

func (s segment) frame() []byte {
	kind := layers.EthernetTypeIPv4
	if s.src.Addr().Is6() {
		kind = layers.EthernetTypeIPv6
	}
	return append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, byte(kind >> 8), byte(kind)}, s.ip()...)
}

func (r *record) tick() time.Time {
	r.now = r.now.Add(time.Millisecond)
	return r.now
}

// link is the link between two nodes and the side of the first.
func (r *record) link(a, b string) (int, netem.Side) {
	r.t.Helper()
	i := r.plan.Topology.LinkIndex(a, b)
	if i < 0 {
		r.t.Fatalf("no link %s – %s", a, b)
	}
	if r.plan.Topology.Links[i].Ends[0] == a {
		return i, 0
	}
	return i, 1
}

// leave, arrive and pass record that a node sends a segment to its neighbour,
// that it is delivered there, and both.
func (r *record) leave(from, to string, s segment) {
	link, side := r.link(from, to)
	b := s.frame()
	r.input.Frames = append(r.input.Frames, observe.Frame{Time: r.tick(), Link: link, Side: side, Sent: true, Data: b, Length: len(b)})
}

func (r *record) arrive(from, to string, s segment) {
	link, side := r.link(to, from)
	b := s.frame()
	r.input.Frames = append(r.input.Frames, observe.Frame{Time: r.tick(), Link: link, Side: side, Data: b, Length: len(b)})
}

func (r *record) pass(from, to string, s segment) {
	r.leave(from, to, s)
	r.arrive(from, to, s)
}

// path passes a segment on through several nodes.
func (r *record) path(s segment, nodes ...string) {
	for i := 1; i < len(nodes); i++ {
		r.pass(nodes[i-1], nodes[i], s.hop(uint8(i-1)))
	}
}

// lose records that a node sends a segment that its link drops.
func (r *record) lose(from, to string, s segment, cause netem.Cause) {
	r.leave(from, to, s)
	link, side := r.link(from, to)
	b := s.frame()
	r.input.Drops = append(r.input.Drops, netem.Drop{Link: link, To: side.Other(), Time: r.tick(), Cause: cause, Frame: b, Length: len(b)})
}

// ask records that a node asks its neighbour's link who has an IPv4 address.
func (r *record) ask(node, neighbour string, who netip.Addr) {
	link, side := r.link(node, neighbour)
	b := gopacket.NewSerializeBuffer()
	arp := &layers.ARP{AddrType: 1, Protocol: 0x800, HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
		SourceHwAddress: make([]byte, 6), DstHwAddress: make([]byte, 6), SourceProtAddress: make([]byte, 4), DstProtAddress: who.AsSlice()}
	ether := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{255, 255, 255, 255, 255, 255}, EthernetType: layers.EthernetTypeARP}
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, ether, arp); err != nil {
		r.t.Fatal(err)
	}
	r.input.Frames = append(r.input.Frames, observe.Frame{Time: r.tick(), Link: link, Side: side, Sent: true, Data: b.Bytes(), Length: len(b.Bytes())})
}

func (r *record) count(node, rule string, n uint64) {
	r.input.Rules = append(r.input.Rules, observe.RuleCount{Node: node, Rule: rule, Packets: n})
}

// number records what a rule with an nth counted: matches, what met its other
// conditions, and what had done so before.
func (r *record) number(node, rule string, n, met, before uint64) {
	r.input.Rules = append(r.input.Rules, observe.RuleCount{Node: node, Rule: rule, Packets: n, Met: met, Before: before})
}

// addr is a node's address as another one has it, with a port.
func (r *record) addr(from, node string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(r.plan.Resolve(r.plan.Topology.NodeIndex(from), r.plan.Topology.NodeIndex(node), true), port)
}

// trace ends the record well after its last entry, unless the test has set an
// end, and describes the journeys.
func (r *record) trace() []observe.Journey {
	if r.input.Until.IsZero() {
		r.input.Until = r.now.Add(10 * time.Second)
	}
	return journey.Trace(r.input)
}

func (r *record) describe(js []observe.Journey) (out []string) {
	for i := range js {
		out = append(out, r.one(&js[i]))
	}
	return out
}

// one describes a journey: what it is, the nodes where it was seen, and its
// fate.
func (r *record) one(j *observe.Journey) string {
	p := j.Packet()
	what := "UDP"
	switch {
	case p.TCP != nil:
		what = p.TCP.Flags.String()
	case p.ICMP != nil:
		what = fmt.Sprintf("ICMP %d/%d", p.ICMP.Type, p.ICMP.Code)
	}
	if j.Retransmission {
		what += " again"
	}
	var nodes []string
	for i := range j.Sightings {
		if n := journey.Node(r.plan, &j.Sightings[i]); i == 0 || n != nodes[len(nodes)-1] {
			nodes = append(nodes, n)
		}
	}
	d := j.Fate.Drop
	fate := "dead in " + d.Node
	switch {
	case j.Fate.Taken != observe.Taken{}:
		return what + " " + strings.Join(nodes, ">") + " taken by " + j.Fate.Taken.Rule + " in " + j.Fate.Taken.Node
	case j.Fate.Delivered:
		return what + " " + strings.Join(nodes, ">") + " delivered"
	case j.Fate.Pending:
		return what + " " + strings.Join(nodes, ">") + " pending"
	case d.Node == "":
		fate = "dead on " + d.Link[0] + ">" + d.Link[1]
	}
	fate += ": " + string(d.Cause)
	if d.Rule != "" {
		fate += " " + d.RuleText()
	}
	if d.Answer != "" {
		fate += ", " + d.Answer
	}
	return what + " " + strings.Join(nodes, ">") + " " + fate
}
