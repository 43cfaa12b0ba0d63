package run_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// lossyFirst is client – fw – server, 5 ms each, where the firewall drops the first
// SYN to port 80.
func lossyFirst() *topo.Topology {
	both := [2]netem.Impairment{{Delay: 5 * time.Millisecond}, {Delay: 5 * time.Millisecond}}
	first := topo.Match{Proto: "tcp", Flags: topo.SYN, Dport: topo.PortRange{First: 80, Last: 80}, Nth: 1}
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host},
			{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{{Name: "first", Hook: topo.Forward, Match: first, Action: topo.DropPacket}}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}, {Port: 80, Serve: topo.ServeHTTP}}},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "fw"}, Toward: both}, {Ends: [2]string{"fw", "server"}, Toward: both}},
	}
}

// Steps that overlap in time are each told of their own packets, and begin in their
// order. Run it with -race.
func TestParallelStepsAreToldApart(t *testing.T) {
	lab := open(t, lossyFirst())
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "kept"}); err != nil {
		t.Fatal(err)
	}
	steps := []spec.Step{
		{Connect: &spec.Connect{From: "client", Target: target("server", 80)}},
		{Exchange: &spec.Exchange{Connection: "kept", Send: "hello"}},
		{HTTP: &spec.HTTP{From: "client", URL: "http://server/", Target: target("server", 80), Path: "/"}},
		{Connect: &spec.Connect{From: "client", Target: target("server", 9)}},
		{Wait: &spec.Wait{Duration: 20 * time.Millisecond}},
		{Exec: &spec.Exec{From: "client", Args: []string{"true"}, Text: "true"}},
	}
	for range 12 {
		steps = append(steps, spec.Step{Connect: &spec.Connect{From: "client", Target: target("server", 7)}})
	}
	all, err := lab.Do(t.Context(), &spec.Step{Parallel: &spec.Parallel{Steps: steps}})
	if err != nil {
		t.Fatal(err)
	}
	got := all.Parallel
	if syns(got[0]) != 2 || !slices.ContainsFunc(got[0].Journeys, func(j observe.Journey) bool { return j.Fate.Drop.Rule == "first" }) {
		t.Errorf("the first attempt sent %d SYNs, want 2, one of them dropped", syns(got[0]))
	}
	if got[1].Outcome != agents.Answered || syns(got[1]) != 0 {
		t.Errorf("the exchange is %s with %d SYNs", got[1].Outcome, syns(got[1]))
	}
	if got[2].Status != 200 || syns(got[2]) != 1 || got[3].Outcome != agents.Refused || syns(got[3]) != 1 {
		t.Errorf("http: status %d, %d SYNs; a closed port: %s, %d SYNs", got[2].Status, syns(got[2]), got[3].Outcome, syns(got[3]))
	}
	for i, o := range got {
		if o.Step != i+1 || !o.RulesShared || o.Elapsed > all.Elapsed {
			t.Errorf("step %d is number %d, shares rules %v, took %v of %v", i+1, o.Step, o.RulesShared, o.Elapsed, all.Elapsed)
		}
		if i > 0 && o.Began.Before(got[i-1].Began) {
			t.Errorf("step %d began before step %d", i+1, i)
		}
	}
	if ended := got[0].Began.Add(got[0].Elapsed); !got[3].Began.Before(ended) {
		t.Errorf("the fourth step began %v after the first one had ended", got[3].Began.Sub(ended))
	}
}

func syns(o *verdict.Observation) (n int) {
	for i := range o.Journeys {
		if p := o.Journeys[i].Packet(); p.TCP != nil && p.TCP.Flags == topo.SYN {
			n++
		}
	}
	return n
}

// A step that the testbed cannot perform ends those beside it.
func TestAFailureEndsThoseBesideIt(t *testing.T) {
	lab := open(t, lossyFirst())
	began := time.Now()
	_, err := lab.Do(t.Context(), &spec.Step{Parallel: &spec.Parallel{Steps: []spec.Step{
		{Wait: &spec.Wait{Duration: time.Hour}},
		{Connect: &spec.Connect{From: "nobody", Target: target("server", 7)}},
	}}})
	if err == nil || time.Since(began) > time.Minute {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
	if want := `connect server:7 from nobody: no node "nobody"`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// Every nested step is judged, on its own.
func TestAScenarioJudgesParallelSteps(t *testing.T) {
	s := &spec.Scenario{Name: "beside", Topology: *lossyFirst(), Steps: []spec.Step{{Parallel: &spec.Parallel{Steps: []spec.Step{
		{Connect: &spec.Connect{From: "client", Target: target("server", 7)}},
		{Connect: &spec.Connect{From: "client", Target: target("server", 9)}},
	}}}}}
	r := run.Scenario(t.Context(), s, run.Options{Clock: verdict.Host})
	if r.Err != nil || r.OK() {
		t.Fatalf("ok %v, error %v", r.OK(), r.Err)
	}
	var labels []string
	for label, step := range r.Each() {
		labels = append(labels, label)
		if want := label == "1.1"; step.Verdict.OK != want || step.Observation.Clock != verdict.Host {
			t.Errorf("step %s: ok %v on the clock %q", label, step.Verdict.OK, step.Observation.Clock)
		}
	}
	if want := []string{"1", "1.1", "1.2"}; !slices.Equal(labels, want) {
		t.Errorf("steps %v, want %v", labels, want)
	}
}

// A connection that nobody keeps stays open as long as a step beside it, which would
// see it end.
func TestParallelStepsCloseTogether(t *testing.T) {
	lab := open(t, lossyFirst())
	// The step beside it lasts about 40 ms: one that looks later finds what it left open.
	look := spec.Exec{From: "client", Args: []string{"sh", "-c", "sleep 0.3; cat /proc/net/tcp"}, Text: "look"}
	all, err := lab.Do(t.Context(), &spec.Step{Parallel: &spec.Parallel{Steps: []spec.Step{
		{Connect: &spec.Connect{From: "client", Target: target("server", 7)}},
		{Exec: &look},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	const established = ":0007 01 "
	if o := all.Parallel[1]; !strings.Contains(o.Stdout, established) {
		t.Errorf("no socket with %q while the steps go on:\n%s", established, o.Stdout)
	}
	look.Args = []string{"cat", "/proc/net/tcp"}
	o, err := lab.Do(t.Context(), &spec.Step{Exec: &look})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(o.Stdout, established) {
		t.Errorf("a socket with %q after they have ended:\n%s", established, o.Stdout)
	}
}
