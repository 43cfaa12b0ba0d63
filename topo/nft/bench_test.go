package nft

import (
	"testing"

	"testbed/topo"
	"testbed/topo/netns"
)

// smallRuleset is a firewall of three rules and a NAT.
func smallRuleset(b *testing.B) *Ruleset {
	b.Helper()
	r, err := Compile(&topo.Node{
		Name: "fw", Role: topo.Router, NAT: &topo.NAT{Outside: "server"},
		Firewall: []topo.Rule{
			{Name: "web", Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}}, Action: topo.DropPacket},
			{Name: "far", Match: topo.Match{To: "far"}, Action: topo.Reject},
			{Name: "unknown", Match: topo.Match{Proto: "tcp", State: "invalid"}, Action: topo.DropPacket},
		},
	}, caseNames())
	must(b, err)
	return r
}

func benchmarkHandle(b *testing.B) *Handle {
	b.Helper()
	ns, err := netns.New()
	must(b, err)
	b.Cleanup(func() { ns.Close() })
	h, err := Open(ns)
	must(b, err)
	b.Cleanup(func() { h.Close() })
	must(b, h.Apply(smallRuleset(b)))
	return h
}

// BenchmarkOpenApply is what a node with a firewall costs at start: the first
// table of a namespace, its hooks, and conntrack.
func BenchmarkOpenApply(b *testing.B) {
	r := smallRuleset(b)
	for b.Loop() {
		b.StopTimer()
		ns, err := netns.New()
		must(b, err)
		b.StartTimer()
		h, err := Open(ns)
		must(b, err)
		must(b, h.Apply(r))
		b.StopTimer()
		h.Close()
		ns.Close()
		b.StartTimer()
	}
}

// BenchmarkApplyAgain replaces the rules of a running node.
func BenchmarkApplyAgain(b *testing.B) {
	h, r := benchmarkHandle(b), smallRuleset(b)
	for b.Loop() {
		must(b, h.Apply(r))
	}
}

func BenchmarkCounters(b *testing.B) {
	h := benchmarkHandle(b)
	for b.Loop() {
		_, err := h.Counters()
		must(b, err)
	}
}
