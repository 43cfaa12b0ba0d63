// Package example uses testbed as a library, from a module of its own.
package example

import (
	"context"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
	"testbed/topo/sandbox"
)

// TestMain runs the tests in a sandbox.
func TestMain(m *testing.M) { sandbox.TestMain(m) }

const delay = 20 * time.Millisecond

// connect builds client and server with a link between them, and connects.
func connect(t *testing.T, port uint16) (agents.Outcome, time.Duration, []string) {
	t.Helper()
	slow := netem.Impairment{Delay: delay}
	lab, err := run.Open(t.Context(), &topo.Topology{
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeHTTP}}},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: [2]netem.Impairment{slow, slow}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o, err := lab.Connect(ctx, spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: port}})
	if err != nil {
		t.Fatal(err)
	}
	var handshake []string
	for i := range o.Journeys {
		handshake = append(handshake, o.Journeys[i].Packet().TCP.Flags.String())
	}
	return o.Outcome, o.Elapsed, handshake
}

func TestRight(t *testing.T) {
	outcome, elapsed, handshake := connect(t, 80)
	if outcome != agents.Connected {
		t.Errorf("outcome %s, want %s", outcome, agents.Connected)
	}
	if elapsed < 2*delay {
		t.Errorf("connected after %v, sooner than the round trip of %v", elapsed, 2*delay)
	}
	if len(handshake) < 3 || handshake[0] != "SYN" || handshake[1] != "SYN-ACK" || handshake[2] != "ACK" {
		t.Errorf("handshake %v, want SYN, SYN-ACK, ACK", handshake)
	}
}

// TestWrong must fail: nobody listens there.
func TestWrong(t *testing.T) {
	if outcome, _, _ := connect(t, 81); outcome != agents.Connected {
		t.Errorf("outcome %s, want %s", outcome, agents.Connected)
	}
}
