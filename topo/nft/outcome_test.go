package nft

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// port is that of the server's listener.
const port = 80

var dport = topo.PortRange{First: port, Last: port}

// eachFamily runs a test over IPv4 and IPv6.
func eachFamily(t *testing.T, f func(t *testing.T, fam family)) {
	for fam := v4; fam <= v6; fam++ {
		t.Run(families[fam].name, func(t *testing.T) { f(t, fam) })
	}
}

// TestOutcomeOfEachAction: what connect(2) says to a firewall's answer, by
// family (net/ipv4/icmp.c, icmp_err_convert; net/ipv6/icmp.c, tab_unreach). On
// these links without delay an ICMPv6 answer comes while connect still holds the
// socket, is dropped (LockDroppedIcmps), and only that to the second SYN counts.
func TestOutcomeOfEachAction(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	for fam := v4; fam <= v6; fam++ {
		n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
	}
	for _, c := range []struct {
		name   string
		action topo.Action
		with   topo.RejectWith
		want   [2]error
	}{
		{"accept", topo.Accept, "", [2]error{nil, nil}},
		{"drop", topo.DropPacket, "", [2]error{unix.ETIMEDOUT, unix.ETIMEDOUT}},
		{"default", topo.Reject, "", [2]error{unix.ECONNREFUSED, unix.ECONNREFUSED}},
		{"tcp-reset", topo.Reject, topo.TCPReset, [2]error{unix.ECONNREFUSED, unix.ECONNREFUSED}},
		{"port-unreachable", topo.Reject, topo.PortUnreachable, [2]error{unix.ECONNREFUSED, unix.ECONNREFUSED}},
		{"host-unreachable", topo.Reject, topo.HostUnreachable, [2]error{unix.EHOSTUNREACH, unix.EHOSTUNREACH}},
		{"net-unreachable", topo.Reject, topo.NetUnreachable, [2]error{unix.ENETUNREACH, unix.ENETUNREACH}},
		{"admin-prohibited", topo.Reject, topo.AdminProhibited, [2]error{unix.EHOSTUNREACH, unix.EACCES}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for fam := v4; fam <= v6; fam++ {
				n.apply(nil, topo.Rule{Name: "web", Match: topo.Match{Dport: dport}, Action: c.action, With: c.with})
				_, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
				if !errors.Is(err, c.want[fam]) {
					t.Errorf("%s: connect: %v, want %v", families[fam].name, err, c.want[fam])
				}
				if got := n.packets("web"); got == 0 {
					t.Errorf("%s: the rule counted nothing", families[fam].name)
				}
			}
		})
	}
}

// TestOutcomeAtEachHook puts the same rejection on the way through, into and out
// of a node.
func TestOutcomeAtEachHook(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	n.listen(n.server, netip.AddrPortFrom(serverIP[v4], port))
	n.listen(n.router, netip.AddrPortFrom(insideIP[v4], port))
	for _, c := range []struct {
		hook     topo.Hook
		fromSelf bool
		to       netip.Addr
	}{
		{topo.Forward, false, serverIP[v4]},
		{topo.Input, false, insideIP[v4]},
		{topo.Output, true, serverIP[v4]},
	} {
		t.Run(string(c.hook), func(t *testing.T) {
			from := n.client
			if c.fromSelf {
				from = n.router
			}
			n.apply(nil)
			if _, err := n.dial(from, netip.AddrPortFrom(c.to, port), 0); err != nil {
				t.Fatalf("without rules: %v", err)
			}
			n.apply(nil, topo.Rule{Name: "web", Hook: c.hook, Match: topo.Match{Proto: "tcp", Dport: dport}, Action: topo.Reject, With: topo.TCPReset})
			if _, err := n.dial(from, netip.AddrPortFrom(c.to, port), 0); !errors.Is(err, unix.ECONNREFUSED) {
				t.Errorf("connect: %v, want ECONNREFUSED", err)
			}
			if got := n.packets("web"); got != 1 {
				t.Errorf("the rule counted %d packets, want the SYN", got)
			}
		})
	}
}
