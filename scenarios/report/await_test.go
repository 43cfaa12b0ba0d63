package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

func awaitWorld(o agents.Outcome, errno string, elapsed time.Duration) *world {
	return newWorld(o, errno, elapsed).kind(verdict.Await, &spec.Step{Await: &spec.Await{Connection: "app"}})
}

func awaitCases() []storyCase {
	dead := onTheLink("fw", "server", netem.LinkDown)
	probed := awaitWorld(agents.TimedOut, "ETIMEDOUT", 2*time.Hour+11*time.Minute)
	for i := range 9 {
		probed.sends(2*time.Hour+time.Duration(i)*75*time.Second, "client", tcp(topo.ACK, 0), dead)
	}
	probed.sends(2*time.Hour+9*75*time.Second, "client", tcp(topo.RST|topo.ACK, 0), dead)
	half := awaitWorld(agents.TimedOut, "", 40*time.Second)
	half.obs.Deadline = true
	for _, at := range []time.Duration{time.Second, 3 * time.Second} {
		half.sends(at, "server", reply(synAckBits, 0), arrives).sends(at+50*ms, "client", tcp(topo.ACK, 0), byRule("fw", "lose-acks", ""))
	}
	idle := awaitWorld(agents.TimedOut, "", time.Hour)
	idle.obs.Deadline = true
	orphan := fin().sends(0, "client", tcp(topo.FIN|topo.ACK, 0), arrives)
	orphan.obs.FinWait2 = &verdict.Lasted{Duration: 61 * time.Second}
	waited := fin().sends(0, "client", tcp(topo.FIN|topo.ACK, 0), arrives).sends(50*ms, "server", reply(topo.FIN|topo.ACK, 0), arrives)
	waited.obs.FinWait2, waited.obs.TimeWait = &verdict.Lasted{Duration: 50 * ms}, &verdict.Lasted{Duration: 61 * time.Second}
	unwatched := fin().sends(0, "client", tcp(topo.FIN|topo.ACK, 0), arrives)
	unwatched.obs.Deadline, unwatched.obs.Elapsed = true, 3*time.Minute
	return []storyCase{
		{name: "probed in vain", world: probed, checks: bad("elapsed", "3h", "2h11m0s")},
		{name: "data sent in vain", world: awaitWorld(agents.TimedOut, "ETIMEDOUT", 900*time.Second).sends(0, "client", tcp(topo.ACK|topo.PSH, 5), dead)},
		{name: "a handshake that the server waits for", world: half},
		{name: "nothing happens", world: idle, checks: bad("outcome", "ended", "not ended")},
		{name: "ended by the server", world: awaitWorld(agents.Closed, "", 5*time.Second).sends(4900*ms, "server", reply(topo.FIN|topo.ACK, 0), arrives)},
		{name: "reset while idle", world: awaitWorld(agents.Reset, "ECONNRESET", 5*time.Second).sends(4900*ms, "server", reply(topo.RST, 0), arrives)},
		{name: "never open", world: awaitWorld(agents.Failed, "", 0)},
		{name: "an orphan in FIN-WAIT-2", world: orphan},
		{name: "TIME-WAIT", world: waited},
		{name: "watched in vain", world: unwatched},
	}
}

// What a timeout was computed from is in the story and in JSON, not in the lines.
func TestComputedFrom(t *testing.T) {
	w := awaitWorld(agents.TimedOut, "ETIMEDOUT", 7881*time.Second)
	const from = "client's tcp_keepalive_time 7200, HZ 250"
	r := &verdict.Result{Scenario: &spec.Scenario{Name: "x"}, Steps: []verdict.StepResult{{
		Step: w.step, Observation: w.obs, Verdict: verdict.Verdict{OK: true, Checks: []verdict.Check{
			{Key: "elapsed", Expected: "keepalive_timeout = 1s..2s", Observed: "1s", Tolerance: "±5ms", OK: true, From: from},
		}},
	}}}
	for _, c := range []struct {
		story Story
		told  bool
	}{{StoryAlways, true}, {StoryNever, false}} {
		var b bytes.Buffer
		if err := Text(&b, r, Options{Story: c.story}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), "Expected elapsed: computed from "+from); got != c.told {
			t.Errorf("story %s tells %v, expected %v:\n%s", c.story, got, c.told, &b)
		}
	}
	if got := NewDocument([]*verdict.Result{r}).Scenarios[0].Steps[0].Checks[0].From; got != from {
		t.Errorf("JSON has %q", got)
	}
}
