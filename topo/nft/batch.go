package nft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// errRecorded ends the library's wait for answers that never come.
var errRecorded = errors.New("recorded")

// encode is the batch that replaces the table, with a ruleset in it, by another.
// Where both have the same stores, what is in them stays. The library encodes it
// for a connection that only records; what it can't encode is put right here.
func encode(was, r *Ruleset) (batch []netlink.Message, err error) {
	c, err := nftables.New(nftables.WithTestDial(func(messages []netlink.Message) ([]netlink.Message, error) {
		batch = append(batch, messages...)
		return nil, errRecorded
	}))
	if err != nil {
		return nil, err
	}
	if err := clear(c, was, r); err != nil {
		return nil, err
	}
	if !r.IsEmpty() {
		for _, ch := range r.chains {
			c.AddChain(ch.kernel())
		}
		for _, ch := range r.chains {
			if err := addRules(c, ch); err != nil {
				return nil, err
			}
		}
	}
	if err := c.Flush(); !errors.Is(err, errRecorded) {
		return nil, fmt.Errorf("encode: %w", err)
	}
	resets := r.resets()
	for i := range batch {
		batch[i].Header.PID = 0
		batch[i].Data = restoreResets(batch[i].Data, resets)
	}
	return batch, nil
}

// clear empties the table, but for stores that the next ruleset has too, and makes
// that one's.
func clear(c *nftables.Conn, was, r *Ruleset) error {
	if len(r.stores) > 0 && was.storesText() == r.storesText() {
		for _, ch := range was.chains {
			c.FlushChain(ch.kernel())
		}
		for _, ch := range was.chains {
			c.DelChain(ch.kernel())
		}
		return nil
	}
	c.AddTable(table)
	c.DelTable(table)
	if r.IsEmpty() {
		return nil
	}
	c.AddTable(table)
	for i, s := range r.stores {
		set, elements := s.kernel(firstStore + uint32(i))
		if err := c.AddSet(set, elements); err != nil {
			return fmt.Errorf("add %s: %w", s.name, err)
		}
	}
	return nil
}

// firstStore is the identity of the first store in a batch, beyond those of the
// anonymous sets.
const firstStore = 1 << 24

// resets are the expressions of a ruleset that strip a TCP option.
func (r *Ruleset) resets() (all []*expr.Exthdr) {
	for _, ch := range r.chains {
		for _, rule := range ch.rules {
			for _, e := range rule.exprs() {
				if x, ok := e.(*expr.Exthdr); ok && x.SourceRegister == 0 && x.DestRegister == 0 {
					all = append(all, x)
				}
			}
		}
	}
	return all
}

// restoreResets makes `reset tcp option` of what the library encodes for an
// expression without registers: attributes that must not be there become of type 0,
// which the kernel passes over (net/netfilter/nft_exthdr.c,
// nft_exthdr_tcp_strip_init; lib/nlattr.c).
func restoreResets(message []byte, resets []*expr.Exthdr) []byte {
	for _, x := range resets {
		wrong, err := expr.Marshal(byte(table.Family), x)
		if err != nil {
			return message
		}
		right := wrong
		for _, kind := range []uint16{unix.NFTA_EXTHDR_DREG, unix.NFTA_EXTHDR_OFFSET, unix.NFTA_EXTHDR_LEN} {
			right = bytes.Replace(right, zero(kind), zero(unix.NFTA_EXTHDR_UNSPEC), 1)
		}
		message = bytes.ReplaceAll(message, wrong, right)
	}
	return message
}

// zero is a netlink attribute whose value is 0, of four bytes.
func zero(kind uint16) []byte {
	b := binary.NativeEndian.AppendUint16(nil, 8)
	return append(binary.NativeEndian.AppendUint16(b, kind), 0, 0, 0, 0)
}

// addRules puts a chain's rules, and before each the sets that it looks up, into
// the batch.
func addRules(c *nftables.Conn, ch *chain) error {
	for _, r := range ch.rules {
		for _, p := range r.parts {
			if p.set == nil {
				continue
			}
			if err := c.AddSet(p.set.kernel(), p.set.elements); err != nil {
				return fmt.Errorf("add set of rule %q: %w", r, err)
			}
		}
		c.AddRule(&nftables.Rule{Table: table, Chain: &nftables.Chain{Name: ch.name}, Exprs: r.exprs(), UserData: comment(r.name)})
	}
	return nil
}

// comment is a rule's user data.
func comment(name string) []byte {
	if name == "" {
		return nil
	}
	return userdata.AppendString(nil, userdata.TypeComment, name)
}

func (c *chain) kernel() *nftables.Chain {
	k := &nftables.Chain{Name: c.name, Table: table}
	if c.base != nil {
		accept := nftables.ChainPolicyAccept
		k.Type, k.Hooknum, k.Priority, k.Policy = c.base.kind, c.base.hook, c.base.priority, &accept
	}
	return k
}

// kernel has an ID already, so that the library's own counter of sets, which is
// shared by all connections without a lock, is left alone.
func (s *set) kernel() *nftables.Set {
	return &nftables.Set{
		Table: table, ID: s.id, Name: setName, KeyType: s.key,
		Anonymous: true, Constant: true, Interval: s.interval,
	}
}
