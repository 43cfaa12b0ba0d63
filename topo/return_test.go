package topo

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"testbed/netem"
)

func TestReturnGoesThroughTheNAT(t *testing.T) {
	p := mustPlan(t, natTopology())
	there := p.Walk(0, netip.MustParseAddrPort("198.18.0.10:443"))
	back := p.Return(there, netip.MustParseAddr("10.0.0.1"))
	if !slices.Equal(back.Nodes, []int{3, 2, 1, 0}) || !back.Arrived {
		t.Errorf("answers go by %v, want the way back", back.Nodes)
	}
}

// The ways there and back differ: client – r1 – server, and back by r2.
func TestReturnFollowsTheRoutingTables(t *testing.T) {
	link := func(a, b string, ms int) Link {
		d := netem.Impairment{Delay: time.Duration(ms) * time.Millisecond}
		return Link{Ends: [2]string{a, b}, Toward: [2]netem.Impairment{d, d}}
	}
	topology := &Topology{
		Nodes: []Node{{Name: "client", Role: Host}, {Name: "r1", Role: Router},
			{Name: "r2", Role: Router, Routes: []Route{{To: netip.MustParsePrefix("198.18.0.0/30"), Kind: Unicast, Via: "client"}}},
			{Name: "server", Role: Host, Routes: []Route{{To: netip.MustParsePrefix("198.18.0.0/30"), Kind: Unicast, Via: "r2"}}}},
		Links: []Link{link("client", "r1", 10), link("r1", "server", 10), link("client", "r2", 50), link("r2", "server", 50)},
	}
	p := mustPlan(t, topology)
	there := p.Walk(0, netip.MustParseAddrPort("198.18.0.6:80"))
	back := p.Return(there, netip.MustParseAddr("198.18.0.1"))
	if !slices.Equal(there.Nodes, []int{0, 1, 3}) || !slices.Equal(back.Nodes, []int{3, 2, 0}) {
		t.Fatalf("there by %v, back by %v", there.Nodes, back.Nodes)
	}
	if d := p.Delays(back); !slices.Equal(d, []time.Duration{50 * time.Millisecond, 50 * time.Millisecond}) {
		t.Errorf("delays back are %v", d)
	}
}

func TestReturnWithoutAWayIsTheSameWay(t *testing.T) {
	p := mustPlan(t, natTopology())
	there := p.Walk(0, netip.MustParseAddrPort("203.0.113.1:80"))
	if back := p.Return(there, netip.MustParseAddr("192.0.2.1")); !slices.Equal(back.Nodes, []int{1, 0}) {
		t.Errorf("answers go by %v", back.Nodes)
	}
}
