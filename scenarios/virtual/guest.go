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

func perform(job *vm.Job, emit func(vm.Record) error) error {
	var o order
	if err := decode(job.Payload, &o); err != nil {
		return err
	}
	s, err := spec.Decode(o.File, o.Source)
	if err != nil {
		return fmt.Errorf("the guest reads the scenario otherwise than the host: %w", err)
	}
	if o.Reseed {
		s.Topology.Seed = o.Seed
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

// warm does once what the first scenario would have to do in its own time: it
// decodes a file, builds its network, and takes it down. No connection is opened,
// so that the secrets of the kernel's TCP are still to be drawn.
func warm() error {
	const scenario = `name: warm
nodes: {client: {}, fw: {role: router, firewall: [{match: {proto: tcp, dport: 9}, action: drop}]}, server: {}}
links: [{between: [client, fw], delay: 1ms}, {between: [fw, server], delay: 1ms}]
steps: [{wait: 1ms}]
`
	s, err := spec.Decode("warm", []byte(scenario))
	if err != nil {
		return err
	}
	sandbox.OwnMachine()
	if r := run.Scenario(context.Background(), s, run.Options{Clock: verdict.Virtual}); r.Err != nil {
		return r.Err
	}
	return nil
}
