package verdict

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"testbed/netem"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// Result is a scenario that was run.
type Result struct {
	Scenario *spec.Scenario
	Plan     *topo.Plan
	Began    time.Time
	Elapsed  time.Duration
	Steps    []StepResult
	// Clock is the one that the scenario ran on; empty is the host's.
	Clock Clock
	// Kernel is the release of the kernel that it ran on, as of uname(2).
	Kernel string
	// Links is the medium that carried the links, empty if none was built.
	Links netem.MediumName
	// Skipped says why the scenario is not for this kernel, which is no failure;
	// it was not run then.
	Skipped string
	// Capture is what crossed the links; nil if it was not asked for, or no links
	// were built.
	Capture *Capture
	// Repetition is which one of several the Steps are of, from 1: the first that was
	// not as expected, else the first; 0 where there is one. Seed is its seed, and
	// Series what all of them observed, for each step that observes something.
	Repetition int
	Seed       uint64
	Series     []Series
	// Cells are the results of a scenario that is run more than once: one for each
	// combination of its matrix, or one. Steps is empty then.
	Cells []*Result
	// Err is set when the testbed itself failed or was interrupted; the steps
	// before it are there.
	Err error
}

// Capture is every frame at every end of every link.
type Capture struct {
	// File is a pcapng file.
	File []byte
	// Forgotten is how many frames at the beginning the file lacks, because only
	// the latest are kept; Lost is how many passed too fast to be recorded.
	Forgotten, Lost uint64
}

// StepResult is a step that was run.
type StepResult struct {
	Step        *spec.Step
	Observation *Observation
	Verdict     Verdict
}

// OK tells whether the scenario ran and every expectation was met.
func (r *Result) OK() bool {
	if r.Err != nil {
		return false
	}
	for i := range r.Steps {
		if !r.Steps[i].Verdict.OK {
			return false
		}
	}
	for i := range r.Series {
		if !r.Series[i].OK() {
			return false
		}
	}
	return !slices.ContainsFunc(r.Cells, func(c *Result) bool { return !c.OK() })
}

// Nested are the steps of a parallel step, in the order of the file.
func (s *StepResult) Nested() []StepResult {
	if s.Observation == nil {
		return nil
	}
	nested := make([]StepResult, len(s.Observation.Parallel))
	for i, o := range s.Observation.Parallel {
		nested[i] = StepResult{Observation: o}
		if s.Step != nil && s.Step.Parallel != nil && i < len(s.Step.Parallel.Steps) {
			nested[i].Step = &s.Step.Parallel.Steps[i]
		}
		if i < len(s.Verdict.Parallel) {
			nested[i].Verdict = s.Verdict.Parallel[i]
		}
	}
	return nested
}

// Each goes through the steps that were observed, those within a parallel step after
// it, with what they are called: 3, 3.1, 3.2.
func (r *Result) Each() iter.Seq2[string, *StepResult] {
	return func(yield func(string, *StepResult) bool) {
		for i := range r.Steps {
			s := &r.Steps[i]
			if s.Observation == nil {
				continue
			}
			label := fmt.Sprint(s.Observation.Step)
			if !yield(label, s) {
				return
			}
			for k, n := range s.Nested() {
				if !yield(fmt.Sprintf("%s.%d", label, k+1), &n) {
					return
				}
			}
		}
	}
}

// Repetitions is how often the steps of a cell were performed.
func (r *Result) Repetitions() (n int) {
	for i := range r.Series {
		for k := range r.Series[i].Samples {
			n = max(n, r.Series[i].Samples[k].Repetition)
		}
	}
	return n
}
