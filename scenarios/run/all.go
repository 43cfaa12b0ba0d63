package run

import (
	"context"
	"sync"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Progress is told of scenarios as they run, from goroutines of their own: of one
// scenario by one at a time. Any of its functions may be nil.
type Progress struct {
	OnStart func(*spec.Scenario)
	// OnStep is told of the steps of a scenario that is run once, OnRun of how many of
	// its runs are done of one that is run more often.
	OnStep func(s *spec.Scenario, step int, title string)
	OnRun  func(s *spec.Scenario, done int)
	OnDone func(*verdict.Result)
}

func (p Progress) ran(s *spec.Scenario, done int) {
	if p.OnRun != nil {
		p.OnRun(s, done)
	}
}

// Part is a part of what a scenario asks for that runs on its own: some repetitions
// of a cell, one after the other.
type Part struct {
	Scenario *spec.Scenario
	// Cell is the index of the cell; First is the first repetition, from 0, of Count.
	Cell, First, Count int
}

// Runs are the scenarios that a part performs, one by one.
func (p Part) Runs() []*spec.Scenario {
	if !p.Scenario.Repeated() {
		return []*spec.Scenario{p.Scenario}
	}
	runs := make([]*spec.Scenario, p.Count)
	for k := range runs {
		runs[k] = p.Scenario.Run(p.Cell, p.First+k)
	}
	return runs
}

// parts are those of a scenario, of at most so many repetitions each.
func parts(s *spec.Scenario, most int) (list []Part) {
	for cell := range s.Each() {
		for first := 0; first < s.Repetitions(); first += most {
			list = append(list, Part{s, cell, first, min(most, s.Repetitions()-first)})
		}
	}
	return list
}

// All runs scenarios, several at once, and returns their results in the order
// given. Each repetition of each cell has a network of its own. Those that are run
// more than once come after all others: they build networks all the time, which takes
// the processor from those that measure. After the context has ended no further
// network is built.
func All(ctx context.Context, list []*spec.Scenario, o Options) []*verdict.Result {
	results := make([]*verdict.Result, len(list))
	for _, repeated := range []bool{false, true} {
		var some []*spec.Scenario
		var at []int
		for i, s := range list {
			if s.Repeated() == repeated {
				some, at = append(some, s), append(at, i)
			}
		}
		for k, r := range sideBySide(ctx, some, o) {
			results[at[k]] = r
		}
	}
	return results
}

// sideBySide runs scenarios at once, as many as the options say.
func sideBySide(ctx context.Context, list []*spec.Scenario, o Options) []*verdict.Result {
	n := 0
	for _, s := range list {
		n += s.Runs()
	}
	if n == 0 {
		return nil
	}
	if o.Jobs <= 0 {
		o.Jobs = n
	}
	o.turn = newTurn(min(o.Jobs, n))
	return InParts(ctx, list, 1, o.Jobs, o.Progress, func(ctx context.Context, p Part, told Progress) []*verdict.Result {
		own := o
		own.OnStep = told.OnStep
		r := once(ctx, p.Runs()[0], own)
		told.ran(p.Scenario, 1)
		return []*verdict.Result{r}
	})
}

// InParts runs scenarios in parts of at most so many repetitions, so many of them at
// once, and gathers the results. do returns one for each run of its part, whatever
// went wrong. Of progress it tells OnStep, or OnRun for each run that has ended.
func InParts(ctx context.Context, list []*spec.Scenario, most, jobs int, told Progress, do func(context.Context, Part, Progress) []*verdict.Result) []*verdict.Result {
	results := make([]*verdict.Result, len(list))
	slots := make(chan struct{}, jobs)
	var wg sync.WaitGroup
	for i, s := range list {
		g := &gathering{scenario: s, told: told, left: s.Runs(), done: func(r *verdict.Result) { results[i] = r }}
		for _, p := range parts(s, most) {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				g.run(ctx, p, do) // it only says so
				continue
			}
			wg.Go(func() {
				defer func() { <-slots }()
				g.run(ctx, p, do)
			})
		}
	}
	wg.Wait()
	return results
}

// gathering is a scenario that runs in parts.
type gathering struct {
	scenario *spec.Scenario
	told     Progress
	done     func(*verdict.Result)
	start    sync.Once

	mu    sync.Mutex
	cells *verdict.Cells
	// left counts the runs without a result, ran those that have ended.
	left, ran int
	// red is true once a run was not as expected.
	red bool
}

// run runs a part and adds its results. With the last one the scenario is done.
func (g *gathering) run(ctx context.Context, p Part, do func(context.Context, Part, Progress) []*verdict.Result) {
	g.start.Do(func() {
		if g.told.OnStart != nil {
			g.told.OnStart(g.scenario)
		}
	})
	if !g.scenario.Repeated() {
		g.end(do(ctx, p, Progress{OnStep: g.told.OnStep})[0])
		return
	}
	var all []*verdict.Result
	if !g.decided() {
		all = do(ctx, p, Progress{OnRun: func(*spec.Scenario, int) { g.count() }})
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cells == nil {
		g.cells = verdict.NewCells(g.scenario)
	}
	for k, r := range all {
		g.cells.Add(p.Cell, p.First+k, r)
		g.red = g.red || r.Err == nil && !r.OK()
	}
	if g.left -= p.Count; g.left == 0 {
		g.end(g.cells.Result())
	}
}

// decided tells whether further runs change nothing: of a mutated scenario all that
// matters is that some run is not as expected.
func (g *gathering) decided() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.scenario.Mutation > 0 && g.red
}

// count counts a run that has ended.
func (g *gathering) count() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ran++
	g.told.ran(g.scenario, g.ran)
}

func (g *gathering) end(r *verdict.Result) {
	g.done(r)
	if g.told.OnDone != nil {
		g.told.OnDone(r)
	}
}
