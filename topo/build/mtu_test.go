package build_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/nft"
)

// expect connects from the first node of a chain to its last, over both families.
func expect(t *testing.T, n *build.Network, when string, v4, v6 agents.Outcome) {
	t.Helper()
	for _, c := range []struct {
		v4   bool
		want agents.Outcome
	}{{true, v4}, {false, v6}} {
		if a := connect(t, n, 0, "server", c.v4); a.Outcome != c.want {
			t.Errorf("%s, IPv4 %t: %s (errno %v), want %s", when, c.v4, a.Outcome, a.Errno, c.want)
		}
	}
}

// IPv6 needs 1280 bytes; a link with less is IPv4's alone, at whichever end of the
// path it is.
func TestALinkTooSmallForIPv6(t *testing.T) {
	for link := range 2 {
		topology := chain(0)
		topology.Links[link].MTU = 1000
		topology.Nodes[1].Firewall = []topo.Rule{{Name: "known", Hook: topo.Forward, Match: topo.Match{From: "client"}, Action: topo.Accept}}
		n := up(t, topology, build.Options{})
		serve(t, n, 2)
		expect(t, n, "at first", agents.Connected, agents.NetworkUnreachable)
		if err := n.SetLink(link, build.LinkState{MTU: 1280}); err != nil {
			t.Fatal(err)
		}
		expect(t, n, "with 1280 bytes", agents.Connected, agents.Connected)
	}
}

// The NAT hides client – router, which has no IPv6 at first, and its neighbour,
// which has a prefix of its own: what the outside sends there is dropped. The
// rules of a node that names nothing of it keep their counters.
func TestANATHidesIPv6ThatCameLater(t *testing.T) {
	route := func(to string) topo.Route {
		return topo.Route{To: netip.MustParsePrefix(to), Kind: topo.Unicast, Via: "nat"}
	}
	address := func(toward, prefix string) []topo.Address {
		return []topo.Address{{Toward: toward, Prefix: netip.MustParsePrefix(prefix)}}
	}
	topology := &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "server", Role: topo.Host, Routes: []topo.Route{route("fd00::/64"), route("10.7.0.1/32")}},
			{Name: "nat", Role: topo.Router, NAT: &topo.NAT{Outside: "server"}, Addresses: address("router", "10.7.0.2/32")},
			{Name: "router", Role: topo.Router, Addresses: address("nat", "10.7.0.1/32"), Firewall: []topo.Rule{{Name: "seen", Hook: topo.Forward, Match: topo.Match{Proto: "tcp"}, Action: topo.Accept}}},
			{Name: "client", Role: topo.Host},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "router"}, MTU: 1000}, {Ends: [2]string{"router", "nat"}}, {Ends: [2]string{"nat", "server"}}},
	}
	n := up(t, topology, build.Options{})
	serve(t, n, 0)
	count := func(node, rule string) (packets uint64) {
		t.Helper()
		rules, err := n.Rules()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			if r.Node == node && r.Rule == rule {
				packets += r.Packets
			}
		}
		return packets
	}
	connect(t, n, 3, "server", true)
	before := count("router", "seen")
	if err := n.SetLink(0, build.LinkState{}); err != nil {
		t.Fatal(err)
	}
	if after := count("router", "seen"); before == 0 || after < before {
		t.Errorf("the firewall counted %d packets, and %d after IPv6 came", before, after)
	}
	if a := connect(t, n, 3, "server", false); a.Outcome != agents.Connected {
		t.Errorf("the client over IPv6: %s", a.Outcome)
	}
	for i, addr := range []string{"[fd00::1]:80", "10.7.0.1:80"} {
		a, err := tcp.Connect(t.Context(), n.Nodes[0].NS, netip.MustParseAddrPort(addr), tcp.Options{Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if counted := count("nat", nft.Unsolicited); a.Outcome != agents.TimedOut || counted != uint64(i+1) {
			t.Errorf("the server's attempt at %s: %s (errno %v), %d packets dropped in all; want it dropped", addr, a.Outcome, a.Errno, counted)
		}
	}
}

func TestIPv6ComesBackWithTheMTU(t *testing.T) {
	topology := chain(0)
	topology.Nodes[1].Sysctls = []topo.Sysctl{{Name: "net.ipv6.conf.eth0.hop_limit", Value: "9"}, {Name: "net.ipv6.conf.eth1.hop_limit", Value: "9"}}
	for link := range 2 {
		n := up(t, topology, build.Options{})
		serve(t, n, 2)
		for _, c := range []struct {
			when  string
			state build.LinkState
			v4    agents.Outcome
			v6    agents.Outcome
		}{
			{"too small", build.LinkState{MTU: 1000}, agents.Connected, agents.NetworkUnreachable},
			{"smaller still", build.LinkState{MTU: 600}, agents.Connected, agents.NetworkUnreachable},
			{"large again", build.LinkState{}, agents.Connected, agents.Connected},
			{"down and too small", build.LinkState{MTU: 1000, Down: true}, agents.NetworkUnreachable, agents.NetworkUnreachable},
			{"up and too small", build.LinkState{MTU: 1000}, agents.Connected, agents.NetworkUnreachable},
			{"down and too small again", build.LinkState{MTU: 1000, Down: true}, agents.NetworkUnreachable, agents.NetworkUnreachable},
			{"down and large", build.LinkState{Down: true}, agents.NetworkUnreachable, agents.NetworkUnreachable},
			{"up and large", build.LinkState{}, agents.Connected, agents.Connected},
		} {
			if err := n.SetLink(link, c.state); err != nil {
				t.Fatalf("link %d, %s: %v", link, c.when, err)
			}
			expect(t, n, c.when, c.v4, c.v6)
		}
		err := n.Nodes[1].NS.Do(func() error {
			limit, err := os.ReadFile(fmt.Sprintf("/proc/sys/net/ipv6/conf/eth%d/hop_limit", link))
			if err == nil && string(limit) != "9\n" {
				t.Errorf("link %d: the node's own hop_limit of 9 is %s", link, limit)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
