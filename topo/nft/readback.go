package nft

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

// Counters are how often each rule matched since Apply, in the order of the
// node's rules, and then those of its NAT.
func (h *Handle) Counters() ([]Count, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	counts := append([]Count(nil), h.applied.counted...)
	index := make(map[string]int, len(counts))
	for i, c := range counts {
		index[c.Rule] = i
	}
	for _, ch := range h.applied.chains {
		if !ch.counts(index) {
			continue // a NAT has long chains without a counter
		}
		rules, err := h.read(ch)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if i, ok := index[name(r)]; ok {
				counts[i].add(r)
			}
		}
	}
	return counts, nil
}

// counts tells whether one of the chain's rules is among counted ones.
func (c *chain) counts(counted map[string]int) bool {
	return slices.ContainsFunc(c.rules, func(r rule) bool {
		_, ok := counted[r.name]
		return ok
	})
}

// add adds a rule's counter: the last one. One before it is that of what meets an
// nth.
func (c *Count) add(r *nftables.Rule) {
	var all []*expr.Counter
	for _, e := range r.Exprs {
		if n, ok := e.(*expr.Counter); ok {
			all = append(all, n)
		}
	}
	if n := len(all); n > 0 {
		c.Packets += all[n-1].Packets
		c.Bytes += all[n-1].Bytes
	}
	if len(all) > 1 {
		c.Met += all[0].Packets
	}
}

// read asks the kernel for a chain's rules.
func (h *Handle) read(ch *chain) ([]*nftables.Rule, error) {
	rules, err := h.conn.GetRules(table, &nftables.Chain{Name: ch.name})
	if err != nil {
		return nil, fmt.Errorf("read chain %s: %w", ch.name, err)
	}
	return rules, nil
}

// name is a rule's comment, or empty.
func name(r *nftables.Rule) string {
	s, _ := userdata.GetString(r.UserData, userdata.TypeComment)
	return s
}

// verify compares the kernel's table with the ruleset.
func (h *Handle) verify(r *Ruleset) error {
	if r.IsEmpty() {
		return h.verifyAbsent()
	}
	for _, ch := range r.chains {
		got, err := h.read(ch)
		if err != nil {
			return err
		}
		if len(got) != len(ch.rules) {
			return fmt.Errorf("chain %s has %d rules, want %d", ch.name, len(got), len(ch.rules))
		}
		for i, want := range ch.rules {
			if err := sameRule(got[i], want); err != nil {
				return fmt.Errorf("chain %s, rule %d: %w", ch.name, i+1, err)
			}
		}
	}
	return nil
}

func (h *Handle) verifyAbsent() error {
	tables, err := h.conn.ListTablesOfFamily(table.Family)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	for _, t := range tables {
		if t.Name == TableName {
			return fmt.Errorf("the table is still there")
		}
	}
	return nil
}

// sameRule compares name and expressions.
func sameRule(got *nftables.Rule, want rule) error {
	if n := name(got); n != want.name {
		return fmt.Errorf("it is named %q, want %q", n, want.name)
	}
	wanted := comparable(want.exprs())
	have := comparable(got.Exprs)
	if len(have) != len(wanted) {
		return fmt.Errorf("it has %d expressions, want %d: %s", len(have), len(wanted), want)
	}
	for i := range have {
		if !bytes.Equal(have[i], wanted[i]) {
			return fmt.Errorf("expression %d (%T) differs: %s", i+1, got.Exprs[i], want)
		}
	}
	return nil
}

// comparable encodes expressions without what the kernel fills in: counts and
// names of sets.
func comparable(exprs []expr.Any) [][]byte {
	var all [][]byte
	for _, e := range exprs {
		switch v := e.(type) {
		case *expr.Counter:
			e = &expr.Counter{}
		case *expr.Lookup:
			e = &expr.Lookup{SourceRegister: v.SourceRegister, DestRegister: v.DestRegister, IsDestRegSet: v.IsDestRegSet, Invert: v.Invert}
		case *expr.Byteorder, *expr.Rt, *expr.Socket:
			continue // the library does not decode them
		}
		b, err := expr.Marshal(byte(table.Family), e)
		if err != nil {
			b = []byte(err.Error())
		}
		all = append(all, b)
	}
	return all
}
