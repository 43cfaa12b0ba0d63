package nft

import (
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// field is one value that a set's key or a map's data is made of.
type field struct {
	text string
	kind nftables.SetDatatype
	// load puts it into a register, by its number, and those that follow.
	load func(number uint32) []expr.Any
}

// registers is how many of 32 bits the field takes.
func (f field) registers() uint32 { return (f.kind.Bytes + 3) / 4 }

// concat are fields side by side, as in `ip saddr . th sport`.
type concat []field

func (c concat) String() string {
	words := make([]string, len(c))
	for i, f := range c {
		words[i] = f.text
	}
	return strings.Join(words, " . ")
}

// load puts the fields into registers of 32 bits, from the first one on.
func (c concat) load(first uint32) (exprs []expr.Any) {
	for _, f := range c {
		exprs = append(exprs, f.load(register32(first))...)
		first += f.registers()
	}
	return exprs
}

// registers is how many of 32 bits the fields take.
func (c concat) registers() (n uint32) {
	for _, f := range c {
		n += f.registers()
	}
	return n
}

// kind is the type of the fields together.
func (c concat) kind() nftables.SetDatatype {
	if len(c) == 1 {
		return c[0].kind
	}
	kinds := make([]nftables.SetDatatype, len(c))
	for i, f := range c {
		kinds[i] = f.kind
	}
	return nftables.MustConcatSetType(kinds...)
}

// register32 is the number of the n-th register of 32 bits, as the kernel says it
// (linux/netfilter/nf_tables.h, NFT_REG32_00): where one of 128 bits begins, by
// that one's.
func register32(n uint32) uint32 {
	if n%4 == 0 {
		return 1 + n/4
	}
	return 8 + n
}

// protocolField is `meta l4proto`.
func protocolField() field {
	return field{"meta l4proto", nftables.TypeInetProto, func(r uint32) []expr.Any {
		return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r}}
	}}
}

// addressField is `ip saddr` or `ip6 daddr`.
func addressField(f family, keyword string) field {
	fam := families[f]
	offset := fam.src
	if keyword == "daddr" {
		offset = fam.dst
	}
	return field{fam.keyword + " " + keyword, fam.key, func(r uint32) []expr.Any {
		return []expr.Any{&expr.Payload{DestRegister: r, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: fam.bytes}}
	}}
}

// portField is `tcp sport` or `th dport`, by what is known of the protocol.
func portField(proto, keyword string) field {
	offset := uint32(0)
	if keyword == "dport" {
		offset = 2
	}
	return field{proto + " " + keyword, nftables.TypeInetService, func(r uint32) []expr.Any {
		return []expr.Any{&expr.Payload{DestRegister: r, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2}}
	}}
}

// implied is a condition that nft does not show, because what follows implies it.
func implied(s statement) statement {
	s.text = ""
	return s
}
