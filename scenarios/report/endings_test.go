package report

import (
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// reading is an exchange that reads otherwise than to the end of an answer.
func reading(r spec.Reading, o agents.Outcome, elapsed time.Duration, answer string) *world {
	w := newWorld(o, "", elapsed).kind(verdict.Exchange, &spec.Step{Exchange: &spec.Exchange{Connection: "app", Send: "hello", Read: r}})
	w.obs.Answer = answer
	return w
}

func endingCases() []storyCase {
	half := fin()
	half.step.Close.Half = true
	finBits := topo.FIN | topo.ACK
	return []storyCase{
		{name: "written, and nothing read", world: reading(spec.ReadNothing, agents.Sent, 30*time.Microsecond, "").sends(0, "client", tcp(topo.ACK|topo.PSH, 5), arrives)},
		{name: "read to the end", world: reading(spec.ReadEnd, agents.Closed, 101*ms, "all of it").sends(100*ms, "server", reply(finBits, 9), arrives)},
		{name: "the end, and nothing before", world: reading(spec.ReadEnd, agents.Closed, 101*ms, "").sends(100*ms, "server", reply(finBits, 0), arrives)},
		{name: "one half closed", world: half.sends(0, "client", tcp(finBits, 0), arrives)},
		{name: "closed with unread data", world: fin().sends(0, "client", tcp(topo.RST|topo.ACK, 0), arrives)},
	}
}
