package build_test

import (
	"strings"
	"testing"

	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

// What is refused of one node does not hide what is refused of the next.
func TestWhatIsRefusedOfSeveralNodesIsToldTogether(t *testing.T) {
	_, err := ruleset.Find(topo.Nftables)
	sandbox.SkipOrFail(t, err)
	topology := chain(0)
	for i := range topology.Nodes {
		topology.Nodes[i].Rulesets = []topo.Ruleset{{Tool: topo.Nftables, Text: "table ip a { drp }"}}
	}
	topology.Nodes[1].Rulesets = nil
	topology.Nodes[1].Sysctls = []topo.Sysctl{{Name: "net.ipv4.ip_forward", Value: "yes"}}
	n, err := build.Up(topology, build.Options{})
	if err == nil {
		n.Close()
		t.Fatal("it was built")
	}
	for _, want := range []string{"node client: nftables line 1: ", "node fw: ", "net.ipv4.ip_forward", "node server: nftables line 1: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told, but\n%v", want, err)
		}
	}
}
