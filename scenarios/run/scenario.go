package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"testbed/netem"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Options for Scenario and All.
type Options struct {
	// Jobs is how many networks there are at once in All; zero means one for each
	// scenario, cell and repetition.
	Jobs int
	// Progress is told how far it is.
	Progress
	// Clock is what the time in here is; empty is the host's.
	Clock verdict.Clock
	// Capture has the result keep what crossed the links until the last step ended.
	Capture bool
	// Links says which medium carries the links; empty stands for netem.Auto.
	Links netem.MediumName
	// turn, in All, lets one scenario at a time build its network, and each one
	// of the first to run wait for the others of them: building takes the
	// processor's time, and would delay those that measure.
	turn *turn
	// Keep is called after the last step, the network still up. It returns when
	// the network may go. May be nil.
	Keep func(context.Context, *Lab, *verdict.Result)
}

// Scenario runs one scenario from building its network to judging its last step.
// A step that observes something else than expected does not end it. What is
// repeated, or has a matrix, is run as by All.
func Scenario(ctx context.Context, s *spec.Scenario, o Options) *verdict.Result {
	if s.Repeated() {
		return All(ctx, []*spec.Scenario{s}, o)[0]
	}
	if o.OnStart != nil {
		o.OnStart(s)
	}
	r := once(ctx, s, o)
	if o.OnDone != nil {
		o.OnDone(r)
	}
	return r
}

// once runs a scenario that is neither repeated nor has a matrix.
func once(ctx context.Context, s *spec.Scenario, o Options) *verdict.Result {
	r := &verdict.Result{Scenario: s, Clock: o.Clock, Kernel: Kernel(), Began: time.Now()}
	if r.Err = located(s, perform(ctx, s, o, r)); r.Elapsed == 0 {
		r.Elapsed = time.Since(r.Began)
	}
	return r
}

// perform fills the result's steps.
func perform(ctx context.Context, s *spec.Scenario, o Options, r *verdict.Result) (err error) {
	if r.Skipped, err = unsuited(s, r.Kernel); r.Skipped != "" || err != nil {
		o.turn.pass(ctx)
		return err
	}
	lab, err := o.turn.open(ctx, s, o.lab(s))
	if err != nil {
		return fmt.Errorf("build network: %w", interruption(ctx, err))
	}
	defer func() {
		if e := lab.Close(); e != nil && err == nil {
			err = fmt.Errorf("take network down: %w", e)
		}
	}()
	r.Plan, r.Links = lab.Plan(), lab.Links()
	if o.Capture {
		defer func() {
			if r.Elapsed == 0 {
				r.Elapsed = time.Since(r.Began)
			}
			var e error
			if r.Capture, e = lab.file(s.Name, r.Kernel); e != nil && err == nil {
				err = e
			}
		}()
	}
	// Other networks were waited for since this one was there.
	if err := lab.net.BeginFaults(); err != nil {
		return err
	}
	for i := range s.Steps {
		step := &s.Steps[i]
		if o.OnStep != nil {
			o.OnStep(s, i+1, Title(step))
		}
		obs, err := lab.Do(ctx, step)
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, Title(step), interruption(ctx, err))
		}
		obs.Step = i + 1
		v := verdict.Judge(step, obs)
		r.Steps = append(r.Steps, verdict.StepResult{Step: step, Observation: obs, Verdict: v})
		if s.Mutation > 0 && !v.OK && !goesOn(obs) {
			break // of a mutant that is all that matters
		}
	}
	if err := endFloods(ctx, lab, r); err != nil {
		return err
	}
	if o.Keep != nil {
		r.Elapsed = time.Since(r.Began)
		o.Keep(ctx, lab, r)
	}
	return nil
}

// endFloods ends what goes on in the background, and judges it again, now that all
// of it is known.
func endFloods(ctx context.Context, lab *Lab, r *verdict.Result) error {
	if err := lab.EndFloods(ctx); err != nil {
		return fmt.Errorf("end of a flood: %w", interruption(ctx, err))
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		if s.Step.HasBackground() {
			s.Verdict = verdict.Judge(s.Step, s.Observation)
		}
	}
	return nil
}

// goesOn tells whether a step is a flood in the background, which is judged at the
// scenario's end.
func goesOn(o *verdict.Observation) bool { return o.Flood != nil && o.Flood.Background }

// lab is what a scenario's lab has to be able to do.
func (o *Options) lab(s *spec.Scenario) labOptions {
	l := labOptions{snapLen: snapLen(&s.Topology, s.Steps), links: o.Links, repeats: o.Clock == verdict.Virtual, clock: o.Clock, mutated: s.Mutation > 0}
	for i := range s.Steps {
		set := s.Steps[i].Set
		if set == nil {
			continue
		}
		l.rulesets = append(l.rulesets, set.Rulesets...)
		if set.Link >= 0 {
			l.later = append(l.later, set.Toward[:]...)
		} else if set.Resolver != nil {
			l.resolvers = append(l.resolvers, set.Resolver)
		}
	}
	return l
}

// ErrInterrupted is context.Canceled in the words of a report.
var ErrInterrupted error = interrupt{}

type interrupt struct{}

func (interrupt) Error() string { return "interrupted" }
func (interrupt) Unwrap() error { return context.Canceled }

// interruption is ErrInterrupted for an error that comes of the context having
// been cancelled, and else the error.
func interruption(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return ErrInterrupted
	}
	return err
}
