package nft

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// family indexes what differs between IPv4 and IPv6.
type family int

const (
	v4 family = iota
	v6
)

var families = [...]struct {
	keyword  string
	nfproto  byte
	name     string
	key      nftables.SetDatatype
	src, dst uint32 // offsets in the header
	bytes    uint32
}{
	v4: {"ip", unix.NFPROTO_IPV4, "ipv4", nftables.TypeIPAddr, 12, 16, 4},
	v6: {"ip6", unix.NFPROTO_IPV6, "ipv6", nftables.TypeIP6Addr, 8, 24, 16},
}

// addrRange is an inclusive range of addresses of one family.
type addrRange struct{ first, last netip.Addr }

// byFamily are sorted ranges that neither overlap nor touch, by family.
type byFamily [2][]addrRange

// rangesOf merges prefixes as nft does with the elements of a set.
func rangesOf(prefixes []netip.Prefix) byFamily {
	var all byFamily
	for _, p := range prefixes {
		f := v4
		if p.Addr().Is6() && !p.Addr().Is4In6() {
			f = v6
		}
		all[f] = append(all[f], rangeOf(p))
	}
	for f := range all {
		all[f] = merge(all[f])
	}
	return all
}

func rangeOf(p netip.Prefix) addrRange {
	if p.Addr().Is4In6() {
		p = netip.PrefixFrom(p.Addr().Unmap(), max(p.Bits()-96, 0))
	}
	p = p.Masked()
	last := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(last)
	return addrRange{p.Addr(), a}
}

func merge(rs []addrRange) []addrRange {
	slices.SortFunc(rs, func(a, b addrRange) int { return a.first.Compare(b.first) })
	var out []addrRange
	for _, r := range rs {
		if n := len(out); n > 0 {
			prev := &out[n-1]
			if !prev.last.Next().IsValid() || r.first.Compare(prev.last.Next()) <= 0 {
				if prev.last.Less(r.last) {
					prev.last = r.last
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// prefix is the range as a prefix, if it is one.
func (r addrRange) prefix() (netip.Prefix, bool) {
	for bits := 0; bits <= r.first.BitLen(); bits++ {
		if p, _ := r.first.Prefix(bits); rangeOf(p) == r {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// String is the range as nft writes it: an address, a prefix, or first-last.
func (r addrRange) String() string {
	p, ok := r.prefix()
	switch {
	case !ok:
		return r.first.String() + "-" + r.last.String()
	case p.IsSingleIP():
		return p.Addr().String()
	}
	return p.String()
}

// isAll tells whether the ranges are the whole address space.
func isAll(rs []addrRange) bool {
	if len(rs) != 1 {
		return false
	}
	p, ok := rs[0].prefix()
	return ok && p.Bits() == 0
}

// addressMatch is `ip saddr …` or `ip daddr …` without the test of the family.
func (c *compiler) addressMatch(f family, keyword string, rs []addrRange) statement {
	fam := families[f]
	offset := fam.src
	if keyword == "daddr" {
		offset = fam.dst
	}
	if isAll(rs) {
		return statement{}
	}
	s := statement{
		text: fam.keyword + " " + keyword + " ",
		exprs: []expr.Any{&expr.Payload{
			DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: fam.bytes,
		}},
	}
	if len(rs) == 1 {
		s.text += rs[0].String()
		s.exprs = append(s.exprs, compareRange(rs[0])...)
		return s
	}
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = r.String()
	}
	s.text += "{ " + strings.Join(words, ", ") + " }"
	s.set = c.addressSet(fam.key, rs)
	s.exprs = append(s.exprs, s.set.lookup())
	return s
}

// compareRange compares register 1 with one range.
func compareRange(r addrRange) []expr.Any {
	p, ok := r.prefix()
	if !ok {
		return []expr.Any{
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: r.first.AsSlice()},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: r.last.AsSlice()},
		}
	}
	equal := &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Addr().AsSlice()}
	if p.IsSingleIP() {
		return []expr.Any{equal}
	}
	n := len(equal.Data)
	mask := make([]byte, n)
	for bit := range p.Bits() {
		mask[bit/8] |= 0x80 >> (bit % 8)
	}
	return []expr.Any{masked(mask), equal}
}

// masked ands register 1 with a mask.
func masked(mask []byte) expr.Any {
	return &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))}
}

// addressSet is an interval set unless every range is one address. Each range is
// an element for its first address and an end element after its last; a first
// end element says that what is below the first range is outside, as nft has it.
func (c *compiler) addressSet(key nftables.SetDatatype, rs []addrRange) *set {
	s := c.newSet(key)
	s.interval = slices.ContainsFunc(rs, func(r addrRange) bool { return r.first != r.last })
	if s.interval && !rs[0].first.IsUnspecified() {
		s.elements = append(s.elements, nftables.SetElement{
			Key: bytes.Repeat([]byte{0}, rs[0].first.BitLen()/8), IntervalEnd: true,
		})
	}
	for _, r := range rs {
		s.elements = append(s.elements, nftables.SetElement{Key: r.first.AsSlice()})
		if after := r.last.Next(); s.interval && after.IsValid() {
			s.elements = append(s.elements, nftables.SetElement{Key: after.AsSlice(), IntervalEnd: true})
		}
	}
	return s
}

// newSet is an empty set with an identity of its own.
func (c *compiler) newSet(key nftables.SetDatatype) *set {
	c.sets++
	return &set{id: c.sets, key: key}
}

// setName is the template from which the kernel names anonymous sets.
const setName = "__set%d"

// lookup searches the set for register 1.
func (s *set) lookup() expr.Any {
	return &expr.Lookup{SourceRegister: 1, SetID: s.id, SetName: setName}
}
