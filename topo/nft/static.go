package nft

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables/expr"

	"testbed/topo"
)

// staticNAT translates between inside nodes and the outside addresses that are
// theirs alone, in both directions and whatever the protocol:
//
//	iifname "eth1" ip daddr 198.18.0.9 dnat ip to 10.0.0.2 comment "nat:static"
//	oifname "eth1" ip saddr 10.0.0.2 snat ip to 198.18.0.9 comment "nat:static"
//
// With hairpinning also for what comes from the inside, and goes back there.
func (c *compiler) staticNAT(n *topo.NAT, outside string, pre, post *chain) error {
	var errs []error
	for _, s := range n.Static {
		fam := v4
		if s.Address.Is6() {
			fam = v6
		}
		to, ok := ofFamily(c.names.Addresses[s.Node], fam)
		if !ok {
			errs = append(errs, fmt.Errorf("nat static %s: no address of %q", s.Address, s.Node))
			continue
		}
		b := &behaviour{compiler: c, nat: n, outside: outside, family: fam, at: s.Address}
		own, node := b.address("daddr", addrRange{s.Address, s.Address}), b.address("saddr", addrRange{to, to})
		snat := translate(expr.NATTypeSourceNAT, "snat", fam, netip.AddrPortFrom(s.Address, 0))
		pre.rules = append(pre.rules, rule{name: natStatic, parts: append(b.from(), own,
			translate(expr.NATTypeDestNAT, "dnat", fam, netip.AddrPortFrom(to, 0)))})
		post.rules = append(post.rules, rule{name: natStatic, parts: []statement{ifname(expr.MetaKeyOIFNAME, "oifname", outside), node, snat}})
		if n.Hairpin {
			post.rules = append(post.rules, rule{name: natStatic, parts: []statement{
				notIfname(expr.MetaKeyOIFNAME, "oifname", outside), ctDNAT(), node, snat,
			}})
		}
	}
	return errors.Join(errs...)
}
