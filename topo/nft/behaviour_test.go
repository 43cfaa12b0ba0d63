package nft

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
)

// The second addresses of the client and of the server, each behind its first.
var (
	client2IP = [2]netip.Addr{netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("fd00:0:1::2")}
	server2IP = [2]netip.Addr{netip.MustParseAddr("198.18.1.2"), netip.MustParseAddr("2001:db8:1::2")}
)

// buildTwice is build with second addresses.
func buildTwice(t *testing.T) *network {
	t.Helper()
	n := build(t, false)
	n.second(n.client, client2IP, clientIP, "eth0")
	n.second(n.server, server2IP, serverIP, "eth1")
	n.names.Addresses["client2"], n.names.Addresses["server2"] = client2IP[:], server2IP[:]
	for fam := range client2IP {
		n.names.Inside = append(n.names.Inside, netip.PrefixFrom(client2IP[fam], client2IP[fam].BitLen()))
	}
	return n
}

// second gives a host an address that the router has a route to.
func (n *network) second(ns *netns.NS, ips, via [2]netip.Addr, out string) {
	n.t.Helper()
	for fam, ip := range ips {
		whole := &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(ip.BitLen(), ip.BitLen())}
		must(n.t, ns.Do(func() error {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			return netlink.AddrAdd(link, &netlink.Addr{IPNet: whole, Flags: unix.IFA_F_NODAD})
		}))
		must(n.t, n.router.Do(func() error {
			link, err := netlink.LinkByName(out)
			if err != nil {
				return err
			}
			return netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: whole, Gw: via[fam].AsSlice()})
		}))
	}
	n.awaitLocal(ns, ips[v6])
}

// shared lets several sockets have one port.
func shared(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
}

// udp is a socket in a namespace.
func (n *network) udp(ns *netns.NS, at netip.AddrPort) *net.UDPConn {
	n.t.Helper()
	var c net.PacketConn
	must(n.t, ns.Do(func() (err error) {
		c, err = (&net.ListenConfig{Control: shared}).ListenPacket(context.Background(), "udp", at.String())
		return err
	}))
	n.t.Cleanup(func() { c.Close() })
	return c.(*net.UDPConn)
}

// receive is the next datagram's sender, or invalid if none comes. A datagram that
// is let in is there at once: these links have no delay.
func receive(c *net.UDPConn, within time.Duration) netip.AddrPort {
	c.SetReadDeadline(time.Now().Add(within))
	_, from, err := c.ReadFromUDPAddrPort(make([]byte, 64))
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// mapped tells what the server sees of a datagram that the client sends.
func mapped(t *testing.T, client, server *net.UDPConn, to netip.AddrPort) netip.AddrPort {
	t.Helper()
	_, err := client.WriteToUDPAddrPort([]byte("x"), to)
	must(t, err)
	from := receive(server, deadline)
	if !from.IsValid() {
		t.Fatalf("nothing from %v at %v", client.LocalAddr(), to)
	}
	return from
}

var behaviours = []struct {
	d topo.Dependence
	// samePort and sameAddress tell whether another port of the address, and
	// another address, is treated alike.
	samePort, sameAddress bool
}{
	{topo.EndpointIndependent, true, true},
	{topo.AddressDependent, true, false},
	{topo.AddressAndPortDependent, false, false},
}

// eachBehaviour runs a test with all nine combinations over both families.
func eachBehaviour(t *testing.T, f func(t *testing.T, n *network, fam family, mapping, filtering int)) {
	for m, mapping := range behaviours {
		for i, filtering := range behaviours {
			t.Run(fmt.Sprintf("%s, %s", mapping.d, filtering.d), func(t *testing.T) {
				t.Parallel()
				n := buildTwice(t)
				n.apply(&topo.NAT{Outside: "server", Mapping: mapping.d, Filtering: filtering.d, Ports: topo.DefaultPorts})
				eachFamily(t, func(t *testing.T, fam family) { f(t, n, fam, m, i) })
			})
		}
	}
}

// TestUDPMapsAndFiltersAsNamed sends from one inside endpoint to two ports and
// another address, and back from where nothing was sent to (RFC 4787, REQ-1, REQ-8).
func TestUDPMapsAndFiltersAsNamed(t *testing.T) {
	t.Parallel()
	eachBehaviour(t, func(t *testing.T, n *network, fam family, mapping, filtering int) {
		client := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
		at := func(ip netip.Addr, port uint16) (*net.UDPConn, netip.AddrPort) {
			a := netip.AddrPortFrom(ip, port)
			return n.udp(n.server, a), a
		}
		first, firstAt := at(serverIP[fam], 1001)
		port, portAt := at(serverIP[fam], 1002)
		other, otherAt := at(server2IP[fam], 1001)

		seen := mapped(t, client, first, firstAt)
		if want := netip.AddrPortFrom(outsideIP[fam], 5000); seen != want {
			t.Errorf("the first is seen from %v, want %v", seen, want)
		}
		arrives := func(from *net.UDPConn, known netip.AddrPort, want bool) {
			t.Helper()
			_, err := from.WriteToUDPAddrPort([]byte("x"), seen)
			must(t, err)
			if got := receive(client, map[bool]time.Duration{true: deadline, false: 50 * time.Millisecond}[want]); (got == known) != want {
				t.Errorf("from %v: arrived from %v, want it to arrive: %t", known, got, want)
			}
		}
		f := behaviours[filtering]
		arrives(first, firstAt, true)
		arrives(port, portAt, f.samePort)
		arrives(other, otherAt, f.sameAddress)

		m := behaviours[mapping]
		port, portAt = at(serverIP[fam], 1003)
		other, otherAt = at(server2IP[fam], 1003)
		if again := mapped(t, client, port, portAt); (again == seen) != m.samePort {
			t.Errorf("toward another port seen from %v, first %v", again, seen)
		}
		if again := mapped(t, client, other, otherAt); (again == seen) != m.sameAddress {
			t.Errorf("toward another address seen from %v, first %v", again, seen)
		}
		if again := mapped(t, client, first, firstAt); again != seen {
			t.Errorf("toward the first again seen from %v, first %v", again, seen)
		}
	})
}

// TestTCPMapsAndFiltersAsNamed is the same for connections (RFC 5382, REQ-1,
// REQ-3).
func TestTCPMapsAndFiltersAsNamed(t *testing.T) {
	t.Parallel()
	eachBehaviour(t, func(t *testing.T, n *network, fam family, mapping, filtering int) {
		n.listenShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
		seen := func(ip netip.Addr, port uint16) netip.AddrPort {
			t.Helper()
			accepted := n.listenShared(n.server, netip.AddrPortFrom(ip, port))
			_, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000), netip.AddrPortFrom(ip, port))
			must(t, err)
			return addr(next(t, accepted).RemoteAddr())
		}
		first := seen(serverIP[fam], 1001)
		arrives := func(ip netip.Addr, port uint16, want bool) {
			t.Helper()
			_, err := n.dialShared(n.server, netip.AddrPortFrom(ip, port), first)
			if want && err != nil || !want && !errors.Is(err, unix.ETIMEDOUT) {
				t.Errorf("from %v:%d: %v, want it to connect: %t", ip, port, err, want)
			}
		}
		f := behaviours[filtering]
		arrives(serverIP[fam], 1002, f.samePort)
		arrives(server2IP[fam], 1001, f.sameAddress)
		m := behaviours[mapping]
		if again := seen(serverIP[fam], 1003); (again == first) != m.samePort {
			t.Errorf("toward another port seen from %v, first %v", again, first)
		}
		if again := seen(server2IP[fam], 1003); (again == first) != m.sameAddress {
			t.Errorf("toward another address seen from %v, first %v", again, first)
		}
	})
}

func (n *network) listenShared(in *netns.NS, at netip.AddrPort) <-chan net.Conn {
	n.t.Helper()
	var l net.Listener
	must(n.t, in.Do(func() (err error) {
		l, err = (&net.ListenConfig{Control: shared}).Listen(context.Background(), "tcp", at.String())
		return err
	}))
	n.t.Cleanup(func() { l.Close() })
	return n.accept(l)
}

// dialShared connects from an endpoint that other sockets may have too.
func (n *network) dialShared(in *netns.NS, from, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{Timeout: deadline, LocalAddr: net.TCPAddrFromAddrPort(from), Control: func(network, address string, c syscall.RawConn) error {
		return errors.Join(shared(network, address, c), hasty(network, address, c))
	}}
	return n.dialWith(in, d, to)
}

// connected connects an inside endpoint to a server, and returns both ends.
func connected(t *testing.T, n *network, from, to netip.AddrPort) (client, server net.Conn) {
	t.Helper()
	accepted := n.listenShared(n.server, to)
	client, err := n.dialShared(n.client, from, to)
	must(t, err)
	return client, next(t, accepted)
}

// TestNoPortIsShared maps two inside endpoints of one port, which Linux's own NAT
// would give the same outside port toward two destinations (RFC 4787, REQ-3).
func TestNoPortIsShared(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mapping topo.Dependence
		shared  bool
	}{{"", true}, {topo.EndpointIndependent, false}, {topo.AddressDependent, false}, {topo.AddressAndPortDependent, false}} {
		t.Run(string(c.mapping), func(t *testing.T) {
			n := buildTwice(t)
			n.apply(&topo.NAT{Outside: "server", Mapping: c.mapping, Filtering: topo.AddressAndPortDependent, Ports: topo.DefaultPorts})
			eachFamily(t, func(t *testing.T, fam family) {
				to1, to2 := netip.AddrPortFrom(serverIP[fam], 1001), netip.AddrPortFrom(serverIP[fam], 1002)
				one := mapped(t, n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000)), n.udp(n.server, to1), to1)
				two := mapped(t, n.udp(n.client, netip.AddrPortFrom(client2IP[fam], 5000)), n.udp(n.server, to2), to2)
				if (one == two) != c.shared {
					t.Errorf("seen from %v and %v", one, two)
				}
			})
		})
	}
}

// TestPoolRunsOut takes all ports, in turn, and wants the next flow dropped and
// counted until one is free again.
func TestPoolRunsOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		size    uint16
		shuffle bool
	}{{1, false}, {3, true}, {20, true}, {20, false}} {
		t.Run(fmt.Sprintf("%d, shuffle %t", c.size, c.shuffle), func(t *testing.T) {
			n := buildTwice(t)
			pool := topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40000 + c.size - 1}, Shuffle: c.shuffle}
			nat := &topo.NAT{
				Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: pool,
				Timeouts: map[string]time.Duration{"udp": 2 * time.Second},
			}
			eachFamily(t, func(t *testing.T, fam family) {
				n.apply(nat)
				to := netip.AddrPortFrom(serverIP[fam], 1001)
				server := n.udp(n.server, to)
				var got, want []uint16
				for i := range c.size {
					got = append(got, mapped(t, n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000+i)), server, to).Port())
					want = append(want, 40000+i)
				}
				if !slices.Equal(got, want) {
					t.Errorf("the ports are %v, want %v", got, want)
				}
				last := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 6000))
				_, err := last.WriteToUDPAddrPort([]byte("x"), to)
				must(t, err)
				await(t, "the NAT counts what got no port", func() bool { return n.packets(Exhausted) == 1 })
				await(t, "a port is free again", func() bool {
					last.WriteToUDPAddrPort([]byte("x"), to)
					return receive(server, 50*time.Millisecond).IsValid()
				})
			})
		})
	}
}

// TestAMappingLivesAsLongAsItsTraffic keeps a mapping alive, from either side, for
// longer than its timeout, and then not (RFC 4787, REQ-5, REQ-6).
func TestAMappingLivesAsLongAsItsTraffic(t *testing.T) {
	t.Parallel()
	nat := &topo.NAT{
		Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
		Ports:    topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40001}, Shuffle: true},
		Timeouts: map[string]time.Duration{"udp": 2 * time.Second, "udp_stream": 2 * time.Second},
	}
	for name, inward := range map[string]bool{"outbound": false, "inbound": true} {
		t.Run(name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, fam family) {
				t.Parallel()
				n := buildTwice(t)
				n.apply(nat)
				to, other := netip.AddrPortFrom(serverIP[fam], 1001), netip.AddrPortFrom(server2IP[fam], 1001)
				client := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
				server, stranger := n.udp(n.server, to), n.udp(n.server, other)
				seen := mapped(t, client, server, to)
				// The sleep is the silence that the mapping has to outlive each time,
				// well below its timeout, and waits for nothing.
				for began := time.Now(); time.Since(began) < 3*time.Second; time.Sleep(100 * time.Millisecond) {
					if inward {
						server.WriteToUDPAddrPort([]byte("x"), seen)
						receive(client, deadline)
					} else {
						mapped(t, client, server, to)
					}
				}
				stranger.WriteToUDPAddrPort([]byte("x"), seen)
				if got := receive(client, deadline); got != other {
					t.Fatalf("after 3 s of traffic the mapping is gone")
				}
				await(t, "the idle mapping is gone, and the stranger's flow", func() bool {
					return n.elements("taken-"+families[fam].keyword) == 0 && n.flowsOf(fam, unix.IPPROTO_UDP) == 0
				})
				stranger.WriteToUDPAddrPort([]byte("x"), seen)
				if got := receive(client, 50*time.Millisecond); got.IsValid() {
					t.Errorf("%v came in by a mapping that is gone", got)
				}
				if got := mapped(t, client, server, to); got == seen {
					t.Errorf("a new mapping has the port of the old one, %v: it was still there", got)
				}
			})
		})
	}
}

// TestMappingsOutliveRules changes the firewall under a mapping, and then lets the
// NAT forget it (RFC 4787, REQ-3, of the port that the mapping has).
func TestMappingsOutliveRules(t *testing.T) {
	t.Parallel()
	n := buildTwice(t)
	nat := &topo.NAT{
		Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
		Ports: topo.PortPool{PortRange: topo.PortRange{First: 40000, Last: 40009}, Shuffle: true},
	}
	n.apply(nat)
	eachFamily(t, func(t *testing.T, fam family) {
		to, other := netip.AddrPortFrom(serverIP[fam], 1001), netip.AddrPortFrom(server2IP[fam], 1001)
		client, server, stranger := n.udp(n.client, netip.AddrPortFrom(clientIP[fam], 5000)), n.udp(n.server, to), n.udp(n.server, other)
		seen := mapped(t, client, server, to)
		n.apply(nat, topo.Rule{Name: "all", Match: topo.Match{Proto: "udp"}, Action: topo.Accept})
		if _, err := stranger.WriteToUDPAddrPort([]byte("x"), seen); err != nil || receive(client, deadline) != other {
			t.Fatalf("the mapping is gone with the old rules: %v", err)
		}
		must(t, n.firewall.Apply(&Ruleset{}))
		must(t, n.firewall.FlushFlows())
		n.apply(nat)
		stranger.WriteToUDPAddrPort([]byte("x"), seen)
		if got := receive(client, 50*time.Millisecond); got.IsValid() {
			t.Errorf("the mapping has outlived a flush: %v came in", got)
		}
	})
}

// elements is how many elements one of the NAT's sets or maps has.
func (n *network) elements(name string) int {
	n.t.Helper()
	all, err := n.firewall.conn.GetSetElements(&nftables.Set{Table: table, Name: name})
	must(n.t, err)
	return len(all)
}
