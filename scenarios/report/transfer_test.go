package report

import (
	"testing"
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

func TestTransferInJSON(t *testing.T) {
	w := transferWorld(agents.TimedOut, "", 2*time.Second, 1<<19)
	w.obs.Transfer.Receive, w.obs.Transfer.Omitted = true, 700
	w.obs.Transfer.Stall = &verdict.Stall{Duration: time.Second, At: 500 * ms, Offset: 1 << 19, Lost: 3, Drop: observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "cut"}}
	got := transferDocument(w.obs)
	want := TransferDocument{
		Direction: "receive", WantedBytes: 1 << 20, Bytes: 1 << 19, Throughput: 1 << 21, Segments: 725,
		RTTNS: int64(102 * ms), MinRTTNS: int64(100 * ms), OmittedPackets: 700,
	}
	stall := got.Stall
	if got.Stall = nil; *got != want {
		t.Errorf("%+v, expected %+v", *got, want)
	}
	if stall.Drop == nil || stall.Drop.Rule != "cut" || stall.Drop.Node != "fw" || stall.DurationNS != int64(time.Second) || stall.Lost != 3 || stall.Ended {
		t.Errorf("the stall is %+v", *stall)
	}
	if transferDocument(&verdict.Observation{}) != nil {
		t.Error("a step that transfers nothing has a transfer")
	}
}
