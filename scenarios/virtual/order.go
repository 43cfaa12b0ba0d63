// Package virtual runs scenarios on the virtual clock: each in a guest of its own
// that begins in the same state, with the same steps, observations and reports as
// on the host's clock.
package virtual

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"time"

	"testbed/netem"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
)

// order is what the host asks of a guest.
type order struct {
	Source []byte
	// Seed takes the place of the file's.
	Seed uint64
	// Mutation is the number of the one to begin with, from 1; 0 for none.
	Mutation int
	Capture  bool
	Links    netem.MediumName
	// Cell, First and Count are those of run.Part.
	Cell, First, Count int
}

// event is what a guest tells: a step that begins, or the end of a run.
type event struct {
	Step  int
	Title string
	Done  *done
}

// done is a verdict.Result without what the host has itself.
type done struct {
	Began   time.Time
	Elapsed time.Duration
	Clock   verdict.Clock
	Kernel  string
	Skipped string
	Links   netem.MediumName
	Capture *verdict.Capture
	Steps   []step
	Error   *failure
}

// step is a verdict.StepResult; Index is the step's in the scenario.
type step struct {
	Index       int
	Observation *verdict.Observation
	Verdict     verdict.Verdict
}

// failure is an error on its way out of the guest, with what decides the exit
// code.
type failure struct {
	Text                     string
	Missing, Remedy, Because string
	Sysctl                   string
	Problems                 []spec.Problem
}

func newFailure(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	var missing *sandbox.Unavailable
	var sysctl *rtnl.UnknownSysctl
	var problems *spec.Problems
	if errors.As(err, &problems) {
		f.Problems = problems.List
	}
	if errors.As(err, &missing) {
		f.Missing, f.Remedy, f.Because = missing.Missing, missing.Remedy, fmt.Sprint(missing.Err)
	}
	if errors.As(err, &sysctl) {
		f.Sysctl = sysctl.Name
	}
	return f
}

// guestError is a failure again as an error.
type guestError struct {
	text  string
	cause error
}

func (g *guestError) Error() string { return g.text }
func (g *guestError) Unwrap() error { return g.cause }

// err is the error as the host has it, where the scenario's file has its name.
func (f *failure) err(file string) error {
	switch {
	case f == nil:
		return nil
	case f.Problems != nil:
		for i := range f.Problems {
			f.Problems[i].File = file
		}
		return &spec.Problems{List: f.Problems}
	case f.Missing != "":
		return &guestError{f.Text, &sandbox.Unavailable{Missing: f.Missing, Remedy: f.Remedy, Err: errors.New(f.Because)}}
	case f.Sysctl != "":
		return &guestError{f.Text, &rtnl.UnknownSysctl{Name: f.Sysctl}}
	}
	return &guestError{text: f.Text}
}

// newDone is the result as a guest sends it.
func newDone(s *spec.Scenario, r *verdict.Result) *done {
	d := &done{Began: r.Began, Elapsed: r.Elapsed, Clock: r.Clock, Kernel: r.Kernel, Skipped: r.Skipped, Links: r.Links, Capture: r.Capture, Error: newFailure(r.Err)}
	for _, sr := range r.Steps {
		for i := range s.Steps {
			if sr.Step == &s.Steps[i] {
				d.Steps = append(d.Steps, step{i, sr.Observation, sr.Verdict})
			}
		}
	}
	return d
}

// lighten leaves out what only the story of a run needs.
func (d *done) lighten() {
	d.Capture = nil
	for _, s := range d.Steps {
		lighten(s.Observation)
	}
}

func lighten(o *verdict.Observation) {
	o.Journeys, o.Earlier, o.Stdout, o.Stderr, o.Answer, o.Rules = nil, nil, "", "", "", nil
	for _, n := range o.Parallel {
		lighten(n)
	}
}

// result is the result as the host has it.
func (d *done) result(s *spec.Scenario) (*verdict.Result, error) {
	plan, err := topo.MakePlan(&s.Topology)
	if err != nil {
		return nil, err
	}
	r := &verdict.Result{
		Scenario: s, Plan: plan, Began: d.Began, Elapsed: d.Elapsed, Clock: d.Clock, Kernel: d.Kernel, Skipped: d.Skipped,
		Links: d.Links, Capture: d.Capture, Err: d.Error.err(s.File),
	}
	for _, sr := range d.Steps {
		if sr.Index < 0 || sr.Index >= len(s.Steps) || sr.Observation == nil {
			return nil, fmt.Errorf("the guest tells of step %d of %d", sr.Index+1, len(s.Steps))
		}
		r.Steps = append(r.Steps, verdict.StepResult{Step: &s.Steps[sr.Index], Observation: sr.Observation, Verdict: sr.Verdict})
	}
	return r, nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b.Bytes(), nil
}

func decode(b []byte, v any) error {
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}
