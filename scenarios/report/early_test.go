package report

import (
	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// opening is a connection that is to take data along, with a SYN of so many bytes and
// a SYN-ACK of a number.
func opening(payload int, ack uint32) *world {
	w := newWorld(agents.Connected, "", 100*ms).connectTime(100 * ms)
	w.step = &spec.Step{Connect: &spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 80}, FastOpen: "hello"}}
	syn, answer := tcp(topo.SYN, payload), reply(synAckBits, 0)
	answer.TCP.Ack = ack
	return w.sends(0, "client", syn, arrives).sends(50*ms, "server", answer, arrives).sends(100*ms, "client", tcp(topo.ACK, 0), arrives)
}

func openingCases() []storyCase {
	both := up().sends(0, "client", tcp(topo.SYN, 0), arrives).sends(ms, "server", reply(topo.SYN, 0), arrives).
		states([]observe.State{observe.SynSent, observe.SynReceived, observe.Established}, nil)
	return []storyCase{
		{name: "data in the SYN", world: opening(5, 1006)},
		{name: "data in the SYN, ignored", world: opening(5, 1001)},
		{name: "no cookie for data in the SYN", world: opening(0, 1001)},
		{name: "a simultaneous open", world: both},
	}
}
