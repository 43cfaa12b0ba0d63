package run_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
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

// behindNAT is phone – nat – server, with an echo and an HTTPS server, and a
// server on the phone that the NAT forwards to.
func behindNAT() *topo.Topology {
	both := [2]netem.Impairment{{Delay: time.Millisecond}, {Delay: time.Millisecond}}
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "phone", Role: topo.Host, Listen: []topo.Listener{{Port: 8080, Serve: topo.ServeEcho}}},
			{Name: "nat", Role: topo.Router, NAT: &topo.NAT{Outside: "server", Forward: []topo.PortForward{{Port: 80, Node: "phone", ToPort: 8080}}},
				Firewall: []topo.Rule{{Name: "no-ssh", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 22, Last: 22}}, Action: topo.Reject, With: topo.HostUnreachable}}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}, {Port: 443, Serve: topo.ServeHTTPS}}},
		},
		Links: []topo.Link{{Ends: [2]string{"phone", "nat"}, Toward: both}, {Ends: [2]string{"nat", "server"}, Toward: both}},
	}
}

func open(t *testing.T, topology *topo.Topology) *run.Lab {
	t.Helper()
	lab, err := run.Open(t.Context(), topology)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return lab
}

func states(changes []observe.StateChange) (names []observe.State) {
	for _, c := range changes {
		names = append(names, c.State)
	}
	return names
}

func target(host string, port uint16) spec.Target { return spec.Target{Host: host, Port: port} }

func TestConnectObservesAcrossANAT(t *testing.T) {
	for _, family := range []spec.Family{spec.IPv4, spec.IPv6} {
		lab := open(t, behindNAT())
		o, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 7), Family: family})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != agents.Connected || o.SeenFrom != "nat" || o.Path.RTT() != 4*time.Millisecond {
			t.Errorf("%s: %s, seen from %q at %v, rtt %v", family, o.Outcome, o.SeenFrom, o.SeenAddr, o.Path.RTT())
		}
		if o.ConnectTime == nil || *o.ConnectTime < 4*time.Millisecond || o.AcceptTime == nil || *o.AcceptTime < 6*time.Millisecond {
			t.Errorf("%s: connect time %v, accept time %v; want at least 2 and 3 one-way delays of 2ms", family, o.ConnectTime, o.AcceptTime)
		}
		if len(o.Journeys) != 3 || len(o.Journeys[0].Sightings) != 4 {
			t.Errorf("%s: %d journeys, want SYN, SYN-ACK and ACK over two links", family, len(o.Journeys))
		}
		if got := states(o.ClientStates); !slices.Equal(got, []observe.State{observe.SynSent, observe.Established}) {
			t.Errorf("%s: the client went through %v (from %s)", family, got, o.StateSource)
		}
		if got := states(o.ServerStates); !slices.Equal(got, []observe.State{observe.SynReceived, observe.Established}) {
			t.Errorf("%s: the server went through %v (from %s)", family, got, o.StateSource)
		}
	}
}

func TestConnectThroughAPortForwarding(t *testing.T) {
	o, err := open(t, behindNAT()).Connect(t.Context(), spec.Connect{From: "server", Target: target("nat", 80)})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != agents.Connected || o.Target != "phone" || o.SeenFrom != "server" || len(o.Path.Nodes) != 3 {
		t.Errorf("%s, target %q, seen from %q, path %v", o.Outcome, o.Target, o.SeenFrom, o.Path.Nodes)
	}
}

func TestARejectedAttemptNamesItsRule(t *testing.T) {
	o, err := open(t, behindNAT()).Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 22)})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != agents.HostUnreachable || o.Errno != "EHOSTUNREACH" {
		t.Errorf("%s with %q", o.Outcome, o.Errno)
	}
	want := []observe.RuleCount{{Node: "nat", Rule: "no-ssh", Hook: topo.Forward, Action: topo.Reject, Packets: 1}}
	if !slices.Equal(o.Rules, want) {
		t.Errorf("rules that matched: %+v, want %+v", o.Rules, want)
	}
	if d := o.Journeys[0].Fate.Drop; d.Node != "nat" || d.Cause != observe.ByRule || d.Rule != "no-ssh" || d.Answer != "host-unreachable" {
		t.Errorf("the SYN died of %+v", d)
	}
	if got := states(o.ClientStates); !slices.Equal(got, []observe.State{observe.SynSent, observe.Closed}) {
		t.Errorf("the client went through %v", got)
	}
}

func TestAKeptConnection(t *testing.T) {
	lab := open(t, behindNAT())
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 7), As: "app"}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "hello"})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != agents.Answered || o.Answer != "hello" || len(o.Journeys) == 0 {
			t.Errorf("%s, answer %q, %d journeys", o.Outcome, o.Answer, len(o.Journeys))
		}
	}
	o, err := lab.CloseConnection(t.Context(), spec.Close{Connection: "app", Reset: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Journeys) != 1 || o.Journeys[0].Packet().TCP.Flags&topo.RST == 0 {
		t.Errorf("closing with a reset sent %d packets", len(o.Journeys))
	}
	if o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "x"}); err != nil || o.Outcome != agents.Failed {
		t.Errorf("an exchange on a connection that is closed: %v, %v", o.Outcome, err)
	}
}

func TestHTTPOverTLS(t *testing.T) {
	o, err := open(t, behindNAT()).HTTP(t.Context(), spec.HTTP{From: "phone", URL: "https://server/", TLS: true, Target: target("server", 443), Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Status != 200 || *o.ConnectTime > *o.TLSTime || *o.TLSTime > *o.FirstByteTime {
		t.Errorf("status %d (%s), times %v, %v, %v", o.Status, o.Detail, *o.ConnectTime, o.TLSTime, o.FirstByteTime)
	}
}

func TestListenersAreReplaced(t *testing.T) {
	lab := open(t, behindNAT())
	attempt := func(port uint16) agents.Outcome {
		t.Helper()
		o, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", port)})
		if err != nil {
			t.Fatal(err)
		}
		return o.Outcome
	}
	if got := attempt(9); got != agents.Refused {
		t.Errorf("before: %s", got)
	}
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "phone", Target: target("server", 7), As: "old"}); err != nil {
		t.Fatal(err)
	}
	listeners := []topo.Listener{{Port: 9, Serve: topo.ServeEcho}, {Port: 7, Serve: topo.ServeEcho}}
	if _, err := lab.Set(spec.Set{Node: "server", Link: -1, Listen: &listeners}); err != nil {
		t.Fatal(err)
	}
	if got := attempt(9); got != agents.Connected {
		t.Errorf("after: %s", got)
	}
	if got := attempt(443); got != agents.Refused {
		t.Errorf("what is no longer named: %s", got)
	}
	if o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "old", Send: "still"}); err != nil || o.Outcome != agents.Answered {
		t.Errorf("a connection of a listener that stays: %s (%v)", o.Outcome, err)
	}
}

func TestExecKnowsTheNames(t *testing.T) {
	lab := open(t, behindNAT())
	o, err := lab.Exec(t.Context(), spec.Exec{From: "phone", Args: []string{"cat", "/etc/hosts"}, Text: "cat /etc/hosts"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Exit != 0 || !strings.Contains(o.Stdout, "\tserver\n") {
		t.Errorf("exit %d, %q", o.Exit, o.Stdout)
	}
	if o, err := lab.Exec(t.Context(), spec.Exec{From: "phone", Args: []string{"no-such-program"}}); err != nil || o.Exit != 127 || o.Detail == "" {
		t.Errorf("a program that is not there: exit %d, %q (%v)", o.Exit, o.Detail, err)
	}
}

func TestCancelEndsAStep(t *testing.T) {
	topology := behindNAT()
	topology.Links[1].Toward[1].Loss = 1
	lab := open(t, topology)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	for name, step := range map[string]*spec.Step{
		"connect": {Connect: &spec.Connect{From: "phone", Target: target("server", 7)}},
		"http":    {HTTP: &spec.HTTP{From: "phone", URL: "http://server:7/", Target: target("server", 7)}},
		"wait":    {Wait: &spec.Wait{Duration: time.Hour}},
		"exec":    {Exec: &spec.Exec{From: "phone", Args: []string{"sleep", "1000"}}},
	} {
		if _, err := lab.Do(ctx, step); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want the context's error", name, err)
		}
	}
}

func TestAllKeepsTheOrder(t *testing.T) {
	var list []*spec.Scenario
	for _, name := range []string{"slow", "repeated", "broken"} {
		s := &spec.Scenario{Name: name, Topology: *behindNAT(), Steps: []spec.Step{{Wait: &spec.Wait{Duration: time.Millisecond}}}}
		list = append(list, s)
	}
	list[0].Steps[0].Wait.Duration = 50 * time.Millisecond
	list[1].Repeat = 3
	list[2].Topology.Nodes[0].Sysctls = []topo.Sysctl{{Name: "net.ipv4.no_such_thing", Value: "1"}}
	for _, jobs := range []int{1, 2, 0} {
		results := run.All(t.Context(), list, run.Options{Jobs: jobs})
		for i, r := range results {
			if r.Scenario != list[i] || r.OK() != (i != 2) {
				t.Errorf("jobs %d: result %d is %s, ok %t: %v", jobs, i, r.Scenario.Name, r.OK(), r.Err)
			}
		}
	}
}

// straight is client – server with 10 ms of delay each way; the client tries a
// SYN twice, a second apart, and has a firewall of one rule.
func straight(rule topo.Rule) *topo.Topology {
	both := [2]netem.Impairment{{Delay: 10 * time.Millisecond}, {Delay: 10 * time.Millisecond}}
	return &topo.Topology{
		Seed: 1,
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host, Firewall: []topo.Rule{rule}, Sysctls: []topo.Sysctl{
				{Name: "net.ipv4.tcp_syn_retries", Value: "1"}, {Name: "net.ipv4.tcp_syn_linear_timeouts", Value: "0", Optional: true},
			}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 7, Serve: topo.ServeEcho}}},
		},
		Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: both}},
	}
}

// What the client's own firewall drops has passed its interface, or never gets
// there: the stamps alone would tell a wrong time.
func TestConnectTimeWithTheClientsOwnFirewall(t *testing.T) {
	t.Parallel()
	syn, synAck := topo.Match{Proto: "tcp", Flags: topo.SYN}, topo.Match{Proto: "tcp", Flags: topo.SYN | topo.ACK}
	first := func(m topo.Match) topo.Match { m.Nth = 1; return m }
	for _, c := range []struct {
		name    string
		rule    topo.Rule
		outcome agents.Outcome
		atLeast time.Duration
	}{
		{"every SYN-ACK", topo.Rule{Hook: topo.Input, Match: synAck}, agents.TimedOut, 3 * time.Second},
		{"the first SYN-ACK", topo.Rule{Hook: topo.Input, Match: first(synAck)}, agents.Connected, time.Second},
		{"the first SYN", topo.Rule{Hook: topo.Output, Match: first(syn)}, agents.Connected, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.rule.Name, c.rule.Action = "own", topo.DropPacket
			o, err := open(t, straight(c.rule)).Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7)})
			if err != nil {
				t.Fatal(err)
			}
			if o.Outcome != c.outcome || *o.ConnectTime < c.atLeast || o.Elapsed < c.atLeast {
				t.Errorf("%s after %v (from %s), want %s after at least %v", o.Outcome, *o.ConnectTime, o.ConnectSource, c.outcome, c.atLeast)
			}
		})
	}
}

// An answer that comes after its exchange was given up belongs to no later one.
func TestALateAnswerIsNotTheNext(t *testing.T) {
	lab := open(t, straight(topo.Rule{Name: "unused", Hook: topo.Input, Match: topo.Match{Proto: "udp"}, Action: topo.Accept}))
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "app"}); err != nil {
		t.Fatal(err)
	}
	o, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "first", Timeout: time.Millisecond})
	if err != nil || o.Outcome != agents.TimedOut {
		t.Fatalf("within 1ms of an RTT of 20ms: %s (%v)", o.Outcome, err)
	}
	o, err = lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "again"})
	if err != nil || o.Outcome != agents.Answered || o.Answer != "again" {
		t.Errorf("%s with %q (%v), want its own answer", o.Outcome, o.Answer, err)
	}
}

func TestLabClosesOnce(t *testing.T) {
	lab := open(t, behindNAT())
	for range 2 {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAFullAcceptQueueDropsTheSYN(t *testing.T) {
	topology := straight(topo.Rule{Name: "unused", Hook: topo.Input, Match: topo.Match{Proto: "udp"}, Action: topo.Accept})
	topology.Nodes[1].Listen = []topo.Listener{{Port: 9, Serve: topo.ServeNoAccept, Backlog: 1}}
	lab := open(t, topology)
	for i, want := range []agents.Outcome{agents.Connected, agents.Connected, agents.TimedOut} {
		o, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 9), Timeout: 200 * time.Millisecond, As: string(rune('a' + i))})
		if err != nil {
			t.Fatal(err)
		}
		if o.Outcome != want {
			t.Fatalf("attempt %d: %s, want %s", i+1, o.Outcome, want)
		}
		full := observe.Fate{Drop: observe.Drop{Node: "server", Cause: observe.ByFullQueue}}
		if got := o.Journeys[0].Fate == full; got != (want == agents.TimedOut) {
			t.Errorf("attempt %d: the SYN's fate is %+v", i+1, o.Journeys[0].Fate)
		}
	}
}

// A connection that the server has reset has no side to close. That is the scenario's
// failure, not the testbed's.
func TestAConnectionThatHasEnded(t *testing.T) {
	topology := straight(topo.Rule{Name: "unused", Hook: topo.Input, Match: topo.Match{Proto: "udp"}, Action: topo.Accept})
	topology.Nodes[1].Listen = []topo.Listener{{Port: 7, Serve: topo.ServeReset}}
	lab := open(t, topology)
	if _, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "app"}); err != nil {
		t.Fatal(err)
	}
	if o, err := lab.Await(t.Context(), spec.Await{Connection: "app"}); err != nil || o.Outcome != agents.Reset {
		t.Fatalf("%+v, %v", o, err)
	}
	if o, err := lab.Await(t.Context(), spec.Await{Connection: "app"}); err != nil || o.Outcome != agents.Reset {
		t.Errorf("the second time it is %s, %v", o.Outcome, err)
	}
	step := &spec.Step{Close: &spec.Close{Connection: "app", Half: true, Until: &spec.Until{Client: observe.FinWait2}}}
	o, err := lab.Do(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	if v := verdict.Judge(step, o); v.OK || o.Errno != "ENOTCONN" {
		t.Errorf("ok %v with the error %q", v.OK, o.Errno)
	}
}

// What the server did between two steps is told in the next one.
func TestPacketsBetweenStepsAreTold(t *testing.T) {
	topology := straight(topo.Rule{Name: "unused", Hook: topo.Input, Match: topo.Match{Proto: "udp"}, Action: topo.Accept})
	topology.Nodes[1].Listen = []topo.Listener{{Port: 7, Serve: topo.ServeReset}}
	lab := open(t, topology)
	resets := 0
	first, err := lab.Connect(t.Context(), spec.Connect{From: "client", Target: target("server", 7), As: "app"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Wait(t.Context(), 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	second, err := lab.Exchange(t.Context(), spec.Exchange{Connection: "app", Send: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, js := range [][]observe.Journey{first.Journeys, second.Journeys} {
		for i := range js {
			if p := js[i].Packet().TCP; p != nil && p.Flags&topo.RST != 0 {
				resets++
			}
		}
	}
	if second.Outcome != agents.Reset || resets != 1 {
		t.Errorf("%s, and both steps together tell of %d resets; want reset, and one", second.Outcome, resets)
	}
}

// Scenarios that are run more than once begin when all others have ended.
func TestAllRunsTheRepeatedLast(t *testing.T) {
	var list []*spec.Scenario
	for _, name := range []string{"repeated", "once", "once more"} {
		list = append(list, &spec.Scenario{Name: name, Topology: *behindNAT(), Steps: []spec.Step{{Wait: &spec.Wait{Duration: 20 * time.Millisecond}}}})
	}
	list[0].Repeat = 2
	var mu sync.Mutex
	var order []string
	note := func(what string) func(*spec.Scenario) {
		return func(s *spec.Scenario) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, s.Name+" "+what)
		}
	}
	run.All(t.Context(), list, run.Options{
		Progress: run.Progress{OnStart: note("begins"), OnDone: func(r *verdict.Result) { note("ends")(r.Scenario) }},
	})
	if len(order) != 6 || order[4] != "repeated begins" || order[5] != "repeated ends" {
		t.Errorf("in the order %q", order)
	}
}

// Of a mutated scenario no more is run than shows that it fails.
func TestAMutantEndsWithItsFirstFailure(t *testing.T) {
	for mutation, want := range []int{6, 1} {
		s := &spec.Scenario{Name: "red", Topology: *behindNAT(), Repeat: 6, Mutation: mutation, Steps: []spec.Step{
			{Exec: &spec.Exec{From: "phone", Args: []string{"false"}, Text: "false"}},
			{Wait: &spec.Wait{Duration: time.Millisecond}},
		}}
		once := *s
		once.Repeat = 0
		if r := run.Scenario(t.Context(), &once, run.Options{}); r.OK() || len(r.Steps) != 2-mutation {
			t.Errorf("mutation %d: ok %t after %d steps", mutation, r.OK(), len(r.Steps))
		}
		runs := 0
		r := run.All(t.Context(), []*spec.Scenario{s}, run.Options{Jobs: 1, Progress: run.Progress{OnRun: func(_ *spec.Scenario, n int) { runs = n }}})[0]
		if r.OK() || r.Err != nil || runs != want {
			t.Errorf("mutation %d: ok %t, error %v, after %d runs, want %d", mutation, r.OK(), r.Err, runs, want)
		}
	}
}

// Nor a step more often.
func TestAMutantRepeatsNoStepInVain(t *testing.T) {
	all := spec.Share{Bound: spec.AtLeast, Value: 0.5, Text: ">= 50%"}
	for mutation, want := range []int{6, 4} {
		s := &spec.Scenario{Name: "red", Topology: *behindNAT(), Mutation: mutation, Steps: []spec.Step{{
			Connect: &spec.Connect{From: "phone", Target: target("server", 81)}, Repeat: 6,
			Expect: &spec.Expect{Outcomes: []spec.OutcomeShare{{Outcome: agents.Connected, Share: all}}},
		}}}
		r := run.Scenario(t.Context(), s, run.Options{})
		if r.OK() || r.Err != nil || len(r.Steps[0].Observation.Samples) != want {
			t.Errorf("mutation %d: ok %t, error %v, %d repetitions, want %d", mutation, r.OK(), r.Err, len(r.Steps[0].Observation.Samples), want)
		}
	}
}
