package nft

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// addr is the address of a connection's end.
func addr(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// next is the next accepted connection.
func next(t *testing.T, accepted <-chan net.Conn) net.Conn {
	t.Helper()
	select {
	case c := <-accepted:
		return c
	case <-time.After(deadline):
		t.Fatalf("nothing accepted within %v", deadline)
		return nil
	}
}

// roundTrip sends a byte and wants it at the other end.
func roundTrip(from, to net.Conn) error {
	if _, err := from.Write([]byte("x")); err != nil {
		return err
	}
	to.SetReadDeadline(time.Now().Add(deadline))
	_, err := io.ReadFull(to, make([]byte, 1))
	return err
}

func TestNATShowsItsOwnAddress(t *testing.T) {
	t.Parallel()
	n := build(t, false)
	eachFamily(t, func(t *testing.T, fam family) {
		accepted := n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
		n.apply(&topo.NAT{Outside: "server"})
		c, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
		must(t, err)
		s := next(t, accepted)
		if got := addr(s.RemoteAddr()).Addr(); got != outsideIP[fam] {
			t.Errorf("the server sees %v, want %v", got, outsideIP[fam])
		}
		must(t, roundTrip(c, s))
		must(t, roundTrip(s, c))
		if u, s := n.packets(Untranslated), n.packets(Unsolicited); u != 0 || s != 0 {
			t.Errorf("%d untranslated, %d unsolicited packets, want none", u, s)
		}
	})
}

func TestPortForward(t *testing.T) {
	t.Parallel()
	n := build(t, false)
	const inside = 8080
	eachFamily(t, func(t *testing.T, fam family) {
		accepted := n.listen(n.client, netip.AddrPortFrom(clientIP[fam], inside))
		same := n.listen(n.client, netip.AddrPortFrom(clientIP[fam], port+1))
		n.apply(&topo.NAT{Outside: "server", Forward: []topo.PortForward{
			{Port: port, Node: "client", ToPort: inside}, {Port: port + 1, Node: "client"},
		}})
		c, err := n.dial(n.server, netip.AddrPortFrom(outsideIP[fam], port), 0)
		must(t, err)
		s := next(t, accepted)
		if got := addr(s.RemoteAddr()).Addr(); got != serverIP[fam] {
			t.Errorf("the inside sees %v, want %v", got, serverIP[fam])
		}
		must(t, roundTrip(c, s))
		must(t, roundTrip(s, c))
		if _, err := n.dial(n.server, netip.AddrPortFrom(outsideIP[fam], port+1), 0); err != nil {
			t.Errorf("forward to the same port: %v", err)
		}
		next(t, same)
		if _, err := n.dial(n.server, netip.AddrPortFrom(outsideIP[fam], port+2), 0); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("a port that is not forwarded: %v, want the router's ECONNREFUSED", err)
		}
	})
}

// TestUnsolicitedIsDropped gives the server a route to the private addresses,
// and wants its SYN not to get there, while answers do.
func TestUnsolicitedIsDropped(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	eachFamily(t, func(t *testing.T, fam family) {
		n.listen(n.client, netip.AddrPortFrom(clientIP[fam], port))
		n.apply(nil)
		if _, err := n.dial(n.server, netip.AddrPortFrom(clientIP[fam], port), 0); err != nil {
			t.Fatalf("without NAT: %v", err)
		}
		n.apply(&topo.NAT{Outside: "server"})
		if _, err := n.dial(n.server, netip.AddrPortFrom(clientIP[fam], port), 0); !errors.Is(err, unix.ETIMEDOUT) {
			t.Errorf("connect: %v, want ETIMEDOUT", err)
		}
		if got := n.packets(Unsolicited); got == 0 {
			t.Errorf("%s counted nothing", Unsolicited)
		}
	})
}

// TestForgottenFlowIsDropped lets conntrack forget an idle connection. What the
// client then sends must not cross the NAT: a rule of the user's on invalid
// packets gets it, or the NAT's own.
func TestForgottenFlowIsDropped(t *testing.T) {
	t.Parallel()
	unknown := topo.Rule{Name: "unknown-flow", Match: topo.Match{Proto: "tcp", State: "invalid"}, Action: topo.DropPacket}
	for _, c := range []struct {
		name, by string
		rules    []topo.Rule
	}{
		{"by the user's rule", unknown.Name, []topo.Rule{unknown}},
		{"by the NAT", Untranslated, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachFamily(t, func(t *testing.T, fam family) {
				n := build(t, true)
				leaked := n.witness()
				accepted := n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
				n.apply(&topo.NAT{Outside: "server", Timeouts: map[string]time.Duration{"tcp_established": time.Second}}, c.rules...)
				client, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
				must(t, err)
				must(t, roundTrip(client, next(t, accepted)))
				await(t, "conntrack forgets the flow", func() bool { return n.flows(fam) == 0 })

				_, err = client.Write([]byte("still there?"))
				must(t, err)
				await(t, c.by+" counts the segment and its retransmission", func() bool { return n.packets(c.by) >= 2 })
				if got := leaked(); got != 0 {
					t.Errorf("%d packets crossed the NAT with a private address", got)
				}
				n.apply(nil)
				await(t, "without NAT the next retransmission crosses", func() bool { return leaked() > 0 })
			})
		})
	}
}

// witness counts what arrives at the server with the client's private address.
func (n *network) witness() func() uint64 {
	n.t.Helper()
	h, err := Open(n.server)
	must(n.t, err)
	n.t.Cleanup(func() { h.Close() })
	r, err := Compile(&topo.Node{Name: "server", Role: topo.Host, Firewall: []topo.Rule{
		{Name: "private", Match: topo.Match{From: "client"}, Action: topo.Accept},
	}}, n.names)
	must(n.t, err)
	must(n.t, h.Apply(r))
	return func() uint64 {
		counts, err := h.Counters()
		must(n.t, err)
		return counts[0].Packets
	}
}
