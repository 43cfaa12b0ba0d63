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

// do runs the one scenario of a job.
func do(job *vm.Job, emit func(vm.Record) error) int {
	sandbox.OwnMachine()
	if err := perform(job, emit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// inGuest is every file's name in a guest: where it is on the host must not move a
// nanosecond.
const inGuest = "scenario.yaml"

func perform(job *vm.Job, emit func(vm.Record) error) error {
	var o order
	if err := decode(job.Payload, &o); err != nil {
		return err
	}
	s, err := spec.Decode(inGuest, o.Source)
	if err != nil {
		return fmt.Errorf("the guest reads the scenario otherwise than the host: %w", err)
	}
	s.Source, s.Topology.Seed = o.Source, o.Seed
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
	var failed error
	r := run.Scenario(context.Background(), s, run.Options{
		Clock: verdict.Virtual, Capture: o.Capture, Links: o.Links,
		OnStep: func(_ *spec.Scenario, step int, title string) {
			if err := tell(event{Step: step, Title: title}); failed == nil {
				failed = err
			}
		},
	})
	if failed != nil {
		return failed
	}
	return tell(event{Done: newDone(s, r)})
}
