package spec

import (
	"testing"
	"time"

	"testbed/netem"
	"testbed/topo"

	"github.com/google/go-cmp/cmp"
)

const twoNodes = "name: a\nnodes: {a: {}, b: {}}\nlinks:\n  - {between: [a, b], delay: 10ms, loss: 1%, toward: {b: {delay: 30ms}}}\nsteps:\n"

// TestSetFolds holds that each change of a link carries the complete state that
// the changes before left.
func TestSetFolds(t *testing.T) {
	sc := mustDecode(t, twoNodes+`
  - set: {link: [b, a], delay: 60ms}
  - set: {link: [a, b], up: false, mtu: 1400}
  - set: {link: [a, b], jitter: 5ms, toward: {a: {loss: 0%, mtu: 1300, up: false}}}
  - set: {link: [a, b], up: true}
`)
	ms := time.Millisecond
	slow := netem.Impairment{Delay: 60 * ms, Loss: 0.01}
	toA := netem.Impairment{Delay: 60 * ms, Jitter: 5 * ms, MTU: 1300, Down: true}
	toB := netem.Impairment{Delay: 60 * ms, Jitter: 5 * ms, Loss: 0.01}
	want := []Set{
		{Toward: both(slow), Text: "link b – a: delay 60ms"},
		{Toward: both(slow), MTU: 1400, Down: true, Text: "link a – b: down, mtu 1400"},
		{Toward: [2]netem.Impairment{toA, toB}, MTU: 1400, Down: true, Text: "link a – b: jitter 5ms, down toward a, loss 0% toward a, mtu 1300 toward a"},
		{Toward: [2]netem.Impairment{toA, toB}, MTU: 1400, Text: "link a – b: up"},
	}
	for i, w := range want {
		if d := cmp.Diff(&w, sc.Steps[i].Set); d != "" {
			t.Errorf("change %d (-want +got):\n%s", i+1, d)
		}
	}
	declared := [2]netem.Impairment{{Delay: 10 * ms, Loss: 0.01}, {Delay: 30 * ms, Loss: 0.01}}
	if l := sc.Topology.Links[0]; l.Toward != declared || l.MTU != 0 || l.Down {
		t.Errorf("the changes reached the declared link: %+v", l)
	}
}

// TestImpairments holds what each form of a link's keys means, and how a change
// tells of it. A key that is set again is set as a whole.
func TestImpairments(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		keys string
		want netem.Impairment
		text string
	}{
		{"jitter: 2ms", netem.Impairment{Jitter: 2 * ms}, "jitter 2ms"},
		{"jitter: {spread: 2ms}", netem.Impairment{Jitter: 2 * ms}, "jitter 2ms"},
		{
			"jitter: {spread: 2ms, distribution: pareto, correlation: 25%}",
			netem.Impairment{Jitter: 2 * ms, Distribution: netem.Pareto, JitterCorrelation: 0.25}, "jitter 2ms pareto correlated by 25%",
		},
		{"loss: 0.1%", netem.Impairment{Loss: 0.001}, "loss 0.1%"},
		{"loss: {random: 3%, correlation: 99.5%}", netem.Impairment{Loss: 0.03, LossCorrelation: 0.995}, "loss 3% correlated by 99.5%"},
		{
			"loss: {bursts: {to_bad: 1%, to_good: 25%}}",
			netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 0.01, ToGood: 0.25, LossBad: 1}}, "loss in bursts (to bad 1%, to good 25%, in bad 100%)",
		},
		{
			"loss: {bursts: {to_bad: 100%, to_good: 0%, in_bad: 50%, in_good: 2%}}",
			netem.Impairment{Bursts: netem.GilbertElliott{ToBad: 1, LossBad: 0.5, LossGood: 0.02}}, "loss in bursts (to bad 100%, to good 0%, in bad 50%, in good 2%)",
		},
		{"reorder: 25%, corrupt: 0.5%", netem.Impairment{Reorder: 0.25, Corrupt: 0.005}, "reorder 25%, corrupt 0.5%"},
		{"rate: 10mbit", netem.Impairment{Rate: 10_000_000}, "rate 10mbit"},
		{"rate: 1gbit", netem.Impairment{Rate: 1_000_000_000}, "rate 1gbit"},
		{"rate: 500kbit", netem.Impairment{Rate: 500_000}, "rate 500kbit"},
		{"rate: 1.5kibit, queue: 1packet", netem.Impairment{Rate: 1536, Queue: netem.Queue{Frames: 1}}, "rate 1536bit, queue 1 packet"},
		{"rate: 8bit, queue: 100packets", netem.Impairment{Rate: 8, Queue: netem.Queue{Frames: 100}}, "rate 8bit, queue 100 packets"},
		{"rate: 1tbit, queue: 64KiB", netem.Impairment{Rate: 1e12, Queue: netem.Queue{Bytes: 65536}}, "rate 1tbit, queue 64KiB"},
		{
			"rate: 1mbit, queue: {packets: 10, bytes: 1500B}",
			netem.Impairment{Rate: 1e6, Queue: netem.Queue{Frames: 10, Bytes: 1500}}, "rate 1mbit, queue 10 packets and 1500B",
		},
		{"rate: unlimited, queue: unlimited", netem.Impairment{}, "rate unlimited, queue unlimited"},
	} {
		for _, before := range []string{"", ", jitter: {spread: 1ms, distribution: normal, correlation: 1%}, loss: {random: 9%, correlation: 5%}, rate: 1kbit, queue: {packets: 1, bytes: 1MiB}"} {
			sc := mustDecode(t, "name: a\nnodes: {a: {}, b: {}}\nlinks:\n  - {between: [a, b], delay: 10ms"+before+"}\nsteps:\n"+
				"  - set: {link: [a, b], jitter: 0s, loss: 0%, rate: unlimited, queue: unlimited}\n  - set: {link: [a, b], "+c.keys+"}\n")
			c.want.Delay = 10 * ms
			got := sc.Steps[1].Set
			if d := cmp.Diff(both(c.want), got.Toward); d != "" || got.Text != "link a – b: "+c.text {
				t.Errorf("%s: %q (-want +got):\n%s", c.keys, got.Text, d)
			}
		}
	}
}

func TestSetNode(t *testing.T) {
	sc := mustDecode(t, twoNodes+`
  - set: {node: b, listen: [{port: 80, serve: no-accept}], routes: [{to: default, via: a}]}
  - set: {node: a, firewall: [{action: reject}], sysctls: {net.ipv4.tcp_syn_retries: 1}}
  - set: {node: b, listen: [], firewall: []}
`)
	want := []Set{
		{
			Link: -1, Node: "b", Listen: &[]topo.Listener{{Port: 80, Serve: topo.ServeNoAccept}},
			Routes: &[]topo.Route{
				{To: defaultRoutes[0], Kind: topo.Unicast, Via: "a"}, {To: defaultRoutes[1], Kind: topo.Unicast, Via: "a"},
			},
			Text: "node b: listens: no-accept on 80, 2 routes",
		},
		{
			Link: -1, Node: "a",
			Firewall: &[]topo.Rule{{Name: "rule-1", Hook: topo.Input, Action: topo.Reject, With: topo.PortUnreachable}},
			Sysctls:  &[]topo.Sysctl{{Name: "net.ipv4.tcp_syn_retries", Value: "1"}},
			Text:     "node a: firewall with 1 rule, net.ipv4.tcp_syn_retries = 1",
		},
		{Link: -1, Node: "b", Listen: &[]topo.Listener{}, Firewall: &[]topo.Rule{}, Text: "node b: listens no more, firewall with 0 rules"},
	}
	for i, w := range want {
		if d := cmp.Diff(&w, sc.Steps[i].Set, cmp.Comparer(func(a, b topo.Route) bool { return a == b })); d != "" {
			t.Errorf("change %d (-want +got):\n%s", i+1, d)
		}
	}
}

// TestRuleOfEarlierSet lets an expectation name a rule that a step brought.
func TestRuleOfEarlierSet(t *testing.T) {
	sc := mustDecode(t, twoNodes+`
  - set: {node: b, firewall: [{name: late, match: {proto: tcp}, action: drop}]}
  - {connect: "b:80", from: a, expect: {dropped: {at: b, rule: late}}}
`)
	if d := sc.Steps[1].Expect.Dropped; d.Node != "b" || d.Rule != "late" {
		t.Errorf("got %+v", d)
	}
}

// TestSetOfANAT holds what a NAT's keys mean, and that a change is one as a whole.
func TestSetOfANAT(t *testing.T) {
	sc := mustDecode(t, `name: a
nodes:
  a: {}
  r: {role: router, nat: {outside: b, ports: 5000}}
  b: {}
links:
  - {between: [a, r]}
  - {between: [r, b]}
steps:
  - set: {node: r, nat: {mapping: address-dependent, ports: {range: 40000-40003, preserve: false}, hairpin: true}}
  - set: {node: r, nat: {timeouts: {udp: 5s}}}
  - set: {node: r, flush: nat}
`)
	pool := func(first, last uint16, shuffle bool) topo.PortPool {
		return topo.PortPool{PortRange: topo.PortRange{First: first, Last: last}, Shuffle: shuffle}
	}
	declared := &topo.NAT{Outside: "b", Mapping: topo.EndpointIndependent, Filtering: topo.AddressAndPortDependent, Ports: pool(5000, 5000, false)}
	if d := cmp.Diff(declared, sc.Topology.Nodes[1].NAT); d != "" {
		t.Errorf("declared (-want +got):\n%s", d)
	}
	want := []Set{
		{Link: -1, Node: "r", Text: "node r: NAT with address-dependent mapping and address-and-port-dependent filtering, 4 ports, hairpinning", NAT: &topo.NAT{
			Outside: "b", Mapping: topo.AddressDependent, Filtering: topo.AddressAndPortDependent, Ports: pool(40000, 40003, true), Hairpin: true,
		}},
		{Link: -1, Node: "r", Text: "node r: NAT as Linux does it", NAT: &topo.NAT{Outside: "b", Timeouts: map[string]time.Duration{"udp": 5 * time.Second}}},
		{Link: -1, Node: "r", Text: "node r: the NAT forgets all", FlushNAT: true},
	}
	for i, w := range want {
		if d := cmp.Diff(&w, sc.Steps[i].Set); d != "" {
			t.Errorf("change %d (-want +got):\n%s", i+1, d)
		}
	}
}
