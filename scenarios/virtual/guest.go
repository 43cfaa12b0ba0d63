package virtual

import (
	"context"
	"fmt"
	"os"

	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo/sandbox"
	"testbed/vm"
	"testbed/vm/guest"
)

// Guest is the program as a guest that runs scenarios. Its main calls guest.Main
// with it before anything else.
func Guest() guest.Program { return guest.Program{Warm: warm, Do: do} }

// do runs the part of a scenario that is a job.
func do(job *vm.Job, emit func(vm.Record) error) int {
	sandbox.OwnMachine()
	if err := performAll(job, emit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// nameInGuest is every file's name in a guest: where it is on the host must not move a
// nanosecond.
const nameInGuest = "scenario.yaml"

func performAll(job *vm.Job, emit func(vm.Record) error) error {
	var o order
	if err := decode(job.Payload, &o); err != nil {
		return err
	}
	s, err := spec.Decode(nameInGuest, o.Source)
	if err != nil {
		return fmt.Errorf("the guest reads the scenario otherwise than the host: %w", err)
	}
	s.Source = o.Source
	s.Reseed(o.Seed)
	if o.Mutation > 0 {
		s = s.Mutated(o.Mutation - 1)
	}
	tell := func(e event) error {
		b, err := encode(e)
		if err != nil {
			return err
		}
		return emit(vm.Record{Kind: vm.Event, Data: b})
	}
	failed := false
	for i, one := range (run.Part{Scenario: s, Cell: o.Cell, First: o.First, Count: o.Count}).Runs() {
		r, err := performOne(one, &o, tell)
		if err != nil {
			return err
		}
		d := newDone(one, r)
		if i > 0 && (failed || r.OK()) {
			d.lighten() // a cell tells of its first run, or of the first that failed
		}
		failed = failed || !r.OK()
		if err := tell(event{Done: d}); err != nil {
			return err
		}
	}
	return nil
}

// performOne performs one run, and tells of its steps if it is the only one.
func performOne(s *spec.Scenario, o *order, tell func(event) error) (*verdict.Result, error) {
	var failed error
	options := run.Options{Clock: verdict.Virtual, Capture: o.Capture, Links: o.Links}
	if o.Count < 2 {
		options.OnStep = func(_ *spec.Scenario, step int, title string) {
			if err := tell(event{Step: step, Title: title}); failed == nil {
				failed = err
			}
		}
	}
	r := run.Scenario(context.Background(), s, options)
	return r, failed
}
