package run_test

import (
	"testing"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// A client beyond a NAT knows its name and its outside addresses alone.
func TestHTTPSThroughAPortForwarding(t *testing.T) {
	topology := behindNAT()
	topology.Nodes[0].Listen = []topo.Listener{{Port: 8443, Serve: topo.ServeHTTPS}}
	topology.Nodes[1].NAT.Forward = []topo.PortForward{{Port: 443, Node: "phone", ToPort: 8443}}
	lab := open(t, topology)
	for _, c := range []struct {
		host   string
		family spec.Family
	}{{"nat", spec.IPv4}, {"nat", spec.IPv6}, {"198.18.0.5", spec.IPv4}, {"2001:db8:0:1::1", spec.IPv6}} {
		o, err := lab.HTTP(t.Context(), spec.HTTP{From: "server", URL: "https://x/", TLS: true, Target: target(c.host, 443), Path: "/", Family: c.family})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != agents.Connected || o.Status != 200 {
			t.Errorf("by %s over %s: %s, status %d: %s", c.host, c.family, o.Outcome, o.Status, o.Detail)
		}
	}
}
