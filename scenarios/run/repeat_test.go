package run_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"testbed/agents"
	"testbed/netem"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// lossy is a scenario with two cells: a link that loses nothing, and one that loses
// half of all frames.
const lossy = `name: lossy
matrix: {loss: [0%, 50%]}
repeat: 12
nodes: {client: {}, server: {listen: [{port: 80, serve: http}]}}
links: [{between: [client, server], delay: 1ms, loss: "${loss}"}]
steps: [{connect: "server:80", from: client, timeout: 200ms, expect: {outcomes: {connected: "100%"}}}]
`

func decode(t *testing.T, text string) *spec.Scenario {
	t.Helper()
	s, err := spec.Decode("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outcomes are those of a cell's repetitions.
func outcomes(c *verdict.Result) (all []agents.Outcome) {
	for _, x := range c.Series[0].Samples {
		all = append(all, x.Outcome)
	}
	return all
}

// The runs of a cell meet chances of their own, which are the same each time, and as
// a scenario with the run's seed meets them.
func TestRepetitionsMeetTheirOwnChances(t *testing.T) {
	s := decode(t, lossy)
	var mu sync.Mutex
	ran := 0
	o := run.Options{Jobs: 4, Links: netem.Wire, Progress: run.Progress{OnRun: func(_ *spec.Scenario, done int) {
		mu.Lock()
		defer mu.Unlock()
		ran = max(ran, done)
	}}}
	r := run.Scenario(t.Context(), s, o)
	if r.Err != nil || len(r.Cells) != 2 || ran != 24 {
		t.Fatalf("%d cells, %d runs: %v", len(r.Cells), ran, r.Err)
	}
	if whole := r.Cells[0]; !whole.OK() || whole.Series[0].Endings()[0].Count != 12 {
		t.Errorf("without loss: %v", outcomes(whole))
	}
	half := r.Cells[1]
	if half.OK() || len(half.Series[0].Endings()) != 2 {
		t.Errorf("with loss: %v", outcomes(half))
	}
	if again := run.Scenario(t.Context(), s, o); !slices.Equal(outcomes(again.Cells[1]), outcomes(half)) {
		t.Errorf("%v, and then %v", outcomes(half), outcomes(again.Cells[1]))
	}
	once := run.Scenario(t.Context(), s.Run(1, 7), run.Options{Links: netem.Wire})
	if got := once.Steps[0].Observation.Outcome; got != outcomes(half)[7] {
		t.Errorf("the run with the eighth one's seed is %s, and the eighth was %s", got, outcomes(half)[7])
	}
}

// Each run begins with the network as the file has it; a step's own repetitions stay
// in theirs.
func TestRunsBeginAnewAndStepsGoOn(t *testing.T) {
	first := run.Scenario(t.Context(), decode(t, `name: first
repeat: 3
nodes: {a: {}, b: {firewall: [{match: {flags: SYN, nth: 1}, action: reject, with: tcp-reset}], listen: [{port: 7, serve: echo}]}}
links: [{between: [a, b]}]
steps:
  - {connect: "b:7", from: a, expect: {outcome: refused}}
  - {connect: "b:7", from: a, repeat: 4, expect: {outcomes: {connected: 100%}}}
  - {connect: "b:7", from: a, as: left-open}
  - set: {node: b, listen: []}
`), run.Options{})
	if !first.OK() {
		t.Fatalf("%v: %+v", first.Err, first.Cells[0].Series)
	}
	again := first.Cells[0].Series[1]
	if again.Label != "2" || len(again.Samples) != 12 {
		t.Errorf("step %s has %d samples, want 3 times 4", again.Label, len(again.Samples))
	}
}

// What is interrupted is told, with what had been done by then.
func TestRepetitionsEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &spec.Scenario{Name: "many", Repeat: 50, Topology: topo.Topology{Seed: 1, Nodes: []topo.Node{{Name: "host", Role: topo.Host}}}, Steps: []spec.Step{
		{Exec: &spec.Exec{From: "host", Args: []string{"true"}, Text: "true"}},
		{Wait: &spec.Wait{Duration: 10 * time.Millisecond}},
	}}
	r := run.Scenario(ctx, s, run.Options{Jobs: 1, Progress: run.Progress{OnRun: func(_ *spec.Scenario, done int) {
		if done == 2 {
			cancel()
		}
	}}})
	if !errors.Is(r.Err, context.Canceled) || len(r.Cells) != 1 || len(r.Cells[0].Series[0].Samples) != 2 {
		t.Errorf("%v, %+v", r.Err, r.Cells)
	}
}
