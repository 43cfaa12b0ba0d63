package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"testbed/topo"
)

// refresh gives a mapping, with every packet of a flow, the lifetime that
// conntrack has just given the flow, whichever state the packet took it to; what
// several flows share lives longer (see sharing). Inside endpoints are in the packets
// where they are forwarded, outside ones before and after.
//
//	chain refresh-ip {
//		type filter hook forward priority 20; policy accept;
//		iifname != "eth1" … ct status confirmed ct expiration 4s-5s meta l4proto . ip saddr . th sport @mapped-ip update @mapped-ip { … timeout 5s } update @mappings-ip { … timeout 5s : th sport }
//		oifname != "eth1" …
//	}
//	chain refresh-in-ip {
//		type filter hook prerouting priority mangle; policy accept;
//		ip daddr 198.18.0.1 … ct expiration 4s-5s meta l4proto . th dport @taken-ip update @taken-ip { … timeout 5s } update @ports-ip { … timeout 5s : ip daddr . th dport }
//	}
//	chain refresh-out-ip {
//		type filter hook postrouting priority 120; policy accept;
//		ip saddr 198.18.0.1 …
//	}
//
// An update of what is there leaves its data as it is.
func (b *behaviour) refresh() {
	suffix := families[b.family].keyword
	through := hookChain("refresh-"+suffix, nftables.ChainHookForward, "forward", nftables.ChainPriorityRef(2*afterUser), "20")
	in := hookChain("refresh-in-"+suffix, nftables.ChainHookPrerouting, "prerouting", nftables.ChainPriorityMangle, "mangle")
	out := hookChain("refresh-out-"+suffix, nftables.ChainHookPostrouting, "postrouting", nftables.ChainPriorityRef(120), "120")
	for _, t := range lifetimes(b.nat) {
		if b.peers != nil {
			through.rules = append(through.rules, b.refreshPeer(ifname(expr.MetaKeyOIFNAME, "oifname", b.outside), t))
		}
		through.rules = append(through.rules, b.refreshMapping(source, t), b.refreshMapping(destination, t))
		if b.peers != nil && b.nat.Hairpin {
			in.rules = append(in.rules, b.refreshPeer(b.ownAddress("daddr"), t))
		}
		in.rules = append(in.rules, b.refreshPort(destination, t))
		out.rules = append(out.rules, b.refreshPort(source, t))
	}
	b.sharing.extend(through, in, out)
	b.out.chains = append(b.out.chains, through, in, out)
}

// lifetimes are the timeouts that a TCP or UDP flow may have, the longest first:
// where two are a second apart, a rule for the longer one matches both.
func lifetimes(n *topo.NAT) (all []time.Duration) {
	for state := range topo.NATTimeouts {
		if strings.HasPrefix(state, "tcp") || strings.HasPrefix(state, "udp") {
			all = append(all, n.Timeout(state))
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return slices.Compact(all)
}

// lives matches a packet that gave its flow a lifetime.
func (b *behaviour) lives(where []statement, t time.Duration) []statement {
	return append(where, b.tcpOrUDP(),
		ctBits(expr.CtKeySTATUS, "ct status confirmed", ctStatusConfirmed, expr.CmpOpNeq), expires(t))
}

// expires is `ct expiration 4s-5s`: the time left of a flow that the packet has
// just given 5 s.
func expires(t time.Duration) statement {
	return statement{
		text: fmt.Sprintf("ct expiration %ds-%ds", int(t.Seconds())-1, int(t.Seconds())),
		exprs: append(loadExpiration(),
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: expiration(t - time.Second)},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: expiration(t)},
		),
	}
}

// loadExpiration puts the time that a flow has left into the first register, and
// expiration is such a time there.
func loadExpiration() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyEXPIRATION, Register: 1},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
	}
}

func expiration(t time.Duration) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(t.Milliseconds()))
}

// refreshMapping refreshes the mapping of the endpoint at one end of a packet,
// where that is inside.
func (b *behaviour) refreshMapping(inside endpoint, t time.Duration) rule {
	key := b.ends(anyProto, inside, b.nat.Mapping)
	return refreshed(b.lives(b.inside(inside), t), t, b.mapped, b.mappings, key, key[2:3])
}

// inside matches packets whose one end is not outside.
func (b *behaviour) inside(end endpoint) []statement {
	where := notIfname(expr.MetaKeyIIFNAME, "iifname", b.outside)
	if end == destination {
		where = notIfname(expr.MetaKeyOIFNAME, "oifname", b.outside)
	}
	return []statement{where, implied(isFamily(b.family))}
}

// refreshPort refreshes the outside port at one end of a packet.
func (b *behaviour) refreshPort(outside endpoint, t time.Duration) rule {
	key := concat{protocolField(), portField(anyProto, string(outside)+"port")}
	end := b.ends(anyProto, outside, topo.EndpointIndependent)[1:]
	return refreshed(b.lives([]statement{b.ownAddress(string(outside) + "addr")}, t), t, b.taken, b.ports, key, end)
}

// refreshed updates the key in both stores, if it is there. What the second one
// is given for data is of no account.
func refreshed(conditions []statement, t time.Duration, known, data *store, key, any concat) rule {
	const at = other
	behind := at + key.registers()
	return rule{name: natRefresh, parts: append(conditions,
		known.holds(key, at),
		known.put(opUpdate, key, t, at),
		data.putData(opUpdate, key, any, t, at, behind).after(any.load(behind)),
	)}
}

// refreshPeer refreshes whom the inside sends to: toward the outside, and with
// hairpinning to the outside address, before its translation.
func (b *behaviour) refreshPeer(where statement, t time.Duration) rule {
	key := b.ends(anyProto, source, b.nat.Filtering)
	inside := notIfname(expr.MetaKeyIIFNAME, "iifname", b.outside)
	return rule{name: natRefresh, parts: slices.Concat(b.lives([]statement{inside, where, implied(isFamily(b.family))}, t), []statement{
		b.peers.put(opUpdate, key, t, portKey).after(key.load(portKey)),
	})}
}
