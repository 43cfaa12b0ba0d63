package nft

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns/netnstest"
)

// TestApplyIsAllOrNothing gives the kernel a ruleset that it must refuse in its
// last rule, and wants the old rules in place and the handle in order.
func TestApplyIsAllOrNothing(t *testing.T) {
	t.Parallel()
	h, err := Open(netnstest.Loopback(t))
	must(t, err)
	defer h.Close()
	good, err := Compile(&topo.Node{Name: "n", Firewall: []topo.Rule{
		{Name: "web", Match: topo.Match{From: "client", Dport: dport}, Action: topo.DropPacket},
	}}, testNames())
	must(t, err)
	must(t, h.Apply(good))
	jump := statement{text: "jump nowhere", exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "nowhere"}}}
	bad := &Ruleset{chains: []*chain{{name: "other", rules: []rule{{parts: []statement{counter()}}, {parts: []statement{jump}}}}}}
	for range 3 {
		if err := h.Apply(bad); !errors.Is(err, unix.ENOENT) {
			t.Errorf("a jump to nowhere: %v, want ENOENT", err)
		}
		must(t, h.verify(good))
		if counts, err := h.Counters(); err != nil || len(counts) != 1 || counts[0].Rule != "web" {
			t.Errorf("counters after a refusal: %v, %v", counts, err)
		}
		must(t, h.Apply(good))
	}
}

// TestVerifySeesWhatDiffers changes the kernel's rules behind a handle's back.
func TestVerifySeesWhatDiffers(t *testing.T) {
	t.Parallel()
	ns := netnstest.Loopback(t)
	h, err := Open(ns)
	must(t, err)
	defer h.Close()
	compile := func(name string, m topo.Match, more ...topo.Rule) *Ruleset {
		rules := append([]topo.Rule{{Name: name, Match: m, Action: topo.DropPacket}}, more...)
		r, err := Compile(&topo.Node{Name: "n", Role: topo.Router, Firewall: rules}, testNames())
		must(t, err)
		return r
	}
	tcp := topo.Match{Proto: "tcp"}
	must(t, h.Apply(compile("a", tcp)))
	for _, c := range []struct {
		other *Ruleset
		want  string
	}{
		{compile("b", tcp), `named "a", want "b"`},
		{compile("a", topo.Match{Proto: "udp"}), "expression 2"},
		{compile("a", topo.Match{Proto: "tcp", Dport: dport}), "has 4 expressions, want 6"},
		{compile("a", tcp, topo.Rule{Name: "b", Action: topo.Accept}), "has 1 rules, want 2"},
		{compile("a", tcp, topo.Rule{Name: "b", Hook: topo.Input, Action: topo.Accept}), "chain input has 0 rules, want 1"},
		{&Ruleset{}, "still there"},
	} {
		if err := h.verify(c.other); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("verify: %v, want %q", err, c.want)
		}
	}
}

// TestNamespacesAreApart wants two namespaces to have their own rules.
func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	one, err := Open(netnstest.Loopback(t))
	must(t, err)
	defer one.Close()
	two, err := Open(netnstest.Loopback(t))
	must(t, err)
	defer two.Close()
	r, err := Compile(&topo.Node{Name: "n", Firewall: []topo.Rule{{Name: "a", Action: topo.Accept}}}, testNames())
	must(t, err)
	must(t, one.Apply(r))
	must(t, two.verifyAbsent())
	must(t, two.Apply(r))
	must(t, one.Apply(&Ruleset{}))
	must(t, two.verify(r))
}
