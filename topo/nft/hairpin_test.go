package nft

import (
	"net/netip"
	"testing"
	"time"

	"testbed/topo"
)

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
