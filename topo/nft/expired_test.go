package nft

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestAPortIsFreeOnceItsFlowHasExpired gives an outside port to another inside endpoint
// as soon as its mapping is gone, toward the destination that it was used for before.
// Nothing looks at conntrack's table in between: that would remove what has expired.
func TestAPortIsFreeOnceItsFlowHasExpired(t *testing.T) {
	t.Parallel()
	one := topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40000}, Shuffle: true}
	for name, ports := range map[string]topo.PortPool{"the inside's own port": topo.DefaultPorts, "a port of the pool": one} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			n.apply(&topo.NAT{
				Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: ports,
				Timeouts: map[string]time.Duration{"tcp_close": time.Second},
			})
			eachFamily(t, func(t *testing.T, fam family) {
				to := netip.AddrPortFrom(serverIP[fam], 1001)
				accepted := n.listenShared(n.server, to)
				seen := func(from netip.Addr) netip.AddrPort {
					t.Helper()
					c, err := n.dialShared(n.client, netip.AddrPortFrom(from, 5000), to)
					must(t, err)
					s := next(t, accepted)
					must(t, c.(*net.TCPConn).SetLinger(0))
					must(t, c.Close())
					return addr(s.RemoteAddr())
				}
				first := seen(clientIP[fam])
				await(t, "the mapping is gone", func() bool { return n.elements("taken-"+families[fam].keyword) == 0 })
				if second := seen(client2IP[fam]); second != first {
					t.Errorf("the port is free again, and is not taken: first %v, then %v", first, second)
				}
			})
		})
	}
}

// TestAMappingLivesAsLongAsAnyOfItsFlows has two connections with one inside endpoint,
// of which the second, begun by either side, is reset. The mapping is the idle one's
// still, and its port nobody else's (RFC 5382, REQ-1, REQ-5 and REQ-7).
func TestAMappingLivesAsLongAsAnyOfItsFlows(t *testing.T) {
	t.Parallel()
	for _, begun := range []string{"by the inside", "by the outside", "in vain"} {
		t.Run(begun, func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			n.apply(&topo.NAT{
				Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: topo.DefaultPorts,
				Timeouts: map[string]time.Duration{"tcp_close": time.Second},
			})
			eachFamily(t, func(t *testing.T, fam family) {
				flow := func(from netip.Addr, port uint16) (client, server net.Conn) {
					t.Helper()
					return connected(t, n, netip.AddrPortFrom(from, 5000), netip.AddrPortFrom(serverIP[fam], port))
				}
				idle, server := flow(clientIP[fam], 1001)
				at := addr(server.RemoteAddr())
				switch begun {
				case "by the inside":
					short, other := flow(clientIP[fam], 1002)
					if got := addr(other.RemoteAddr()); got != at {
						t.Fatalf("one inside endpoint is seen from %v and %v", at, got)
					}
					must(t, short.(*net.TCPConn).SetLinger(0))
					must(t, short.Close())
				case "by the outside":
					accepted := n.listenShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
					stranger, err := n.dialShared(n.server, netip.AddrPortFrom(serverIP[fam], 1002), at)
					must(t, err)
					next(t, accepted)
					must(t, stranger.(*net.TCPConn).SetLinger(0))
					must(t, stranger.Close())
				case "in vain":
					if _, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000), netip.AddrPortFrom(serverIP[fam], 1002)); !errors.Is(err, unix.ECONNREFUSED) {
						t.Fatalf("connect to a closed port: %v", err)
					}
				}
				await(t, "conntrack has forgotten the flow that was reset", func() bool { return n.flows(fam) == 1 })
				// The sleep is what a mapping would have lived longer than that flow, and waits for nothing.
				time.Sleep(time.Second)
				if _, other := flow(client2IP[fam], 1003); addr(other.RemoteAddr()) == at {
					t.Errorf("two inside endpoints have the outside port of %v", at)
				}
				if _, again := flow(clientIP[fam], 1004); addr(again.RemoteAddr()) != at {
					t.Errorf("the endpoint is seen from %v, and had %v", addr(again.RemoteAddr()), at)
				}
				must(t, roundTrip(idle, server))
				must(t, roundTrip(server, idle))
			})
		})
	}
}
