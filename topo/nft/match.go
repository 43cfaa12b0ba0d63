package nft

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

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

// equal compares register 1 with data.
func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}
