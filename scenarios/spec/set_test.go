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
