package nft

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestTCPHairpinning connects inside endpoints to the outside endpoint of another one,
// which has a mapping and listens: the connection comes from the address and port that
// a server outside sees its sender at, whether the sender has been there before or goes
// there next, if the filtering lets it in (RFC 5382, REQ-8). No outside port is that of
// the inside.
func TestTCPHairpinning(t *testing.T) {
	t.Parallel()
	for i, b := range behaviours {
		t.Run(string(b.d), func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			n.apply(&topo.NAT{
				Outside: "server", Mapping: topo.EndpointIndependent, Filtering: b.d, Hairpin: true,
				Ports: topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40009}, Shuffle: true},
			})
			eachFamily(t, func(t *testing.T, fam family) {
				ports := uint16(1001)
				seen := func(inside netip.AddrPort) netip.AddrPort {
					t.Helper()
					to := netip.AddrPortFrom(serverIP[fam], ports)
					ports++
					_, server := connected(t, n, inside, to)
					return addr(server.RemoteAddr())
				}
				one := netip.AddrPortFrom(clientIP[fam], 5001)
				let := n.listenShared(n.client, one)
				oneAt := seen(one)
				comes := func(from netip.AddrPort, want bool) (at netip.AddrPort) {
					t.Helper()
					c, err := n.dialShared(n.client, from, oneAt)
					if want && err != nil || !want && !errors.Is(err, unix.ETIMEDOUT) {
						t.Fatalf("connect to %v: %v, want it to connect: %t", oneAt, err, want)
					}
					if want {
						s := next(t, let)
						must(t, roundTrip(c, s))
						must(t, roundTrip(s, c))
						at = addr(s.RemoteAddr())
					}
					return at
				}
				two, three := netip.AddrPortFrom(client2IP[fam], 5002), netip.AddrPortFrom(client2IP[fam], 5003)
				twoAt := seen(two)
				if i > 0 {
					comes(two, false)
					// Another port of the address, which nobody has.
					if _, err := n.dialShared(n.client, one, netip.AddrPortFrom(outsideIP[fam], 50000)); !errors.Is(err, unix.ECONNREFUSED) {
						t.Fatalf("connect to the router: %v", err)
					}
				}
				if !b.samePort {
					comes(two, false)
					return
				}
				if got := comes(two, true); got != twoAt {
					t.Errorf("the connection of %v comes from %v, want %v", two, got, twoAt)
				}
				got := comes(three, true)
				threeAt := seen(three)
				if got != threeAt {
					t.Errorf("the connection of %v comes from %v, want %v", three, got, threeAt)
				}
				if twoAt.Addr() != outsideIP[fam] || threeAt.Addr() != outsideIP[fam] || twoAt.Port() < 40000 || threeAt.Port() < 40000 {
					t.Errorf("outside they are seen at %v and %v", twoAt, threeAt)
				}
			})
		})
	}
}

// TestAHairpinnedPeerLivesAsLongAsItsTraffic lets two inside endpoints speak by the
// outside address for longer than the timeout, and wants the filtering to know them
// still: a new flow from there comes in.
func TestAHairpinnedPeerLivesAsLongAsItsTraffic(t *testing.T) {
	t.Parallel()
	for fam := v4; fam <= v6; fam++ {
		t.Run(families[fam].name, func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			n.apply(&topo.NAT{
				Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.AddressDependent, Hairpin: true, Ports: topo.DefaultPorts,
				Timeouts: map[string]time.Duration{"udp": 2 * time.Second, "udp_stream": 2 * time.Second},
			})
			at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(outsideIP[fam], port) }
			one, two := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5001)), n.udp(n.client, netip.AddrPortFrom(client2IP[fam], 5002))
			to := netip.AddrPortFrom(serverIP[fam], 1001)
			server := n.udp(n.server, to)
			mapped(t, one, server, to)
			mapped(t, two, server, to)
			one.WriteToUDPAddrPort([]byte("x"), at(5002)) // which two's filtering drops
			// The sleep is the silence between datagrams, well below the timeout.
			for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
				mapped(t, two, one, at(5001))
				mapped(t, one, two, at(5002))
			}
			if got := mapped(t, n.udp(n.client, netip.AddrPortFrom(client2IP[fam], 5003)), one, at(5001)); got != at(5003) {
				t.Errorf("a new flow comes from %v, want %v", got, at(5003))
			}
		})
	}
}
