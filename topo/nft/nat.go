package nft

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"

	"testbed/topo"
)

// afterUser is how much later than the user's rules those of the NAT come, so
// that the user's rules see, name and count a packet first.
const afterUser = 10

// nat adds the chains of a NAT.
func (c *compiler) nat(n *topo.NAT) error {
	outside, err := c.names.interfaceToward(n.Outside)
	if err != nil {
		return fmt.Errorf("nat outside: %w", err)
	}
	var own []netip.Addr
	for _, p := range c.names.Own[n.Outside] {
		own = append(own, p.Addr())
	}
	if len(own) == 0 {
		return fmt.Errorf("nat outside: no address toward %q", n.Outside)
	}
	c.guard(outside)
	pre := natChain("prerouting", nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, "dstnat")
	post := natChain("postrouting", nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource, "srcnat")
	err = c.staticNAT(n, outside, pre, post)
	if n.Mapping == "" {
		err = errors.Join(err, c.portForwards(n, outside, own, pre))
	} else {
		err = errors.Join(err, c.behaviours(n, outside, own, pre, post))
	}
	c.sourceNAT(outside, own, post)
	if len(pre.rules) > 0 {
		c.out.chains = append(c.out.chains, pre)
	}
	c.out.chains = append(c.out.chains, post)
	return err
}

// natChain is a base chain that sees the first packet of each flow.
func natChain(hook string, number *nftables.ChainHook, priority *nftables.ChainPriority, priorityName string) *chain {
	return &chain{name: hook, base: &base{
		kind: nftables.ChainTypeNAT, hook: number, hookName: hook, priority: priority, priorityName: priorityName,
	}}
}

// guard keeps private addresses from crossing the NAT untranslated, in either
// direction:
//
//	chain forward-nat {
//		type filter hook forward priority filter + 10; policy accept;
//		oifname "eth1" ct state invalid,untracked counter drop comment "nat:untranslated"
//		iifname "eth1" ip daddr 10.0.0.0/30 ct state invalid,new,untracked ct status ! dnat counter drop comment "nat:unsolicited"
//	}
func (c *compiler) guard(outside string) {
	ch := filterChain("forward-nat", topo.Forward, afterUser)
	chains := []*chain{ch}
	c.spread(ch, []statement{ifname(expr.MetaKeyOIFNAME, "oifname", outside)}, [][]statement{nil}, rule{
		name: Untranslated,
		parts: []statement{
			ctState("invalid,untracked", expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED), counter(), drop(),
		},
	}, topo.DropPacket, "")
	inside := c.alternatives(addressSide{"daddr", rangesOf(c.names.Inside)})
	if len(inside) > 0 {
		chains = append(chains, c.spread(ch, []statement{ifname(expr.MetaKeyIIFNAME, "iifname", outside)}, inside, rule{
			name: Unsolicited,
			parts: []statement{
				ctState("invalid,new,untracked", expr.CtStateBitINVALID|expr.CtStateBitNEW|expr.CtStateBitUNTRACKED),
				ctBits(expr.CtKeySTATUS, "ct status ! dnat", ctStatusDNAT, expr.CmpOpEq),
				counter(), drop(),
			},
		}, topo.DropPacket, "nat-unsolicited")...)
	}
	c.out.chains = append(c.out.chains, chains...)
}

// ctStatusDNAT is IPS_DST_NAT (linux/netfilter/nf_conntrack_common.h): the flow's
// destination is translated.
const ctStatusDNAT = 1 << 5

// portForwards is the destination NAT:
//
//	chain prerouting {
//		type nat hook prerouting priority dstnat; policy accept;
//		iifname "eth1" ip daddr 198.18.0.1 meta l4proto { tcp, udp } th dport 80 dnat ip to 10.0.0.2:8080 comment "nat:forward"
//	}
func (c *compiler) portForwards(n *topo.NAT, outside string, own []netip.Addr, ch *chain) error {
	var errs []error
	for _, f := range n.Forward {
		rules := c.portForward(f, outside, own)
		if len(rules) == 0 {
			errs = append(errs, fmt.Errorf("nat forward %d: no address of %q to forward to", f.Port, f.Node))
		}
		ch.rules = append(ch.rules, rules...)
	}
	return errors.Join(errs...)
}

// portForward is one rule for each family that both sides have.
func (c *compiler) portForward(f topo.PortForward, outside string, own []netip.Addr) []rule {
	to := f.ToPort
	if to == 0 {
		to = f.Port
	}
	var rules []rule
	for fam := v4; fam <= v6; fam++ {
		at, ok := ofFamily(own, fam)
		node, ok2 := ofFamily(c.names.Addresses[f.Node], fam)
		if !ok || !ok2 {
			continue
		}
		is := isFamily(fam)
		is.text = ""
		rules = append(rules, rule{name: natForward, parts: []statement{
			ifname(expr.MetaKeyIIFNAME, "iifname", outside), is,
			c.addressMatch(fam, "daddr", []addrRange{{at, at}}),
			c.tcpOrUDP(),
			portMatch("th dport", 2, topo.PortRange{First: f.Port, Last: f.Port}),
			translate(expr.NATTypeDestNAT, "dnat", fam, netip.AddrPortFrom(node, to)),
		}})
	}
	return rules
}

// sourceNAT is the source NAT. The kernel keeps the source port where it is free.
//
//	chain postrouting {
//		type nat hook postrouting priority srcnat; policy accept;
//		oifname "eth1" meta nfproto ipv4 snat ip to 198.18.0.1 comment "nat:source"
//		oifname "eth1" meta nfproto ipv6 snat ip6 to 2001:db8::1 comment "nat:source"
//	}
func (c *compiler) sourceNAT(outside string, own []netip.Addr, ch *chain) {
	for fam := v4; fam <= v6; fam++ {
		if at, ok := ofFamily(own, fam); ok {
			ch.rules = append(ch.rules, rule{name: natSource, parts: []statement{
				ifname(expr.MetaKeyOIFNAME, "oifname", outside), isFamily(fam),
				translate(expr.NATTypeSourceNAT, "snat", fam, netip.AddrPortFrom(at, 0)),
			}})
		}
	}
}

// translate is `snat ip to 198.18.0.1` or `dnat ip to 10.0.0.2:8080`; port 0 is
// not translated.
func translate(kind expr.NATType, keyword string, f family, to netip.AddrPort) statement {
	n := &expr.NAT{Type: kind, Family: uint32(families[f].nfproto), RegAddrMin: 1, RegAddrMax: 1}
	s := statement{exprs: []expr.Any{&expr.Immediate{Register: 1, Data: to.Addr().AsSlice()}}}
	text := to.Addr().String()
	if to.Port() != 0 {
		s.exprs = append(s.exprs, &expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(to.Port())})
		n.RegProtoMin, n.RegProtoMax, n.Specified = 2, 2, true
		text = to.String()
	}
	s.text = keyword + " " + families[f].keyword + " to " + text
	s.exprs = append(s.exprs, n)
	return s
}
