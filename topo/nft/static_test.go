package nft

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// staticIP is an outside address that is the client's alone.
var staticIP = [2]netip.Addr{netip.MustParseAddr("198.18.2.9"), netip.MustParseAddr("2001:db8:2::9")}

// TestStaticIsAnAddressOfItsOwn connects from and to a host with a static outside
// address: it is seen from there, with its own ports, and all of its ports are there,
// whatever the NAT's ports and filtering. The host next to it has the NAT's address.
func TestStaticIsAnAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		n.static(fam)
		nat := *n.nat
		nat.Static = []topo.StaticNAT{{Node: "client", Address: staticIP[fam]}}
		if nat.Mapping != "" {
			nat.Ports = topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40009}, Shuffle: true}
		}
		n.apply(&nat)

		tcp := func(from netip.AddrPort, to uint16) netip.AddrPort {
			t.Helper()
			c, s := connected(t, n, from, netip.AddrPortFrom(serverIP[fam], to))
			must(t, roundTrip(c, s))
			must(t, roundTrip(s, c))
			return addr(s.RemoteAddr())
		}
		for i, from := range []uint16{5000, 80} {
			if got, want := tcp(netip.AddrPortFrom(clientIP[fam], from), 1001+uint16(i)), netip.AddrPortFrom(staticIP[fam], from); got != want {
				t.Errorf("a connection comes from %v, want %v", got, want)
			}
		}
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		if got, want := mapped(t, n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000)), n.udp(n.server, to), to), netip.AddrPortFrom(staticIP[fam], 5000); got != want {
			t.Errorf("a datagram comes from %v, want %v", got, want)
		}
		if got := tcp(netip.AddrPortFrom(client2IP[fam], 5000), 1003).Addr(); got != outsideIP[fam] {
			t.Errorf("the host next to it is seen from %v, want %v", got, outsideIP[fam])
		}

		for _, p := range []uint16{22, 8080, 40000} {
			accepted := n.listenShared(n.client, netip.AddrPortFrom(clientIP[fam], p))
			c, err := n.dial(n.server, netip.AddrPortFrom(staticIP[fam], p), 0)
			if err != nil {
				t.Errorf("connect to port %d: %v", p, err)
				continue
			}
			s := next(t, accepted)
			if got := addr(s.RemoteAddr()).Addr(); got != serverIP[fam] {
				t.Errorf("the inside sees %v, want %v", got, serverIP[fam])
			}
			must(t, roundTrip(c, s))
			must(t, roundTrip(s, c))
		}
		// A port where the router listens and the client does not.
		n.listen(n.router, netip.AddrPortFrom(staticIP[fam], 23))
		if _, err := n.dial(n.server, netip.AddrPortFrom(staticIP[fam], 23), 0); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("connect to a port that the client does not have: %v, want its ECONNREFUSED", err)
		}
	})
}

// static gives the router a second outside address of a family, and the server a route
// to it.
func (n *network) static(fam family) {
	n.t.Helper()
	ip := staticIP[fam]
	whole := &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())}
	must(n.t, n.router.Do(func() error {
		link, err := netlink.LinkByName("eth1")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(link, &netlink.Addr{IPNet: whole, Flags: unix.IFA_F_NODAD})
	}))
	must(n.t, n.server.Do(func() error {
		return netlink.RouteAdd(&netlink.Route{Dst: whole, Gw: outsideIP[fam].AsSlice(), Src: serverIP[fam].AsSlice()})
	}))
	if fam == v6 {
		n.awaitLocal(n.router, ip)
	}
	n.names.Own["server"] = append(slices.Clip(n.names.Own["server"]), netip.PrefixFrom(ip, ip.BitLen()))
}
