package topo

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/netem"
)

// natTopology is phone – cgnat – internet – server, with 20, 5 and 5 ms.
func natTopology() *Topology {
	link := func(a, b string, d time.Duration) Link {
		return Link{Ends: [2]string{a, b}, Toward: [2]netem.Impairment{{Delay: d}, {Delay: d}}}
	}
	return &Topology{
		Nodes: []Node{
			{Name: "phone", Role: Host},
			{Name: "cgnat", Role: Router, NAT: &NAT{Outside: "internet", Timeouts: map[string]time.Duration{"tcp_established": 5 * time.Second}, Forward: []PortForward{{Port: 8080, Node: "phone", ToPort: 80}}}},
			{Name: "internet", Role: Router},
			{Name: "server", Role: Host},
		},
		Links: []Link{link("phone", "cgnat", 20*time.Millisecond), link("cgnat", "internet", 5*time.Millisecond), link("internet", "server", 5*time.Millisecond)},
	}
}

func mustPlan(t *testing.T, topology *Topology) *Plan {
	t.Helper()
	p, err := MakePlan(topology)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func routes(p *Plan, node int) (out []string) {
	for _, r := range p.Nodes[node].Routes {
		s := fmt.Sprintf("%s %s", r.To, r.Kind)
		if r.Kind == Unicast {
			s = fmt.Sprintf("%s dev %s", r.To, p.Nodes[node].Interfaces[r.Interface].Name)
		}
		if r.Via.IsValid() {
			s += " via " + r.Via.String()
		}
		out = append(out, s)
	}
	return out
}

func TestPlanIsDeterministic(t *testing.T) {
	a, b := mustPlan(t, natTopology()), mustPlan(t, natTopology())
	if !reflect.DeepEqual(a.Nodes, b.Nodes) || !reflect.DeepEqual(a.Links, b.Links) {
		t.Error("two plans of the same topology differ")
	}
}

func TestNATHidesItsInside(t *testing.T) {
	p := mustPlan(t, natTopology())
	phone := p.Nodes[0].Interfaces[0].Addresses
	if got := fmt.Sprint(phone); got != "[10.0.0.1/30 fd00::1/64]" {
		t.Errorf("the phone has %s, want private addresses", got)
	}
	want := []string{
		"198.18.0.4/30 dev eth0", "2001:db8:0:1::/64 dev eth0",
		"198.18.0.8/30 dev eth1", "2001:db8:0:2::/64 dev eth1",
	}
	if got := routes(p, 2); !slices.Equal(got, want) {
		t.Errorf("internet's routes are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := routes(p, 0); !slices.Contains(got, "0.0.0.0/0 dev eth0 via 10.0.0.2") || !slices.Contains(got, "::/0 dev eth0 via fd00::2") {
		t.Errorf("the phone's routes are %q, want a default route by the NAT", got)
	}
	if got := routes(p, 1); !slices.Contains(got, "198.18.0.8/30 dev eth1 via 198.18.0.6") {
		t.Errorf("the NAT's routes are %q, want one to the server", got)
	}
}

func TestNamesMeanTheNearestInterface(t *testing.T) {
	p := mustPlan(t, natTopology())
	for _, c := range []struct {
		from, name int
		v4         bool
		want       string
	}{
		{0, 1, true, "10.0.0.2"}, {3, 1, true, "198.18.0.5"}, {3, 1, false, "2001:db8:0:1::1"},
		{0, 3, true, "198.18.0.10"}, {1, 1, true, "10.0.0.2"}, {0, 2, true, "198.18.0.6"}, {3, 2, true, "198.18.0.9"},
	} {
		if got := p.Resolve(c.from, c.name, c.v4).String(); got != c.want {
			t.Errorf("%s in %s means %s, want %s", p.Nodes[c.name].Name, p.Nodes[c.from].Name, got, c.want)
		}
	}
	hosts := p.Hosts(0)
	if !slices.Contains(hosts, HostEntry{netip.MustParseAddr("10.0.0.2"), "cgnat"}) || !slices.Contains(hosts, HostEntry{netip.MustParseAddr("2001:db8:0:2::2"), "server"}) {
		t.Errorf("the phone's hosts are %v", hosts)
	}
}

func TestWalk(t *testing.T) {
	p := mustPlan(t, natTopology())
	for _, c := range []struct {
		name    string
		from    int
		to      string
		nodes   []int
		arrived bool
		owd     time.Duration
	}{
		{"across all links", 0, "198.18.0.10:443", []int{0, 1, 2, 3}, true, 30 * time.Millisecond},
		{"through a port forwarding", 3, "198.18.0.5:8080", []int{3, 2, 1, 0}, true, 30 * time.Millisecond},
		{"to the NAT itself", 3, "198.18.0.5:22", []int{3, 2, 1}, true, 10 * time.Millisecond},
		{"where nobody lives", 0, "203.0.113.1:80", []int{0, 1}, false, 20 * time.Millisecond},
		{"to a hidden address", 3, "10.0.0.1:80", []int{3, 2}, false, 5 * time.Millisecond},
	} {
		w := p.Walk(c.from, netip.MustParseAddrPort(c.to))
		var owd time.Duration
		for _, d := range p.Delays(w) {
			owd += d
		}
		if !slices.Equal(w.Nodes, c.nodes) || w.Arrived != c.arrived || owd != c.owd {
			t.Errorf("%s: nodes %v, arrived %t, %v; want %v, %t, %v", c.name, w.Nodes, w.Arrived, owd, c.nodes, c.arrived, c.owd)
		}
	}
}

// The outer NAT forwards to the inner one, which forwards to the phone.
func TestFronts(t *testing.T) {
	topology := natTopology()
	topology.Nodes[2].NAT = &NAT{Outside: "server", Forward: []PortForward{{Port: 80, Node: "cgnat", ToPort: 8080}}}
	p := mustPlan(t, topology)
	for node, want := range [][]int{{1, 2}, {2}, nil, nil} {
		if got := p.Fronts(node); !slices.Equal(got, want) {
			t.Errorf("%s has the fronts %v, want %v", p.Nodes[node].Name, got, want)
		}
	}
}

func TestWrittenRoutesWin(t *testing.T) {
	topology := natTopology()
	topology.Nodes[2].Routes = []Route{{To: netip.MustParsePrefix("198.18.0.8/30"), Kind: Blackhole}, {To: netip.MustParsePrefix("0.0.0.0/0"), Kind: Unicast, Via: "cgnat"}}
	p := mustPlan(t, topology)
	got := routes(p, 2)
	if !slices.Contains(got, "198.18.0.8/30 blackhole") || !slices.Contains(got, "0.0.0.0/0 dev eth0 via 198.18.0.5") {
		t.Errorf("routes are %q", got)
	}
	if w := p.Walk(0, netip.MustParseAddrPort("198.18.0.10:443")); w.Arrived || len(w.Nodes) != 3 {
		t.Errorf("the walk ends at %v, arrived %t; want it to end in the blackhole", w.Nodes, w.Arrived)
	}
}

// TestARouteToANode wants a route to each address of a node, the neighbour's own
// straight, and a kind of route for all of them.
func TestARouteToANode(t *testing.T) {
	topology := natTopology()
	topology.Nodes[3].Routes = []Route{{ToNode: "cgnat", Kind: Unicast, Via: "internet"}, {ToNode: "internet", Kind: Blackhole}}
	topology.Nodes[2].Routes = []Route{{ToNode: "server", Kind: Unicast, Via: "server"}}
	p := mustPlan(t, topology)
	address := func(node, toward string, v4 bool) netip.Addr {
		return firstOf(p.Nodes[p.Topology.NodeIndex(node)].Toward(toward).Addresses, v4)
	}
	got := routes(p, 3)
	for _, v4 := range []bool{true, false} {
		for _, toward := range []string{"phone", "internet"} {
			to := address("cgnat", toward, v4)
			want := fmt.Sprintf("%s/%d dev eth0 via %s", to, to.BitLen(), address("internet", "server", v4))
			if !slices.Contains(got, want) {
				t.Errorf("routes %q lack %q", got, want)
			}
		}
		to := address("internet", "cgnat", v4)
		if want := fmt.Sprintf("%s/%d blackhole", to, to.BitLen()); !slices.Contains(got, want) {
			t.Errorf("routes %q lack %q", got, want)
		}
		to = address("server", "internet", v4)
		if want := fmt.Sprintf("%s/%d dev eth1", to, to.BitLen()); !slices.Contains(routes(p, 2), want) {
			t.Errorf("routes %q lack %q", routes(p, 2), want)
		}
	}
	topology.Nodes[2].Routes = []Route{{ToNode: "nobody", Kind: Unicast, Via: "server"}}
	if _, err := MakePlan(topology); err == nil || !strings.Contains(err.Error(), `no node "nobody"`) {
		t.Errorf("a route to nobody: %v", err)
	}
}

func TestWrittenAddresses(t *testing.T) {
	topology := natTopology()
	topology.Nodes[3].Addresses = []Address{{Toward: "internet", Prefix: netip.MustParsePrefix("192.0.2.1/24")}}
	p := mustPlan(t, topology)
	if got := fmt.Sprint(p.Nodes[3].Interfaces[0].Addresses); got != "[192.0.2.1/24 2001:db8:0:2::2/64]" {
		t.Errorf("the server has %s", got)
	}
	if got := fmt.Sprint(p.Interface(2, 0).Addresses); got != "[192.0.2.2/24 2001:db8:0:2::1/64]" {
		t.Errorf("its neighbour has %s, want the next free address of the prefix", got)
	}
	if got := routes(p, 1); !slices.Contains(got, "192.0.2.0/24 dev eth1 via 198.18.0.6") {
		t.Errorf("the NAT's routes are %q", got)
	}
}

func TestTheNeighbourGetsAnAddressOfTheSamePrefix(t *testing.T) {
	for _, c := range []struct{ written, want string }{
		{"192.0.2.1/24", "192.0.2.2/24"}, {"192.0.2.2/24", "192.0.2.1/24"}, {"192.0.2.9/24", "192.0.2.1/24"},
		{"192.0.2.1/30", "192.0.2.2/30"}, {"192.0.2.2/30", "192.0.2.1/30"},
		{"192.0.2.0/31", "192.0.2.1/31"}, {"192.0.2.1/31", "192.0.2.0/31"},
		{"192.0.2.6/31", "192.0.2.7/31"}, {"192.0.2.7/31", "192.0.2.6/31"},
		{"2001:db8:5::1/64", "2001:db8:5::2/64"},
		{"2001:db8:5::/127", "2001:db8:5::1/127"}, {"2001:db8:5::1/127", "2001:db8:5::/127"},
		{"192.0.2.1/32", ""}, {"2001:db8:5::1/128", ""},
	} {
		topology := natTopology()
		written := netip.MustParsePrefix(c.written)
		topology.Nodes[3].Addresses = []Address{{"internet", written}}
		p, err := MakePlan(topology)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "node server: address "+c.written) {
				t.Errorf("%s: %v, want it to be refused", c.written, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := family(p.Interface(2, 0).Addresses, written.Addr().Is4()); fmt.Sprint(got) != "["+c.want+"]" {
			t.Errorf("%s: the neighbour has %s, want %s", c.written, got, c.want)
		}
	}
}

func TestNeighboursWithAPrefixEachReachOneAnother(t *testing.T) {
	topology := natTopology()
	topology.Nodes[3].Addresses = []Address{{"internet", netip.MustParsePrefix("192.0.2.1/32")}}
	topology.Nodes[2].Addresses = []Address{{"server", netip.MustParsePrefix("203.0.113.1/32")}}
	p := mustPlan(t, topology)
	for _, c := range []struct {
		from int
		to   string
	}{{2, "192.0.2.1:80"}, {3, "203.0.113.1:80"}, {0, "192.0.2.1:80"}} {
		if w := p.Walk(c.from, netip.MustParseAddrPort(c.to)); !w.Arrived {
			t.Errorf("from %s to %s the walk ends at %v", p.Nodes[c.from].Name, c.to, w.Nodes)
		}
	}
}

// The server's link is too small for IPv6: it keeps its addresses, by which it is
// named, and nobody has a route to them.
func TestALinkBelow1280HasNoIPv6(t *testing.T) {
	topology := natTopology()
	topology.Links[2].MTU = MinMTUv6 - 1
	p := mustPlan(t, topology)
	for n := range p.Nodes {
		for _, r := range routes(p, n) {
			if strings.HasPrefix(r, "2001:db8:0:2:") {
				t.Errorf("%s has the route %s", p.Nodes[n].Name, r)
			}
		}
	}
	if got := routes(p, 3); !slices.Equal(got, []string{"198.18.0.8/30 dev eth0", "0.0.0.0/0 dev eth0 via 198.18.0.9"}) {
		t.Errorf("the server's routes are %q, want IPv4's alone", got)
	}
	f := &p.Nodes[3].Interfaces[0]
	if got := fmt.Sprint(p.Usable(f)); got != "[198.18.0.10/30]" || len(f.Neighbours) != 1 || !f.Neighbours[0].IP.Is4() {
		t.Errorf("the server has %s and the neighbours %v, want IPv4 alone", got, f.Neighbours)
	}
	if w := p.Walk(3, netip.MustParseAddrPort("[2001:db8:0:2::1]:80")); w.Arrived || len(w.Nodes) != 1 {
		t.Errorf("a walk over IPv6 goes by %v, arrived %t", w.Nodes, w.Arrived)
	}
	if a := p.Resolve(0, 3, false); a.String() != "2001:db8:0:2::2" {
		t.Errorf("the server's name means %s", a)
	}
	topology.Links[2].MTU = MinMTUv6
	if got := routes(mustPlan(t, topology), 3); len(got) != 4 {
		t.Errorf("with an MTU of 1280 the server's routes are %q", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Topology)
		want   string
	}{
		{"a link to nowhere", func(t *Topology) { t.Links[0].Ends[0] = "fone" }, `link 0: no node "fone"`},
		{"a loop", func(t *Topology) { t.Links[0].Ends[0] = "cgnat" }, `both ends are at "cgnat"`},
		{"twins", func(t *Topology) { t.Nodes[0].Name = "server" }, `two nodes are named "server"`},
		{"an outside that is no neighbour", func(t *Topology) { t.Nodes[1].NAT.Outside = "server" }, `outside "server" is not a neighbour`},
		{"an outside that is inside too", func(t *Topology) { t.Links = append(t.Links, Link{Ends: [2]string{"phone", "internet"}}) }, "also reached from its inside"},
		{"one address twice", func(t *Topology) {
			t.Nodes[0].Addresses = []Address{{"cgnat", netip.MustParsePrefix("198.18.0.10/30")}}
		}, "have it"},
		{"an address without a link", func(t *Topology) {
			t.Nodes[0].Addresses = []Address{{"server", netip.MustParsePrefix("192.0.2.1/24")}}
		}, `no link toward "server"`},
		{"a route without a link", func(t *Topology) {
			t.Nodes[0].Routes = []Route{{To: netip.MustParsePrefix("192.0.2.0/24"), Kind: Unicast, Via: "server"}}
		}, `no link to "server"`},
	} {
		topology := natTopology()
		c.change(topology)
		if _, err := MakePlan(topology); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
	}
}

func TestHostsDoNotPassOn(t *testing.T) {
	topology := &Topology{
		Nodes: []Node{{Name: "a", Role: Host}, {Name: "b", Role: Host}, {Name: "c", Role: Host}},
		Links: []Link{{Ends: [2]string{"a", "b"}}, {Ends: [2]string{"b", "c"}}},
	}
	p := mustPlan(t, topology)
	if _, ok := p.Lookup(0, netip.MustParseAddr("198.18.0.6")); ok {
		t.Error("a has a route through the host b")
	}
}

func TestNATSysctlsComeBeforeTheNodesOwn(t *testing.T) {
	topology := natTopology()
	own := Sysctl{Name: "net.ipv4.tcp_congestion_control", Value: "bbr"}
	topology.Nodes[1].Sysctls = []Sysctl{own}
	p := mustPlan(t, topology)
	want := []Sysctl{
		{Name: "net.netfilter.nf_conntrack_tcp_loose", Value: "0"},
		{Name: "net.netfilter.nf_conntrack_tcp_timeout_established", Value: "5"}, own,
	}
	if !slices.Equal(p.Nodes[1].Sysctls, want) {
		t.Errorf("the NAT's sysctls are %v, want %v", p.Nodes[1].Sysctls, want)
	}
	if p.Nodes[1].CongestionControl != "bbr" || p.Nodes[0].CongestionControl != DefaultCongestionControl {
		t.Errorf("congestion control is %q and %q", p.Nodes[1].CongestionControl, p.Nodes[0].CongestionControl)
	}
}

// TestWalkThroughANAT follows what comes for a NAT's addresses, from outside and
// from inside.
func TestWalkThroughANAT(t *testing.T) {
	topology := &Topology{
		Nodes: []Node{
			{Name: "guest", Role: Host}, {Name: "host", Role: Host},
			{Name: "nat", Role: Router, Addresses: []Address{
				{Toward: "out", Prefix: netip.MustParsePrefix("203.0.113.1/24")}, {Toward: "out", Prefix: netip.MustParsePrefix("203.0.113.9/24")},
			}, NAT: &NAT{
				Outside: "out", Mapping: EndpointIndependent, Filtering: EndpointIndependent, Ports: DefaultPorts,
				Forward: []PortForward{{Port: 80, Node: "host", ToPort: 8080}},
				Static:  []StaticNAT{{Node: "host", Address: netip.MustParseAddr("203.0.113.9")}},
			}},
			{Name: "out", Role: Host},
		},
		Links: []Link{{Ends: [2]string{"guest", "nat"}}, {Ends: [2]string{"host", "nat"}}, {Ends: [2]string{"nat", "out"}}},
	}
	for _, c := range []struct {
		from, to string
		hairpin  bool
		want     []int
	}{
		{"out", "203.0.113.1:80", false, []int{3, 2, 1}},
		{"out", "203.0.113.1:81", false, []int{3, 2}},
		{"out", "203.0.113.9:81", false, []int{3, 2, 1}},
		{"guest", "203.0.113.1:80", false, []int{0, 2}},
		{"guest", "203.0.113.1:80", true, []int{0, 2, 1}},
		{"guest", "203.0.113.9:22", true, []int{0, 2, 1}},
	} {
		topology.Nodes[2].NAT.Hairpin = c.hairpin
		p, err := MakePlan(topology)
		if err != nil {
			t.Fatal(err)
		}
		w := p.Walk(topology.NodeIndex(c.from), netip.MustParseAddrPort(c.to))
		if !w.Arrived || !slices.Equal(w.Nodes, c.want) {
			t.Errorf("%s to %s, hairpin %t: %v, arrived %t; want %v", c.from, c.to, c.hairpin, w.Nodes, w.Arrived, c.want)
		}
	}
}
