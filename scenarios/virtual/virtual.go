package virtual

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"

	"testbed/netem"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
	"testbed/topo/ruleset"
	"testbed/vm"
	"testbed/vm/image"
	"testbed/vm/machine"
)

// Options for All.
type Options struct {
	// Jobs is how many scenarios run at once; zero means one for each processor.
	Jobs int
	// Capture has every result keep its capture.
	Capture bool
	// Links says which medium carries the links; empty stands for netem.Auto.
	Links netem.MediumName
	// Progress is told how far it is.
	run.Progress
}

// Slots is how many scenarios run at once.
func (o Options) Slots() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.NumCPU()
}

// inOneGuest is how many repetitions of a scenario one guest performs, one after the
// other. It is the same for all, because a repetition finds what those before it left
// in the guest's kernel.
const inOneGuest = 10

// All runs scenarios on a machine, some at once, and returns their results in the
// order given. Each one is on its own: its result does not depend on the others.
func All(ctx context.Context, m *machine.Machine, list []*spec.Scenario, o Options) []*verdict.Result {
	return run.InParts(ctx, list, inOneGuest, o.Slots(), o.Progress, func(ctx context.Context, p run.Part, told run.Progress) []*verdict.Result {
		return inGuest(ctx, m, p, o, told)
	})
}

// Scenario runs one scenario in a guest of its own, or in several one after the other
// if it is run more than once. Everything that goes wrong is in the result.
func Scenario(ctx context.Context, m *machine.Machine, s *spec.Scenario, o Options) *verdict.Result {
	o.Jobs = 1
	return All(ctx, m, []*spec.Scenario{s}, o)[0]
}

// inGuest runs a part of a scenario in a guest of its own.
func inGuest(ctx context.Context, m *machine.Machine, p run.Part, o Options, told run.Progress) []*verdict.Result {
	runs := p.Runs()
	results, err := perform(ctx, m, p, runs, o, told)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = run.ErrInterrupted
	}
	for i := len(results); i < len(runs); i++ {
		results = append(results, &verdict.Result{Scenario: runs[i], Began: vm.Epoch, Clock: verdict.Virtual, Kernel: m.Kernel().Release, Err: err})
	}
	return results
}

// perform has a guest do a part, and returns the results of the runs that it told of.
// They are all of them if there is no error.
func perform(ctx context.Context, m *machine.Machine, p run.Part, runs []*spec.Scenario, o Options, told run.Progress) (results []*verdict.Result, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := p.Scenario
	if len(s.Source) == 0 {
		return nil, fmt.Errorf("scenario %s has no text to hand to a guest: read it with spec.DecodeFile", s.Name)
	}
	ord := order{
		Source: s.Source, Seed: s.Topology.Seed, Mutation: s.Mutation, Capture: o.Capture, Links: o.Links,
		Cell: runs[0].Number, First: p.First, Count: p.Count,
	}
	files, err := programs(runs[0])
	if err != nil {
		return nil, err
	}
	payload, err := encode(ord)
	if err != nil {
		return nil, err
	}
	var stderr []byte
	code, err := m.Do(ctx, &vm.Job{Seed: kernelSeed(runs[0].Topology.Seed), Files: files, Payload: payload}, func(rec vm.Record) error {
		switch rec.Kind {
		case vm.Stdout, vm.Stderr:
			stderr = append(stderr, rec.Data...)
		case vm.Event:
			return happened(rec.Data, runs, &results, told)
		}
		return nil
	})
	switch {
	case err != nil:
		return results, err
	case code != 0 || len(results) < len(runs):
		return results, fmt.Errorf("the guest failed with code %d: %s", code, stderr)
	}
	return results, nil
}

// happened takes what a guest tells.
func happened(data []byte, runs []*spec.Scenario, results *[]*verdict.Result, told run.Progress) error {
	var e event
	if err := decode(data, &e); err != nil {
		return err
	}
	if e.Done == nil {
		if told.OnStep != nil {
			told.OnStep(runs[0], e.Step, e.Title)
		}
		return nil
	}
	n := len(*results)
	if n == len(runs) {
		return fmt.Errorf("the guest tells of run %d of %d", n+1, n)
	}
	r, err := e.Done.result(runs[n])
	if err != nil {
		return err
	}
	*results = append(*results, r)
	if told.OnRun != nil {
		told.OnRun(runs[n], 1)
	}
	return nil
}

// kernelSeed spreads a scenario's seed, which is small, over all bits.
func kernelSeed(seed uint64) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed)
	return h.Sum64()
}

// programs are the files that a scenario's programs need: of its exec steps, and of
// the tools that load its rulesets.
func programs(s *spec.Scenario) ([]vm.File, error) {
	files, err := image.Programs(commands(s))
	if err != nil {
		return nil, err
	}
	for _, tool := range tools(s) {
		path, err := ruleset.Find(tool)
		if err != nil {
			return nil, err
		}
		more, err := image.FirewallTool(path)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// tools are those that load rulesets. What iptables has made, nft clears.
func tools(s *spec.Scenario) (all []topo.Tool) {
	used := map[topo.Tool]bool{}
	note := func(list []topo.Ruleset) {
		for _, r := range list {
			used[r.Tool] = true
		}
	}
	for i := range s.Topology.Nodes {
		note(s.Topology.Nodes[i].Rulesets)
	}
	for _, step := range spec.Flat(s.Steps) {
		if step.Set != nil {
			note(step.Set.Rulesets)
		}
	}
	for _, tool := range topo.Tools {
		if used[tool] {
			all = append(all, tool)
		}
	}
	return all
}

// commands are the command lines of a scenario's exec steps.
func commands(s *spec.Scenario) (list [][]string) {
	for _, step := range spec.Flat(s.Steps) {
		if step.Exec != nil {
			list = append(list, step.Exec.Args)
		}
	}
	return list
}
