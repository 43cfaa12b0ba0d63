package verdict

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"testbed/scenarios/spec"
)

// Cells gathers the results of a scenario that is run more than once. Of each
// repetition it keeps what Sample holds, and of each cell one in full. Its methods
// are not safe for concurrent use.
type Cells struct {
	scenario *spec.Scenario
	cells    []*cell
}

// cell is what is known of one combination of values.
type cell struct {
	scenario *spec.Scenario
	// told is the result that the cell tells of, and broken the one in which the
	// testbed failed first; their numbers count from 0.
	told, broken             *Result
	toldNumber, brokenNumber int
	// runs are the samples of each repetition by the label of the step.
	runs   []map[string][]Sample
	series []Series
	steps  map[string]*spec.Step
	began  time.Time
	ended  time.Time
	total  time.Duration
}

// NewCells begins to gather the results of a scenario.
func NewCells(s *spec.Scenario) *Cells {
	c := &Cells{scenario: s}
	for _, one := range s.Each() {
		c.cells = append(c.cells, &cell{scenario: one, runs: make([]map[string][]Sample, s.Repetitions()), steps: map[string]*spec.Step{}})
	}
	return c
}

// Add counts the result of the k-th repetition, from 0, of the i-th cell. Each is
// added once, in any order.
func (c *Cells) Add(i, k int, r *Result) {
	x := c.cells[i]
	if r.Err != nil && (x.broken == nil || graver(r.Err, k, x.broken.Err, x.brokenNumber)) {
		x.broken, x.brokenNumber = r, k
	}
	if x.told == nil || sooner(r, k, x.told, x.toldNumber) {
		x.told, x.toldNumber = r, k
	}
	x.span(r)
	run := map[string][]Sample{}
	for label, s := range r.Each() {
		if observes(s.Observation.Kind) {
			run[label] = samplesOf(k+1, s)
			x.meet(label, s)
		}
	}
	x.runs[k] = run
}

// samplesOf are those of a step in a repetition of its scenario: one, or as many as
// the step itself has repetitions.
func samplesOf(repetition int, s *StepResult) []Sample {
	if len(s.Observation.Samples) == 0 {
		return []Sample{NewSample(repetition, s.Observation, s.Verdict)}
	}
	all := slices.Clone(s.Observation.Samples)
	for i := range all {
		all[i].Repetition = repetition
	}
	return all
}

// observes tells whether a kind of step has something to tell over many
// repetitions.
func observes(k Kind) bool { return k != Wait && k != Set && k != Parallel }

// sooner tells whether a cell rather tells of the result r: one that is not as
// expected before one that is, and then the first of them.
func sooner(r *Result, k int, told *Result, number int) bool {
	if bad, was := isBad(r), isBad(told); bad != was {
		return bad
	}
	return k < number
}

func isBad(r *Result) bool { return r.Err == nil && !r.OK() }

// graver tells whether an error is told rather than another one: the testbed's own
// before that of an interruption, and then the first.
func graver(err error, k int, other error, number int) bool {
	if a, b := errors.Is(err, context.Canceled), errors.Is(other, context.Canceled); a != b {
		return b
	}
	return k < number
}

// span notes when the cell was worked on.
func (x *cell) span(r *Result) {
	if x.began.IsZero() || r.Began.Before(x.began) {
		x.began = r.Began
	}
	if end := r.Began.Add(r.Elapsed); end.After(x.ended) {
		x.ended = end
	}
	x.total += r.Elapsed
}

// meet learns of a step.
func (x *cell) meet(label string, s *StepResult) {
	if x.steps[label] != nil || s.Step == nil {
		return
	}
	x.steps[label] = s.Step
	x.series = append(x.series, newSeries(label, s.Step, s.Observation))
}

// Result is the scenario's result so far.
func (c *Cells) Result() *Result {
	r := &Result{Scenario: c.scenario}
	for _, x := range c.cells {
		if x.told == nil {
			continue
		}
		one := x.result(c.scenario.Repetitions())
		if r.Plan == nil {
			r.Plan, r.Clock, r.Kernel, r.Links, r.Skipped = one.Plan, one.Clock, one.Kernel, one.Links, one.Skipped
		}
		if one.Err != nil && (r.Err == nil || graver(one.Err, 1, r.Err, 0)) {
			r.Err = one.Err
			if name := x.scenario.CellName(); name != "" {
				r.Err = fmt.Errorf("%s: %w", name, one.Err)
			}
		}
		r.Cells = append(r.Cells, one)
	}
	c.timed(r)
	return r
}

// timed says how long the cells took: on the host's clock from the first one's
// beginning to the last one's end, on the virtual clock, of which each has its own,
// all together.
func (c *Cells) timed(r *Result) {
	var ended time.Time
	for _, x := range c.cells {
		if x.told == nil {
			continue
		}
		if r.Began.IsZero() || x.began.Before(r.Began) {
			r.Began = x.began
		}
		if x.ended.After(ended) {
			ended = x.ended
		}
		r.Elapsed += x.total
	}
	if r.Clock != Virtual {
		r.Elapsed = ended.Sub(r.Began)
	}
}

// result is the cell's.
func (x *cell) result(repetitions int) *Result {
	r := *x.told
	r.Scenario, r.Began, r.Elapsed = x.scenario, x.began, x.total
	if r.Clock != Virtual {
		r.Elapsed = x.ended.Sub(x.began)
	}
	r.Err = nil
	if x.broken != nil {
		r.Err = x.broken.Err
	}
	if repetitions > 1 {
		r.Repetition = x.toldNumber + 1
		if r.Err != nil {
			r.Err = fmt.Errorf("repetition %d: %w", x.brokenNumber+1, r.Err)
		}
	}
	r.Seed = spec.RepetitionSeed(x.scenario.Topology.Seed, x.toldNumber)
	for _, s := range x.series {
		for _, run := range x.runs {
			s.Samples = append(s.Samples, run[s.Label]...)
		}
		s.Verdict = Verdict{OK: true}
		if repetitions > 1 {
			s.Verdict = judgeSeries(x.steps[s.Label], &s)
		}
		r.Series = append(r.Series, s)
	}
	slices.SortStableFunc(r.Series, func(a, b Series) int { return compareLabels(a.Label, b.Label) })
	return &r
}

// compareLabels orders 2, 3.1, 3.2, 10.
func compareLabels(a, b string) int {
	var x, y [2]int
	fmt.Sscanf(a, "%d.%d", &x[0], &x[1])
	fmt.Sscanf(b, "%d.%d", &y[0], &y[1])
	return slices.Compare(x[:], y[:])
}
