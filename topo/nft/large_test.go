package nft

import (
	"fmt"
	"testing"

	"testbed/topo"
	"testbed/topo/netns/netnstest"
)

// TestApplyOfManyRules goes beyond what the socket's buffer holds of
// acknowledgements.
func TestApplyOfManyRules(t *testing.T) {
	t.Parallel()
	ns := netnstest.Loopback(t)
	h, err := Open(ns)
	must(t, err)
	defer h.Close()
	for _, n := range []int{1, 10, 30, 50, 75, 100, 150, 300, 600, 1000} {
		node := topo.Node{Name: "n", Role: topo.Router}
		for i := range n {
			node.Firewall = append(node.Firewall, topo.Rule{
				Name: fmt.Sprintf("rule number %d", i), Action: topo.DropPacket,
				Match: topo.Match{Proto: "tcp", From: "client", Dport: topo.PortRange{First: uint16(i), Last: uint16(i) + 7}},
			})
		}
		r, err := Compile(&node, caseNames())
		must(t, err)
		if err := h.Apply(r); err != nil {
			t.Errorf("%d rules: %v", n, err)
			continue
		}
		counts, err := h.Counters()
		must(t, err)
		if len(counts) != n {
			t.Errorf("%d counters, want %d", len(counts), n)
		}
	}
}
