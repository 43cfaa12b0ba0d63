package run_test

import (
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// mappingNAT is behindNAT with a NAT that maps and lets everybody in.
func mappingNAT() *topo.Topology {
	t := behindNAT()
	t.Nodes[1].NAT = openNAT()
	return t
}

func openNAT() *topo.NAT {
	return &topo.NAT{Outside: "server", Mapping: topo.EndpointIndependent, Filtering: topo.EndpointIndependent, Ports: topo.DefaultPorts}
}

// TestTheTargetIsBehindTheMapping connects to an outside port that is the phone's
// by its mapping alone.
func TestTheTargetIsBehindTheMapping(t *testing.T) {
	lab := open(t, mappingNAT())
	step := func(s spec.Step) {
		t.Helper()
		if _, err := lab.Do(t.Context(), &s); err != nil {
			t.Fatal(err)
		}
	}
	step(spec.Step{Connect: &spec.Connect{From: "phone", Target: target("server", 7), Port: 5000, As: "app"}})
	step(spec.Step{Close: &spec.Close{Connection: "app", Reset: true}})
	step(spec.Step{Set: &spec.Set{Node: "phone", Listen: &[]topo.Listener{{Port: 5000, Serve: topo.ServeEcho}}}})
	o, err := lab.Connect(t.Context(), spec.Connect{From: "server", Target: target("nat", 5000)})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != agents.Connected || o.Target != "phone" || o.SeenFrom != "server" || o.Path.RTT() != 4*time.Millisecond || o.AcceptTime == nil {
		t.Errorf("%s, target %q, seen from %q, path %v, accepted after %v", o.Outcome, o.Target, o.SeenFrom, o.Path.Nodes, o.AcceptTime)
	}
}

// TestSetNAT makes a running NAT stricter, then has it forget its flows.
func TestSetNAT(t *testing.T) {
	t.Parallel()
	lab := open(t, mappingNAT())
	set := func(s spec.Set) {
		t.Helper()
		s.Node = "nat"
		if _, err := lab.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	none := openNAT()
	none.Ports = topo.PortPool{PortRange: topo.PortRange{First: 9, Last: 9}, Shuffle: true}
	set(spec.Set{NAT: none})
	connect := func(as string, want agents.Outcome) []observe.Journey {
		t.Helper()
		o, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 7), As: as, Timeout: 300 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != want {
			t.Errorf("%s, want %s", o.Outcome, want)
		}
		return o.Journeys
	}
	connect("app", agents.Connected)
	if js := connect("", agents.TimedOut); len(js) == 0 || js[0].Fate.Drop.Cause != observe.ByExhaustion {
		t.Errorf("without a port: %+v", js)
	}
	set(spec.Set{NAT: openNAT()})
	connect("", agents.Connected)
	set(spec.Set{FlushNAT: true})
	x, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "x", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if x.Outcome != agents.TimedOut || len(x.Journeys) == 0 || x.Journeys[0].Fate.Drop.Cause != observe.ByNAT {
		t.Errorf("after a flush: %s, %+v", x.Outcome, x.Journeys)
	}
	connect("", agents.Connected)
}
