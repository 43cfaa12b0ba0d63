package nft

import (
	"time"

	"github.com/google/nftables/expr"

	"testbed/topo"
)

// sharing is about mappings that several flows have at once. The last packet's flow does
// not tell how long one of those has to live: another flow may be idle, and nftables
// cannot ask whether any of several is left. So from the second flow on a mapping lives,
// after each packet, as long as an idle flow does at least, and no longer ends with one
// of them: a port that is somebody's is nobody else's (RFC 5382, REQ-1, REQ-5 and REQ-7).
//
//   - shared: the inside endpoints whose mapping has had two flows;
//   - sharedPorts: their outside ports;
//   - joining: the destination of a packet from one of them, from where it is
//     forwarded or mapped to where the port is known that it leaves from.
//
// A flow is seen to join where its first packet finds a mapping: on its way out where
// it is mapped, and on its way in behind the filtering. The outside port of one that
// came in is known with the first packet back.
//
//	chain map-ip-tcp {
//		meta l4proto . ip saddr . tcp sport @mapped-ip add @shared-ip { … timeout 5d } add @joining-ip { meta l4proto . ip daddr . tcp dport timeout 1s } comment "nat:share"
//	}
//	chain refresh-ip {
//		iifname != "eth1" ct expiration < 5d meta l4proto . ip saddr . tcp sport @shared-ip update @shared-ip { … timeout 5d } … add @joining-ip { meta l4proto . ip daddr . tcp dport timeout 1s } comment "nat:share"
//		oifname != "eth1" ct expiration < 5d meta l4proto . ip daddr . tcp dport @shared-ip update @shared-ip { … timeout 5d } … comment "nat:share"
//	}
//	chain refresh-out-ip {
//		ip saddr 198.18.0.1 meta l4proto . ip daddr . tcp dport @joining-ip delete @joining-ip { … } add @shared-ports-ip { meta l4proto . tcp sport timeout 5d } comment "nat:share"
//		oifname != "eth1" ct status ! confirmed ct status dnat meta l4proto . ip daddr . tcp dport @mapped-ip add @shared-ip { … timeout 5d } comment "nat:share"
//		ip saddr 198.18.0.1 ct expiration < 5d meta l4proto . tcp sport @shared-ports-ip update @shared-ports-ip { … timeout 5d } … comment "nat:share"
//	}
type sharing struct {
	*behaviour
	shared, sharedPorts, joining *store
}

func (b *behaviour) newSharing() *sharing {
	suffix := "-" + families[b.family].keyword
	s := &sharing{
		behaviour: b,
		shared:    &store{name: "shared" + suffix, key: b.mapped.key}, sharedPorts: &store{name: "shared-ports" + suffix, key: b.taken.key},
		joining: &store{name: "joining" + suffix, key: b.ends(anyProto, destination, topo.EndpointIndependent)},
	}
	b.out.stores = append(b.out.stores, s.shared, s.sharedPorts, s.joining)
	return s
}

// idle is how long a flow lives that both sides have agreed on.
func (b *behaviour) idle(proto string) time.Duration {
	if proto == "udp" {
		return max(b.nat.Timeout("udp"), b.nat.Timeout("udp_stream"))
	}
	return b.nat.Timeout("tcp_established")
}

// moment is more than a packet needs from where it is mapped to where it leaves.
const moment = time.Second

// join notes that a flow's first packet finds a mapping.
func (s *sharing) join(proto string) rule {
	inner, to := s.ends(proto, source, s.nat.Mapping), s.ends(proto, destination, topo.EndpointIndependent)
	is := s.is(proto) // which the keys imply
	return rule{name: natShare, parts: []statement{
		implied(is[0]), implied(is[1]),
		s.mapped.holds(inner, portKey),
		s.shared.put(opAdd, inner, s.idle(proto), portKey),
		s.joining.put(opAdd, to, moment, portKey).after(to.load(portKey)),
	}}
}

// joinOut notes the port that a packet leaves from which is on its way out of a shared
// mapping.
func (s *sharing) joinOut(proto string) rule {
	to, port := s.ends(proto, destination, topo.EndpointIndependent), concat{protocolField(), portField(proto, "sport")}
	return rule{name: natShare, parts: []statement{
		s.ownAddress("saddr"), implied(s.is(proto)[1]),
		s.joining.holds(to, portKey),
		s.joining.remove(to, portKey),
		s.sharedPorts.put(opAdd, port, s.idle(proto), portKey).after(port.load(portKey)),
	}}
}

// joinIn notes that a flow from the outside has found a mapping, and was let in.
func (s *sharing) joinIn(proto string) rule {
	inner := s.ends(proto, destination, s.nat.Mapping)
	return rule{name: natShare, parts: append(s.inside(destination), implied(s.is(proto)[1]),
		ctBits(expr.CtKeySTATUS, "ct status ! confirmed", ctStatusConfirmed, expr.CmpOpEq), ctDNAT(),
		s.mapped.holds(inner, portKey),
		s.shared.put(opAdd, inner, s.idle(proto), portKey),
	)}
}

// extend gives what is shared the lifetime of an idle flow, with every packet that has
// given its own flow less. It comes after the lifetimes of the packet's own flow.
func (s *sharing) extend(through, in, out *chain) {
	for _, proto := range []string{"tcp", "udp"} {
		through.rules = append(through.rules, s.extendMapping(source, proto), s.extendMapping(destination, proto))
		in.rules = append(in.rules, s.extendPort(destination, proto))
		out.rules = append(out.rules, s.joinOut(proto), s.joinIn(proto), s.extendPort(source, proto))
	}
}

func (s *sharing) extendMapping(inside endpoint, proto string) rule {
	key := s.ends(proto, inside, s.nat.Mapping)
	r := s.extended(s.inside(inside), proto, s.shared, s.mapped, s.mappings, key, key[2:3])
	if inside == source {
		to := s.ends(proto, destination, topo.EndpointIndependent)
		r.parts = append(r.parts, s.joining.put(opAdd, to, moment, portKey).after(to.load(portKey)))
	}
	return r
}

func (s *sharing) extendPort(outside endpoint, proto string) rule {
	key := concat{protocolField(), portField(proto, string(outside)+"port")}
	end := s.ends(proto, outside, topo.EndpointIndependent)[1:]
	return s.extended([]statement{s.ownAddress(string(outside) + "addr")}, proto, s.sharedPorts, s.taken, s.ports, key, end)
}

// extended is refreshed of what is shared, and updates that too.
func (s *sharing) extended(where []statement, proto string, shared, known, data *store, key, any concat) rule {
	t := s.idle(proto)
	conditions := append(where, implied(s.is(proto)[1]), expiresBefore(t),
		shared.holds(key, other),
		shared.put(opUpdate, key, t, other))
	r := refreshed(conditions, t, known, data, key, any)
	r.name = natShare
	return r
}

// expiresBefore is `ct expiration < 5d`.
func expiresBefore(t time.Duration) statement {
	return statement{text: "ct expiration < " + duration(t), exprs: append(loadExpiration(), &expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: expiration(t)})}
}
