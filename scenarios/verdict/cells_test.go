package verdict

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
)

// attempts is a scenario of one connect step, repeated so often, that expects e.
func attempts(n int, e *spec.Expect) *spec.Scenario {
	s := &spec.Scenario{Name: "attempts", Repeat: n, Steps: []spec.Step{{Connect: &spec.Connect{From: "a"}, Expect: e}}}
	s.Topology.Seed = 5
	return s
}

// attempt is the result of one run that ended so after some milliseconds.
func attempt(s *spec.Scenario, outcome agents.Outcome, took time.Duration) *Result {
	o := &Observation{Step: 1, Kind: Connect, Outcome: outcome, ConnectTime: &took, Elapsed: took, Path: Path{Nodes: []string{"a", "b"}, There: []time.Duration{time.Millisecond}, Back: []time.Duration{time.Millisecond}}}
	return &Result{Scenario: s, Elapsed: took, Steps: []StepResult{{Step: &s.Steps[0], Observation: o, Verdict: Judge(&s.Steps[0], o)}}}
}

// gather adds runs of one cell, the last one first.
func gather(s *spec.Scenario, runs []*Result) *Result {
	c := NewCells(s)
	for k, r := range slices.Backward(runs) {
		c.Add(0, k, r)
	}
	return c.Result()
}

func shareOf(text string) spec.Share {
	bounds := map[string]spec.Share{
		"95%": {Value: 0.95}, ">= 95%": {Bound: spec.AtLeast, Value: 0.95}, "> 95%": {Bound: spec.Above, Value: 0.95},
		"<= 5%": {Bound: spec.AtMost, Value: 0.05}, "< 5%": {Bound: spec.Below, Value: 0.05}, "90%..95%": {Bound: spec.Within, Value: 0.9, Upper: 0.95},
		"0%": {}, "100%": {Value: 1},
	}
	s := bounds[text]
	s.Text = text
	return s
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		share string
		n     int
		ok    bool
	}{
		{"95%", 19, true}, {"95%", 20, false}, {">= 95%", 19, true}, {">= 95%", 18, false}, {"> 95%", 19, false}, {"> 95%", 20, true},
		{"<= 5%", 1, true}, {"<= 5%", 2, false}, {"< 5%", 1, false}, {"< 5%", 0, true}, {"90%..95%", 18, true}, {"90%..95%", 19, true},
		{"90%..95%", 17, false}, {"90%..95%", 20, false}, {"0%", 0, true}, {"0%", 1, false}, {"100%", 20, true}, {"100%", 19, false},
	} {
		s := attempts(20, &spec.Expect{Outcomes: []spec.OutcomeShare{{Outcome: agents.Connected, Share: shareOf(c.share)}}})
		var runs []*Result
		for k := range 20 {
			outcome := agents.TimedOut
			if k < c.n {
				outcome = agents.Connected
			}
			runs = append(runs, attempt(s, outcome, time.Millisecond))
		}
		r := gather(s, runs)
		if check := r.Cells[0].Series[0].Verdict.Checks[0]; r.OK() != c.ok || check.OK != c.ok {
			t.Errorf("%d of 20 against %s: ok %v, %+v", c.n, c.share, r.OK(), check)
		}
	}
}

func TestTimesOfAllRepetitions(t *testing.T) {
	ms := func(n float64, text string) spec.Duration {
		return spec.Duration{Bound: spec.AtMost, Term: spec.Term{Value: n * 1e6, Text: text}, Text: "<= " + text}
	}
	for _, c := range []struct {
		e  spec.Expect
		ok bool
	}{
		{spec.Expect{P50: []spec.TimeOfAll{{Key: "connect_time", Duration: ms(50, "50ms")}}}, true},
		{spec.Expect{P50: []spec.TimeOfAll{{Key: "connect_time", Duration: ms(49, "49ms")}}}, false},
		{spec.Expect{P95: []spec.TimeOfAll{{Key: "elapsed", Duration: ms(95, "95ms")}}}, true},
		{spec.Expect{P95: []spec.TimeOfAll{{Key: "elapsed", Duration: ms(94, "94ms")}}}, false},
		{spec.Expect{Max: []spec.TimeOfAll{{Key: "connect_time", Duration: ms(100, "100ms")}}}, true},
		{spec.Expect{Max: []spec.TimeOfAll{{Key: "connect_time", Duration: ms(99, "99ms")}}}, false},
		{spec.Expect{Max: []spec.TimeOfAll{{Key: "tls_time", Duration: ms(99, "99ms")}}}, false},
		{spec.Expect{P50: []spec.TimeOfAll{{Key: "connect_time", Duration: spec.Duration{Term: spec.Term{Value: 25, Unit: spec.RTT}, Text: "25 rtt"}}}}, true},
	} {
		s := attempts(100, &c.e)
		var runs []*Result
		for k := range 100 {
			runs = append(runs, attempt(s, agents.Connected, time.Duration(100-k)*time.Millisecond))
		}
		r := gather(s, runs)
		if r.OK() != c.ok {
			t.Errorf("%+v: ok %v, %+v", c.e, r.OK(), r.Cells[0].Series[0].Verdict)
		}
	}
}

// A cell tells of the first repetition that is not as expected, however the results
// come in, and keeps a sample of each.
func TestACellTellsOfTheFirstThatFailed(t *testing.T) {
	s := attempts(4, nil)
	runs := []*Result{attempt(s, agents.Connected, 1), attempt(s, agents.Refused, 2), attempt(s, agents.Connected, 3), attempt(s, agents.TimedOut, 4)}
	r := gather(s, runs)
	c := r.Cells[0]
	if r.OK() || c.Repetition != 2 || c.Seed != spec.RepetitionSeed(5, 1) || c.Steps[0].Observation.Outcome != agents.Refused {
		t.Errorf("ok %v, repetition %d, seed %d: %s", r.OK(), c.Repetition, c.Seed, c.Steps[0].Observation.Outcome)
	}
	if n := c.Series[0].Failed(); n != 2 || len(c.Series[0].Samples) != 4 || c.Repetitions() != 4 {
		t.Errorf("%d of %d failed, %d repetitions", n, len(c.Series[0].Samples), c.Repetitions())
	}
	for k, x := range c.Series[0].Samples {
		if x.Repetition != k+1 || x.Outcome != runs[k].Steps[0].Observation.Outcome {
			t.Errorf("sample %d: %+v", k, x)
		}
	}
}

// The testbed's own failure is told, with the repetition, before an interruption.
func TestACellTellsWhyItBroke(t *testing.T) {
	broken, interrupted := errors.New("out of memory"), context.Canceled
	s := attempts(3, nil)
	r := gather(s, []*Result{{Scenario: s, Err: interrupted}, {Scenario: s, Err: broken}, attempt(s, agents.Connected, 1)})
	if r.OK() || !errors.Is(r.Err, broken) || r.Err.Error() != "repetition 2: out of memory" {
		t.Errorf("ok %v: %v", r.OK(), r.Err)
	}
}

// What is expected of a step that is performed several times in a row is of its own
// repetitions.
func TestRepeatedStep(t *testing.T) {
	step := spec.Step{Repeat: 4, Connect: &spec.Connect{From: "a"}, Expect: &spec.Expect{Outcomes: []spec.OutcomeShare{{Outcome: agents.Connected, Share: shareOf("> 95%")}}}}
	var all []*Observation
	for _, outcome := range []agents.Outcome{agents.Connected, agents.TimedOut, agents.Connected, agents.Connected} {
		took := time.Millisecond
		all = append(all, &Observation{Step: 1, Kind: Connect, Outcome: outcome, ConnectTime: &took})
	}
	o := Repeat(&step, all)
	if v := Judge(&step, o); v.OK || len(v.Checks) != 1 || v.Checks[0].Observed != "connected 75% (3 of 4)" || o.Repetition != 1 {
		t.Errorf("repetition %d: %+v", o.Repetition, v)
	}
	step.Expect = nil
	o = Repeat(&step, all)
	if v := Judge(&step, o); v.OK || o.Repetition != 2 || len(o.Samples) != 4 || v.Checks[len(v.Checks)-1].Key != "repeat" {
		t.Errorf("repetition %d: %+v", o.Repetition, v)
	}
}
