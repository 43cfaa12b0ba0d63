package build_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"testbed/agents"
	"testbed/agents/tcp"
	"testbed/netem"
	"testbed/topo"
	"testbed/topo/build"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

func TestMain(m *testing.M) { sandbox.TestMain(m) }

// chain is client – fw – server, with a delay each way on both links.
func chain(delay time.Duration) *topo.Topology {
	both := [2]netem.Impairment{{Delay: delay}, {Delay: delay}}
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host, Sysctls: []topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "1"}, {Name: "net.ipv4.tcp_syn_linear_timeouts", Value: "0", Optional: true}}},
			{Name: "fw", Role: topo.Router},
			{Name: "server", Role: topo.Host},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "fw"}, Toward: both}, {Ends: [2]string{"fw", "server"}, Toward: both}},
	}
}

func up(t *testing.T, topology *topo.Topology, o build.Options) *build.Network {
	t.Helper()
	n, err := build.Up(topology, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func serve(t *testing.T, n *build.Network, node int) {
	t.Helper()
	l, err := tcp.Listen(n.Nodes[node].NS, 80, 16, tcp.Echo)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
}

func connect(t *testing.T, n *build.Network, from int, to string, v4 bool) *tcp.Attempt {
	t.Helper()
	addr, err := netip.ParseAddr(to)
	if err != nil {
		addr = n.Plan.Resolve(from, n.Plan.Topology.NodeIndex(to), v4)
	}
	a, err := tcp.Connect(context.Background(), n.Nodes[from].NS, netip.AddrPortFrom(addr, 80), tcp.Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if a.Conn != nil {
		t.Cleanup(func() { a.Conn.Close() })
	}
	return a
}

func TestConnectTakesNoLessThanTheRTT(t *testing.T) {
	n := up(t, chain(5*time.Millisecond), build.Options{})
	serve(t, n, 2)
	for _, v4 := range []bool{true, false} {
		a := connect(t, n, 0, "server", v4)
		if a.Outcome != agents.Connected || a.Elapsed < 20*time.Millisecond {
			t.Errorf("IPv4 %t: %s after %v, want connected after at least 20ms", v4, a.Outcome, a.Elapsed)
		}
	}
}

func TestTheErrnoSaysWhatHappened(t *testing.T) {
	for _, c := range []struct {
		name   string
		to     string
		change func(*topo.Topology)
		want   agents.Outcome
	}{
		{"closed port", "fw", nil, agents.Refused},
		{"router without a route", "203.0.113.1", nil, agents.NetworkUnreachable},
		{"reject with a reset", "server", func(t *topo.Topology) {
			t.Nodes[1].Firewall = []topo.Rule{{Name: "r", Hook: topo.Forward, Match: topo.Match{Proto: "tcp"}, Action: topo.Reject, With: topo.TCPReset}}
		}, agents.Refused},
		{"reject as host unreachable", "server", func(t *topo.Topology) {
			t.Nodes[1].Firewall = []topo.Rule{{Name: "r", Hook: topo.Forward, Action: topo.Reject, With: topo.HostUnreachable}}
		}, agents.HostUnreachable},
		{"own firewall rejects", "server", func(t *topo.Topology) {
			t.Nodes[0].Firewall = []topo.Rule{{Name: "r", Hook: topo.Output, Match: topo.Match{Proto: "tcp"}, Action: topo.DropPacket}}
		}, agents.TimedOut},
		{"unreachable route at the router", "server", func(t *topo.Topology) {
			t.Nodes[1].Routes = []topo.Route{{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Unreachable}}
		}, agents.HostUnreachable},
		{"blackhole at the router", "server", func(t *topo.Topology) {
			t.Nodes[1].Routes = []topo.Route{{To: netip.MustParsePrefix("198.18.0.6/32"), Kind: topo.Blackhole}}
		}, agents.TimedOut},
		{"own blackhole route", "server", func(t *topo.Topology) {
			t.Nodes[0].Routes = []topo.Route{{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Blackhole}}
		}, agents.Failed},
		{"own prohibit route", "server", func(t *topo.Topology) {
			t.Nodes[0].Routes = []topo.Route{{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Prohibit}}
		}, agents.Denied},
		{"link down", "server", func(t *topo.Topology) { t.Links[0].Down = true }, agents.NetworkUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			topology := chain(0)
			if c.change != nil {
				c.change(topology)
			}
			n := up(t, topology, build.Options{})
			serve(t, n, 2)
			if a := connect(t, n, 0, c.to, true); a.Outcome != c.want {
				t.Errorf("%s (errno %v), want %s", a.Outcome, a.Errno, c.want)
			}
		})
	}
}

func TestChangesWhileRunning(t *testing.T) {
	n := up(t, chain(0), build.Options{})
	serve(t, n, 2)
	expect := func(when string, v4 bool, want agents.Outcome) {
		t.Helper()
		if a := connect(t, n, 0, "server", v4); a.Outcome != want {
			t.Errorf("%s: %s (errno %v), want %s", when, a.Outcome, a.Errno, want)
		}
	}
	change := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("at first", true, agents.Connected)
	change(n.SetLink(1, build.LinkState{Down: true}))
	expect("the far link down", true, agents.NetworkUnreachable)
	change(n.SetLink(1, build.LinkState{MTU: 1400}))
	expect("the far link up again", true, agents.Connected)
	expect("the far link up again, IPv6", false, agents.Connected)
	change(n.SetFirewall(1, []topo.Rule{{Name: "no", Hook: topo.Forward, Match: topo.Match{Proto: "tcp"}, Action: topo.Reject, With: topo.TCPReset}}))
	expect("a new firewall", true, agents.Refused)
	change(n.SetFirewall(1, nil))
	expect("no firewall", true, agents.Connected)
	change(n.SetRoutes(0, []topo.Route{{To: netip.MustParsePrefix("198.18.0.4/30"), Kind: topo.Unreachable}}))
	expect("an unreachable route", true, agents.HostUnreachable)
	change(n.SetRoutes(0, nil))
	expect("no such route", true, agents.Connected)
	d := 3 * time.Millisecond
	change(n.SetLink(0, build.LinkState{Toward: [2]netem.Impairment{{Delay: d}, {Delay: d}}}))
	if a := connect(t, n, 0, "server", true); a.Elapsed < 2*d {
		t.Errorf("with %v of delay each way it took %v", d, a.Elapsed)
	}
}

func TestRulesAndDropsAreCounted(t *testing.T) {
	var (
		mu    sync.Mutex
		drops []netem.Drop
	)
	topology := chain(0)
	topology.Nodes[1].Firewall = []topo.Rule{{Name: "count", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Flags: topo.SYN}, Action: topo.Accept}}
	topology.Links[1].Toward[1].Loss = 1
	n := up(t, topology, build.Options{OnDrop: func(d netem.Drop) {
		if d.Frame[12] != 0x08 { // not IPv4, such as the kernel's own MLD reports
			return
		}
		mu.Lock()
		defer mu.Unlock()
		drops = append(drops, d)
	}})
	if a := connect(t, n, 0, "server", true); a.Outcome != agents.TimedOut {
		t.Errorf("%s, want timed out", a.Outcome)
	}
	rules, err := n.Rules()
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) != 1 || rules[0].Rule != "count" || rules[0].Packets != 2 {
		t.Errorf("rules counted %+v, want 2 SYNs", rules)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(drops) != 2 || drops[0].Link != 1 || drops[0].To != 1 || drops[0].Cause != netem.Lost {
		t.Errorf("drops are %+v, want two SYNs lost on link 1", drops)
	}
}

func TestConnectOverTheSmallestPrefixes(t *testing.T) {
	address := func(toward, v4, v6 string) []topo.Address {
		return []topo.Address{{Toward: toward, Prefix: netip.MustParsePrefix(v4)}, {Toward: toward, Prefix: netip.MustParsePrefix(v6)}}
	}
	for _, c := range []struct {
		name       string
		server, fw []topo.Address
	}{
		{"the upper of two", address("fw", "192.0.2.1/31", "2001:db8:5::1/127"), nil},
		{"the lower of two", address("fw", "192.0.2.0/31", "2001:db8:5::/127"), nil},
		{"one each", address("fw", "192.0.2.1/32", "2001:db8:5::1/128"), address("server", "203.0.113.1/32", "2001:db8:6::1/128")},
	} {
		t.Run(c.name, func(t *testing.T) {
			topology := chain(0)
			topology.Nodes[2].Addresses, topology.Nodes[1].Addresses = c.server, c.fw
			n := up(t, topology, build.Options{})
			serve(t, n, 2)
			expect(t, n, c.name, agents.Connected, agents.Connected)
		})
	}
}

// What was begun in the ether ends before the ether does.
func TestTheEtherOutlivesWhatWasBegunInIt(t *testing.T) {
	topology := chain(0)
	topology.Links[1].MTU = 70000 // the kernel refuses it before any traffic
	opened := errors.New("never waited for")
	n, err := build.Up(topology, build.Options{OnEther: func(ether *netns.NS) func() error {
		return func() error {
			opened = ether.Do(func() error { return nil })
			return nil
		}
	}})
	if err == nil {
		n.Close()
		t.Error("an MTU of 70000 was accepted")
	}
	if opened != nil {
		t.Errorf("enter the ether at the end of a network that failed: %v", opened)
	}
}

func TestUpFailsWhole(t *testing.T) {
	topology := chain(0)
	topology.Nodes[0].Sysctls = []topo.Sysctl{{Name: "net.ipv4.no_such_thing", Value: "1"}}
	if n, err := build.Up(topology, build.Options{}); err == nil {
		n.Close()
		t.Error("a sysctl that does not exist was accepted")
	}
}
