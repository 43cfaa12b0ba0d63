package build_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/ruleset"
	"testbed/topo/sandbox"
)

// translated is chain with a NAT in the middle, and a rule that counts what comes
// to the server from a private address.
func translated() *topo.Topology {
	topology := chain(0)
	topology.Nodes[1].NAT = &topo.NAT{
		Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
		Ports: topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 49999}, Shuffle: true},
	}
	topology.Nodes[2].Firewall = []topo.Rule{{Name: "private", Hook: topo.Input, Match: topo.Match{From: "10.0.0.0/8"}, Action: topo.Accept}}
	return topology
}

// datagram is a socket in a node.
func datagram(t *testing.T, n *build.Network, node int, port int) *net.UDPConn {
	t.Helper()
	var c net.PacketConn
	err := n.Nodes[node].NS.Do(func() (err error) {
		c, err = (&net.ListenConfig{}).ListenPacket(context.Background(), "udp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

// seen is from where the server has a datagram of the client's.
func seen(t *testing.T, n *build.Network, client, server *net.UDPConn) netip.AddrPort {
	t.Helper()
	to := netip.AddrPortFrom(n.Plan.Resolve(0, 2, true), 1001)
	if _, err := client.WriteToUDPAddrPort([]byte("x"), to); err != nil {
		t.Fatal(err)
	}
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, from, err := server.ReadFromUDPAddrPort(make([]byte, 1))
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// A node's ruleset in nft's syntax stands beside its NAT, whose mappings live on
// while other things of the node change. What loads the ruleset anew ends them.
func TestMappingsLiveBesideARulesetOfAnotherTool(t *testing.T) {
	_, err := ruleset.Find(topo.Nftables)
	sandbox.SkipOrFail(t, err)
	text := func(port int) []topo.Ruleset {
		return []topo.Ruleset{{Tool: topo.Nftables, Text: fmt.Sprintf("table inet mine { chain forward { type filter hook forward priority filter; tcp dport %d drop; }; }", port)}}
	}
	topology := translated()
	topology.Nodes[1].Rulesets = text(81)
	n := up(t, topology, build.Options{})
	client, server := datagram(t, n, 0, 5000), datagram(t, n, 2, 1001)
	first := seen(t, n, client, server)
	for _, c := range []struct {
		name   string
		change func() error
		stays  bool
	}{
		{"a firewall", func() error {
			return n.SetFirewall(1, []topo.Rule{{Name: "a", Hook: topo.Forward, Match: topo.Match{Proto: "tcp"}, Action: topo.Accept}})
		}, true},
		{"a NAT's timeouts", func() error {
			nat := *topology.Nodes[1].NAT
			nat.Timeouts = map[string]time.Duration{"tcp_close": time.Second}
			return n.SetNAT(1, nat)
		}, true},
		{"the ruleset", func() error { return n.SetRulesets(1, text(82)) }, false},
		{"no ruleset", func() error { return n.SetRulesets(1, []topo.Ruleset{{Tool: topo.Nftables}}) }, false},
	} {
		if err := c.change(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		other := datagram(t, n, 2, 0) // endpoint-independent filtering lets it in by the mapping alone
		if _, err := other.WriteToUDPAddrPort([]byte("y"), first); err != nil {
			t.Fatal(err)
		}
		if got := comes(t, client); got != c.stays {
			t.Errorf("after %s the mapping is there: %t, want %t", c.name, got, c.stays)
		}
		first = seen(t, n, client, server)
	}
}

// comes tells whether a datagram is there at once, as it is on links without delay. A
// wait that ends in silence is as long as the longest delay that is taken for none.
func comes(t *testing.T, c *net.UDPConn) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, _, err := c.ReadFromUDPAddrPort(make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

// A NAT that forgets everything translates all the same.
func TestNothingLeaksFromANATThatIsFlushed(t *testing.T) {
	n := up(t, translated(), build.Options{})
	client, server := datagram(t, n, 0, 5000), datagram(t, n, 2, 1001)
	go io.Copy(io.Discard, server)
	to := netip.AddrPortFrom(n.Plan.Resolve(0, 2, true), 1001)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				client.WriteToUDPAddrPort([]byte("x"), to)
			}
		}
	}()
	for range 20 {
		if err := n.FlushNAT(1); err != nil {
			t.Error(err)
		}
	}
	close(done)
	<-ended
	rules, err := n.Rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if r.Rule == "private" && r.Packets != 0 {
			t.Errorf("%d packets reached the server with a private address", r.Packets)
		}
	}
}
