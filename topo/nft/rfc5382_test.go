package nft

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo"
	"testbed/topo/netns"
)

// eachNAT runs a test with Linux's own NAT and with each filtering, over both
// families.
func eachNAT(t *testing.T, f func(t *testing.T, n *network, fam family)) {
	nats := map[string]topo.NAT{"linux": {}}
	for _, b := range behaviours {
		nats[string(b.d)] = topo.NAT{Mapping: topo.EndpointIndependent, Filtering: b.d, Ports: topo.DefaultPorts}
	}
	for name, nat := range nats {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			nat.Outside = "server"
			eachFamily(t, func(t *testing.T, fam family) {
				n.nat = &nat
				n.apply(&nat)
				f(t, n, fam)
			})
		})
	}
}

// firewallIn gives another node a firewall, and tells what its only rule counted.
func (n *network) firewallIn(ns *netns.NS, r topo.Rule) func() uint64 {
	n.t.Helper()
	h, err := Open(ns)
	must(n.t, err)
	n.t.Cleanup(func() { h.Close() })
	r.Name, r.Hook = "rule", topo.Input
	rules, err := Compile(&topo.Node{Name: "other", Firewall: []topo.Rule{r}}, n.names)
	must(n.t, err)
	must(n.t, h.Apply(rules))
	n.t.Cleanup(func() { h.Apply(&Ruleset{}) })
	return func() uint64 {
		counts, err := h.Counters()
		must(n.t, err)
		return counts[0].Packets
	}
}

// dialing connects in the background.
func (n *network) dialing(in *netns.NS, from, to netip.AddrPort) <-chan net.Conn {
	done := make(chan net.Conn, 1)
	go func() {
		c, err := n.dialShared(in, from, to)
		if err != nil {
			n.t.Errorf("connect %v to %v: %v", from, to, err)
			close(done)
			return
		}
		done <- c
	}()
	return done
}

// bothWays wants two ends of one connection to hear each other.
func bothWays(t *testing.T, a, b <-chan net.Conn) {
	t.Helper()
	one, other := next(t, a), next(t, b)
	if one == nil || other == nil {
		t.Fatal("no connection")
	}
	must(t, roundTrip(one, other))
	must(t, roundTrip(other, one))
}

// TestSimultaneousOpen loses the client's SYN behind the NAT and has the server
// connect to where it came from (RFC 5382, REQ-2 b).
func TestSimultaneousOpen(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		lost := n.firewallIn(n.server, topo.Rule{Match: topo.Match{Flags: topo.SYN, Nth: 1}, Action: topo.DropPacket})
		inside, to := netip.AddrPortFrom(clientIP[fam], 5000), netip.AddrPortFrom(serverIP[fam], 1001)
		client := n.dialing(n.client, inside, to)
		await(t, "the client's SYN is lost", func() bool { return lost() == 1 })
		bothWays(t, client, n.dialing(n.server, to, netip.AddrPortFrom(outsideIP[fam], 5000)))
	})
}

// TestUnsolicitedSYNIsNotAnswered has the server connect first. The NAT drops its
// SYN without a word, and the client's makes it one connection (RFC 5382, REQ-4).
// Linux's own NAT answers with RST, for itself.
func TestUnsolicitedSYNIsNotAnswered(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		inside, to := netip.AddrPortFrom(clientIP[fam], 5000), netip.AddrPortFrom(serverIP[fam], 1001)
		at := netip.AddrPortFrom(outsideIP[fam], 5000)
		if strings.Contains(t.Name(), "linux") {
			if _, err := n.dialShared(n.server, to, at); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("connect: %v, want ECONNREFUSED", err)
			}
			return
		}
		server := n.dialing(n.server, to, at)
		await(t, "the server's SYN is dropped", func() bool { return n.packets(Unsolicited) == 1 })
		bothWays(t, n.dialing(n.client, inside, to), server)
	})
}

// TestARoutersOwnPortsAnswer wants a NAT that drops what is unsolicited to leave
// its own servers reachable.
func TestARoutersOwnPortsAnswer(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		n.listen(n.router, netip.AddrPortFrom(outsideIP[fam], 22))
		if _, err := n.dial(n.server, netip.AddrPortFrom(outsideIP[fam], 22), 0); err != nil {
			t.Errorf("from outside: %v", err)
		}
	})
}

// TestNoTCPPortIsShared connects two inside endpoints of one port to two servers
// (RFC 5382, REQ-7).
func TestNoTCPPortIsShared(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		seen := func(from netip.Addr, port uint16) netip.AddrPort {
			_, server := connected(t, n, netip.AddrPortFrom(from, 5000), netip.AddrPortFrom(serverIP[fam], port))
			return addr(server.RemoteAddr())
		}
		one, two := seen(clientIP[fam], 1001), seen(client2IP[fam], 1002)
		if linux := strings.Contains(t.Name(), "linux"); (one == two) != linux {
			t.Errorf("seen from %v and %v", one, two)
		}
	})
}

// TestHairpinning sends from one inside endpoint to the outside endpoint of
// another: it comes from the first one's own outside endpoint, if the filtering lets
// it in (RFC 5382, REQ-8; RFC 4787, REQ-9).
func TestHairpinning(t *testing.T) {
	t.Parallel()
	for i, b := range behaviours {
		t.Run(string(b.d), func(t *testing.T) {
			t.Parallel()
			n := buildTwice(t)
			n.apply(&topo.NAT{Outside: "server", Mapping: topo.EndpointIndependent, Filtering: b.d, Hairpin: true, Ports: topo.DefaultPorts})
			eachFamily(t, func(t *testing.T, fam family) {
				endpoint := func(ip netip.Addr, port uint16) (*net.UDPConn, netip.AddrPort) {
					return n.udp(n.client, netip.AddrPortFrom(ip, port)), netip.AddrPortFrom(outsideIP[fam], port)
				}
				one, oneAt := endpoint(clientIP[fam], 5001)
				two, twoAt := endpoint(client2IP[fam], 5002)
				to := netip.AddrPortFrom(serverIP[fam], 1001)
				mapped(t, one, n.udp(n.server, to), to)
				comes := func(want bool) {
					t.Helper()
					_, err := two.WriteToUDPAddrPort([]byte("x"), oneAt)
					must(t, err)
					got := receive(one, map[bool]time.Duration{true: deadline, false: 50 * time.Millisecond}[want])
					if got.IsValid() != want || want && got != twoAt {
						t.Errorf("arrived from %v, want it to arrive from %v: %t", got, twoAt, want)
					}
				}
				comes(i == 0)
				one.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(outsideIP[fam], 5003)) // another port of the address
				comes(i <= 1)
				one.WriteToUDPAddrPort([]byte("x"), twoAt)
				comes(true)
			})
		})
	}
}

// TestWithoutHairpinning the inside does not reach the inside by the NAT's
// address.
func TestWithoutHairpinning(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		n.listenShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000))
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		n.listenShared(n.server, to)
		_, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000), to)
		must(t, err)
		_, err = n.dialShared(n.client, netip.AddrPortFrom(client2IP[fam], 6000), netip.AddrPortFrom(outsideIP[fam], 5000))
		if !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("connect: %v, want the router's ECONNREFUSED", err)
		}
	})
}

// TestICMPErrorsAreTranslated has the server reject a SYN, and wants the client to
// hear of it (RFC 5382, REQ-9).
func TestICMPErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		n.firewallIn(n.server, topo.Rule{Match: topo.Match{Flags: topo.SYN}, Action: topo.Reject, With: topo.HostUnreachable})
		_, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], 1001), 0)
		if !errors.Is(err, unix.EHOSTUNREACH) {
			t.Errorf("connect: %v, want EHOSTUNREACH", err)
		}
	})
}

// TestICMPErrorsEndNoMapping rejects a segment of a connection that is open. The
// client hears of it, and the connection goes on (RFC 5382, REQ-10).
func TestICMPErrorsEndNoMapping(t *testing.T) {
	t.Parallel()
	eachNAT(t, func(t *testing.T, n *network, fam family) {
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		accepted := n.listenShared(n.server, to)
		c, err := n.dialShared(n.client, netip.AddrPortFrom(clientIP[fam], 5000), to)
		must(t, err)
		s := next(t, accepted)
		rejected := n.firewallIn(n.server, topo.Rule{
			Match:  topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 1001, Last: 1001}, Nth: 1},
			Action: topo.Reject, With: topo.HostUnreachable,
		})
		before := n.unreachables(n.client)
		must(t, roundTrip(c, s))
		if got := n.unreachables(n.client) - before; rejected() != 1 || got != 1 {
			t.Errorf("%d segments rejected, and the client got %d ICMP errors, want one each", rejected(), got)
		}
		must(t, roundTrip(s, c))
	})
}

// unreachables are the ICMP errors of unreachable destinations that a node got.
func (n *network) unreachables(ns *netns.NS) (all int) {
	n.t.Helper()
	must(n.t, ns.Do(func() error {
		v6, err := os.ReadFile("/proc/thread-self/net/snmp6")
		if err != nil {
			return err
		}
		for line := range bytes.Lines(v6) {
			if f := strings.Fields(string(line)); f[0] == "Icmp6InDestUnreachs" {
				k, _ := strconv.Atoi(f[1])
				all += k
			}
		}
		v4, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		var names []string
		for line := range bytes.Lines(v4) {
			f := strings.Fields(string(line))
			if f[0] != "Icmp:" {
				continue
			}
			if names == nil {
				names = f
				continue
			}
			for i, name := range names {
				if name == "InDestUnreachs" {
					k, _ := strconv.Atoi(f[i])
					all += k
				}
			}
		}
		return nil
	}))
	return all
}

// TestTimeoutsThatMeetREQ5 wants conntrack to give flows the lifetimes of RFC 5382,
// REQ-5, where the NAT's timeouts say so.
func TestTimeoutsThatMeetREQ5(t *testing.T) {
	t.Parallel()
	const transitory = 4 * time.Minute
	timeouts := map[string]time.Duration{"tcp_established": 2*time.Hour + 4*time.Minute}
	for state := range topo.NATTimeouts {
		if strings.HasPrefix(state, "tcp") && state != "tcp_established" {
			timeouts[state] = transitory
		}
	}
	n := buildTwice(t)
	n.apply(&topo.NAT{
		Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent,
		Ports: topo.DefaultPorts, Timeouts: timeouts,
	})
	eachFamily(t, func(t *testing.T, fam family) {
		to := netip.AddrPortFrom(serverIP[fam], 1001)
		lives := func(what string, want time.Duration) {
			t.Helper()
			left := n.lifetime(fam)
			if left > want || left < want-30*time.Second {
				t.Errorf("%s: the flow has %v left, want %v", what, left, want)
			}
		}
		lost := n.firewallIn(n.server, topo.Rule{Match: topo.Match{Flags: topo.SYN, Nth: 1}, Action: topo.DropPacket})
		accepted := n.listenShared(n.server, to)
		client := n.dialing(n.client, netip.AddrPortFrom(clientIP[fam], 5000), to)
		await(t, "the SYN is lost", func() bool { return lost() == 1 })
		lives("half open", transitory)
		c := next(t, client)
		must(t, roundTrip(c, next(t, accepted)))
		lives("established", timeouts["tcp_established"])
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		await(t, "the reset has crossed", func() bool { return n.lifetime(fam) <= transitory })
		lives("reset", transitory)
		must(t, n.firewall.FlushFlows())
	})
}

// lifetime is how long the only TCP flow of a family is kept.
func (n *network) lifetime(fam family) time.Duration { return n.lifetimeOf(fam, unix.IPPROTO_TCP) }

func (n *network) lifetimeOf(fam family, protocol uint8) (left time.Duration) {
	n.t.Helper()
	must(n.t, n.router.Do(func() error {
		all, err := netlink.ConntrackTableList(netlink.ConntrackTable, netlink.InetFamily([]int{unix.AF_INET, unix.AF_INET6}[fam]))
		for _, f := range all {
			if f.Forward.Protocol == protocol {
				left = time.Duration(f.TimeOut) * time.Second
			}
		}
		return err
	}))
	return left
}
