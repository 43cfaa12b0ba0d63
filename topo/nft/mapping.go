package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// behaviour compiles a NAT with the behaviours of RFC 4787 and RFC 5382 for one
// address family. Its mappings are in stores, whose elements live as long as
// conntrack keeps the flows that made them (see refresh):
//
//   - taken: the outside ports that are somebody's, so that no two inside endpoints
//     share one (a kernel before 6.5 looks for no value's absence in a map);
//   - ports: whose they are, for at least as long;
//   - mapped and mappings: the same for an inside endpoint, toward all destinations
//     or some, and its outside port;
//   - peers: whom an inside endpoint has sent to.
//
// What several flows share is in more of them: see sharing.
type behaviour struct {
	*compiler
	nat     *topo.NAT
	outside string
	family  family
	// at is the outside address.
	at               netip.Addr
	taken, ports     *store
	mapped, mappings *store
	peers            *store
	sharing          *sharing
}

// The registers where a rule keeps what it works with: a port's key is its
// protocol, then the port, and everything else lies behind.
const (
	portKey = 0
	port32  = 1
	other   = 2
)

// behaviours adds a NAT's chains for each family that it has an address of.
func (c *compiler) behaviours(n *topo.NAT, outside string, own []netip.Addr, pre, post *chain) error {
	var errs []error
	for fam := v4; fam <= v6; fam++ {
		at, ok := ofFamily(own, fam)
		if !ok {
			continue
		}
		b := &behaviour{compiler: c, nat: n, outside: outside, family: fam, at: at}
		b.makeStores()
		b.forward()
		pre.rules = append(pre.rules, b.inward())
		for _, proto := range []string{"tcp", "udp"} {
			post.rules = append(post.rules, b.outward(proto)...)
			b.allocate(proto)
		}
		b.filter()
		b.refuse()
		b.refresh()
	}
	c.out.counted = append(c.out.counted, Count{Rule: Exhausted, Action: topo.DropPacket})
	if n.Filtering != topo.EndpointIndependent {
		c.out.counted = append(c.out.counted, Count{Rule: Filtered, Action: topo.DropPacket})
	}
	for _, f := range n.Forward {
		if len(c.names.Addresses[f.Node]) == 0 {
			errs = append(errs, fmt.Errorf("nat forward %d: no address of %q to forward to", f.Port, f.Node))
		}
	}
	return errors.Join(errs...)
}

// endpoint is an end of a packet: its source or its destination.
type endpoint string

const (
	source      endpoint = "s"
	destination endpoint = "d"
)

func (e endpoint) other() endpoint {
	if e == source {
		return destination
	}
	return source
}

// ends are an endpoint's address and port, and of the other as much as a
// dependence looks at.
func (b *behaviour) ends(proto string, e endpoint, d topo.Dependence) concat {
	c := concat{protocolField(), addressField(b.family, string(e)+"addr"), portField(proto, string(e)+"port")}
	if d != topo.EndpointIndependent {
		c = append(c, addressField(b.family, string(e.other())+"addr"))
	}
	if d == topo.AddressAndPortDependent {
		c = append(c, portField(proto, string(e.other())+"port"))
	}
	return c
}

func (b *behaviour) makeStores() {
	suffix := "-" + families[b.family].keyword
	port := concat{protocolField(), portField(anyProto, "sport")}
	b.taken = &store{name: "taken" + suffix, key: port}
	b.ports = &store{name: "ports" + suffix, key: port, data: b.ends(anyProto, source, topo.EndpointIndependent)[1:]}
	inside := b.ends(anyProto, source, b.nat.Mapping)
	b.mapped = &store{name: "mapped" + suffix, key: inside}
	b.mappings = &store{name: "mappings" + suffix, key: inside, data: port[1:]}
	b.out.stores = append(b.out.stores, b.taken, b.ports, b.mapped, b.mappings)
	if b.nat.Filtering != topo.EndpointIndependent {
		b.peers = &store{name: "peers" + suffix, key: b.ends(anyProto, source, b.nat.Filtering)}
		b.out.stores = append(b.out.stores, b.peers)
	}
	b.sharing = b.newSharing()
}

// anyProto is how nft calls the ports of a protocol that it does not know.
const anyProto = "th"

// forward gives the forwarded ports to the nodes that they lead to, for good.
func (b *behaviour) forward() {
	for _, f := range b.nat.Forward {
		to, ok := ofFamily(b.names.Addresses[f.Node], b.family)
		if !ok {
			continue
		}
		for _, p := range []string{"tcp", "udp"} {
			number := transports[p].number
			key := slices.Concat(padded([]byte{number}), padded(binary.BigEndian.AppendUint16(nil, f.Port)))
			text := fmt.Sprintf("%s . %d", p, f.Port)
			b.taken.elements = append(b.taken.elements, element{text: text, key: key})
			b.ports.elements = append(b.ports.elements, element{
				text: fmt.Sprintf("%s : %s . %d", text, to, insidePort(f)), key: key,
				data: slices.Concat(to.AsSlice(), padded(binary.BigEndian.AppendUint16(nil, insidePort(f)))),
			})
		}
	}
}

// padded fills a register.
func padded(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }

func insidePort(f topo.PortForward) uint16 {
	if f.ToPort == 0 {
		return f.Port
	}
	return f.ToPort
}

// inward translates what comes for an outside port that is somebody's. With
// hairpinning, also what comes from the inside.
//
//	iifname "eth1" ip daddr 198.18.0.1 meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @ports-ip comment "nat:mapped"
func (b *behaviour) inward() rule {
	key := concat{protocolField(), portField(anyProto, "dport")}
	n := &expr.NAT{
		Type: expr.NATTypeDestNAT, Family: uint32(families[b.family].nfproto), Specified: true,
		RegAddrMin: register32(other), RegAddrMax: register32(other),
	}
	n.RegProtoMin = register32(other + b.ports.data[0].registers())
	n.RegProtoMax = n.RegProtoMin
	return rule{name: natMapped, parts: slices.Concat(b.from(), []statement{
		b.ownAddress("daddr"), b.tcpOrUDP(),
		{
			text:  "dnat " + families[b.family].keyword + " to " + key.String() + " map @" + b.ports.name,
			exprs: append(key.load(portKey), b.ports.get(portKey, other), n),
		},
	})}
}

// from is the condition that a packet comes from the outside, unless the inside
// may come the same way.
func (b *behaviour) from() []statement {
	if b.nat.Hairpin {
		return nil
	}
	return []statement{ifname(expr.MetaKeyIIFNAME, "iifname", b.outside)}
}

// ownAddress is `ip daddr 198.18.0.1`, with the family.
func (b *behaviour) ownAddress(keyword string) statement {
	s := b.addressMatch(b.family, keyword, []addrRange{{b.at, b.at}})
	s.exprs = append(isFamily(b.family).exprs, s.exprs...)
	return s
}

// notIfname is `oifname != "eth1"`. What a node sends itself comes by no
// interface, and does not match.
func notIfname(key expr.MetaKey, keyword, name string) statement {
	s := ifname(key, keyword+" !=", name)
	s.exprs[1].(*expr.Cmp).Op = expr.CmpOpNeq
	return s
}

// outward leads what the inside sends to the chain that maps it, and with
// hairpinning what goes back inside:
//
//	iifname != "eth1" oifname "eth1" meta nfproto ipv4 meta l4proto tcp jump map-ip-tcp
//	iifname != "eth1" oifname != "eth1" ct status dnat meta nfproto ipv4 meta l4proto tcp jump map-ip-tcp
func (b *behaviour) outward(proto string) []rule {
	to := jump(b.chainName("map", proto))
	inside := notIfname(expr.MetaKeyIIFNAME, "iifname", b.outside)
	rules := []rule{{parts: slices.Concat(
		[]statement{inside, ifname(expr.MetaKeyOIFNAME, "oifname", b.outside)}, b.is(proto), []statement{to})}}
	if b.nat.Hairpin {
		rules = append(rules, rule{parts: slices.Concat(
			[]statement{inside, notIfname(expr.MetaKeyOIFNAME, "oifname", b.outside), ctDNAT()}, b.is(proto), []statement{to})})
	}
	return rules
}

// ctDNAT is `ct status dnat`.
func ctDNAT() statement {
	return ctBits(expr.CtKeySTATUS, "ct status dnat", ctStatusDNAT, expr.CmpOpNeq)
}

// is is `meta nfproto ipv4 meta l4proto tcp`.
func (b *behaviour) is(proto string) []statement {
	p, _ := isProto(proto)
	return []statement{isFamily(b.family), p}
}

func (b *behaviour) chainName(what, proto string) string {
	return what + "-" + families[b.family].keyword + "-" + proto
}

// allocate is the chain that gives a new flow its outside port: that of its
// mapping, else the inside's own port if it is free, else the next free one, else
// none.
//
//	chain map-ip-tcp {
//		meta nfproto ipv4 meta l4proto tcp snat ip to 198.18.0.1:meta l4proto . ip saddr . tcp sport map @mappings-ip random comment "nat:mapped"
//		… tcp sport 1024-65535 meta l4proto . tcp sport != @taken-ip add @taken-ip { … } add @ports-ip { … } add @mapped-ip { … } add @mappings-ip { … } snat ip to 198.18.0.1:tcp sport random comment "nat:keep"
//		jump port-ip-tcp
//		jump port-ip-tcp
//		counter drop comment "nat:exhausted"
//	}
//	chain port-ip-tcp {
//		… meta l4proto . numgen inc mod 2 offset 40000 != @taken-ip add @taken-ip { … } add @ports-ip { … } add @mapped-ip { … } add @mappings-ip { … } snat ip to 198.18.0.1:numgen … random comment "nat:source"
//	}
func (b *behaviour) allocate(proto string) {
	ch := &chain{name: b.chainName("map", proto)}
	key := b.ends(proto, source, b.nat.Mapping)
	ch.rules = append(ch.rules, b.sharing.join(proto), rule{name: natMapped, parts: append(b.is(proto), statement{
		text:  b.snatText(key.String() + " map @" + b.mappings.name),
		exprs: slices.Concat(key.load(other), []expr.Any{b.mappings.get(other, port32)}, b.snat()),
	})})
	if !b.nat.Ports.Shuffle {
		own := portField(proto, "sport")
		ch.rules = append(ch.rules, rule{name: natKeep, parts: slices.Concat(
			[]statement{isFamily(b.family), implied(b.is(proto)[1])}, []statement{portMatch(own.text, 0, b.nat.Ports.PortRange)}, b.take(proto, own))})
	}
	probe := &chain{name: b.chainName("port", proto), rules: []rule{{name: natSource, parts: append(b.is(proto), b.take(proto, b.next())...)}}}
	chains := b.probes(ch, probe, proto)
	ch.rules = append(ch.rules, rule{name: Exhausted, parts: []statement{counter(), drop()}})
	b.out.chains = append(b.out.chains, chains...)
	b.out.chains = append(b.out.chains, ch)
}

// atOnce is how many ports a chain of probes tries. One within another try its
// square, as many as Linux's own source NAT twice (net/netfilter/nf_nat_core.c,
// nf_nat_l4proto_unique_tuple).
const atOnce = 16

// probes adds as many attempts to find a free port as there are ports, or
// atOnce × atOnce. Each tries the port after the one before.
func (b *behaviour) probes(ch, probe *chain, proto string) []*chain {
	ports := b.nat.Ports.Size()
	if ports <= atOnce {
		for range ports {
			ch.rules = append(ch.rules, rule{parts: []statement{jump(probe.name)}})
		}
		return []*chain{probe}
	}
	many := &chain{name: b.chainName("ports", proto)}
	for range atOnce {
		many.rules = append(many.rules, rule{parts: []statement{jump(probe.name)}})
	}
	for range min(atOnce, (ports+atOnce-1)/atOnce) {
		ch.rules = append(ch.rules, rule{parts: []statement{jump(many.name)}})
	}
	return []*chain{probe, many}
}

// next is the port after that of the flow before, from the first to the last of
// the pool and over again: `numgen inc mod 4 offset 40000`.
func (b *behaviour) next() field {
	n := &expr.Numgen{Modulus: uint32(b.nat.Ports.Size()), Type: unix.NFT_NG_INCREMENTAL, Offset: uint32(b.nat.Ports.First)}
	return field{
		text: fmt.Sprintf("numgen inc mod %d offset %d", n.Modulus, n.Offset), kind: nftables.TypeInetService,
		load: func(r uint32) []expr.Any {
			number := *n
			number.Register = r
			return []expr.Any{&number, &expr.Byteorder{SourceRegister: r, DestRegister: r, Op: expr.ByteorderHton, Len: 2, Size: 2}}
		},
	}
}

// take makes a port the flow's, if it is nobody's.
func (b *behaviour) take(proto string, port field) []statement {
	timeout := b.nat.Timeout(map[string]string{"tcp": "tcp_syn_sent", "udp": "udp"}[proto])
	outer, end := concat{protocolField(), port}, b.ends(proto, source, topo.EndpointIndependent)[1:]
	inner := b.ends(proto, source, b.nat.Mapping)
	return []statement{
		{text: outer.String() + " != @" + b.taken.name, exprs: append(outer.load(portKey), b.taken.has(portKey, true))},
		b.taken.put(opAdd, outer, timeout, portKey),
		b.ports.putData(opAdd, outer, end, timeout, portKey, other).after(end.load(other)),
		b.mapped.put(opAdd, inner, timeout, other).after(inner.load(other)),
		b.mappings.putData(opAdd, inner, outer[1:], timeout, other, port32),
		{text: b.snatText(port.text), exprs: b.snat()},
	}
}

func (b *behaviour) snatText(port string) string {
	at := b.at.String()
	if b.family == v6 {
		at = "[" + at + "]"
	}
	return "snat " + families[b.family].keyword + " to " + at + ":" + port + " random"
}

// snat translates the source to the outside address and the port in port32. There is
// nothing random about one port: it is a range, of which the kernel looks whether it is
// used, and for one port alone it does not (get_unique_tuple in
// net/netfilter/nf_nat_core.c). The look removes the flow that has expired there. Where
// that stays, it is in the way of another inside endpoint's flow to the same
// destination, whose packets are dropped until the kernel happens to find it.
func (b *behaviour) snat() []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: register32(other), Data: b.at.AsSlice()},
		&expr.NAT{
			Type: expr.NATTypeSourceNAT, Family: uint32(families[b.family].nfproto), Specified: true,
			RegAddrMin: register32(other), RegAddrMax: register32(other), RegProtoMin: register32(port32), RegProtoMax: register32(port32),
			Random: true,
		},
	}
}
