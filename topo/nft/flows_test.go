package nft

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestAFullTableDropsNewFlows wants as many connections as there is room for, what
// is known to go on, and no further one.
func TestAFullTableDropsNewFlows(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, fam family) {
		n := build(t, true)
		accepted := n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
		n.applyNode(nil, topo.Node{Name: "router", Role: topo.Router, Flows: 2})
		to := netip.AddrPortFrom(serverIP[fam], port)
		first, err := n.dial(n.client, to, 0)
		must(t, err)
		if _, err := n.dial(n.client, to, 0); err != nil {
			t.Fatalf("the second of 2 flows: %v", err)
		}
		if _, err := n.dial(n.client, to, 0); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("the third flow: %v, want ETIMEDOUT", err)
		}
		if n.packets(TableFull) == 0 {
			t.Error("the rule counted nothing")
		}
		far := <-accepted
		if _, err := first.Write([]byte("x")); err != nil {
			t.Errorf("write on a known flow: %v", err)
		}
		if _, err := far.Read(make([]byte, 1)); err != nil {
			t.Errorf("read on a known flow: %v", err)
		}
	})
}
