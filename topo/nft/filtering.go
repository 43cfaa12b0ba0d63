package nft

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"testbed/topo"
)

// hookChain is a filter chain around address translation.
func hookChain(name string, hook *nftables.ChainHook, hookName string, near *nftables.ChainPriority, priorityName string) *chain {
	return &chain{name: name, base: &base{
		kind: nftables.ChainTypeFilter, hook: hook, hookName: hookName, priority: near, priorityName: priorityName,
	}}
}

// filter drops what comes in to an inside endpoint that has not sent to where it
// comes from, before conntrack knows the flow. Destinations are noted before
// their translation, and origins are compared after it, so that hairpinned packets
// come from outside addresses (RFC 5382, REQ-8).
//
//	chain peers-ip {
//		type filter hook postrouting priority srcnat - 10; policy accept;
//		iifname != "eth1" oifname "eth1" … meta l4proto tcp ct state new add @peers-ip { meta l4proto . ip saddr . th sport . ip daddr timeout 2m }
//	}
//	chain filter-ip {
//		type filter hook postrouting priority srcnat + 10; policy accept;
//		… ip daddr 10.0.0.2 th dport 8080 accept
//		oifname != "eth1" … ct state new ct status dnat meta l4proto . ip daddr . th dport . ip saddr != @peers-ip counter drop comment "nat:filtered"
//	}
func (b *behaviour) filter() {
	if b.peers == nil {
		return
	}
	suffix := "-" + families[b.family].keyword
	peers := hookChain("peers"+suffix, nftables.ChainHookPostrouting, "postrouting", nftables.ChainPriorityRef(90), "srcnat - 10")
	peers.rules = b.notePeers(ifname(expr.MetaKeyOIFNAME, "oifname", b.outside))
	b.out.chains = append(b.out.chains, peers)
	if b.nat.Hairpin {
		back := hookChain("peers-inside"+suffix, nftables.ChainHookPrerouting, "prerouting", nftables.ChainPriorityRef(-110), "dstnat - 10")
		back.rules = b.notePeers(b.ownAddress("daddr"))
		b.out.chains = append(b.out.chains, back)
	}
	drops := hookChain("filter"+suffix, nftables.ChainHookPostrouting, "postrouting", nftables.ChainPriorityRef(110), "srcnat + 10")
	drops.rules = append(b.exempt(), b.unknownPeer())
	b.out.chains = append(b.out.chains, drops)
}

// notePeers notes whom the inside begins to send to.
func (b *behaviour) notePeers(where statement) (rules []rule) {
	for _, proto := range []string{"tcp", "udp"} {
		timeout := b.nat.Timeout(map[string]string{"tcp": "tcp_syn_sent", "udp": "udp"}[proto])
		key := b.ends(proto, source, b.nat.Filtering)
		rules = append(rules, rule{name: natPeer, parts: slices.Concat(
			[]statement{notIfname(expr.MetaKeyIIFNAME, "iifname", b.outside), where, implied(b.is(proto)[0]), implied(b.is(proto)[1])},
			[]statement{ctState("new", expr.CtStateBitNEW), b.peers.put(opAdd, key, timeout, portKey).after(key.load(portKey))})})
	}
	return rules
}

// exempt are the endpoints that anybody may send to: forwarded ports, and nodes
// with an address of their own.
func (b *behaviour) exempt() (rules []rule) {
	accept := statement{text: "accept", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}
	for _, f := range b.nat.Forward {
		if to, ok := ofFamily(b.names.Addresses[f.Node], b.family); ok {
			port := insidePort(f)
			rules = append(rules, rule{name: natForward, parts: []statement{
				b.address("daddr", addrRange{to, to}), b.tcpOrUDP(),
				portMatch("th dport", 2, topo.PortRange{First: port, Last: port}), accept,
			}})
		}
	}
	for _, s := range b.nat.Static {
		if to, ok := ofFamily(b.names.Addresses[s.Node], b.family); ok && s.Address.Is4() == (b.family == v4) {
			rules = append(rules, rule{name: natStatic, parts: []statement{b.address("daddr", addrRange{to, to}), accept}})
		}
	}
	return rules
}

func (b *behaviour) unknownPeer() rule {
	key := b.ends(anyProto, destination, b.nat.Filtering)
	return rule{name: Filtered, parts: []statement{
		notIfname(expr.MetaKeyOIFNAME, "oifname", b.outside), implied(isFamily(b.family)), b.tcpOrUDP(),
		ctState("new", expr.CtStateBitNEW), ctDNAT(),
		{text: key.String() + " != @" + b.peers.name, exprs: append(key.load(portKey), b.peers.has(portKey, true))},
		counter(), drop(),
	}}
}

// refuse drops, without an answer, what comes from the outside for a port that
// is neither mapped nor one of the router's own sockets (RFC 5382, REQ-4).
//
//	chain input-ip {
//		type filter hook input priority filter + 10; policy accept;
//		iifname "eth1" ip daddr 198.18.0.1 socket transparent 0 accept comment "nat:local"
//		iifname "eth1" ip daddr 198.18.0.1 meta l4proto { tcp, udp } ct state invalid,new,untracked counter drop comment "nat:unsolicited"
//	}
func (b *behaviour) refuse() {
	ch := filterChain("input-"+families[b.family].keyword, topo.Input, afterUser)
	here := []statement{ifname(expr.MetaKeyIIFNAME, "iifname", b.outside), b.ownAddress("daddr")}
	socket := statement{text: "socket transparent 0", exprs: []expr.Any{
		&expr.Socket{Key: expr.SocketKeyTransparent, Register: 1}, equal([]byte{0}),
	}}
	accept := statement{text: "accept", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}}
	ch.rules = []rule{
		{name: natLocal, parts: slices.Concat(here, []statement{socket, accept})},
		{name: Unsolicited, parts: slices.Concat(here, []statement{
			b.tcpOrUDP(), ctState("invalid,new,untracked", expr.CtStateBitINVALID|expr.CtStateBitNEW|expr.CtStateBitUNTRACKED),
			counter(), drop(),
		})},
	}
	b.out.chains = append(b.out.chains, ch)
}

// address is `ip daddr 10.0.0.2`, with the family.
func (b *behaviour) address(keyword string, r addrRange) statement {
	s := b.addressMatch(b.family, keyword, []addrRange{r})
	s.exprs = append(isFamily(b.family).exprs, s.exprs...)
	return s
}

// ctStatusConfirmed is IPS_CONFIRMED: conntrack has taken the flow's first packet.
const ctStatusConfirmed = 1 << 3
