package run

import (
	"testing"
	"time"

	"testbed/netem"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// The time of a fault is that of the steps, however long its network has waited for
// others to be built.
func TestFaultsBeginWithTheFirstStep(t *testing.T) {
	t.Parallel()
	const after = 500 * time.Millisecond
	late := &netem.Faults{{Name: "late", Pick: netem.Pick{Flags: uint8(topo.SYN), After: after}, Do: netem.DropPacket}}
	attempt := spec.Step{Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 7}, Timeout: 300 * time.Millisecond}}
	s := &spec.Scenario{
		Topology: topo.Topology{
			Seed: 1,
			Nodes: []topo.Node{
				{Name: "client", Role: topo.Host},
				{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}}},
			},
			Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: [2]netem.Impairment{{}, {Faults: late}}}},
		},
		Steps: []spec.Step{attempt, {Wait: &spec.Wait{Duration: after}}, attempt},
	}
	both := newTurn(2)
	time.AfterFunc(after+100*time.Millisecond, func() { both.opened(t.Context()) })
	r := once(t.Context(), s, Options{turn: both})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for i, late := range map[int]bool{0: false, 2: true} {
		lost := 0
		for _, j := range r.Steps[i].Observation.Journeys {
			if j.Fate.Drop.Fault == "late" {
				lost++
			}
		}
		if (lost > 0) != late {
			t.Errorf("step %d lost %d SYNs, and the fault's time had come: %v", i+1, lost, late)
		}
	}
}
