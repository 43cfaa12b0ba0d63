package main

import (
	"context"
	"errors"
	"runtime"

	"testbed/netem"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/scenarios/virtual"
)

// performance is how scenarios are run, whatever their clocks.
type performance struct {
	jobs    int
	links   string
	capture bool
	told    run.Progress
	// keep is run.Options' Keep.
	keep func(context.Context, *run.Lab, *verdict.Result)
	// section, which may be nil, is told of each kernel before its scenarios run, if
	// there are several kernels.
	section func(release string, list []*spec.Scenario)
}

// jobsUsage explains --jobs.
const jobsUsage = "how many scenarios run at once (0: four for each processor and 16 at most, or one for each processor on the virtual clock)"

// defaultJobs is how many scenarios run at once on the host's clock unless --jobs says
// so. They wait nearly all the time; but where the ends of many steps fall together, each
// is late by what the processors do for the others.
func defaultJobs() int { return min(16, 4*runtime.NumCPU()) }

// perform runs scenarios, each on its clock: those of the host's, and then those of
// the virtual one on each kernel. Their results come in that order. What the virtual
// clock needs is there before the first scenario runs, or none does.
func (f *clockFlags) perform(ctx context.Context, list []*spec.Scenario, p performance) (onHost, onVirtual []*verdict.Result, err error) {
	host, guests := f.byClock(list)
	links := netem.MediumName(p.links)
	machines, done, err := f.machinesFor(ctx, guests)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil {
		return nil, nil, err
	}
	o := run.Options{
		Jobs: p.jobs, Links: links, Capture: p.capture, Keep: p.keep, Progress: p.told,
	}
	if o.Jobs == 0 {
		o.Jobs = defaultJobs()
	}
	onHost = run.All(ctx, host, o)
	for _, m := range machines {
		if len(machines) > 1 && p.section != nil {
			p.section(m.Kernel().Release, guests)
		}
		onVirtual = append(onVirtual, virtual.All(ctx, m, guests, virtual.Options{
			Jobs: p.jobs, Links: links, Capture: p.capture, Progress: p.told,
		})...)
	}
	return onHost, onVirtual, nil
}
