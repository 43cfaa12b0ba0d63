package nft

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestBurstIsHowManyMayCome is TestRateLetsTheRestPass with a burst of its own, over
// both families together.
func TestBurstIsHowManyMayCome(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	for fam := v4; fam <= v6; fam++ {
		n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
	}
	const burst = 3
	n.apply(nil,
		topo.Rule{Name: "slow", Match: topo.Match{Flags: topo.SYN, From: "client", Rate: topo.Rate{Packets: 1, Per: "day", Burst: burst}}, Action: topo.Accept},
		topo.Rule{Name: "fast", Match: topo.Match{Flags: topo.SYN}, Action: topo.Reject, With: topo.TCPReset})
	for i := range burst + 2 {
		_, err := n.dial(n.client, netip.AddrPortFrom(serverIP[i%2], port), 0)
		if i < burst && err != nil || i >= burst && !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("connect %d: %v", i+1, err)
		}
	}
	if n.packets("slow") != burst || n.packets("fast") != 2 {
		t.Errorf("%d slow, %d fast; want %d, 2", n.packets("slow"), n.packets("fast"), burst)
	}
}

// TestFlagsOfAConversation counts each kind of segment of a connection that the client
// closes.
func TestFlagsOfAConversation(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, fam family) {
		n := build(t, true)
		n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
		var rules []topo.Rule
		for _, m := range []topo.Match{
			{Flags: topo.SYN}, {Flags: topo.SYN | topo.ACK}, {Flags: topo.ACK, From: "client"}, {Flags: topo.FIN | topo.ACK, From: "client"}, {Flags: topo.RST},
		} {
			rules = append(rules, topo.Rule{Name: m.Flags.String(), Match: m, Action: topo.Accept})
		}
		n.apply(nil, rules...)
		conn, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
		must(t, err)
		await(t, "the ACK has passed", func() bool { return n.packets("ACK") == 1 })
		must(t, conn.Close())
		await(t, "the FIN has passed", func() bool { return n.packets("FIN-ACK") == 1 })
		for rule, want := range map[string]uint64{"SYN": 1, "SYN-ACK": 1, "RST": 0} {
			if got := n.packets(rule); got != want {
				t.Errorf("%s counted %d, want %d", rule, got, want)
			}
		}
	})
}

// TestStatesOfAConversation wants the SYN to be new, and what follows established.
func TestStatesOfAConversation(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, fam family) {
		n := build(t, true)
		n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
		var rules []topo.Rule
		for _, s := range []string{"new", "established", "related", "invalid"} {
			rules = append(rules, topo.Rule{Name: s, Match: topo.Match{State: s, Proto: "tcp"}, Action: topo.Accept})
		}
		n.apply(nil, rules...)
		_, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), 0)
		must(t, err)
		await(t, "SYN-ACK and ACK are established", func() bool { return n.packets("established") == 2 })
		if n.packets("new") != 1 || n.packets("invalid") != 0 {
			t.Errorf("new %d, invalid %d; want 1, 0", n.packets("new"), n.packets("invalid"))
		}
	})
}

// datagrams is a socket of the client's that is connected to a port which nobody has.
func (n *network) datagrams(fam family) (conn net.Conn) {
	n.t.Helper()
	must(n.t, n.client.Do(func() (err error) {
		conn, err = net.Dial("udp", netip.AddrPortFrom(serverIP[fam], 9).String())
		return err
	}))
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestAnErrorIsRelated wants the ICMP error about a datagram to be related to its
// flow.
func TestAnErrorIsRelated(t *testing.T) {
	t.Parallel()
	eachFamily(t, func(t *testing.T, fam family) {
		n := build(t, true)
		n.apply(nil,
			topo.Rule{Name: "related", Match: topo.Match{State: "related", From: "server"}, Action: topo.Accept},
			topo.Rule{Name: "other", Match: topo.Match{From: "server"}, Action: topo.Accept})
		_, err := n.datagrams(fam).Write([]byte("x"))
		must(t, err)
		await(t, "the error has passed", func() bool { return n.packets("related")+n.packets("other") > 0 })
		if n.packets("related") != 1 {
			t.Errorf("related counted %d, other %d; want 1, 0", n.packets("related"), n.packets("other"))
		}
	})
}

// TestProbabilityIsAShare sends many datagrams past a rule that is to match half of
// them. The bounds are more than six standard deviations away.
func TestProbabilityIsAShare(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	const sent = 2000
	n.apply(nil,
		topo.Rule{Name: "half", Match: topo.Match{Proto: "udp", From: "client", Probability: 0.5}, Action: topo.DropPacket},
		topo.Rule{Name: "rest", Match: topo.Match{Proto: "udp", From: "client"}, Action: topo.DropPacket})
	for fam := v4; fam <= v6; fam++ {
		conn := n.datagrams(fam)
		for range sent / 2 {
			_, err := conn.Write([]byte("x"))
			must(t, err)
		}
	}
	await(t, "all datagrams have passed", func() bool { return n.packets("half")+n.packets("rest") == sent })
	if got := n.packets("half"); got < 850 || got > 1150 {
		t.Errorf("%d of %d matched a probability of a half", got, sent)
	}
}
