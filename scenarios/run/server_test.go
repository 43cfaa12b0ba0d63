package run_test

import (
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
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

// A step that ends later, by its own timeout, has its connection's time from the packets.
func TestConnectTimeOfARequestThatTimesOut(t *testing.T) {
	topology := straight(topo.Rule{Name: "unused", Hook: topo.Input, Match: topo.Match{Proto: "udp"}, Action: topo.Accept})
	topology.Nodes[1].Listen = []topo.Listener{{Port: 80, Serve: topo.ServeSilent}}
	o, err := open(t, topology).HTTP(t.Context(), spec.HTTP{From: "client", URL: "http://server/", Target: target("server", 80), Path: "/", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != agents.TimedOut || !o.Deadline || o.ConnectSource != observe.FromPackets || *o.ConnectTime > 200*time.Millisecond {
		t.Errorf("%s, connected after %v (from %s); want timed-out, and the time from the packets", o.Outcome, *o.ConnectTime, o.ConnectSource)
	}
}

// The packets of a step before have used up what rules matched until then, and nothing
// of what they match now.
func TestDropsOfOneStepAfterAnother(t *testing.T) {
	t.Parallel()
	topology := behindNAT()
	topology.Nodes[1].Firewall = []topo.Rule{{Name: "acks", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Flags: topo.ACK}, Action: topo.DropPacket}}
	lab := open(t, topology)
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 7), As: "app"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "hello", Timeout: 600 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != agents.TimedOut || len(o.Journeys) == 0 {
			t.Errorf("%s after %d segments, want timed-out", o.Outcome, len(o.Journeys))
		}
		for _, j := range o.Journeys {
			if j.Sender == "phone" && j.Fate.Drop.Rule != "acks" {
				t.Errorf("a segment had the fate %+v, want that the rule dropped it", j.Fate)
			}
		}
	}
}
