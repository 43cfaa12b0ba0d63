package nft

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/topo"
)

// TestEachCondition connects once, over each family, to a closed port, and asks
// whether a rule matched the SYN. The server's answer is let through before it.
func TestEachCondition(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	const source = 40000
	all, high := topo.PortRange{First: 1, Last: 65535}, topo.PortRange{First: 81, Last: 65535}
	yes, no := [2]bool{true, true}, [2]bool{}
	for _, c := range []struct {
		name  string
		match topo.Match
		want  [2]bool
	}{
		{"everything", topo.Match{}, yes},
		{"proto", topo.Match{Proto: "tcp"}, yes},
		{"other proto", topo.Match{Proto: "udp"}, no},
		{"dport", topo.Match{Proto: "tcp", Dport: dport}, yes},
		{"dport of any protocol", topo.Match{Dport: dport}, yes},
		{"dport of another protocol", topo.Match{Proto: "udp", Dport: dport}, no},
		{"dports", topo.Match{Dport: topo.PortRange{First: port, Last: port + 1}}, yes},
		{"all dports", topo.Match{Proto: "tcp", Dport: all}, yes},
		{"higher dports", topo.Match{Proto: "tcp", Dport: high}, no},
		{"lower dports", topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 1, Last: port - 1}}, no},
		{"sport", topo.Match{Sport: topo.PortRange{First: source, Last: source}}, yes},
		{"other sport", topo.Match{Sport: topo.PortRange{First: source + 1, Last: source + 9}}, no},
		{"from node", topo.Match{From: "client"}, yes},
		{"from another node", topo.Match{From: "server"}, no},
		{"to node", topo.Match{To: "server", Proto: "tcp", Dport: dport}, yes},
		{"from node to node", topo.Match{From: "client", To: "server"}, yes},
		{"from a node of many addresses", topo.Match{From: "router"}, no},
		{"from IPv4 prefix", topo.Match{From: "10.0.0.0/8"}, [2]bool{true, false}},
		{"from IPv6 prefix to node", topo.Match{From: "fd00::/16", To: "server"}, [2]bool{false, true}},
		{"from all of IPv6", topo.Match{From: "::/0"}, [2]bool{false, true}},
		{"from another prefix", topo.Match{From: "10.0.0.4/30"}, no},
		{"in", topo.Match{In: "client"}, yes},
		{"in from elsewhere", topo.Match{In: "server"}, no},
		{"in and out", topo.Match{In: "client", Out: "server"}, yes},
		{"out elsewhere", topo.Match{Out: "client"}, no},
		{"SYN", topo.Match{Flags: topo.SYN}, yes},
		{"SYN-ACK", topo.Match{Flags: topo.SYN | topo.ACK}, no},
		{"ACK", topo.Match{Flags: topo.ACK}, no},
		{"new", topo.Match{State: "new"}, yes},
		{"established", topo.Match{State: "established"}, no},
		{"invalid", topo.Match{State: "invalid"}, no},
		{"probability 1", topo.Match{Probability: 1}, yes},
		{"probability close to 0", topo.Match{Probability: 1e-9}, no},
		{"rate", topo.Match{Rate: topo.Rate{Packets: 1, Per: "day"}}, yes},
		{"first", topo.Match{Nth: 1, From: "client"}, yes},
		{"second", topo.Match{Nth: 2}, no},
	} {
		t.Run(c.name, func(t *testing.T) {
			for fam := v4; fam <= v6; fam++ {
				n.apply(nil,
					topo.Rule{Name: "answer", Match: topo.Match{Flags: topo.RST | topo.ACK}, Action: topo.Accept},
					topo.Rule{Name: "it", Match: c.match, Action: topo.Accept})
				if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[fam], port), source); !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("%s: connect: %v, want ECONNREFUSED", families[fam].name, err)
				}
				want := uint64(0)
				if c.want[fam] {
					want = 1
				}
				if got := n.packets("it"); got != want || n.packets("answer") != 1 {
					t.Errorf("%s: the rule counted %d SYN, want %d; %d answers, want 1", families[fam].name, got, want, n.packets("answer"))
				}
			}
		})
	}
}

// TestNthIsExactlyTheNth opens connections over alternating families, and wants
// only the n-th SYN rejected, whatever other packets pass.
func TestNthIsExactlyTheNth(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	for fam := v4; fam <= v6; fam++ {
		n.listen(n.server, netip.AddrPortFrom(serverIP[fam], port))
	}
	for _, nth := range []int{1, 2, 3, 5} {
		n.apply(nil, topo.Rule{
			Name: "nth", Match: topo.Match{From: "client", Flags: topo.SYN, Dport: dport, Nth: nth},
			Action: topo.Reject, With: topo.TCPReset,
		})
		for i := 1; i <= 6; i++ {
			_, err := n.dial(n.client, netip.AddrPortFrom(serverIP[i%2], port), 0)
			if i == nth && !errors.Is(err, unix.ECONNREFUSED) || i != nth && err != nil {
				t.Errorf("nth %d: connect %d: %v", nth, i, err)
			}
		}
		if got := n.packets("nth"); got != 1 {
			t.Errorf("nth %d: the rule counted %d packets, want 1", nth, got)
		}
	}
}

// TestRateLetsTheRestPass accepts what comes slowly and rejects the rest: the
// burst passes, and no more within a day.
func TestRateLetsTheRestPass(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	n.listen(n.server, netip.AddrPortFrom(serverIP[v4], port))
	n.apply(nil,
		topo.Rule{Name: "slow", Match: topo.Match{Flags: topo.SYN, Rate: topo.Rate{Packets: 1, Per: "day"}}, Action: topo.Accept},
		topo.Rule{Name: "fast", Match: topo.Match{Flags: topo.SYN}, Action: topo.Reject, With: topo.TCPReset})
	connected := 0
	for range defaultBurst + 3 {
		if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[v4], port), 0); err == nil {
			connected++
		}
	}
	if connected != defaultBurst || n.packets("slow") != defaultBurst || n.packets("fast") != 3 {
		t.Errorf("%d connected, %d slow, %d fast; want %d, %d, 3", connected, n.packets("slow"), n.packets("fast"), defaultBurst, defaultBurst)
	}
}

// TestRulesAreTriedInOrder wants the first rule that matches to decide, and only
// it to count.
func TestRulesAreTriedInOrder(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	n.listen(n.server, netip.AddrPortFrom(serverIP[v4], port))
	n.apply(nil,
		topo.Rule{Name: "other", Match: topo.Match{Proto: "udp"}, Action: topo.DropPacket},
		topo.Rule{Name: "let it pass", Match: topo.Match{From: "client", To: "server"}, Action: topo.Accept},
		topo.Rule{Name: "too late", Match: topo.Match{From: "client"}, Action: topo.DropPacket})
	if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[v4], port), 0); err != nil {
		t.Error(err)
	}
	counts, err := n.firewall.Counters()
	must(t, err)
	if len(counts) != 3 || counts[0].Packets != 0 || counts[1].Packets < 2 || counts[1].Bytes < 2*40 || counts[2].Packets != 0 {
		t.Errorf("counters %+v", counts)
	}
	if counts[0].Rule != "other" || counts[1].Action != topo.Accept || counts[2].Rule != "too late" {
		t.Errorf("counters %+v are not in the order of the rules", counts)
	}
}

// TestApplyAgainReplaces wants new rules to start at zero, the old ones gone,
// and the empty ruleset to leave nothing.
func TestApplyAgainReplaces(t *testing.T) {
	t.Parallel()
	n := build(t, true)
	n.listen(n.server, netip.AddrPortFrom(serverIP[v4], port))
	web := topo.Rule{Name: "web", Match: topo.Match{From: "client", Dport: dport}, Action: topo.Reject}
	for range 3 {
		n.apply(nil, web)
		if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[v4], port), 0); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("connect: %v, want ECONNREFUSED", err)
		}
		if got := n.packets("web"); got != 1 {
			t.Errorf("the rule counted %d packets, want 1", got)
		}
	}
	n.apply(nil)
	if _, err := n.dial(n.client, netip.AddrPortFrom(serverIP[v4], port), 0); err != nil {
		t.Errorf("connect without rules: %v", err)
	}
	if counts, err := n.firewall.Counters(); err != nil || len(counts) != 0 {
		t.Errorf("counters %v, %v; want none", counts, err)
	}
}
