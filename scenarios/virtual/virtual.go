package virtual

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync"

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
	// OnStart, OnStep and OnDone are told of progress, from the scenario's own
	// goroutine. Any may be nil.
	OnStart func(*spec.Scenario)
	OnStep  func(s *spec.Scenario, step int, title string)
	OnDone  func(*verdict.Result)
}

// Slots is how many scenarios run at once.
func (o Options) Slots() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return runtime.NumCPU()
}

// All runs scenarios on a machine, some at once, and returns their results in the
// order given. Each one is on its own: its result does not depend on the others.
func All(ctx context.Context, m *machine.Machine, list []*spec.Scenario, o Options) []*verdict.Result {
	results := make([]*verdict.Result, len(list))
	slots := make(chan struct{}, o.Slots())
	var wg sync.WaitGroup
	for i, s := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			results[i] = Scenario(ctx, m, s, o)
		})
	}
	wg.Wait()
	return results
}

// Scenario runs one scenario in a guest of its own. Everything that goes wrong is
// in the result.
func Scenario(ctx context.Context, m *machine.Machine, s *spec.Scenario, o Options) *verdict.Result {
	if o.OnStart != nil {
		o.OnStart(s)
	}
	r, err := scenario(ctx, m, s, o)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = run.ErrInterrupted
		}
		r = &verdict.Result{Scenario: s, Began: vm.Epoch, Clock: verdict.Virtual, Kernel: m.Kernel().Release, Err: err}
	}
	if o.OnDone != nil {
		o.OnDone(r)
	}
	return r
}

func scenario(ctx context.Context, m *machine.Machine, s *spec.Scenario, o Options) (*verdict.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.Source) == 0 {
		return nil, fmt.Errorf("scenario %s has no text to hand to a guest: read it with spec.DecodeFile", s.Name)
	}
	ord := order{Source: s.Source, Seed: s.Topology.Seed, Mutation: s.Mutation, Capture: o.Capture, Links: o.Links}
	files, err := programs(s)
	if err != nil {
		return nil, err
	}
	payload, err := encode(ord)
	if err != nil {
		return nil, err
	}
	var (
		told   *done
		stderr []byte
	)
	code, err := m.Do(ctx, &vm.Job{Seed: kernelSeed(s.Topology.Seed), Files: files, Payload: payload}, func(rec vm.Record) error {
		switch rec.Kind {
		case vm.Stdout, vm.Stderr:
			stderr = append(stderr, rec.Data...)
		case vm.Event:
			var e event
			if err := decode(rec.Data, &e); err != nil {
				return err
			}
			if e.Done != nil {
				told = e.Done
			} else if o.OnStep != nil {
				o.OnStep(s, e.Step, e.Title)
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case code != 0 || told == nil:
		return nil, fmt.Errorf("the guest failed with code %d: %s", code, stderr)
	}
	return told.result(s)
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
