package report

import (
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

func transferWorld(o agents.Outcome, errno string, elapsed time.Duration, bytes int64) *world {
	w := newWorld(o, errno, elapsed).kind(verdict.Transferring, &spec.Step{Transfer: &spec.Transfer{Connection: "app", Send: 1 << 20}})
	w.obs.Transfer = &verdict.Transfer{
		Wanted: 1 << 20, Bytes: bytes, Segments: 725,
		Sender: &verdict.Sender{RTT: 102 * ms, MinRTT: 100 * ms}, Stall: &verdict.Stall{Duration: 5 * ms, Ended: true},
	}
	return w
}

func transferCases() []storyCase {
	lossy := transferWorld(agents.Transferred, "", 1500*ms, 1<<20).
		sends(0, "client", tcp(topo.ACK, 1448), onTheLink("fw", "server", netem.Lost)).sends(100*ms, "client", tcp(topo.ACK, 1448), arrives)
	lossy.obs.Transfer.Sender.Retransmissions = 1
	lossy.obs.Transfer.Stall = &verdict.Stall{Duration: 210 * ms, At: 300 * ms, Offset: 144800, Ended: true, Lost: 1, Drop: observe.Drop{Link: [2]string{"fw", "server"}, Cause: observe.Cause(netem.Lost)}}
	bloated := transferWorld(agents.Transferred, "", 1500*ms, 1<<20)
	bloated.obs.Transfer.Sender.RTT = 900 * ms
	down := transferWorld(agents.Transferred, "", 1500*ms, 1<<20)
	down.obs.Transfer.Receive, down.obs.Transfer.Sender = true, nil
	full := transferWorld(agents.TimedOut, "", 3*time.Second, 40<<10)
	full.obs.Deadline = true
	full.obs.Transfer.Stall = &verdict.Stall{Duration: 2900 * ms, At: 100 * ms, Offset: 40 << 10, ZeroWindow: true}
	gone := transferWorld(agents.TimedOut, "ETIMEDOUT", 900*time.Second, 40<<10)
	gone.obs.Transfer.Stall = &verdict.Stall{Duration: 899 * time.Second, At: time.Second, Offset: 40 << 10, Lost: 15, Drop: observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "cut"}}
	cut := transferWorld(agents.Reset, "ECONNRESET", 300*ms, 40<<10).sends(250*ms, "server", reply(topo.RST, 0), arrives)
	return []storyCase{
		{name: "a transfer", world: transferWorld(agents.Transferred, "", 1500*ms, 1<<20)},
		{name: "a transfer with a loss", world: lossy, checks: bad("stalled", "<= 200ms", "210ms")},
		{name: "a transfer through a deep queue", world: bloated},
		{name: "a transfer to the client", world: down},
		{name: "a transfer into a closed window", world: full},
		{name: "a transfer that nothing acknowledges", world: gone},
		{name: "a transfer that was reset", world: cut},
		{name: "a transfer that was closed", world: transferWorld(agents.Closed, "", 300*ms, 40<<10)},
		{name: "a transfer on no connection", world: newWorld(agents.Failed, "", 0).kind(verdict.Transferring, &spec.Step{Transfer: &spec.Transfer{}})},
	}
}
